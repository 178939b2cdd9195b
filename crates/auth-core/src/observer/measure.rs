//! How each event changes each metric. All adapters to metric libraries share these rules.

use std::time::Duration;

use crate::{
    Error, ErrorKind, Event, EventKind, Moment, NoWiderScope, QuotaUse, TokenRequestOutcome,
    TokenRequestReason, observer::event::SCOPE_DENIED,
};

/// A metric, with any name that a library gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "for crates of this workspace only")]
#[allow(missing_docs, reason = "`meaning` says it")]
pub enum Instrument {
    TokenRequests,
    TokenRequestDuration,
    TokensPublished,
    TokensAdopted,
    TokensAccepted,
    TokensRefused,
    TokensUnused,
    TokenExpiry,
    TokenRenewal,
    RenewalsFailed,
    NoToken,
    Recoveries,
    BackOffs,
    BackOffEnd,
    Probes,
    QuotaUsed,
    QuotaFree,
    StoreFailures,
    StoreFailing,
    LeasesLost,
    AuthenticatorsEvicted,
    RequestsWaiting,
    RequestsWaited,
    RequestWaitTime,
    LongestWait,
    RequestsUnsigned,
    RequestsReplayed,
    RequestsNotReplayed,
    CredentialsRemoved,
    WiderScopes,
}

/// The kind of a metric: counter, gauge or histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "for crates of this workspace only")]
pub enum InstrumentKind {
    /// A value that only grows.
    Counter,
    /// A value that is replaced.
    Gauge,
    /// Counts values by size.
    Histogram,
}

impl InstrumentKind {
    /// Returns the kind in one word: `counter`, `gauge` or `histogram`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label and its possible values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "for crates of this workspace only"
)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// All possible values.
    pub values: &'static [&'static str],
}

/// The change of one metric by an event.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "for crates of this workspace only"
)]
pub struct Measurement {
    /// The metric.
    pub instrument: Instrument,
    /// The values of the labels, in the order of the labels. Empty for unused places.
    pub labels: [&'static str; LABELS],
    /// The value.
    pub value: Value,
}

/// The value of a [`Measurement`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "for crates of this workspace only")]
pub enum Value {
    /// Adds to a counter.
    Add(u64),
    /// Adds to a counter of time.
    AddTime(Duration),
    /// Sets a gauge.
    Set(f64),
    /// Adds a value to a histogram, in seconds.
    Record(Duration),
}

/// The largest number of labels of a metric, without those of the authenticator.
pub const LABELS: usize = 3;

impl Instrument {
    /// All metrics, in the order of the tables.
    pub const ALL: [Self; 30] = [
        Self::TokenRequests,
        Self::TokenRequestDuration,
        Self::TokensPublished,
        Self::TokensAdopted,
        Self::TokensAccepted,
        Self::TokensRefused,
        Self::TokensUnused,
        Self::TokenExpiry,
        Self::TokenRenewal,
        Self::RenewalsFailed,
        Self::NoToken,
        Self::Recoveries,
        Self::BackOffs,
        Self::BackOffEnd,
        Self::Probes,
        Self::QuotaUsed,
        Self::QuotaFree,
        Self::StoreFailures,
        Self::StoreFailing,
        Self::LeasesLost,
        Self::AuthenticatorsEvicted,
        Self::RequestsWaiting,
        Self::RequestsWaited,
        Self::RequestWaitTime,
        Self::LongestWait,
        Self::RequestsUnsigned,
        Self::RequestsReplayed,
        Self::RequestsNotReplayed,
        Self::CredentialsRemoved,
        Self::WiderScopes,
    ];

    /// Returns the kind of the metric.
    #[must_use]
    pub const fn kind(self) -> InstrumentKind {
        match self {
            Self::TokenRequestDuration | Self::LongestWait => InstrumentKind::Histogram,
            Self::TokenExpiry
            | Self::TokenRenewal
            | Self::BackOffEnd
            | Self::QuotaUsed
            | Self::QuotaFree
            | Self::StoreFailing
            | Self::RequestsWaiting => InstrumentKind::Gauge,
            _ => InstrumentKind::Counter,
        }
    }

