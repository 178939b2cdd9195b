use std::time::Duration;

use auth_core::{AccessToken, Moment, RejectedPart, Secret, TokenRequestOutcome};
use bytes::Bytes;
use http::Response;

use super::*;
use crate::{Scrubber, parse_reply};

fn reply(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

fn retry_later(mut reply: Response<Bytes>) -> Response<Bytes> {
    reply
        .headers_mut()
        .insert("retry-after", "30".parse().unwrap());
    reply
}

fn read_with(rules: &ReplyRules, reply: Response<Bytes>) -> Error {
    let scrubber = Scrubber::new().secret(Secret::new("fake-client+secret"));
    let result: Result<AccessToken, _> =
        parse_reply("example", reply, rules, &scrubber, Moment::PAST);
    result.unwrap_err()
}

fn read(reply: Response<Bytes>) -> Error {
    read_with(&ReplyRules::new(), reply)
}

fn said(code: &str) -> String {
    format!(r#"{{"error":"{code}","error_description":"in words"}}"#)
}

const PAUSE: Option<Duration> = Some(Duration::from_secs(30));

#[test]
fn s12_final_codes_are_final_with_every_status() {
    for code in [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    ] {
        for status in [200, 400, 401, 403, 429, 500, 503] {
            let error = read(retry_later(reply(status, said(code))));
            assert_eq!(error.kind(), ErrorKind::Rejected, "{status} {code}");
            assert_eq!(error.code(), Some(code));
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
            assert_eq!(error.retry_after(), None, "waiting does not help");
            let text = format!("example: token endpoint answered {status} with `{code}`: in words");
            assert_eq!(error.to_string(), text);
        }
    }
}

#[test]
fn s12_transient_codes_are_transient_with_every_status() {
    for (code, kind, outcome) in [
        (
            "server_error",
            ErrorKind::Unavailable,
            TokenRequestOutcome::NotUnderstood,
        ),
        (
            "temporarily_unavailable",
            ErrorKind::Unavailable,
            TokenRequestOutcome::NotUnderstood,
        ),
        (
            "slow_down",
            ErrorKind::Throttled,
            TokenRequestOutcome::Throttled,
        ),
    ] {
        for status in [200, 400, 401, 403, 500, 503] {
            let error = read(reply(status, said(code)));
            assert_eq!(error.kind(), kind, "{status} {code}");
            assert_eq!(error.outcome(), outcome, "{status} {code}");
            assert_eq!(error.rejected_part(), None);
            assert_eq!(error.code(), Some(code));
            assert_eq!(
                read(retry_later(reply(status, said(code)))).retry_after(),
                PAUSE
            );
        }
    }
}

#[test]
fn an_outage_that_asks_for_less_counts_as_throttled() {
    for code in ["server_error", "temporarily_unavailable"] {
        for (reply, outcome) in [
            (reply(429, said(code)), TokenRequestOutcome::Throttled),
            (
                retry_later(reply(503, said(code))),
                TokenRequestOutcome::Throttled,
            ),
            (reply(503, said(code)), NOT_UNDERSTOOD),
            (retry_later(reply(500, said(code))), NOT_UNDERSTOOD),
        ] {
            let status = reply.status();
            let error = read(reply);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{status} {code}");
            assert_eq!(error.outcome(), outcome, "{status} {code}");
        }
    }
}

#[test]
fn s12_each_final_code_rejects_its_part_of_the_request() {
    for (code, part) in [
        ("invalid_client", RejectedPart::Credentials),
        ("invalid_grant", RejectedPart::Credentials),
        ("access_denied", RejectedPart::Request),
        ("invalid_request", RejectedPart::Request),
        ("invalid_scope", RejectedPart::Request),
        ("invalid_target", RejectedPart::Request),
        ("unauthorized_client", RejectedPart::Request),
        ("unsupported_grant_type", RejectedPart::Request),
    ] {
        for status in [200, 400, 403, 500] {
            let error = read(reply(status, said(code)));
            assert_eq!(error.outcome(), TokenRequestOutcome::Rejected);
            assert_eq!(error.rejected_part(), Some(part), "{status} {code}");
        }
    }
    // Keycloak and Auth0 answer a wrong client secret with these codes.
    for code in ["access_denied", "unauthorized_client"] {
        let error = read(reply(401, said(code)));
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    }
    let rules = ReplyRules::new().spends_refresh_token();
    let error = read_with(&rules, reply(400, said("invalid_grant")));
    assert_eq!(error.rejected_part(), Some(RejectedPart::RefreshToken));
}

const UNDERSTOOD: TokenRequestOutcome = TokenRequestOutcome::Rejected;
const NOT_UNDERSTOOD: TokenRequestOutcome = TokenRequestOutcome::NotUnderstood;

/// Returns kind and outcome of a reply. Checks that the error shows nothing of the body.
fn judged(reply: Response<Bytes>) -> (ErrorKind, TokenRequestOutcome) {
    let error = read(reply);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("planted"), "{shown}");
    (error.kind(), error.outcome())
}

#[test]
fn a_page_rejects_nothing() {
    let pages = [
        "<html>planted-text</html>",
        "\u{feff}<!DOCTYPE html>planted-text",
        "planted-text",
        "[\"invalid_client\"]",
        "\"invalid_client\"",
        "error=invalid_client",
    ];
    for status in [
        400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 421, 425, 451, 500, 501, 502, 503, 504,
    ] {
        for page in pages {
            let found = judged(reply(status, page));
            let expected = (ErrorKind::Unavailable, NOT_UNDERSTOOD);
            assert_eq!(found, expected, "{status} {page}");
        }
    }
    for status in [101, 700] {
        for page in pages {
            let found = judged(reply(status, page));
            assert_eq!(
                found,
                (ErrorKind::Protocol, NOT_UNDERSTOOD),
                "{status} {page}"
            );
        }
    }
}

#[test]
fn a_page_that_contains_an_error_code_rejects_nothing() {
    let page = r#"<html>{"error":"invalid_client"}</html>"#;
    let error = read(reply(403, page));
    assert_eq!((error.code(), error.outcome()), (None, NOT_UNDERSTOOD));
}

#[test]
fn a_401_with_a_page_rejects_the_credentials() {
    for body in [
        "",
        "<html>planted-text</html>",
        "planted-text",
        "{}",
        "{\"message\":\"planted-text\"}",
        "{\"error\":{\"code\":7,\"message\":\"planted-text\"}}",
        "{\"error\":\"made_up\"}",
    ] {
        let error = read(reply(401, body));
        assert_eq!(error.kind(), ErrorKind::Rejected, "{body}");
        assert_eq!(error.outcome(), UNDERSTOOD);
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
        assert!(!error.to_string().contains("planted"), "{error}");
    }
    let page = read(reply(401, "<html></html>")).to_string();
    for part in [
        "401 with an HTML page",
        "client secret",
        "proxy",
        "token_url",
    ] {
        assert!(page.contains(part), "{page}");
    }
}

#[test]
fn an_unknown_code_in_json_rejects_the_request() {
    for status in [200, 400, 403, 404, 405, 409, 422, 451] {
        let error = read(reply(status, "{\"error\":\"made_up\"}"));
        assert_eq!(error.kind(), ErrorKind::Rejected, "{status}");
        assert_eq!(error.rejected_part(), Some(RejectedPart::Request));
        assert_eq!(error.code(), Some("made_up"));
    }
    for status in [408, 425, 500, 502, 503, 504] {
        let found = judged(reply(status, "{\"error\":\"made_up\"}"));
        assert_eq!(found, (ErrorKind::Unavailable, NOT_UNDERSTOOD), "{status}");
    }
}

#[test]
fn an_unknown_code_with_a_status_that_says_nothing_rejects_nothing() {
    for status in [101, 700] {
        let found = judged(reply(status, "{\"error\":\"made_up\"}"));
        assert_eq!(found, (ErrorKind::Protocol, NOT_UNDERSTOOD), "{status}");
    }
}

/// The core tells a rejection without a code from a page by the kind.
#[test]
fn an_empty_reply_and_a_page_have_different_kinds() {
    let wordless = [
        "",
        " \r\n",
        "{}",
        "{\"message\":\"planted-text\"}",
        "{\"error\":{\"code\":7,\"message\":\"planted-text\"}}",
    ];
    for body in wordless {
        for status in [400, 403, 422] {
            let error = read(reply(status, body));
            assert_eq!(error.kind(), ErrorKind::Protocol, "{status} {body}");
            assert_eq!(error.outcome(), NOT_UNDERSTOOD);
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
            assert_eq!((error.code(), error.rejected_part()), (None, None));
            assert!(!error.to_string().contains("planted"), "{error}");
        }
        // Routers answer with these statuses, authorization servers do not.
        for status in [404, 405, 408, 425, 429, 451, 500, 502] {
            assert_ne!(read(reply(status, body)).kind(), ErrorKind::Protocol);
        }
    }
}

#[test]
fn an_error_without_a_code_names_the_likely_cause() {
    let refresh = ReplyRules::new().spends_refresh_token();
    let login = ReplyRules::new();
    for (rules, status, says) in [
        (
            &login,
            401,
            "with an empty body; the client secret may be wrong",
        ),
        (
            &login,
            403,
            "with an empty body; the client secret may be wrong",
        ),
        (&refresh, 403, "the client secret may be wrong"),
        (&refresh, 403, "log in again"),
        (
            &refresh,
            400,
            "the refresh token may have expired or been revoked: log in again",
        ),
        (&login, 400, "or one of the credentials"),
    ] {
        let text = read_with(rules, reply(status, "")).to_string();
        assert!(text.contains(says), "{text}");
        let about_login = text.contains("log in");
        assert!(!about_login || std::ptr::eq(rules, &refresh), "{text}");
    }
}

/// A hint belongs to one cause: another cause must not show it.
#[test]
fn an_error_shows_no_hint_of_another_cause() {
    let login = ReplyRules::new();
    let throttled = ReplyRules::new().throttle_statuses([StatusCode::UNAUTHORIZED]);
    for (rules, status, text) in [
        (
            &login,
            401,
            "401 with an empty body; the client secret may be wrong, or another of the credentials",
        ),
        (&throttled, 401, "401 with an empty body"),
        (&login, 429, "429 with an empty body"),
    ] {
        let shown = read_with(rules, reply(status, "")).to_string();
        assert_eq!(shown, format!("example: token endpoint answered {text}"));
    }
}

#[test]
fn the_error_names_the_body_kind_and_what_to_check() {
    let with = |status, media_type: &str, body: &'static str| {
        let mut reply = reply(status, body);
        let media_type = media_type.parse().unwrap();
        reply.headers_mut().insert("content-type", media_type);
        read(reply).to_string()
    };
    let page = with(403, "Text/HTML; charset=utf-8", "<html>");
    assert_eq!(
        page,
        "example: token endpoint answered 403 with an HTML page (media type text/html); the \
         credentials are not rejected; check `token_url`, and whether a proxy, a firewall or a \
         captive portal answers in between"
    );
    let text = with(404, "text/plain", "planted-text");
    assert!(
        text.contains("404 with a body that is not a JSON object (media type text/plain)"),
        "{text}"
    );
    // A header's text is not shown, because the sender chose it.
    let other = with(404, "planted/text", "planted-text");
    assert!(
        !other.contains("planted") && other.contains("404"),
        "{other}"
    );
}

