//! Replies without an error code that the rules know: pages, other JSON, nothing.

use super::*;

const UNDERSTOOD: TokenRequestOutcome = TokenRequestOutcome::Rejected;

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
