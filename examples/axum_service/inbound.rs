//! Who calls the service.

use std::{sync::Arc, time::Duration};

use auth_core::{Moment, Secret};
use http::{HeaderMap, header};

/// Checks the token of a user who calls, and returns when it expires, since the Unix epoch; `None`
/// if it is no token of ours. A real one checks a signature, and must not block.
pub(crate) type Verify = Arc<dyn Fn(&str) -> Option<Duration> + Send + Sync>;

/// A user who calls.
pub(crate) struct User {
    pub(crate) token: Secret,
    /// Since the Unix epoch.
    pub(crate) expires: Duration,
}

impl User {
    /// Reads who calls off a request: one `Authorization` header, with one good bearer token.
    pub(crate) fn of(headers: &HeaderMap, verify: &Verify) -> Option<Self> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let expires = verify(token)?;
        Some(Self {
            token: Secret::new(token),
            expires,
        })
    }

    pub(crate) fn has_expired(&self, now: Moment) -> bool {
        now.since_unix_epoch() >= self.expires
    }
}
