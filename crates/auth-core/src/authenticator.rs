use std::{fmt, sync::Arc, thread, time::Duration};

use http::HeaderMap;

use crate::{
    Acquire, Clock, Error, ExchangeLimit, Generation, Health, Key, Origins, Quota, RefreshPolicy,
    Scheme, SharedClock, SharedTokenStore, Token, TokenSource, TokenStore,
    acquire::Wish,
    core::{Answer, Core, Settings},
    source::DynSource,
};

/// Keeps one token at hand for everybody, fetches and renews it at most once for all, and replaces
/// it when the API refuses it.
///
/// One authenticator stands for one key: one vendor account and one set of scopes. It is a handle:
/// clones share the token. Put it into `auth_tower::AuthLayer`, or call
/// [`token`](Self::token) by hand.
///
/// Nothing runs while nobody asks: an exchange is started by the first request that needs it, in
/// a tokio task of its own that no caller owns, and ends with its result or at the policy's
/// deadline.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{AccessToken, Authenticator, Error, Exchange, Origins, TokenSource};
/// use http::HeaderMap;
///
/// struct FromAgent;
///
/// impl TokenSource for FromAgent {
///     async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let authenticator = Authenticator::builder(FromAgent)
///     .vendor("agent")
///     .origins(Origins::new(["https://api.example.com"])?)
///     .build()?;
///
/// let mut headers = HeaderMap::new();
/// authenticator.token().await?.sign(&mut headers);
/// assert_eq!(headers["authorization"], "Bearer fake-token");
/// assert!(authenticator.try_token().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Authenticator {
    core: Arc<Core>,
}

impl Authenticator {
    /// Starts to describe an authenticator that fetches its tokens from `source`.
    pub fn builder(source: impl TokenSource) -> AuthenticatorBuilder {
        AuthenticatorBuilder {
            source: Box::new(source),
            settings: Settings {
                vendor: "token source".to_owned(),
                scheme: Scheme::bearer(),
                origins: Origins::default(),
                policy: RefreshPolicy::default(),
                quota: None,
                limit: None,
                clock: SharedClock::default(),
                shards: thread::available_parallelism()
                    .map_or(1, usize::from)
                    .min(MAX_SHARDS),
            },
            origins_set: false,
            store: None,
        }
    }

    /// Returns the cached token if it is valid. Never waits, and starts nothing, not even a renewal
    /// that is due.
    #[must_use]
    #[inline]
    pub fn try_token(&self) -> Option<Token> {
        self.core.fresh_token().or_else(|| self.core.valid_token())
    }

