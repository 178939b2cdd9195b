//! The kinds of events.

use std::time::Duration;

use crate::{Error, Generation, TokenRequestReason};

/// What happened.
///
/// The page [Observability](crate::_documentation::observability) lists for each kind the log level
/// and what to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A token request was sent.
    #[non_exhaustive]
    TokenRequestStarted {
        /// Why a token is requested.
        reason: TokenRequestReason,
    },
    /// A token request ended.
    #[non_exhaustive]
    TokenRequestEnded {
        /// Why the token was requested.
        reason: TokenRequestReason,
        /// How long the token request took, by the authenticator's clock.
        duration: Duration,
        /// Why the token request brought no token. `None` if it brought one. [`Error::kind`] and
        /// [`Error::outcome`] say more.
        error: Option<Error>,
        /// The used and the allowed slots of the quota in this process. `None` without a quota.
        /// Slots that other processes used are not counted, also with a store.
        quota: Option<QuotaUse>,
    },
    /// Requests are signed with this token from now on.
    #[non_exhaustive]
    TokenPublished {
        /// The number of the token.
        generation: Generation,
        /// The lifetime that the authorization server stated. `None` if it stated none.
        lifetime: Option<Duration>,
        /// How long the token may be sent.
        valid_for: Duration,
        /// The time until the renewal ahead of expiry is due.
        renewal_in: Duration,
    },
    /// This process took a token that another process had requested from the store.
    /// [`TokenPublished`](Self::TokenPublished) follows.
    #[non_exhaustive]
    TokenAdopted {
        /// The age of the token.
        age: Duration,
    },
    /// The API accepted a token for the first time, as far as this is reported. Only requests that
    /// waited for their token, and replayed requests, report it.
    #[non_exhaustive]
    TokenAccepted {
        /// The number of the token.
        generation: Generation,
    },
    /// The API refused a token. Comes once for each refused response.
    #[non_exhaustive]
    TokenRefused {
        /// The number of the token.
        generation: Generation,
        /// The host that refused the token. The authenticator's origins if the host is not known.
        host: Box<str>,
    },
    /// A token expired or was replaced before any request asked for it.
    #[non_exhaustive]
    TokenUnused {
        /// The number of the token.
        generation: Generation,
    },
    /// A token request failed, and requests are still signed with the cached token.
    #[non_exhaustive]
    RenewalFailed {
        /// Why the token request failed.
        error: Error,
        /// How long the cached token can still be sent.
        valid_for: Duration,
    },
    /// A token request failed, and no valid token is cached: requests fail until a token request
    /// succeeds.
    #[non_exhaustive]
    NoToken {
        /// Why the token request failed.
        error: Error,
    },
    /// A token request succeeded after failures.
    #[non_exhaustive]
    Recovered {
        /// The number of the token.
        generation: Generation,
        /// The time since token requests began to fail.
        failing_for: Duration,
    },
    /// A back-off began: no token request starts until it is over.
    #[non_exhaustive]
    BackOff {
        /// The length of the back-off.
        wait: Duration,
        /// The failure.
        error: Error,
    },
    /// A token request is needed and the token quota has no free slot. Comes once for each time
    /// that the quota is used up.
    #[non_exhaustive]
    QuotaUsedUp {
        /// The time until a slot becomes free.
        wait: Duration,
    },
    /// A refusal back-off began: refusals by the API start no token request until it is over,
    /// because the API refused renewed tokens or refuses tokens often.
    #[non_exhaustive]
    RefusalBackOff {
        /// The length of the refusal back-off.
        wait: Duration,
    },
    /// A probe starts: a token request although the authorization server rejected the last one.
    #[non_exhaustive]
    Probe {
        /// The rejection.
        error: Error,
    },
    /// The token store failed. This process continues without the store for a while.
    #[non_exhaustive]
    StoreFailed {
        /// Why the store failed.
        error: Error,
    },
    /// The token store answers again.
    #[non_exhaustive]
    StoreRecovered,
    /// This process lost its lease: another process wrote the store's entry, or the lease ended
    /// before the token request was sent. This process reads the store again.
    #[non_exhaustive]
    LeaseLost,
    /// An [`AuthenticatorMap`](crate::AuthenticatorMap) evicted the authenticator.
    #[non_exhaustive]
    AuthenticatorEvicted,
    /// Requests wait for a token request that was sent. Told when it is sent, and each time that the
    /// number of waiting requests has grown to a power of two: 100,000 requests cause at most 18
    /// events. [`RequestsWaited`](Self::RequestsWaited) follows when none waits any more.
    #[non_exhaustive]
    RequestsWaiting {
        /// The number of requests that wait.
        count: u64,
    },
    /// Requests waited for a token request that has ended. One event for all of them.
    #[non_exhaustive]
    RequestsWaited {
        /// The number of requests that waited.
        count: u64,
        /// The number of them that got no token.
        failed: u64,
        /// The sum of their waiting times.
        total: Duration,
        /// The longest of their waiting times.
        longest: Duration,
    },
    /// A request was sent without a token.
    #[non_exhaustive]
    RequestUnsigned {
        /// The reason as one lower-case word, for example `other_origin`.
        cause: &'static str,
        /// The host that the request was sent to.
        host: Box<str>,
        /// Why no token was available, if that is the reason.
        error: Option<Error>,
    },
    /// A refused request is sent once more with a new token.
    #[non_exhaustive]
    RequestReplayed {
        /// The number of the refused token.
        refused: Generation,
        /// The host that the request is sent to.
        host: Box<str>,
    },
    /// A refused request is not sent once more.
    #[non_exhaustive]
    RequestNotReplayed {
        /// The reason as one lower-case word, for example `body`.
        cause: &'static str,
        /// The host that the request was sent to. The authenticator's origins if the host is not
        /// known.
        host: Box<str>,
        /// Why no other token was available, if that is the reason.
        error: Option<Error>,
    },
    /// The API required a larger scope, and [`WiderScope`](crate::WiderScope) is set. One event when
    /// the authorization server has answered the token request for it, and one for each request for
    /// which no such token request is sent. Contains no scope, because the API chose the text.
    #[non_exhaustive]
    WiderScope {
        /// The number of additional scopes in the token request. Without a token request, the number
        /// of scopes that the API requires.
        scopes: usize,
        /// Why not all scopes were granted, as one lower-case word: `denied` by the authorization
        /// server, otherwise [`NoWiderScope::as_str`](crate::NoWiderScope::as_str). `None` if all
        /// were granted.
        declined: Option<&'static str>,
    },
    /// A credential was removed from a request that left the authenticator's origins.
    #[non_exhaustive]
    CredentialRemoved {
        /// The host that the request is sent to.
        host: Box<str>,
    },
}

