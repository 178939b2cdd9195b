//! Errors in the ways of a vendor.

use super::*;

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
