use std::time::{Duration, UNIX_EPOCH};

use auth_core::{Error, Moment, RejectedPart};
use http::{HeaderMap, header::DATE};

/// The difference between this machine's clock and the server's clock, by the `Date` of the reply.
#[derive(Clone, Copy)]
pub(crate) enum ClockDifference {
    Ahead(Duration),
    Behind(Duration),
}

impl ClockDifference {
    /// Returns `None` if the reply has no `Date`, and for a difference that servers tolerate.
    pub(crate) fn of(headers: &HeaderMap, now: Moment) -> Option<Self> {
        let date = headers.get(DATE)?.to_str().ok()?;
        let date = httpdate::parse_http_date(date).ok()?;
        let server = date.duration_since(UNIX_EPOCH).ok()?;
        let own = now.since_unix_epoch();
        let (difference, this) = match own.checked_sub(server) {
            Some(ahead) => (ahead, Self::Ahead(ahead)),
            None => (server - own, Self::Behind(server - own)),
        };
        (difference > TOLERATED).then_some(this)
    }

    /// Adds the difference to the error of a rejected assertion. The claims `iat` and `exp` depend
    /// on the clock.
    pub(crate) fn explain(self, error: Error) -> Error {
        if error.rejected_part() != Some(RejectedPart::Credentials) {
            return error;
        }
        let (difference, side) = match self {
            Self::Ahead(difference) => (difference, "ahead of"),
            Self::Behind(difference) => (difference, "behind"),
        };
        error.with_advice(&format!(
            "this machine's clock is {} s {side} the server's, and assertions depend on it: set \
             the clock",
            difference.as_secs()
        ))
    }
}

const TOLERATED: Duration = Duration::from_secs(30);
