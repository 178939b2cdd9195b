use std::{sync::Arc, time::Duration};

use crate::{Error, Generation, Moment, TokenRequestReason};

/// Something that happened to an authenticator, its tokens or its requests; what an
/// [`Observer`](crate::Observer) is told.
///
/// Cheap to clone. Holds no secret.
#[derive(Clone, Debug)]
pub struct Event {
    names: Arc<Names>,
    time: Moment,
    kind: EventKind,
}

/// Whose event it is.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) vendor: String,
    pub(crate) label: Option<Arc<str>>,
}

/// What happened.
///
/// The page [Observability](crate::_documentation::observability) lists for each kind at which
/// level it is logged, and what to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A token request was sent.
    #[non_exhaustive]
    TokenRequestStarted {
        /// Why a token is wanted.
        reason: TokenRequestReason,
    },
    /// A token request ended.
    #[non_exhaustive]
    TokenRequestEnded {
        /// Why a token was wanted.
        reason: TokenRequestReason,
        /// How long it took, by the authenticator's clock.
        duration: Duration,
        /// Why it brought no token; `None` if it brought one. [`Error::kind`] and
        /// [`Error::outcome`] say more.
        error: Option<Error>,
        /// How many slots of the quota this process has used, and how many there are, if there is a
        /// quota. With a store, the slots of other processes are not counted.
        quota: Option<QuotaUse>,
    },
    /// Requests are signed with this token from now on.
    #[non_exhaustive]
    TokenPublished {
        /// The number of the token.
        generation: Generation,
        /// The lifetime that the authorization server stated.
        lifetime: Option<Duration>,
        /// How long the token may be sent.
        valid_for: Duration,
        /// How long until the renewal ahead of expiry is due.
        renewal_in: Duration,
    },
    /// Another process had requested the token, and this process took it from the store;
    /// [`TokenPublished`](Self::TokenPublished) follows.
    #[non_exhaustive]
    TokenAdopted {
        /// How old the token was.
        age: Duration,
    },
    /// The API accepted a token for the first time, as far as somebody reported it: only requests
    /// that waited for their token, or were replayed, report it.
    #[non_exhaustive]
    TokenAccepted {
        /// The number of the token.
        generation: Generation,
    },
    /// The API refused a token. Once for each refused response.
    #[non_exhaustive]
    TokenRefused {
        /// The number of the token.
        generation: Generation,
        /// The host that refused it; the authenticator's origins where the host is not known.
        host: Box<str>,
    },
    /// A token expired or was replaced before any request asked for it.
    #[non_exhaustive]
    TokenUnused {
        /// The number of the token.
        generation: Generation,
    },
    /// No token came, and the cached token serves.
    #[non_exhaustive]
    RenewalFailed {
        /// Why.
        error: Error,
        /// How much longer the cached token serves.
        valid_for: Duration,
    },
    /// No token came, and no valid token is cached: requests fail until a token request succeeds.
    #[non_exhaustive]
    NoToken {
        /// Why.
        error: Error,
    },
    /// A token came after failures.
    #[non_exhaustive]
    Recovered {
        /// The number of the token.
        generation: Generation,
        /// For how long token requests had failed.
        failing_for: Duration,
    },
    /// No token request starts for a while, because of a failure.
    #[non_exhaustive]
    BackOff {
        /// For how long.
        wait: Duration,
        /// The failure.
        error: Error,
    },
    /// The token quota has no slot for a token request that is wanted. Told once for each time that
    /// the quota is used up.
    #[non_exhaustive]
    QuotaUsedUp {
        /// How long until a slot frees.
        wait: Duration,
    },
    /// No token request follows from a refusal for a while, because the API refused renewed tokens
    /// or refuses tokens often.
    #[non_exhaustive]
    RefusalBackOff {
        /// For how long.
        wait: Duration,
    },
    /// A token request is tried although the authorization server rejected the last one.
    #[non_exhaustive]
    Probe {
        /// The rejection.
        error: Error,
    },
    /// The token store failed; this process goes on without it for a while.
    #[non_exhaustive]
    StoreFailed {
        /// Why.
        error: Error,
    },
    /// The token store answers again.
    #[non_exhaustive]
    StoreRecovered,
    /// Another process wrote the store's entry while this process had the lease, or the lease ended
    /// before the token request was sent. This process looks into the store again.
    #[non_exhaustive]
    LeaseLost,
    /// An [`AuthenticatorMap`](crate::AuthenticatorMap) evicted the authenticator.
    #[non_exhaustive]
    AuthenticatorEvicted,
    /// Requests wait for a token request that has been sent. Told when it is sent, and each time
    /// that more wait than before and their number is a power of two: 100,000 requests cause 18
    /// events at most. [`RequestsWaited`](Self::RequestsWaited) follows when none waits any more.
    #[non_exhaustive]
    RequestsWaiting {
        /// How many wait.
        count: u64,
    },
    /// Requests waited for a token request that is over now. One event for all of them.
    #[non_exhaustive]
    RequestsWaited {
        /// How many waited.
        count: u64,
        /// How many of them got no token from it.
        failed: u64,
        /// How long they waited together.
        total: Duration,
        /// How long the one waited that waited longest.
        longest: Duration,
    },
    /// A request was sent without a token.
    #[non_exhaustive]
    RequestUnsigned {
        /// Why, in one lower-case word, for example `other_origin`.
        cause: &'static str,
        /// The host that it was sent to.
        host: Box<str>,
        /// Why there was no token, if that is the cause.
        error: Option<Error>,
    },
    /// A refused request is sent once more with a new token.
    #[non_exhaustive]
    RequestReplayed {
        /// The token that was refused.
        refused: Generation,
        /// The host that the request is sent to.
        host: Box<str>,
    },
    /// A refused request is not sent once more.
    #[non_exhaustive]
    RequestNotReplayed {
        /// Why, in one lower-case word, for example `body`.
        cause: &'static str,
        /// The host that it was sent to; the authenticator's origins where the host is not known.
        host: Box<str>,
        /// Why there was no other token, if that is the cause.
        error: Option<Error>,
    },
    /// The API wanted more scope than the token has, and the authenticator
    /// [asks for more](crate::WiderScope). Told once for each token request that was made because of
    /// it, when the authorization server answered; and once for each request because of which no
    /// token is requested. Holds no name of a scope: the API chose it.
    #[non_exhaustive]
    WiderScope {
        /// How many scopes the token request asked for beyond the usual ones, or, if there is none,
        /// how many the API wanted.
        scopes: usize,
        /// Why not all were granted, in one lower-case word: `denied` by the authorization server,
        /// otherwise [`NoWiderScope::as_str`](crate::NoWiderScope::as_str). `None` if all were
        /// granted.
        declined: Option<&'static str>,
    },
    /// A credential was removed from a request that left the authenticator's origins.
    #[non_exhaustive]
    CredentialRemoved {
        /// The host that the request is sent to.
        host: Box<str>,
    },
}

