//! The events that the rules for callers receive, and the actions that they return.

use std::time::Duration;

use crate::{
    CredentialsId, Generation, Moment, TokenRequestReason,
    machine::backoff::{Failure, Row},
    policy::Jitter,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A caller asks for a token.
    Demand,
    /// The API refused a token. A permanent token has no end: it is never dropped.
    Refused {
        generation: Generation,
        permanent: bool,
    },
    /// A caller asks for a token that expires later than the cached one.
    Prolong,
    /// An operator asks for a new token in place of the cached one.
    Renew,
    /// An operator does not trust the cached token any longer.
    Invalidated,
    /// The API accepted a token.
    Accepted(Generation),
    /// A flight brought a token.
    Fetched(Fetched),
    /// A flight failed.
    Failed(Failed),
    /// After a rejection, the credentials were read again and have changed.
    CredentialsChanged,
    /// The flight's task ended without a result.
    Abandoned,
    /// A flight ended that only wrote missing facts into the store. Holds the time of the next such
    /// flight.
    Settled(Option<Moment>),
}

/// What the rules know of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetched {
    /// The time just before the token request was sent, or when the token was found.
    pub(crate) sent: Moment,
    /// The age of the token at that time.
    pub(crate) age: Duration,
    /// Whether the vendor issued the token for this flight. Otherwise another process requested it.
    pub(crate) requested: bool,
    pub(crate) lifetime: Option<Duration>,
    /// The vendor's hint when to renew the token.
    pub(crate) hint: Option<Duration>,
    /// Another process may have caused the vendor to replace the token already.
    pub(crate) contested: bool,
    /// The generation that already has this token.
    pub(crate) same: Option<Generation>,
    pub(crate) jitter: Jitter,
}

/// What the rules know of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// Whether a token request was sent.
    pub(crate) requested: bool,
    /// How long the vendor asked for no request. For a failure of another process: the rest of the
    /// back-off of all processes.
    pub(crate) retry_after: Option<Duration>,
    /// Whether another process failed. Its back-off is obeyed unchanged.
    pub(crate) told: bool,
    /// Whether the flight ended early: its deadline was shortened, or it was not allowed to use the
    /// quota's reserve.
    pub(crate) cut_short: bool,
    /// The token request had no answer in time, and may be sent once more without a risk.
    pub(crate) silent: bool,
    /// How long token requests of other processes have been failing.
    pub(crate) failing_for: Duration,
    /// The last failures of all processes, including this one.
    pub(crate) row: Option<Row>,
    /// The credentials that were sent.
    pub(crate) about: Option<CredentialsId>,
    pub(crate) lockable: bool,
    pub(crate) jitter: Jitter,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Nothing,
    /// Use the cached token.
    Serve,
    /// Use the cached token, and start a flight in the background.
    ServeAndFly(Start),
    /// Use the cached token, and start a separate flight that sends no token request and that no
    /// caller waits for.
    ServeAndSettle(Start),
    /// Start a flight and wait for it.
    Fly(Start),
    /// Wait for the flight in progress.
    Wait,
    /// No token is available before `wait` is over; the last failure says why.
    Fail {
        wait: Duration,
    },
    /// The quota is used up for `wait`.
    OverQuota {
        wait: Duration,
    },
    /// Use the token before the cached one, because the API may not know the cached one yet.
    ServePrevious,
    /// The API may not know the refused token yet: send it once more after this time.
    SendAgain {
        after: Duration,
    },
    /// Return the API's refusal, and keep the token.
    RefusalBackOff,
    /// Put this token in place of all others, and wake the waiting callers.
    Publish(Generation),
    /// Give this token to the waiting callers, and do not cache it.
    Deliver(Generation),
    /// Give the error to the waiting callers.
    Report,
    /// The waiting callers have to ask again.
    Retry,
    /// Send one more token request within the same flight.
    Again,
}

/// How to start a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) reason: TokenRequestReason,
    /// The token request starts after this time.
    pub(crate) after: Duration,
    /// How long the token request may take.
    pub(crate) deadline: Duration,
    /// A token found in the store must be valid for longer than this, which is the rest of the
    /// cached token.
    pub(crate) beyond: Duration,
    /// These credentials were rejected: only other credentials may be sent.
    pub(crate) unless: Option<CredentialsId>,
    /// The flight sends no token request, and writes missing facts into the store.
    pub(crate) settles: bool,
}

#[cfg(test)]
impl Start {
    /// A token request that callers wait for, with a deadline of 10 s.
    pub(crate) const fn example(reason: TokenRequestReason) -> Self {
        Self {
            reason,
            after: Duration::ZERO,
            deadline: Duration::from_secs(10),
            beyond: Duration::ZERO,
            unless: None,
            settles: false,
        }
    }
}