#[test]
fn an_error_about_a_compressed_reply_names_the_compression() {
    let compressed = |status, coding: Option<&str>, body: &'static [u8]| {
        let mut reply = reply(status, body);
        let headers = reply.headers_mut();
        headers.insert("content-type", "application/json".parse().unwrap());
        if let Some(coding) = coding {
            headers.insert("content-encoding", coding.parse().unwrap());
        }
        read(reply)
    };
    for (coding, body, name) in [
        (Some("gzip"), b"\x1f\x8b\x08planted".as_slice(), "gzip"),
        (Some("identity, GZIP"), b"\x1f\x8b\x08planted", "gzip"),
        (None, b"\x1f\x8b\x08planted", "gzip"),
        (Some("deflate"), b"\x78\x9cplanted", "deflate"),
        (Some("br"), b"\x0bplanted", "br"),
        (Some("zstd"), b"\x28\xb5planted", "zstd"),
        (Some("compress"), b"\x1f\x9dplanted", "compress"),
        (Some("x-compress"), b"\x1f\x9dplanted", "compress"),
        (Some("x-gzip"), b"planted", "gzip"),
        (Some("planted"), b"\x0bplanted", "an unknown content coding"),
    ] {
        for (status, outcome) in [(200, TokenRequestOutcome::Unknown), (400, NOT_UNDERSTOOD)] {
            let error = compressed(status, coding, body);
            let text = error.to_string();
            assert!(text.contains(&format!("compressed with {name}")), "{text}");
            assert!(text.contains("Accept-Encoding: identity"), "{text}");
            assert!(!text.contains("planted"), "{text}");
            assert_eq!(error.outcome(), outcome, "{text}");
        }
    }
    // These values name no compression.
    for coding in ["identity", "identity,", ""] {
        let text = compressed(400, Some(coding), b"planted").to_string();
        assert!(text.contains("a body that is not a JSON object"), "{text}");
    }
    // The body was decompressed on the way, the header was kept.
    let error = compressed(400, Some("gzip"), b"{\"error\":\"slow_down\"}");
    assert_eq!(error.code(), Some("slow_down"));
}

