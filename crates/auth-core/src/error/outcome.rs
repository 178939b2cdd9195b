//! What a failed token request proves.

/// How far a failed token request got. Determines what the failure proves, and for which processes.
///
/// The transport and the [`TokenSource`](crate::TokenSource) set the outcome by
/// [`Error::with_outcome`](crate::Error::with_outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRequestOutcome {
    /// No byte of the request reached the authorization server: DNS, connect or TLS failed, or a
    /// secret could not be read. A refresh token was not used. Other processes may send a token
    /// request at once.
    NotSent,
    /// The request was sent and no complete reply came, for example a time-out or a reset. A
    /// refresh token may have been used. The failure says nothing about the credentials.
    Unknown,
    /// A reply came that is neither a token nor an OAuth error, for example the HTML page of a
    /// proxy, a bare 404 or a bare 503. A refresh token was not used. The failure says nothing
    /// about the credentials.
    NotUnderstood,
    /// The authorization server answered with an OAuth error (RFC 6749 section 5.2), a bare 401 or
    /// a vendor-specific error. [`Error::rejected_part`](crate::Error::rejected_part) says what was
    /// rejected.
    Rejected,
    /// The authorization server asked for fewer requests: 429, 503 with `Retry-After`, or a
    /// vendor-specific quota error. A refresh token was not used.
    Throttled,
}

/// The part of a token request that the authorization server rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectedPart {
    /// The credentials: a client secret, a password, an assertion.
    Credentials,
    /// The second factor, for example a one-time code. The credentials were not rejected.
    SecondFactor,
    /// The refresh token.
    RefreshToken,
    /// A scope beyond the usual ones, which was requested because the API requires it; see
    /// [`WiderScope`](crate::WiderScope). The next token request asks for the usual scope again.
    Scope,
    /// Something else: a scope, a grant type, a parameter.
    Request,
}

impl TokenRequestOutcome {
    /// Returns the outcome as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::NotUnderstood => "not_understood",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
        }
    }
}
