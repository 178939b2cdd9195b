use std::time::{Duration, UNIX_EPOCH};

use auth_core::Moment;
use http::{HeaderMap, HeaderValue, header};

use crate::seconds;

/// Reads `Retry-After` (RFC 9110 section 10.2.3): how long the vendor wants to be left alone.
///
/// Both forms are read: whole seconds, and a date in any of the three notations. A date is measured
/// against the reply's own `Date`, so that a wrong clock on either side does no harm, and without
/// one against `now`. A date that has passed is zero; seconds beyond 64 bits are the longest
/// duration in seconds. Capping is left to the policy.
///
/// `None` where nothing can be read: no such header, a negative number, a fraction, other text. Of
/// several values the longest is taken, as asking too late does less harm than asking too early.
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
