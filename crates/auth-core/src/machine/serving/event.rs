//! What the rules for callers hear of, and what they have callers and flights do.

use std::time::Duration;

use crate::{
    CredentialsId, Generation, Moment, TokenRequestReason, machine::backoff::Failure,
    policy::Jitter,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A caller wants a token.
    Demand,
    /// The API refused a token. A permanent one has no end: it is never dropped.
    Refused {
        generation: Generation,
        permanent: bool,
    },
    /// A caller wants a token that lives longer than the cached one will.
    Prolong,
    /// An operator wants a new token in place of the cached one.
    Renew,
    /// An operator does not trust the cached token any longer.
    Invalidated,
    /// The API accepted a token.
    Accepted(Generation),
    /// A token came.
    Fetched(Fetched),
    /// No token came.
    Failed(Failed),
    /// After a rejection, the credentials turned out to be others.
    CredentialsChanged,
    /// The flight's task went away without a result.
    Abandoned,
    /// A flight ended that only told the store what the store did not know: when the next one is
    /// due.
    Settled(Option<Moment>),
}

/// What the rules need to know of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetched {
    /// Just before the token request was sent, or the token was found.
    pub(crate) sent: Moment,
    /// How old the token was then.
    pub(crate) age: Duration,
    /// The vendor was asked; the token was not found with another process.
    pub(crate) requested: bool,
    pub(crate) lifetime: Option<Duration>,
    /// When the vendor wants the token to be renewed.
    pub(crate) hint: Option<Duration>,
    /// Another process may have made the vendor replace the token already.
    pub(crate) contested: bool,
    /// The token is the one of this number once more.
    pub(crate) same: Option<Generation>,
    pub(crate) jitter: Jitter,
}

/// What the rules need to know of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// The vendor was asked.
    pub(crate) requested: bool,
    /// For how long the vendor asked to be left alone; for a failure of another process, how long
    /// the back-off of all processes lasts.
    pub(crate) retry_after: Option<Duration>,
    /// Another process failed; its back-off is obeyed as it is.
    pub(crate) told: bool,
    /// The flight ended early: its time was up, or it had to leave the quota's reserve alone.
    pub(crate) cut_short: bool,
    /// The token request had no answer in time, and may be sent once more without a risk.
    pub(crate) silent: bool,
    /// For how long other processes have been failing.
    pub(crate) failing_for: Duration,
    /// The credentials that were used.
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
    /// Use the cached token, and start a flight beside it.
    ServeAndFly(Start),
    /// Use the cached token, and start a flight beside all others that makes no token request, and
    /// that nobody waits for.
    ServeAndSettle(Start),
    /// Start a flight and wait for it.
    Fly(Start),
    /// Wait for the flight that is under way.
    Wait,
    /// No token before `wait` is over; the last failure says why.
    Fail {
        wait: Duration,
    },
    /// The quota is used up for `wait`.
    OverQuota {
        wait: Duration,
    },
    /// Use the token before the cached one, which the API may not know yet.
    ServePrevious,
    /// The API may not know the refused token yet: send it once more after this time.
    SendAgain {
        after: Duration,
    },
    /// Let the API's refusal stand, and keep the token.
    RefusalBackOff,
    /// Put this token in place of all others, and wake those who wait.
    Publish(Generation),
    /// Give this token to those who wait, and to nobody else.
    Deliver(Generation),
    /// Tell those who wait of the failure.
    Report,
    /// Those who wait have to ask again.
    Retry,
    /// Make one more token request within the same flight.
    Again,
}

/// How to start a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) reason: TokenRequestReason,
    /// Not before this is over.
    pub(crate) after: Duration,
    /// How long the token request may take.
    pub(crate) deadline: Duration,
    /// A found token has to serve for longer than this, as the cached token does.
    pub(crate) beyond: Duration,
    /// These credentials were rejected: only other ones may be sent.
    pub(crate) unless: Option<CredentialsId>,
    /// Makes no token request, and tells the store what the store does not know.
    pub(crate) settles: bool,
}