#[test]
fn s29_retry_after_is_honoured() {
    for (status, kind) in [
        (429, ErrorKind::Throttled),
        (503, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
    ] {
        let error = read(retry_later(reply(status, "")));
        assert_eq!(
            (error.kind(), error.retry_after()),
            (kind, PAUSE),
            "{status}"
        );
    }
    assert_eq!(read(reply(429, "")).retry_after(), None);
}

#[test]
fn t02_a_redirect_rejects_nothing_and_is_not_followed() {
    let rules = ReplyRules::new().quota_statuses([StatusCode::FOUND]);
    for status in [300, 301, 302, 303, 304, 307, 308] {
        for body in [
            String::new(),
            "<html>planted-text".to_owned(),
            said("invalid_client"),
            said("temporarily_unavailable"),
        ] {
            let mut reply = retry_later(reply(status, body));
            let location = "https://planted.example/".parse().unwrap();
            reply.headers_mut().insert("location", location);
            let error = read_with(&rules, reply);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{status}");
            assert_eq!(error.outcome(), NOT_UNDERSTOOD, "{status}");
            let text = error.to_string();
            for part in ["redirects are not followed", "token_url", "proxy"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("planted"), "{text}");
        }
    }
}

#[test]
fn s12_a_success_with_an_error_is_an_error() {
    let body = r#"{"access_token":"fake-token","token_type":"Bearer","error":"made_up"}"#;
    assert_eq!(read(reply(200, body)).kind(), ErrorKind::Rejected);
    assert_eq!(read(reply(200, said("made_up"))).code(), Some("made_up"));
    let scrubber = Scrubber::new();
    for none in ["null", "\"\"", "false"] {
        let reply = reply(200, body.replace("\"made_up\"", none));
        let rules = ReplyRules::new();
        assert!(
            parse_reply("example", reply, &rules, &scrubber, Moment::PAST).is_ok(),
            "{none}"
        );
    }
}

#[test]
fn quota_statuses_count_without_a_standard_code() {
    let rules =
        ReplyRules::new().quota_statuses([StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS]);
    for status in [400, 429] {
        for body in [
            "",
            "over quota",
            "{\"error\":\"quota_exceeded\"}",
            "{\"message\":\"x\"}",
        ] {
            let error = read_with(&rules, retry_later(reply(status, body)));
            assert_eq!(
                (error.kind(), error.retry_after()),
                (ErrorKind::Quota, PAUSE),
                "{body}"
            );
            assert_eq!(read_with(&rules, reply(status, body)).retry_after(), None);
        }
        let error = read_with(&rules, reply(status, said("invalid_client")));
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let error = read_with(&rules, reply(status, said("server_error")));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    // The body decides what a page is, not a wrong media type.
    let mut mislabelled = reply(400, "{\"message\":\"over quota\"}");
    let html = "text/html".parse().unwrap();
    mislabelled.headers_mut().insert("content-type", html);
    assert_eq!(read_with(&rules, mislabelled).kind(), ErrorKind::Quota);
    let page = |status| read_with(&rules, reply(status, "<html>"));
    assert_eq!(page(400).outcome(), NOT_UNDERSTOOD, "a proxy's page");
    assert_eq!(page(429).kind(), ErrorKind::Quota);
    assert_ne!(read_with(&rules, reply(403, "")).kind(), ErrorKind::Quota);
}

#[test]
fn throttling_by_the_vendors_statuses_and_codes() {
    let rules = ReplyRules::new()
        .throttle_statuses([StatusCode::FORBIDDEN])
        .throttle_codes(["rate_limited", "invalid_request"]);
    for error in [
        read_with(&rules, reply(403, "")),
        read_with(&rules, reply(403, "Too fast")),
        read_with(&rules, reply(403, said("made_up"))),
        read_with(&rules, reply(400, said("rate_limited"))),
        read_with(&rules, reply(200, said("rate_limited"))),
        read_with(&rules, reply(400, said("invalid_request"))),
    ] {
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        assert_eq!(error.outcome(), TokenRequestOutcome::Throttled);
        assert_eq!(error.retry_after(), None);
    }
    for error in [
        read_with(&rules, reply(403, "<html>")),
        read_with(&rules, reply(400, said("made_up"))),
        read_with(&rules, reply(403, said("invalid_client"))),
    ] {
        assert_ne!(error.kind(), ErrorKind::Throttled, "{error}");
    }
    let rules = rules.throttle_wait(Duration::from_secs(1_800));
    let waits = |reply| read_with(&rules, reply).retry_after();
    let half_an_hour = Some(Duration::from_secs(1_800));
    assert_eq!(waits(reply(403, "")), half_an_hour);
    assert_eq!(waits(reply(429, "")), half_an_hour);
    assert_eq!(
        waits(retry_later(reply(429, ""))),
        PAUSE,
        "the vendor's wins"
    );
    assert_eq!(waits(reply(500, "")), None);
    assert_eq!(waits(reply(401, "")), None);
}

#[test]
fn configured_credential_codes_reject_the_credentials() {
    let rules = ReplyRules::new().credential_codes(["Authentication error"]);
    for status in [200, 400, 401, 403, 500] {
        let error = read_with(&rules, reply(status, said("Authentication error")));
        assert_eq!(error.kind(), ErrorKind::Rejected, "{status}");
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    }
}

#[test]
fn the_error_shows_the_vendors_own_code_and_description() {
    let rules = ReplyRules::new()
        .code_member("errorCode")
        .description_member("message");
    for (body, text) in [
        (
            r#"{"errorCode":"BAD","message":"no such key"}"#,
            "400 with `BAD`: no such key",
        ),
        (r#"{"errorCode":4711}"#, "400 with `4711`"),
        (r#"{"errorCode":-7}"#, "400 with `-7`"),
        (r#"{"message":"no such key"}"#, "400: no such key; "),
        (
            r#"{"error":"invalid_scope","errorCode":7,"message":"m","error_description":"d"}"#,
            "400 with `invalid_scope`: d",
        ),
        (
            r#"{"message":"fake-client+secret is wrong"}"#,
            "400: *** is wrong",
        ),
    ] {
        let shown = read_with(&rules, reply(400, body)).to_string();
        assert!(shown.contains(text), "{shown}");
    }
    for no_code in ["true", "null", "{}", "[4711]", "\"\""] {
        let body = format!(r#"{{"errorCode":{no_code}}}"#);
        assert_eq!(
            read_with(&rules, reply(400, body)).code(),
            None,
            "{no_code}"
        );
    }
    // Not shown unless a rule reads the member.
    let shown = read(reply(400, r#"{"message":"planted-text"}"#)).to_string();
    assert!(!shown.contains("planted"), "{shown}");
}

#[test]
fn errors_may_be_wrapped_and_in_camel_case() {
    let rules = ReplyRules::new()
        .wrapped_in("error")
        .wrapped_in("data")
        .camel_case()
        .code_member("status");
    for body in [
        r#"{"error":{"status":"invalid_client","errorDescription":"in words"}}"#,
        r#"{"data":{"error":"invalid_client","error_description":"in words"}}"#,
        r#"{"error":"invalid_client","errorDescription":"in words"}"#,
    ] {
        for status in [200, 400] {
            let error = read_with(&rules, reply(status, body));
            assert_eq!(error.code(), Some("invalid_client"), "{body}");
            assert!(error.to_string().ends_with(": in words"), "{error}");
        }
    }
    let body = r#"{"error":"invalid_client","errorDescription":"planted-text"}"#;
    let shown = read(reply(400, body)).to_string();
    assert!(!shown.contains("planted"), "not without the rule: {shown}");
    // Only one level of wrapping is read.
    let twice = r#"{"data":{"data":{"error":"invalid_client"}}}"#;
    assert_eq!(read_with(&rules, reply(400, twice)).code(), None);
}

#[test]
fn a_vendors_own_code_beside_a_token_is_ignored() {
    let rules = ReplyRules::new().code_member("code");
    let reading = |body: &'static str| {
        let scrubber = Scrubber::new();
        parse_reply("example", reply(200, body), &rules, &scrubber, Moment::PAST)
    };
    let token = r#"{"code":0,"access_token":"fake-token","token_type":"Bearer"}"#;
    assert!(reading(token).is_ok());
    let error = reading(r#"{"code":40013,"access_token":null}"#).unwrap_err();
    assert_eq!(error.code(), Some("40013"));
    assert_eq!(error.rejected_part(), Some(RejectedPart::Request));
}

#[test]
fn s13_texts_are_cleaned_and_cut() {
    let long = "x".repeat(7_000);
    let body = format!(
        r#"{{"error_description":"\u001b[31m\"a\\b\"\r\n\u202e{long}","error":"no\u0000pe{}"}}"#,
        "y".repeat(500),
    );
    let error = read(reply(400, body));
    assert_eq!(error.code().unwrap().len(), 64);
    assert!(error.code().unwrap().starts_with("no?pey"));
    let description = error.to_string().split_once("`: ").unwrap().1.to_owned();
    assert!(description.starts_with("?[31m?a?b????xxx"), "{description}");
    assert_eq!(description.len(), 256);
}

#[test]
fn s13_only_the_beginning_of_a_huge_reply_is_read() {
    let huge = "\u{e9}".repeat(500_000);
    let error = read(reply(
        400,
        format!(r#"{{"error":"slow_down","error_description":"{huge}"}}"#),
    ));
    assert_eq!(error.code(), Some("slow_down"));
    assert!(error.to_string().len() < 100, "{error}");
    let error = read(reply(
        400,
        format!(r#"{{"error_description":"{huge}","error":"slow_down"}}"#),
    ));
    assert_eq!((error.outcome(), error.code()), (NOT_UNDERSTOOD, None));
}

#[test]
fn a_byte_order_mark_does_not_hide_a_code() {
    assert_eq!(
        read(reply(400, format!("\u{feff}{}", said("slow_down")))).code(),
        Some("slow_down")
    );
}

#[test]
fn g18_an_echoed_secret_is_scrubbed() {
    for echo in [
        "fake-client+secret",
        "fake%2Dclient%2bsecret",
        "ZmFrZS1jbGllbnQrc2VjcmV0",
        "-client+sec",
    ] {
        let body =
            format!(r#"{{"error":"see {echo}","error_description":"client_secret={echo} is"}}"#);
        for status in [200, 401] {
            let error = read(reply(status, body.clone()));
            let shown = format!("{error} {error:?} {}", error.code().unwrap());
            assert!(!shown.contains(echo), "{shown}");
            assert!(shown.contains("`see ***`: client_secret=*** is"), "{shown}");
        }
    }
}
