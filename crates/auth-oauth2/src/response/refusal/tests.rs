use std::time::Duration;

use auth_core::{AccessToken, Moment, RejectedPart, Secret, TokenRequestOutcome};
use bytes::Bytes;
use http::Response;

use super::*;
use crate::{Scrubber, parse_reply};

mod pages;
mod vendors;

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

const NOT_UNDERSTOOD: TokenRequestOutcome = TokenRequestOutcome::NotUnderstood;

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