/// The slots of a [`Quota`](crate::Quota), at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaUse {
    /// How many slots are taken.
    pub used: u32,
    /// How many slots there are.
    pub limit: u32,
}

/// Why more scope was not granted: the authorization server was asked now, and denied a part.
pub(crate) const SCOPE_DENIED: &str = "denied";

impl Event {
    pub(crate) fn new(names: Arc<Names>, time: Moment, kind: EventKind) -> Self {
        Self { names, time, kind }
    }

    /// Returns the vendor's name.
    #[must_use]
    pub fn vendor(&self) -> &str {
        &self.names.vendor
    }

    /// Returns the label that the application gave the authenticator, by
    /// [`AuthenticatorOptions::label`](crate::AuthenticatorOptions::label).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.names.label.as_deref()
    }

    /// Returns when the observer was told, by the authenticator's clock.
    #[must_use]
    pub fn time(&self) -> Moment {
        self.time
    }

    /// Returns what happened.
    #[must_use]
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Returns the kind in one lower-case word, for example `token_published`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the error that the event is about, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.kind.error()
    }

    /// Returns the host that the event is about: the API's for a request, the token endpoint's for
    /// a failed token request.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.kind.host()
    }

    /// Returns the cause in one lower-case word, of a bounded set: why a request was not signed or
    /// not replayed, or why no more scope was granted; otherwise the [kind](Error::kind) of the error.
    #[must_use]
    pub fn cause(&self) -> Option<&'static str> {
        self.kind.cause()
    }

    /// Returns one event of each kind, for tests of observers.
    #[doc(hidden)]
    #[must_use]
    pub fn examples() -> Vec<Self> {
        let names = Arc::new(Names {
            vendor: "example".to_owned(),
            label: Some("tenant-7".into()),
        });
        let since_1970 = Duration::from_secs(1_700_000_000);
        let time = Moment::new(Duration::ZERO, since_1970);
        let examples = EventKind::examples().into_iter();
        examples
            .map(|kind| Self::new(Arc::clone(&names), time, kind))
            .collect()
    }
}

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

    fn host(&self) -> Option<&str> {
        match self {
            Self::TokenRefused { host, .. }
            | Self::RequestUnsigned { host, .. }
            | Self::RequestReplayed { host, .. }
            | Self::RequestNotReplayed { host, .. }
            | Self::CredentialRemoved { host } => Some(host),
            _ => self.error().and_then(Error::host),
        }
    }

    fn cause(&self) -> Option<&'static str> {
        match self {
            Self::RequestUnsigned { cause, .. } | Self::RequestNotReplayed { cause, .. } => {
                Some(cause)
            }
            Self::WiderScope { declined, .. } => *declined,
            _ => self.error().map(|error| error.kind().as_str()),
        }
    }

    fn examples() -> Vec<Self> {
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
