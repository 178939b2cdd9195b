//! What a person or a program can do about an error.

/// The kind of an [`Error`](crate::Error), which says what a person or a program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is wrong: correct the field that [`Error::field`](crate::Error::field) names.
    Config,
    /// The vendor rejected the credentials or the request permanently: a person must act.
    Rejected,
    /// The vendor could not be reached or failed: the next token request follows after a back-off.
    Unavailable,
    /// The token request did not end within its deadline: the next one follows after a back-off.
    TimedOut,
    /// The vendor asked for a pause; [`Error::retry_after`](crate::Error::retry_after) says how
    /// long.
    Throttled,
    /// The vendor's token quota is used up; [`Error::retry_after`](crate::Error::retry_after) says
    /// when the next slot is free.
    Quota,
    /// The vendor's reply does not have the documented form, so no token could be read from it.
    Protocol,
    /// The API refused the token, and no other token is available.
    Refused,
    /// The token may not be sent to this destination.
    Origin,
    /// The token store failed. Requests continue without the store, so this kind is seen in logs,
    /// and in errors about a refresh token, which is not sent or not kept without the store.
    Store,
    /// The token request ended without a result, by a panic or because its runtime shut down.
    Closed,
}

impl ErrorKind {
    /// Returns the kind as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Origin => "origin",
            Self::Store => "store",
            Self::Closed => "closed",
        }
    }
}
