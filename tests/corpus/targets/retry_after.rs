//! `auth_oauth2::retry_after`. Input: a `Retry-After` value a line; a line `date: ` is the `Date`.

use std::time::Duration;

use auth_core::Moment;
use auth_oauth2::retry_after;
use http::{HeaderMap, HeaderValue, header};

pub(crate) fn judge(input: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut digits = None;
    for line in input.split(|&byte| byte == b'\n').take(100) {
        let (name, value) = match line.strip_prefix(b"date: ") {
            Some(date) => (header::DATE, date),
            None => (header::RETRY_AFTER, line),
        };
        let Ok(header) = HeaderValue::from_bytes(value) else {
            continue;
        };
        if name == header::RETRY_AFTER {
            digits = digits.max(seconds(value));
        }
        headers.append(name, header);
    }
    let at = |seconds| Moment::new(Duration::ZERO, Duration::from_secs(seconds));
    let early = retry_after(&headers, at(0));
    let late = retry_after(&headers, at(1_700_000_000));
    // The longest counts, and whole seconds say the same at any time.
    assert!(
        early >= digits && late >= digits,
        "{early:?} {late:?} {digits:?}"
    );
    assert!(early >= late, "longer, the later it is read");
    assert_eq!(early.is_some(), late.is_some());
    if headers.get_all(header::RETRY_AFTER).iter().next().is_none() {
        assert_eq!(early, None);
    }
}

/// Whole seconds, by the grammar of RFC 9110 section 10.2.3 and no more.
fn seconds(value: &[u8]) -> Option<Duration> {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(number))
}