    /// Returns the labels, without those of the authenticator.
    #[must_use]
    pub const fn labels(self) -> &'static [Label] {
        match self {
            Self::TokenRequests => &[REASON, RESULT, KIND],
            Self::TokenRequestDuration => &[RESULT],
            Self::RenewalsFailed | Self::NoToken => &[FAILURE],
            Self::BackOffs | Self::BackOffEnd => &[BACK_OFF],
            Self::RequestsWaited => &[WAITED],
            Self::RequestsUnsigned => &[UNSIGNED],
            Self::RequestsNotReplayed => &[NOT_REPLAYED],
            Self::WiderScopes => &[WIDER_SCOPE],
            _ => &[],
        }
    }

    /// Returns one sentence about what the metric counts or shows.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::TokenRequests => "Token requests that ended.",
            Self::TokenRequestDuration => "How long a token request took.",
            Self::TokensPublished => "Tokens that requests are signed with from then on.",
            Self::TokensAdopted => "Tokens that another process had requested.",
            Self::TokensAccepted => "Tokens that the API accepted for the first time.",
            Self::TokensRefused => "Responses that refused a token.",
            Self::TokensUnused => "Tokens that expired before a request asked for them.",
            Self::TokenExpiry => {
                "Until when the token may be sent, in seconds since 1970; 0 without a valid token."
            }
            Self::TokenRenewal => {
                "When the renewal ahead of expiry is due, in seconds since 1970; 0 without a valid token."
            }
            Self::RenewalsFailed => "Failures to get a token while the cached token is valid.",
            Self::NoToken => "Failures to get a token while no valid token is cached.",
            Self::Recoveries => "Tokens that came after failures.",
            Self::BackOffs => "Times in which no token request starts.",
            Self::BackOffEnd => {
                "Until when no token request starts, in seconds since 1970; 0 if a token came since."
            }
            Self::Probes => "Token requests after rejected credentials.",
            Self::QuotaUsed => "Slots of the token quota in use after the last token request.",
            Self::QuotaFree => "Slots of the token quota left after the last token request.",
            Self::StoreFailures => "Failures of the token store.",
            Self::StoreFailing => "1 while this process goes on without the token store, else 0.",
            Self::LeasesLost => "Leases in the token store that another process took.",
            Self::AuthenticatorsEvicted => "Authenticators that a map evicted.",
            Self::RequestsWaiting => {
                "Requests that wait for a token request; told at each power of two."
            }
            Self::RequestsWaited => "Requests that waited for a token.",
            Self::RequestWaitTime => "How long all requests together waited for a token.",
            Self::LongestWait => {
                "How long the one waited that waited longest, of all that waited for one token request."
            }
            Self::RequestsUnsigned => "Requests that were sent without a token.",
            Self::RequestsReplayed => "Refused requests that were sent once more.",
            Self::RequestsNotReplayed => "Refused requests that were not sent once more.",
            Self::CredentialsRemoved => {
                "Credentials that were removed from a request to a foreign origin."
            }
            Self::WiderScopes => {
                "Times that the API wanted more scope than the token has, by what came of it."
            }
        }
    }
}

