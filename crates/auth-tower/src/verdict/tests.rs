use std::time::Duration;

use super::*;

const DEFAULT: Rules = Rules {
    refused_when: None,
    require_challenge: false,
    grpc: false,
};
const STRICT: Rules = Rules {
    require_challenge: true,
    ..DEFAULT
};
const GRPC: Rules = Rules {
    grpc: true,
    ..DEFAULT
};

fn response(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

/// A response with one challenge.
fn challenged(status: u16, challenge: &str) -> Response<()> {
    response(status, &[("www-authenticate", challenge)])
}

#[track_caller]
fn assert_all(rules: Rules, verdict: Verdict, responses: &[Response<()>]) {
    for response in responses {
        assert_eq!(rules.read(response), verdict, "{response:?}");
    }
}

#[test]
fn s20_s27_a_401_refuses_the_token_unless_it_states_another_reason() {
    assert_all(
        DEFAULT,
        Verdict::Refused,
        &[
            challenged(401, r#"Bearer error="invalid_token""#),
            challenged(401, r#"bearer realm="a", ERROR = invalid_token"#),
            challenged(401, r#"DPoP error="invalid_token", algs="ES256""#),
            response(401, &[]),
            challenged(401, "Bearer"),
            challenged(401, r#"Basic realm="a""#),
            challenged(401, r#"Bearer error="a_vendor_specific_word""#),
            challenged(401, "= \"\"\", ,;"),
            // Not in a `Bearer` challenge, so ignored.
            challenged(401, r#"Basic realm="Bearer error=\"insufficient_scope\"""#),
            challenged(401, r#"Basic error="insufficient_scope""#),
        ],
    );
}

#[test]
fn s26_all_challenges_of_all_lines_are_read() {
    let lines = [
        ("www-authenticate", r#"Basic realm="a, b", Negotiate abc=="#),
        (
            "www-authenticate",
            r#"Bearer realm="a", error="insufficient_scope""#,
        ),
    ];
    assert_all(DEFAULT, Verdict::Unclear, &[response(401, &lines)]);
    let same_line = r#"Negotiate abc==, DPoP algs="ES256", error="use_dpop_nonce""#;
    assert_all(DEFAULT, Verdict::Unclear, &[challenged(401, same_line)]);
}

#[test]
fn s27_a_401_without_a_challenge_is_unclear_if_one_is_required() {
    assert_all(
        STRICT,
        Verdict::Refused,
        &[
            challenged(401, r#"Bearer error="invalid_token""#),
            challenged(401, r#"DPoP error="invalid_token""#),
        ],
    );
    assert_all(
        STRICT,
        Verdict::Unclear,
        &[
            response(401, &[]),
            challenged(401, "Bearer"),
            challenged(401, r#"Basic realm="a""#),
            challenged(401, r#"Basic error="invalid_token""#),
            challenged(401, r#"Bearer error="INVALID_TOKEN""#),
            challenged(401, r#"Bearer error="insufficient_scope""#),
        ],
    );
}

#[test]
fn s21_errors_that_no_new_token_can_fix_are_not_refusals() {
    assert_all(
        DEFAULT,
        Verdict::Unclear,
        &[
            challenged(401, r#"Bearer error="insufficient_scope", scope="a b""#),
            challenged(401, r#"Bearer error="invalid_request""#),
            challenged(401, r#"DPoP error="invalid_dpop_proof""#),
            challenged(401, r#"DPoP error="use_dpop_nonce""#),
        ],
    );
    assert_all(
        DEFAULT,
        Verdict::Accepted,
        &[
            challenged(403, r#"Bearer error="insufficient_scope""#),
            challenged(400, r#"Bearer error="invalid_request""#),
        ],
    );
}

#[test]
fn s47_a_401_that_requires_a_stronger_login_is_a_step_up() {
    let challenge =
        r#"Bearer error="insufficient_user_authentication", acr_values="a b", max_age=5"#;
    for rules in [DEFAULT, STRICT, GRPC] {
        let Verdict::StepUp(wanted) = rules.read(&challenged(401, challenge)) else {
            panic!("no step-up");
        };
        assert_eq!(wanted.acr_values().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(wanted.max_age(), Some(Duration::from_secs(5)));
    }
}

#[test]
fn s22_s24_no_other_status_refuses_the_token() {
    for rules in [DEFAULT, STRICT, GRPC] {
        for status in (100..1000).filter(|status| *status != 401) {
            let verdict = rules.read(&challenged(status, r#"Bearer error="invalid_token""#));
            let silent = matches!(status, 407 | 408 | 429 | 500..600);
            let expected = if silent {
                Verdict::Unclear
            } else {
                Verdict::Accepted
            };
            assert_eq!(verdict, expected, "{status}");
        }
    }
}

#[test]
fn s25_a_proxy_says_nothing_about_the_token() {
    let headers = [
        ("proxy-authenticate", r#"Bearer error="invalid_token""#),
        ("www-authenticate", r#"Bearer error="invalid_token""#),
    ];
    assert_all(DEFAULT, Verdict::Unclear, &[response(407, &headers)]);
    // A proxy's challenge does not count on a 401 either.
    assert_all(STRICT, Verdict::Unclear, &[response(401, &headers[..1])]);
}

#[test]
fn grpc_status_16_in_the_head_counts_on_request() {
    let status = |status, code| response(status, &[("grpc-status", code)]);
    assert_all(
        GRPC,
        Verdict::Refused,
        &[status(200, "16"), response(401, &[])],
    );
    assert_all(
        GRPC,
        Verdict::Accepted,
        &[status(200, "0"), response(200, &[])],
    );
    let others = [
        status(200, "7"),
        status(200, "14"),
        status(200, "1"),
        status(200, ""),
    ];
    assert_all(GRPC, Verdict::Unclear, &others);
    // The status of a failed gateway is not that of the API.
    assert_all(
        GRPC,
        Verdict::Unclear,
        &[status(503, "16"), status(429, "16")],
    );
    assert_all(
        GRPC,
        Verdict::Accepted,
        &[status(404, "16"), status(206, "16")],
    );
    assert_all(
        DEFAULT,
        Verdict::Accepted,
        &[status(200, "16"), status(200, "7")],
    );
}

#[test]
fn a_custom_rule_receives_the_whole_head() {
    let rules = Rules {
        refused_when: Some(|head| {
            head.status == StatusCode::NOT_FOUND
                && head.headers.contains_key("x-expired")
                && head.extensions.get::<u8>().is_some()
        }),
        ..DEFAULT
    };
    let mut marked = response(404, &[("x-expired", "1")]);
    assert_eq!(rules.read(&marked), Verdict::Accepted);
    marked.extensions_mut().insert(1_u8);
    assert_eq!(rules.read(&marked), Verdict::Refused);
    *marked.status_mut() = StatusCode::FORBIDDEN;
    assert_eq!(rules.read(&marked), Verdict::Accepted);
}

#[test]
fn a_custom_rule_is_added_to_the_default_rules() {
    let never = Rules {
        refused_when: Some(|_| false),
        ..DEFAULT
    };
    assert_all(never, Verdict::Refused, &[response(401, &[])]);
    assert_all(never, Verdict::Unclear, &[response(503, &[])]);
    let forbidden = Rules {
        refused_when: Some(|head| head.status == StatusCode::FORBIDDEN),
        ..STRICT
    };
    assert_all(forbidden, Verdict::Refused, &[response(403, &[])]);
    assert_all(forbidden, Verdict::Unclear, &[response(401, &[])]);
}

#[test]
fn a_mark_of_a_layer_below_refuses_the_token_with_any_head() {
    for rules in [DEFAULT, STRICT, GRPC] {
        for status in [200, 401, 403, 404, 503] {
            let mut marked = challenged(status, r#"Bearer error="insufficient_scope""#);
            marked.extensions_mut().insert(TokenRefused);
            assert_eq!(rules.read(&marked), Verdict::Refused, "{status}");
        }
    }
}

#[test]
fn other_extensions_are_ignored() {
    let mut marked = response(200, &[]);
    marked.extensions_mut().insert("TokenRefused");
    assert_eq!(DEFAULT.read(&marked), Verdict::Accepted);
}
