//! `auth_oauth2::parse_reply`. Input: a status line (`429`), header lines, an empty line, a body.

use std::time::Duration;

use auth_core::{AccessToken, Error, ErrorKind, Moment, TokenRequestOutcome};
use auth_oauth2::{ReplyRules, Scrubber, parse_reply, retry_after};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::de::IgnoredAny;
use serde_json::Value;

/// What the request carried: no error may tell it.
pub(crate) const SECRET: &str = "fake-secret-1";

pub(crate) fn judge(input: &[u8]) {
    let (status, headers, body) = read(input);
    let quota = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN];
    let lenient = ReplyRules::new()
        .allow_missing_token_type()
        .require_scopes(["read"])
        .requested_scope("read")
        .quota_statuses(quota)
        .default_lifetime(HOUR)
        .refresh_token();
    for (rules, is_quota) in [
        (ReplyRules::new(), false),
        (lenient, quota.contains(&status)),
    ] {
        let mut reply = Response::new(Bytes::copy_from_slice(body));
        *reply.status_mut() = status;
        *reply.headers_mut() = headers.clone();
        let scrubber = Scrubber::new().secret(SECRET);
        match parse_reply("example", reply, &rules, &scrubber, NOW) {
            Ok(token) => judge_token(&token, status, body),
            Err(error) => judge_error(&error, &headers, is_quota),
        }
    }
}

fn judge_token(token: &AccessToken, status: StatusCode, body: &[u8]) {
    assert!(status.is_success(), "a token from {status}");
    let json = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    assert!(
        serde_json::from_slice::<IgnoredAny>(json).is_ok(),
        "a token from what is no JSON"
    );
    // Numbers beyond 64 bits are JSON, and no value of this type.
    let Ok(reply) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    assert!(reply["access_token"].is_string());
    if let Some(seconds) = reply["expires_in"].as_u64() {
        assert_eq!(token.lifetime(), Some(Duration::from_secs(seconds)));
    }
    assert!(!format!("{token:?}").contains(SECRET));
}

fn judge_error(error: &Error, headers: &HeaderMap, is_quota: bool) {
    let text = error.to_string();
    assert!(text.starts_with("example: "), "{text}");
    assert!(!text.contains(SECRET), "a secret: {text}");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 2_000, "{} bytes", text.len());
    if error.kind() == ErrorKind::Quota {
        assert!(is_quota, "{text}");
    }
    if error.outcome() == TokenRequestOutcome::Rejected {
        assert_eq!(error.kind(), ErrorKind::Rejected, "{text}");
    }
    // What the vendor asked for, or nothing.
    let after = error.retry_after();
    assert!(after.is_none() || after == retry_after(headers, NOW));
}

fn read(input: &[u8]) -> (StatusCode, HeaderMap, &[u8]) {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&[][..], input), |end| (&input[..end], &input[end + 2..]));
    let mut lines = head.split(|&byte| byte == b'\n');
    let status = lines
        .next()
        .and_then(|line| StatusCode::from_bytes(line).ok());
    let mut headers = HeaderMap::new();
    // A connection passes fewer.
    for line in lines.take(100) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (status.unwrap_or(StatusCode::OK), headers, body)
}

const NOW: Moment = Moment::PAST;
const HOUR: Duration = Duration::from_secs(3600);
