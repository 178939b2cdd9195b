use std::time::Duration;

use auth_core::{AccessToken, Moment, Secret};
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
fn s12_terminal_codes_are_terminal_whatever_the_status() {
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
fn s12_transient_codes_are_transient_whatever_the_status() {
    for code in ["server_error", "slow_down", "temporarily_unavailable"] {
        for status in [200, 400, 401, 403, 500, 503] {
            let error = read(reply(status, said(code)));
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{status} {code}");
            assert_eq!(error.code(), Some(code));
            assert_eq!(
                read(retry_later(reply(status, said(code)))).retry_after(),
                PAUSE
            );
        }
    }
}

#[test]
fn s12_without_a_standard_code_the_status_decides() {
    let bodies = [
        "",
        "<html>planted-text</html>",
        "planted-text",
        "{\"message\":\"planted-text\"}",
        "{\"error\":{\"code\":7,\"message\":\"planted-text\"}}",
        "[\"invalid_client\"]",
        "{\"error\":\"made_up\"}",
    ];
    for (status, kind) in [
        (400, ErrorKind::Rejected),
        (401, ErrorKind::Rejected),
        (403, ErrorKind::Rejected),
        (404, ErrorKind::Rejected),
        (408, ErrorKind::Unavailable),
        (425, ErrorKind::Unavailable),
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (101, ErrorKind::Protocol),
        (700, ErrorKind::Protocol),
    ] {
        for body in bodies {
            let error = read(reply(status, body));
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert_eq!(error.code(), body.contains("made_up").then_some("made_up"));
            assert!(
                !format!("{error} {error:?}").contains("planted"),
                "{error:?}"
            );
        }
    }
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
fn t02_a_redirect_is_terminal() {
    for status in [300, 301, 302, 303, 307, 308] {
        for body in [String::new(), said("temporarily_unavailable")] {
            let error = read(retry_later(reply(status, body)));
            assert_eq!(error.kind(), ErrorKind::Rejected, "{status}");
            assert!(
                error
                    .to_string()
                    .contains("redirect, which is never followed"),
                "{error}"
            );
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
        let error = read_with(&rules, reply(status, said("slow_down")));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(
        read_with(&rules, reply(403, "")).kind(),
        ErrorKind::Rejected
    );
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
fn s13_of_a_huge_reply_the_beginning_counts() {
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
    assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, None));
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
