//! The driver's facts for the rules of a flight, and the rules' orders for the driver.

use std::{sync::Arc, time::Duration};

use super::{
    account::{Account, Logins},
    backoff::Row,
    record::Record,
};
use crate::{
    AccessToken, CredentialsId, EntryVersion, Error, ErrorKind, Moment, Quota, RefreshPolicy,
    Secret, TokenRequestOutcome, TokenRequestReason, policy::Jitter, secret::rejections::Forbidden,
};

/// Settings that are the same for all flights.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Arc<RefreshPolicy>,
    pub(crate) quota: Option<Quota>,
    /// Whether a store is shared with other processes or with the next start.
    pub(crate) shares: bool,
    pub(crate) keeps_refresh_tokens: bool,
    /// Whether the vendor returns no token without a refresh token.
    pub(crate) needs_refresh_token: bool,
    /// The name of this process among those that share the store. Empty if no store is shared.
    pub(crate) owner: Box<str>,
}

#[cfg(test)]
impl Rules {
    /// Those of a process that shares access tokens. Token requests may take 10 s.
    pub(crate) fn example() -> Self {
        Self {
            policy: RefreshPolicy::default().into(),
            quota: None,
            shares: true,
            keeps_refresh_tokens: false,
            needs_refresh_token: false,
            owner: "me".into(),
        }
    }
}

impl Rules {
    /// Returns how long a lease lasts: longer than the work of its holder, so that the lease does
    /// not end during that work.
    pub(crate) fn lease_time(&self) -> Duration {
        let requests = 1 + u32::from(self.keeps_refresh_tokens);
        let deadline = self.policy.token_request_deadline();
        deadline.saturating_mul(requests).saturating_add(SLACK)
    }

    /// Returns how long a flight waits for the leases of other processes: for a lease that a dead
    /// process left behind, and then for the token request of the next holder.
    pub(crate) fn lease_patience(&self) -> Duration {
        self.lease_time().saturating_mul(2)
    }

    /// Returns how long a flight waits for the holder of the lease before it claims a separate
    /// token request. While callers wait, that is half of what a token request may take: a request
    /// without an answer by then may get none.
    ///
    /// Where a wrong password may lock an account, the flight waits for the holder's result as long
    /// as a lease lasts. `doubted`: the lease was denied for longer before and not granted since,
    /// so that no process can hold it. A claim still lets only one process send the password at a
    /// time.
    pub(crate) fn claim_after(
        &self,
        reason: TokenRequestReason,
        lockable: bool,
        doubted: bool,
    ) -> Duration {
        let holder = self.lease_time().saturating_add(SLACK);
        let silent = self.policy.token_request_deadline() / 2;
        match reason {
            _ if doubted => DOUBTED,
            _ if lockable => holder,
            TokenRequestReason::Needed | TokenRequestReason::Refused
                if silent >= SHORTEST_SILENCE =>
            {
                silent
            }
            _ => holder,
        }
    }

    /// Returns whether a token request had no answer in time and may be sent once more without a
    /// risk: the request can use up no refresh token, and the vendor counts no login.
    pub(crate) fn is_silent(&self, landing: &Landing, error: &Error) -> bool {
        error.kind() == ErrorKind::TimedOut
            && error.outcome() == TokenRequestOutcome::Unknown
            && !landing.lockable
            && !self.keeps_refresh_tokens
    }

    /// Returns the longest duration of a flight.
    pub(crate) fn longest(&self) -> Duration {
        let own = self
            .policy
            .token_request_deadline()
            .saturating_mul(MOST_REQUESTS.into());
        let others = if self.shares {
            self.lease_patience().saturating_add(Duration::from_secs(1))
        } else {
            Duration::ZERO
        };
        own.saturating_add(others)
            .saturating_add(Duration::from_secs(1))
    }
}