/// Calls `each` for every change of a metric by an event.
pub fn measure(event: &Event, mut each: impl FnMut(Measurement)) {
    let mut tell = |instrument, labels: &[&'static str], value| {
        let mut all = [""; LABELS];
        all[..labels.len()].copy_from_slice(labels);
        each(Measurement {
            instrument,
            labels: all,
            value,
        });
    };
    let one = Value::Add(1);
    let in_future = |wait| Value::Set(seconds(event.time() + wait));
    match event.kind() {
        EventKind::TokenRequestStarted { .. } => {}
        EventKind::TokenRequestEnded {
            reason,
            duration,
            error,
            quota,
        } => {
            let result = result(error.as_ref());
            let kind = error.as_ref().map_or(NONE, |error| error.kind().as_str());
            let labels = [reason.as_str(), result, kind];
            tell(Instrument::TokenRequests, &labels, one);
            let duration = Value::Record(*duration);
            tell(Instrument::TokenRequestDuration, &[result], duration);
            if let Some(QuotaUse { used, limit }) = *quota {
                let free = limit.saturating_sub(used);
                tell(Instrument::QuotaUsed, &[], Value::Set(used.into()));
                tell(Instrument::QuotaFree, &[], Value::Set(free.into()));
            }
        }
        EventKind::TokenPublished {
            valid_for,
            renewal_in,
            ..
        } => {
            tell(Instrument::TokensPublished, &[], one);
            tell(Instrument::TokenExpiry, &[], in_future(*valid_for));
            tell(Instrument::TokenRenewal, &[], in_future(*renewal_in));
            tell(Instrument::BackOffEnd, &[FOR_FAILURE], Value::Set(0.0));
        }
        EventKind::TokenAdopted { .. } => tell(Instrument::TokensAdopted, &[], one),
        EventKind::TokenAccepted { .. } => tell(Instrument::TokensAccepted, &[], one),
        EventKind::TokenRefused { .. } => tell(Instrument::TokensRefused, &[], one),
        EventKind::TokenUnused { .. } => tell(Instrument::TokensUnused, &[], one),
        EventKind::RenewalFailed { error, .. } => {
            tell(Instrument::RenewalsFailed, &[error.kind().as_str()], one);
        }
        EventKind::NoToken { error } => {
            tell(Instrument::NoToken, &[error.kind().as_str()], one);
            tell(Instrument::TokenExpiry, &[], Value::Set(0.0));
            tell(Instrument::TokenRenewal, &[], Value::Set(0.0));
        }
        EventKind::Recovered { .. } => tell(Instrument::Recoveries, &[], one),
        EventKind::BackOff { wait, .. } => {
            tell(Instrument::BackOffs, &[FOR_FAILURE], one);
            tell(Instrument::BackOffEnd, &[FOR_FAILURE], in_future(*wait));
        }
        EventKind::QuotaUsedUp { wait } => {
            tell(Instrument::BackOffs, &[FOR_QUOTA], one);
            tell(Instrument::BackOffEnd, &[FOR_QUOTA], in_future(*wait));
        }
        EventKind::RefusalBackOff { wait } => {
            tell(Instrument::BackOffs, &[FOR_REFUSAL], one);
            tell(Instrument::BackOffEnd, &[FOR_REFUSAL], in_future(*wait));
        }
        EventKind::Probe { .. } => tell(Instrument::Probes, &[], one),
        EventKind::StoreFailed { .. } => {
            tell(Instrument::StoreFailures, &[], one);
            tell(Instrument::StoreFailing, &[], Value::Set(1.0));
        }
        EventKind::StoreRecovered => tell(Instrument::StoreFailing, &[], Value::Set(0.0)),
        EventKind::LeaseLost => tell(Instrument::LeasesLost, &[], one),
        EventKind::AuthenticatorEvicted => tell(Instrument::AuthenticatorsEvicted, &[], one),
        EventKind::RequestsWaiting { count } => {
            tell(Instrument::RequestsWaiting, &[], Value::Set(*count as f64));
        }
        EventKind::RequestsWaited {
            count,
            failed,
            total,
            longest,
        } => {
            let got = count.saturating_sub(*failed);
            tell(Instrument::RequestsWaited, &[TOKEN], Value::Add(got));
            tell(Instrument::RequestsWaited, &[FAILED], Value::Add(*failed));
            tell(Instrument::RequestWaitTime, &[], Value::AddTime(*total));
            tell(Instrument::LongestWait, &[], Value::Record(*longest));
            tell(Instrument::RequestsWaiting, &[], Value::Set(0.0));
        }
        EventKind::RequestUnsigned { cause, .. } => {
            tell(Instrument::RequestsUnsigned, &[UNSIGNED.known(cause)], one);
        }
        EventKind::RequestReplayed { .. } => tell(Instrument::RequestsReplayed, &[], one),
        EventKind::RequestNotReplayed { cause, .. } => {
            let cause = NOT_REPLAYED.known(cause);
            tell(Instrument::RequestsNotReplayed, &[cause], one);
        }
        EventKind::WiderScope { declined, .. } => {
            let result = declined.map_or(GRANTED, |cause| WIDER_SCOPE.known(cause));
            tell(Instrument::WiderScopes, &[result], one);
        }
        EventKind::CredentialRemoved { .. } => tell(Instrument::CredentialsRemoved, &[], one),
    }
}