    /// Returns the cached token unless there is something to decide, for example whether a renewal
    /// is due: then [`token`](Self::token) has to be asked. For the layers of this workspace.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn fresh_token(&self) -> Option<Token> {
        self.core.fresh_token()
    }

    /// Returns the token at hand, or waits for the one exchange that fetches it for everybody.
    ///
    /// # Errors
    ///
    /// Whatever the exchange ended with; see [`ErrorKind`](crate::ErrorKind). While the vendor is
    /// left alone after a failure, the same error comes at once, with the time until the next try.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels nothing but the waiting: the exchange goes on, and its token
    /// serves the next caller.
    #[must_use = "futures do nothing unless awaited"]
    pub fn token(&self) -> Acquire {
        Acquire::new(Arc::clone(&self.core))
    }

    /// As [`token`](Self::token), but renews a token first that would be usable for less than `min`:
    /// for requests that cannot be sent twice, an upload that takes a while for example. Where a
    /// renewal is not possible now (back-off, quota), or brings none that lives so long, the token
    /// that there is has to do.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token). A renewal that failed is one, even if the old token is still
    /// usable.
    ///
    /// # Cancel safety
    ///
    /// As [`token`](Self::token).
    #[must_use = "futures do nothing unless awaited"]
    pub fn token_for(&self, min: Duration) -> Acquire {
        let core = Arc::clone(&self.core);
        match self.core.prolong(min) {
            Answer::Wait(flight) => Acquire::joined(core, flight, Wish::Longer),
            _ => Acquire::new(core),
        }
    }

    /// Makes sure that there is a token, before the first request needs one.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    ///
    /// # Cancel safety
    ///
    /// As [`token`](Self::token).
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.token().await.map(drop)
    }

    /// Tells how it stands, for a health page. Starts nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.core.health()
    }

    /// Puts the token at hand on a request, at once or not at all.
    #[inline(always)]
    pub fn sign(&self, headers: &mut HeaderMap) -> Signing {
        match self.core.sign_fresh(headers) {
            Some(generation) => Signing::Signed(generation),
            None if self.is_signed(headers) => Signing::Occupied,
            None => Signing::NoToken,
        }
    }

    /// Tells whether a request already carries a header that the token would set.
    #[must_use]
    pub fn is_signed(&self, headers: &HeaderMap) -> bool {
        self.core.settings.scheme.is_set(headers)
    }

    /// Takes every header off a request that the token would set.
    pub fn unsign(&self, headers: &mut HeaderMap) {
        self.core.settings.scheme.remove(headers);
    }

    /// Reports that the API refused a token, which is the only way to force a renewal. A refusal of
    /// any but the newest token changes nothing. Starts an exchange if one is needed, and does not
    /// wait for it.
    pub fn refuse(&self, generation: Generation) -> Refusal {
        match self.core.refused(generation) {
            Answer::Token(token) => Refusal::Superseded(token),
            Answer::Wait(flight) => {
                let wish = Wish::InPlaceOf(generation);
                Refusal::Renewing(Acquire::joined(Arc::clone(&self.core), flight, wish))
            }
            Answer::SendAgain(_, after) => {
                let core = Arc::clone(&self.core);
                Refusal::TooYoung(Acquire::later(core, after))
            }
            Answer::Damped => Refusal::Damped,
            Answer::Error(error) => Refusal::Failed(error),
        }
    }

    /// Reports that the API accepted a token that was sent in place of a refused one; ends the
    /// damping of renewals.
    pub fn accepted(&self, generation: Generation) {
        self.core.accepted(generation);
    }

    /// Forgets that the vendor rejected the credentials, so that they are tried again at once: for an
    /// operator who has unlocked the account, or has corrected something at the vendor.
    ///
    /// Forgets the rejected logins of the account that was used last, in this process, and ignores
    /// once what other processes wrote into the store. Changed credentials are tried without this.
    pub fn clear_rejections(&self) {
        self.core.clear_rejections();
    }

    /// Returns where the token may go.
    #[must_use]
    #[inline]
    pub fn origins(&self) -> &Origins {
        &self.core.settings.origins
    }

    /// Returns the vendor's name, as it stands in errors and logs.
    #[must_use]
    pub fn vendor(&self) -> &str {
        self.core.vendor()
    }

    /// Returns the clock that the authenticator goes by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.core.settings.clock.as_dyn()
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Tells whether there is another handle, a flight's included.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.core) > 1
    }

    /// Returns how many copies of what threads share are kept for this key; see
    /// [`AuthenticatorBuilder::shards`].
    #[must_use]
    pub fn shards(&self) -> usize {
        self.core.settings.shards
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

/// Describes an [`Authenticator`].
#[must_use]
pub struct AuthenticatorBuilder {
    source: Box<dyn DynSource>,
    settings: Settings,
    origins_set: bool,
    store: Option<(SharedTokenStore, Key)>,
}

impl AuthenticatorBuilder {
    /// Sets the vendor's name for errors and logs; default "token source".
    pub fn vendor(mut self, name: impl Into<String>) -> Self {
        self.settings.vendor = name.into();
        self
    }

    /// Sets how a token is put on a request; default `Authorization: Bearer`.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.settings.scheme = scheme;
        self
    }

    /// Sets where the token may go. Required.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.settings.origins = origins;
        self.origins_set = true;
        self
    }

    /// Sets when tokens are renewed, and how failures are spaced.
    pub fn policy(mut self, policy: RefreshPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets how many exchanges the vendor allows; default no limit.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.settings.quota = Some(quota);
        self
    }

    /// Sets the limit that this authenticator shares with others at the same token endpoint;
    /// default none.
    pub fn limit(mut self, limit: ExchangeLimit) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// Shares the token with other processes through a store, and with the next start of this one.
    /// The key says whose token it is: everything that makes it another than the next belongs into
    /// it. Default: none.
    ///
    /// Before an exchange the store is looked into; a token that is good is taken from there. If
    /// there is none, one of all processes takes the lease and makes the exchange, and the others
    /// wait for what it puts into the store. All of them know of a failure, of the time before which
    /// nobody asks again, and of rejected logins; [refresh tokens](TokenSource::keeps_refresh_tokens)
    /// are spent once. The [quota](Self::quota) is counted for vendor, issuer and client of the key
    /// together, as vendors count.
    ///
    /// Where the store does not answer within its [patience](TokenStore::patience), 50 ms if it does
    /// not say otherwise, this process goes on alone, with a [share](Quota::without_store) of the
    /// quota, and leaves the store alone for a while: 5 s at first, up to 40 s.
    ///
    /// Credentials that do not expire, and tokens of an unknown lifetime, are not stored.
    pub fn store(mut self, store: impl TokenStore, key: Key) -> Self {
        self.store = Some((SharedTokenStore::new(store), key));
        self
    }

    /// As [`store`](Self::store), where there may be none: for a vendor's crate, whose own builder was
    /// given one or not.
    pub fn shared_store(mut self, store: Option<SharedTokenStore>, key: Key) -> Self {
        self.store = store.map(|store| (store, key));
        self
    }

    /// Sets the clock; default [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.settings.clock = clock.into();
        self
    }

    /// Sets how many copies of a token's headers are kept, rounded up to a power of two, 1 to 64.
    /// Each costs about 520 bytes; the token itself is kept once. Default: one for each processor,
    /// at most 8. Use 1 where one process holds many authenticators that each see little traffic.
    pub fn shards(mut self, count: usize) -> Self {
        self.settings.shards = count.clamp(1, 64);
        self
    }

    /// Builds the authenticator. Starts nothing.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) that names the setting: `origins` when it was not set,
    /// a share or a duration of the policy, the quota, the scheme.
    pub fn build(self) -> Result<Authenticator, Error> {
        let Self {
            source,
            settings,
            origins_set,
            store,
        } = self;
        if !origins_set {
            return Err(Error::config("origins", "say where the token may go"));
        }
        settings.policy.validate()?;
        settings.scheme.validate()?;
        settings.quota.map_or(Ok(()), Quota::validate)?;
        let limit = settings.limit.as_ref();
        limit.map_or(Ok(()), ExchangeLimit::validate)?;
        Ok(Authenticator {
            core: Arc::new(Core::new(settings, source, store)),
        })
    }
}

impl fmt::Debug for AuthenticatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorBuilder")
            .field("vendor", &self.settings.vendor)
            .finish_non_exhaustive()
    }
}

/// What became of an attempt to sign at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signing {
    /// The request is signed with this token.
    Signed(Generation),
    /// The request carries a credential header already, and was left alone.
    Occupied,
    /// No token is at hand, or it is time to renew it: use [`Authenticator::token`].
    NoToken,
}

/// What follows from a refusal.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// A newer token is at hand: send the request again with this one.
    Superseded(Token),
    /// Another token is being fetched: wait for it. Of a credential that does not expire, it may
    /// turn out to be the same one, with the same generation; then let the API's answer stand.
    Renewing(Acquire),
    /// The token is so young that the API may not know it yet. Wait for it, and send the request once
    /// more with the same token.
    TooYoung(Acquire),
    /// The token was renewed moments ago and that did not help, so it is kept for now: let the
    /// API's answer stand.
    Damped,
    /// No other token can be had now: let the API's answer stand.
    Failed(Error),
}

/// More copies than this do not pay: the work between two requests spreads threads out.
const MAX_SHARDS: usize = 8;