/// The slots of a [`Quota`](crate::Quota) at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaUse {
    /// The number of used slots.
    pub used: u32,
    /// The number of allowed slots.
    pub limit: u32,
}

/// Why more scope was not granted: the authorization server was asked now, and denied a part.
pub(crate) const SCOPE_DENIED: &str = "denied";

impl EventKind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TokenRequestStarted { .. } => "token_request_started",
            Self::TokenRequestEnded { .. } => "token_request_ended",
            Self::TokenPublished { .. } => "token_published",
            Self::TokenAdopted { .. } => "token_adopted",
            Self::TokenAccepted { .. } => "token_accepted",
            Self::TokenRefused { .. } => "token_refused",
            Self::TokenUnused { .. } => "token_unused",
            Self::RenewalFailed { .. } => "renewal_failed",
            Self::NoToken { .. } => "no_token",
            Self::Recovered { .. } => "recovered",
            Self::BackOff { .. } => "back_off",
            Self::QuotaUsedUp { .. } => "quota_used_up",
            Self::RefusalBackOff { .. } => "refusal_back_off",
            Self::Probe { .. } => "probe",
            Self::StoreFailed { .. } => "store_failed",
            Self::StoreRecovered => "store_recovered",
            Self::LeaseLost => "lease_lost",
            Self::AuthenticatorEvicted => "authenticator_evicted",
            Self::RequestsWaiting { .. } => "requests_waiting",
            Self::RequestsWaited { .. } => "requests_waited",
            Self::RequestUnsigned { .. } => "request_unsigned",
            Self::RequestReplayed { .. } => "request_replayed",
            Self::RequestNotReplayed { .. } => "request_not_replayed",
            Self::WiderScope { .. } => "wider_scope",
            Self::CredentialRemoved { .. } => "credential_removed",
        }
    }

    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::TokenRequestEnded { error, .. }
            | Self::RequestUnsigned { error, .. }
            | Self::RequestNotReplayed { error, .. } => error.as_ref(),
            Self::RenewalFailed { error, .. }
            | Self::NoToken { error }
            | Self::BackOff { error, .. }
            | Self::Probe { error }
            | Self::StoreFailed { error } => Some(error),
            _ => None,
        }
    }

    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::TokenRefused { host, .. }
            | Self::RequestUnsigned { host, .. }
            | Self::RequestReplayed { host, .. }
            | Self::RequestNotReplayed { host, .. }
            | Self::CredentialRemoved { host } => Some(host),
            _ => self.error().and_then(Error::host),
        }
    }

    pub(super) fn cause(&self) -> Option<&'static str> {
        match self {
            Self::RequestUnsigned { cause, .. } | Self::RequestNotReplayed { cause, .. } => {
                Some(cause)
            }
            Self::WiderScope { declined, .. } => *declined,
            _ => self.error().map(|error| error.kind().as_str()),
        }
    }

    pub(super) fn examples() -> Vec<Self> {
        let generation = Generation::after(None);
        let second = Duration::from_secs(1);
        let reason = TokenRequestReason::Needed;
        let error = Error::new(crate::ErrorKind::Unavailable, "connection refused")
            .with_host("login.example.com");
        let host = Box::<str>::from("api.example.com");
        let (some, quota) = (Some(error.clone()), Some(QuotaUse { used: 1, limit: 20 }));
        vec![
            Self::TokenRequestStarted { reason },
            Self::TokenRequestEnded {
                reason,
                duration: second,
                error: None,
                quota,
            },
            Self::TokenRequestEnded {
                reason,
                duration: second,
                error: some.clone(),
                quota,
            },
            Self::TokenPublished {
                generation,
                lifetime: Some(second * 60),
                valid_for: second * 54,
                renewal_in: second * 48,
            },
            Self::TokenAdopted { age: second },
            Self::TokenAccepted { generation },
            Self::TokenRefused {
                generation,
                host: host.clone(),
            },
            Self::TokenUnused { generation },
            Self::RenewalFailed {
                error: error.clone(),
                valid_for: second * 6,
            },
            Self::NoToken {
                error: error.clone(),
            },
            Self::Recovered {
                generation,
                failing_for: second,
            },
            Self::BackOff {
                wait: second,
                error: error.clone(),
            },
            Self::QuotaUsedUp { wait: second },
            Self::RefusalBackOff { wait: second },
            Self::Probe {
                error: error.clone(),
            },
            Self::StoreFailed { error },
            Self::StoreRecovered,
            Self::LeaseLost,
            Self::AuthenticatorEvicted,
            Self::RequestsWaiting { count: 2 },
            Self::RequestsWaited {
                count: 2,
                failed: 1,
                total: second * 2,
                longest: second,
            },
            Self::RequestUnsigned {
                cause: "no_token",
                host: host.clone(),
                error: some.clone(),
            },
            Self::RequestReplayed {
                refused: generation,
                host: host.clone(),
            },
            Self::RequestNotReplayed {
                cause: "no_token",
                host: host.clone(),
                error: some,
            },
            Self::WiderScope {
                scopes: 1,
                declined: None,
            },
            Self::WiderScope {
                scopes: 1,
                declined: Some(SCOPE_DENIED),
            },
            Self::WiderScope {
                scopes: 1,
                declined: Some("not_permitted"),
            },
            Self::CredentialRemoved { host },
        ]
    }
}