/// Input that is drawn or read outside the rules, once for each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) jitter: Jitter,
    pub(crate) number: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Begun,
    /// The credentials were read.
    Read(Result<Own, Error>),
    Loaded(Box<Loaded>),
    /// The entry was written, or another process wrote first.
    Wrote(bool),
    /// This flight has the lease, requested at that moment; or another process has the lease.
    Leased(Option<Moment>),
    /// The token request limit has no free place.
    NotAdmitted(Error),
    Released,
    Slept,
    LoadedAccount(Option<EntryVersion>, Option<Account>),
    LoadedLogins(Option<EntryVersion>, Option<Logins>),
    Ended(Ended),
    StoreFailed,
    /// Whether the rules for callers allow one more token request.
    MayAgain(bool),
}

/// What a process reads for a token request.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Own {
    pub(crate) id: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// The refresh token that a person's login brought, or the error of reading it.
    pub(crate) first: Result<Option<Secret>, Error>,
    /// Whether logins with these credentials were rejected too often, as far as this process knows.
    pub(crate) forbidden: Option<Forbidden>,
}

/// The store's content for the key.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) version: Option<EntryVersion>,
    /// The content of the entry that could be understood, aged to now by the store's clock.
    pub(crate) record: Option<Record>,
    /// How old the entry is, by the store's clock.
    pub(crate) age: Duration,
    /// Why an existing entry cannot be decrypted.
    pub(crate) sealed: Option<Error>,
}

/// How a token request ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<AccessToken, Error>,
    /// The time just before the token request was sent.
    pub(crate) sent: Moment,
    /// The time-out fired much later than it should have, so this process stood still.
    pub(crate) late: bool,
}

/// What to do next.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Order {
    /// Read the credentials.
    Read,
    Load,
    Write(Box<Write>),
    Lease,
    Release,
    Sleep {
        time: Duration,
        /// Another process is requesting a token. Waiting for it does not count as the store's
        /// latency.
        others: bool,
    },
    LoadAccount,
    WriteAccount(Option<EntryVersion>, EntryVersion, Account),
    LoadLogins(u64),
    WriteLogins(u64, Option<EntryVersion>, EntryVersion, Logins),
    Request {
        reason: TokenRequestReason,
        refresh_token: Option<Secret>,
        deadline: Duration,
    },
    /// Ask the rules for callers whether one more token request is allowed.
    AskAgain,
    Land(Box<Landing>),
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Write {
    pub(crate) expected: Option<EntryVersion>,
    pub(crate) version: EntryVersion,
    pub(crate) record: Record,
    /// The token request has ended: a slow write continues in the background.
    pub(crate) beside: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Landing {
    pub(crate) end: End,
    pub(crate) sent: Moment,
    /// Whether a token request was sent.
    pub(crate) requested: bool,
    /// The credentials that were sent.
    pub(crate) about: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// The time since the token requests of all processes began to fail.
    pub(crate) failing_for: Duration,
    /// The last failures of all processes, if the failure was told to or by them.
    pub(crate) row: Option<Row>,
    /// The lease was lost, or a refresh token was rejected: another process may have caused the
    /// vendor to replace the token.
    pub(crate) contested: bool,
    /// The token request had no answer in time, and may be sent once more without a risk.
    pub(crate) silent: bool,
    /// When missing facts are written into the store, if there may be any.
    pub(crate) settle_at: Option<Moment>,
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum End {
    /// A token and its age.
    Token(AccessToken, Duration),
    Failed(Error),
    /// Another process failed. No token request is sent for this time.
    Told(Error, Duration),
    OverQuota(Duration),
    /// The rejected credentials have not changed.
    Unchanged,
    /// Missing facts were written into the store.
    Settled,
}

impl Landing {
    /// Makes the landing of a flight that failed before anything else was known.
    pub(crate) fn failed(error: Error, now: Moment) -> Self {
        Self {
            end: End::Failed(error),
            sent: now,
            requested: true,
            about: None,
            lockable: false,
            failing_for: Duration::ZERO,
            row: None,
            contested: false,
            silent: false,
            settle_at: None,
        }
    }
}

/// The largest number of token requests in one flight. The second one has changed credentials, or
/// no rejected refresh token.
pub(super) const MOST_REQUESTS: u8 = 2;
/// How much longer a lease lasts than the token requests of its holder.
const SLACK: Duration = Duration::from_secs(2);
/// A holder that wrote nothing for a shorter time may still be working.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
/// How long a flight waits for a lease that was denied for too long before.
const DOUBTED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
