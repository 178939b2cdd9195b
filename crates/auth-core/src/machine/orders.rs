//! What the driver tells the rules of a flight, and what the rules order the driver to do.

use std::{sync::Arc, time::Duration};

use super::{
    account::{Account, Logins},
    record::Record,
};
use crate::{
    AccessToken, CredentialsId, EntryVersion, Error, ErrorKind, Moment, Quota, RefreshPolicy,
    Secret, TokenRequestOutcome, TokenRequestReason, policy::Jitter, secret::rejections::Forbidden,
};

/// What stays the same from flight to flight.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Arc<RefreshPolicy>,
    pub(crate) quota: Option<Quota>,
    /// A store is shared with other processes, or with the next start.
    pub(crate) shares: bool,
    pub(crate) keeps_refresh_tokens: bool,
    /// Without a refresh token there is nothing to ask the vendor for.
    pub(crate) needs_refresh_token: bool,
    /// This process, among those that share the store. Empty if no store is shared.
    pub(crate) owner: String,
}

impl Rules {
    /// How long a lease is asked for: longer than what its holder does, so that the lease ends with
    /// its holder and not before.
    pub(crate) fn lease_time(&self) -> Duration {
        let requests = 1 + u32::from(self.keeps_refresh_tokens);
        let deadline = self.policy.token_request_deadline();
        deadline.saturating_mul(requests).saturating_add(SLACK)
    }

    /// How long a flight waits for the leases of other processes: for one that a dead process left
    /// behind, and for the token request of the process that has the lease after that.
    pub(crate) fn lease_patience(&self) -> Duration {
        self.lease_time().saturating_mul(2)
    }

    /// How long a flight waits for the holder of the lease before it claims a token request of its
    /// own. While callers wait, half of what a token request may take: a request that has had no
    /// answer for so long may get none.
    ///
    /// Where a wrong password may lock an account, the holder's verdict is waited for: as long as a
    /// lease lasts. `doubted`: the lease was denied for longer before, and not granted since, so
    /// that nobody holds it. Claims still let one process send the password at a time.
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

    /// A token request had no answer in time, and may be sent once more without a risk: no refresh
    /// token may be spent by it, and no login counted.
    pub(crate) fn is_silent(&self, landing: &Landing, error: &Error) -> bool {
        error.kind() == ErrorKind::TimedOut
            && error.outcome() == TokenRequestOutcome::Unknown
            && !landing.lockable
            && !self.keeps_refresh_tokens
    }

    /// The longest that a flight takes.
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

/// What is drawn or read outside of the rules, anew for each step.
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
    /// The entry was written, or somebody else was faster.
    Wrote(bool),
    /// The lease is this flight's, asked for at that moment, or another's.
    Leased(Option<Moment>),
    /// The limit on token requests leaves no room.
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

/// What a process brings to a token request by itself.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Own {
    pub(crate) id: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// The refresh token that a person's login brought, or why it could not be read.
    pub(crate) first: Result<Option<Secret>, Error>,
    /// Logins with these credentials were rejected too often, as this process knows.
    pub(crate) forbidden: Option<Forbidden>,
}

/// What the store has for the key.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) version: Option<EntryVersion>,
    /// What could be understood of the entry, as of now by the store's clock.
    pub(crate) record: Option<Record>,
    /// How old the entry is, by the store's clock.
    pub(crate) age: Duration,
    /// There is an entry that cannot be opened, and why.
    pub(crate) sealed: Option<Error>,
}

/// How a token request ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<AccessToken, Error>,
    /// Just before the token request was sent.
    pub(crate) sent: Moment,
    /// The time-out fired much later than it should have: this process stood still.
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
        /// Another process is at work: waiting for it is not the store's latency.
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
    /// The token request is over: the write goes on beside the callers if it takes long.
    pub(crate) beside: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Landing {
    pub(crate) end: End,
    pub(crate) sent: Moment,
    /// The vendor was asked.
    pub(crate) requested: bool,
    /// The credentials that were used.
    pub(crate) about: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// For how long all processes have been failing.
    pub(crate) failing_for: Duration,
    /// The lease was lost, or a refresh token was rejected: another process may have made the
    /// vendor replace the token.
    pub(crate) contested: bool,
    /// The token request had no answer in time, and may be sent once more without a risk.
    pub(crate) silent: bool,
    /// When the store is told what it does not know, if there may be anything.
    pub(crate) settle_at: Option<Moment>,
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum End {
    /// A token of this age.
    Token(AccessToken, Duration),
    Failed(Error),
    /// Another process failed; nobody asks for so long.
    Told(Error, Duration),
    OverQuota(Duration),
    /// The rejected credentials have not changed.
    Unchanged,
    /// The store was told what it did not know.
    Settled,
}

impl Landing {
    /// A flight that failed before anything else is known.
    pub(crate) fn failed(error: Error, now: Moment) -> Self {
        Self {
            end: End::Failed(error),
            sent: now,
            requested: true,
            about: None,
            lockable: false,
            failing_for: Duration::ZERO,
            contested: false,
            silent: false,
            settle_at: None,
        }
    }
}

/// The most token requests of one flight: one more with changed credentials, or without a refresh
/// token that was rejected.
pub(super) const MOST_REQUESTS: u8 = 2;
/// By how much a lease outlives the token requests of its holder.
const SLACK: Duration = Duration::from_secs(2);
/// A shorter silence of the holder proves nothing.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
/// How long a lease is waited for that was denied for too long before.
const DOUBTED: Duration = Duration::from_secs(1);