/// Returns how a token request ended: `token`, or what the failure proves.
fn result(error: Option<&Error>) -> &'static str {
    error.map_or(TOKEN, |error| error.outcome().as_str())
}

fn seconds(moment: Moment) -> f64 {
    moment.since_unix_epoch().as_secs_f64()
}

impl Label {
    /// Returns the word if it is one of the label's values, otherwise `other`.
    fn known(&self, word: &'static str) -> &'static str {
        if self.values.contains(&word) {
            word
        } else {
            OTHER
        }
    }
}

const NONE: &str = "none";
const OTHER: &str = "other";
const TOKEN: &str = "token";
const FAILED: &str = "failed";
const FOR_FAILURE: &str = "failure";
const FOR_QUOTA: &str = "quota";
const FOR_REFUSAL: &str = "refusal";

const REASON: Label = Label {
    name: "reason",
    values: &[
        TokenRequestReason::Needed.as_str(),
        TokenRequestReason::Ahead.as_str(),
        TokenRequestReason::Refused.as_str(),
    ],
};

const RESULT: Label = Label {
    name: "result",
    values: &[
        TOKEN,
        TokenRequestOutcome::NotSent.as_str(),
        TokenRequestOutcome::Unknown.as_str(),
        TokenRequestOutcome::NotUnderstood.as_str(),
        TokenRequestOutcome::Rejected.as_str(),
        TokenRequestOutcome::Throttled.as_str(),
    ],
};

/// The kind of a failure.
const FAILURE: Label = Label {
    name: "kind",
    values: KINDS.split_at(1).1,
};

/// The kind of a failure, or no failure.
const KIND: Label = Label {
    name: "kind",
    values: KINDS,
};

const KINDS: &[&str] = &[
    NONE,
    ErrorKind::Config.as_str(),
    ErrorKind::Rejected.as_str(),
    ErrorKind::Unavailable.as_str(),
    ErrorKind::TimedOut.as_str(),
    ErrorKind::Throttled.as_str(),
    ErrorKind::Quota.as_str(),
    ErrorKind::Protocol.as_str(),
    ErrorKind::Refused.as_str(),
    ErrorKind::Origin.as_str(),
    ErrorKind::Store.as_str(),
    ErrorKind::Closed.as_str(),
];

const BACK_OFF: Label = Label {
    name: "cause",
    values: &[FOR_FAILURE, FOR_QUOTA, FOR_REFUSAL],
};

const WAITED: Label = Label {
    name: "result",
    values: &[TOKEN, FAILED],
};

/// The values of `Unsigned` in auth-tower.
const UNSIGNED: Label = Label {
    name: "cause",
    values: &[
        "other_origin",
        "other_host",
        "no_key",
        "no_token",
        "own_credentials",
        "removed_below",
        OTHER,
    ],
};

/// The values of `NotReplayed` in auth-tower.
const NOT_REPLAYED: Label = Label {
    name: "cause",
    values: &[
        "off",
        "body",
        "too_large",
        "redirected",
        "redirects_unseen",
        "refusal_back_off",
        "no_token",
        "unchanged",
        "scope",
        "twice",
        OTHER,
    ],
};

const WIDER_SCOPE: Label = Label {
    name: "result",
    values: &[
        GRANTED,
        SCOPE_DENIED,
        NoWiderScope::Unnamed.as_str(),
        NoWiderScope::AlreadyGranted.as_str(),
        NoWiderScope::NotPermitted.as_str(),
        NoWiderScope::Denied.as_str(),
        NoWiderScope::Unknown.as_str(),
        NoWiderScope::TooMany.as_str(),
        OTHER,
    ],
};

const GRANTED: &str = "granted";

#[cfg(test)]
mod tests;
