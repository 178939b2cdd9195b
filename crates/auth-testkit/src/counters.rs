use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use tokio::sync::watch;

/// What a [`TestServer`](crate::TestServer) saw.
///
/// A request is counted when it arrives, a status before its first byte is sent. A caller that
/// holds a response finds it counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests that reached the token endpoint.
    pub token_requests: u64,
    /// Tokens that the token endpoint issued, repeated ones included.
    pub tokens_issued: u64,
    /// Answers of the token endpoint other than 2xx.
    pub token_errors: u64,
    /// Refusals by the token endpoint's rules, by OAuth error code.
    pub token_errors_by_code: BTreeMap<String, u64>,
    /// Requests that the token endpoint's rules refused because the credentials were wrong: these
    /// lock accounts. Scripted refusals do not count.
    pub failed_logins: u64,
    /// Refresh tokens that the token endpoint's rules accepted; each use counts.
    pub refreshes: u64,
    /// Requests with a refresh token that had been replaced; a vendor treats these as theft.
    pub refresh_reuses: u64,
    /// Logins whose tokens were all revoked because a refresh token was used again.
    pub families_revoked: u64,
    /// Requests that the token endpoint refused because the quota was used up.
    pub quota_refusals: u64,
    /// Requests to the token endpoint in progress.
    pub token_in_flight: u64,
    /// The most requests to the token endpoint that were ever in progress at the same time.
    pub max_token_in_flight: u64,
    /// Requests that reached the API.
    pub api_requests: u64,
    /// Answers of the API by status.
    pub api_by_status: BTreeMap<u16, u64>,
    /// Requests to the API in progress.
    pub api_in_flight: u64,
    /// The most requests to the API that were ever in progress at the same time.
    pub max_api_in_flight: u64,
    /// Requests to any other path of the server.
    pub stray_requests: u64,
}

impl Counters {
    /// Returns how often the API answered with this status.
    #[must_use]
    pub fn api_status(&self, status: u16) -> u64 {
        self.api_by_status.get(&status).copied().unwrap_or(0)
    }
}

/// The side of a server that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Side {
    /// The token endpoint; all paths of the token side if a vendor has several.
    Token,
    /// The API.
    Api,
    /// A path that the server does not know.
    Stray,
}

/// The counters, with a way to wait for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<watch::Sender<Counters>>);

impl Tally {
    pub(crate) fn snapshot(&self) -> Counters {
        self.0.borrow().clone()
    }

    /// Resets to zero, except requests in progress.
    pub(crate) fn reset(&self) {
        self.edit(|counters| {
            *counters = Counters {
                token_in_flight: counters.token_in_flight,
                max_token_in_flight: counters.token_in_flight,
                api_in_flight: counters.api_in_flight,
                max_api_in_flight: counters.api_in_flight,
                ..Counters::default()
            };
        });
    }

    pub(crate) async fn until(&self, condition: impl FnMut(&Counters) -> bool) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(condition).await;
    }

    /// Counts an arrival; the request is in progress until the returned guard is dropped.
    pub(crate) fn arrive(&self, side: Side) -> InFlight {
        self.edit(|counters| match side {
            Side::Token => {
                counters.token_requests += 1;
                counters.token_in_flight += 1;
                counters.max_token_in_flight =
                    counters.max_token_in_flight.max(counters.token_in_flight);
            }
            Side::Api => {
                counters.api_requests += 1;
                counters.api_in_flight += 1;
                counters.max_api_in_flight = counters.max_api_in_flight.max(counters.api_in_flight);
            }
            Side::Stray => counters.stray_requests += 1,
        });
        InFlight {
            tally: self.clone(),
            side,
        }
    }

    pub(crate) fn answer(&self, side: Side, status: StatusCode) {
        self.edit(|counters| match side {
            Side::Token if status.is_success() => {}
            Side::Token => counters.token_errors += 1,
            Side::Api => *counters.api_by_status.entry(status.as_u16()).or_default() += 1,
            Side::Stray => {}
        });
    }

    pub(crate) fn issued(&self) {
        self.edit(|counters| counters.tokens_issued += 1);
    }

    pub(crate) fn refused(&self, code: &str) {
        self.edit(|counters| {
            *counters
                .token_errors_by_code
                .entry(code.into())
                .or_default() += 1
        });
    }

    pub(crate) fn failed_login(&self) {
        self.edit(|counters| counters.failed_logins += 1);
    }

    pub(crate) fn refreshed(&self) {
        self.edit(|counters| counters.refreshes += 1);
    }

    pub(crate) fn reused(&self, family_revoked: bool) {
        self.edit(|counters| {
            counters.refresh_reuses += 1;
            counters.families_revoked += u64::from(family_revoked);
        });
    }

    pub(crate) fn over_quota(&self) {
        self.edit(|counters| counters.quota_refusals += 1);
    }

    fn edit(&self, change: impl FnOnce(&mut Counters)) {
        self.0.send_modify(change);
    }
}

/// Counts a request as in progress until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    tally: Tally,
    side: Side,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.tally.edit(|counters| match self.side {
            Side::Token => counters.token_in_flight -= 1,
            Side::Api => counters.api_in_flight -= 1,
            Side::Stray => {}
        });
    }
}
