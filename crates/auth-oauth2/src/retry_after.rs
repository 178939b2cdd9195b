use std::time::{Duration, UNIX_EPOCH};

use auth_core::Moment;
use http::{HeaderMap, HeaderValue, header};

use crate::seconds;

/// Reads `Retry-After` (RFC 9110 section 10.2.3): the time until the vendor accepts requests again.
///
/// Reads whole seconds, and a date in any of the three HTTP formats. A date is compared with the
/// reply's `Date`, so that a wrong clock on either side has no effect; without a `Date` it is
/// compared with `now`. A date in the past gives zero. Seconds beyond 64 bits give the longest
/// duration in seconds. The caller limits the value.
///
/// Returns `None` if there is no such header, and for a negative number, a fraction or any other
/// text. Of several values, the longest is returned, because waiting too long does less harm than
/// asking too early.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Clock, SystemClock};
/// use auth_oauth2::retry_after;
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".parse()?);
/// headers.insert("date", "Wed, 21 Oct 2015 07:27:30 GMT".parse()?);
/// let pause = retry_after(&headers, SystemClock::new().now());
/// assert_eq!(pause, Some(Duration::from_secs(30)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Moment) -> Option<Duration> {
    let now = headers
        .get(header::DATE)
        .and_then(date)
        .unwrap_or(now.since_unix_epoch());
    let pause = |value| delay(value).or_else(|| Some(date(value)?.saturating_sub(now)));
    headers
        .get_all(header::RETRY_AFTER)
        .iter()
        .filter_map(pause)
        .max()
}

fn delay(value: &HeaderValue) -> Option<Duration> {
    seconds::digits(value.to_str().ok()?.trim())
}

/// Reads a date as the time since the Unix epoch.
fn date(value: &HeaderValue) -> Option<Duration> {
    let date = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    date.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests;
