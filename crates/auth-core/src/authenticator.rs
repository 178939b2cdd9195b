pub(crate) mod acquire;
pub(crate) mod asking;
pub(crate) mod driver;
pub(crate) mod flight;
pub(crate) mod health;
pub(crate) mod options;
pub(crate) mod published;
pub(crate) mod requests;
pub(crate) mod residue;
pub(crate) mod shared_state;
pub(crate) mod snapshot;
pub(crate) mod waiters;
pub(crate) mod warm;
pub(crate) mod wider_scope;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderMap;

use self::{
    acquire::Wish,
    asking::Answer,
    shared_state::{Settings, SharedState},
};
use crate::{
    Acquire, AuthenticatorOptions, Clock, Error, Generation, Health, Key, Origins, Scheme, Token,
    TokenSource,
    observer::{EventKind, Observed},
    token::source::DynSource,
};

/// Keeps one token at hand for everybody, fetches and renews it at most once for all, and replaces
/// it when the API refuses it.
///
/// One authenticator stands for one key: one vendor account and one set of scopes. It is a handle:
/// clones share the token. Put it into `auth_tower::AuthLayer`, or call
/// [`token`](Self::token) by hand.
///
/// Nothing runs while nobody asks: a token request is started by the first request that needs it,
/// in a tokio task of its own that no caller owns, and ends with its result or at the policy's
/// deadline.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{AccessToken, Authenticator, Error, TokenRequest, Origins, TokenSource};
/// use http::HeaderMap;
///
/// struct FromAgent;
///
/// impl TokenSource for FromAgent {
///     async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let origins = Origins::new(["https://api.example.com"])?;
/// let authenticator = Authenticator::builder(FromAgent, origins).vendor("agent").build()?;
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
    shared: Arc<SharedState>,
}

impl Authenticator {
    /// Starts an authenticator that fetches its tokens from `source`. The tokens go to `origins`
    /// and nowhere else.
    ///
    /// # Example
    ///
    /// Without origins, there is no authenticator:
    ///
    /// ```compile_fail,E0061
    /// use auth_core::{ApiKey, Authenticator, Secret};
    ///
    /// let authenticator = Authenticator::builder(ApiKey::new(Secret::new("fake-key"))).build();
    /// ```
    pub fn builder(source: impl TokenSource, origins: Origins) -> AuthenticatorBuilder {
        AuthenticatorBuilder {
            source: Box::new(source),
            origins,
            vendor: "token source".to_owned(),
            scheme: Scheme::bearer(),
            key: None,
            options: AuthenticatorOptions::new(),
        }
    }

    /// Returns the cached token if it is valid. Never waits, and starts nothing, not even a renewal
    /// that is due.
    #[must_use]
    #[inline]
    pub fn try_token(&self) -> Option<Token> {
        self.shared
            .fresh_token()
            .or_else(|| self.shared.valid_token())
    }

    /// Returns the cached token unless there is something to decide, for example whether a renewal
    /// is due: then [`token`](Self::token) has to be asked. For the layers of this workspace.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn fresh_token(&self) -> Option<Token> {
        self.shared.fresh_token()
    }

    /// Returns the cached token, or waits for the one token request that serves all callers.
    ///
    /// # Errors
    ///
    /// The error of the token request; see [`ErrorKind`](crate::ErrorKind). During the back-off after
    /// a failure, the same error is returned at once, with the time until the next token request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels nothing but the waiting: the token request goes on, and its
    /// token serves the next caller.
    #[must_use = "futures do nothing unless awaited"]
    pub fn token(&self) -> Acquire {
        Acquire::new(Arc::clone(&self.shared))
    }

    /// As [`token`](Self::token), but renews a token first that would be usable for less than
    /// `min`: for requests that cannot be sent twice, an upload that takes a while for example.
    /// Where a renewal is not possible now (back-off, quota), or brings none that lives so long,
    /// the token that there is has to do.
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
    pub fn token_valid_for(&self, min: Duration) -> Acquire {
        let shared = Arc::clone(&self.shared);
        match self.shared.prolong(min) {
            Answer::Wait(flight) => Acquire::joined(shared, flight, Wish::Longer),
            _ => Acquire::new(shared),
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
        self.shared.health()
    }

    /// Puts the token at hand on a request, at once or not at all.
    #[inline(always)]
    pub fn sign(&self, headers: &mut HeaderMap) -> Signing {
        match self.shared.sign_fresh(headers) {
            Some(generation) => Signing::Signed(generation),
            None if self.is_signed(headers) => Signing::Occupied,
            None => Signing::NoToken,
        }
    }

    /// Tells whether a request already carries a header that the token would set.
    #[must_use]
    pub fn is_signed(&self, headers: &HeaderMap) -> bool {
        self.shared.settings.scheme.is_set(headers)
    }

    /// Tells whether a request carries the header that holds the token.
    #[doc(hidden)]
    #[must_use]
    pub fn has_token(&self, headers: &HeaderMap) -> bool {
        self.shared.settings.scheme.has_token(headers)
    }

    /// Tells whether another authenticator puts its token into the same header.
    #[doc(hidden)]
    #[must_use]
    pub fn shares_header(&self, other: &Self) -> bool {
        let own = &self.shared.settings.scheme;
        own.shares_header(&other.shared.settings.scheme)
    }

    /// Takes every header off a request that the token would set.
    pub fn unsign(&self, headers: &mut HeaderMap) {
        self.shared.settings.scheme.remove(headers);
    }

    /// Reports that the API refused a token, which is the only way to force a renewal. A refusal of
    /// any but the newest token changes nothing. Starts a token request if one is needed, and does
    /// not wait for it.
    pub fn report_refused(&self, generation: Generation) -> Refusal {
        self.report_refused_by(generation, None)
    }

    /// As [`report_refused`](Self::report_refused), and says which host refused the token. For the
    /// layers of this workspace.
    #[doc(hidden)]
    pub fn report_refused_by(&self, generation: Generation, host: Option<&str>) -> Refusal {
        let answer = self.shared.refused(generation);
        let observed = &self.shared.settings.observed;
        if observed.is_heard() {
            let host = match host {
                Some(host) => host.into(),
                None => self.origins().describe().into(),
            };
            observed.tell(EventKind::TokenRefused { generation, host });
        }
        match answer {
            Answer::Token(token) => Refusal::Superseded(token),
            Answer::Wait(flight) => {
                let wish = Wish::InPlaceOf(generation);
                Refusal::Renewing(Acquire::joined(Arc::clone(&self.shared), flight, wish))
            }
            Answer::SendAgain(_, after) => {
                let shared = Arc::clone(&self.shared);
                Refusal::TooYoung(Acquire::later(shared, after))
            }
            Answer::RefusalBackOff => Refusal::BackOff,
            Answer::Error(error) => Refusal::Failed(error),
        }
    }

    /// Reports that the API accepted a token that was sent in place of a refused one; ends the
    /// back-off of renewals.
    pub fn report_accepted(&self, generation: Generation) {
        self.shared.accepted(generation);
    }

    /// Forgets that the vendor rejected the credentials, so that they are tried again at once: for
    /// an operator who has unlocked the account, or has corrected something at the vendor.
    ///
    /// Forgets the rejected logins of the account that was used last, in this process, and ignores
    /// once what other processes wrote into the store. Changed credentials are tried without this.
    pub fn clear_rejections(&self) {
        self.shared.clear_rejections();
    }

    /// Returns where the token may go.
    #[must_use]
    #[inline]
    pub fn origins(&self) -> &Origins {
        &self.shared.settings.origins
    }

    /// Returns the vendor's name, as it stands in errors and logs.
    #[must_use]
    pub fn vendor(&self) -> &str {
        self.shared.vendor()
    }

    /// Returns the label that the application gave this authenticator, by
    /// [`AuthenticatorOptions::label`].
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.shared.settings.observed.label()
    }

    /// Tells the observer, if there is one, that a request is sent without a token. For the layers
    /// of this workspace.
    #[doc(hidden)]
    pub fn observe_unsigned(&self, cause: &'static str, host: &str, error: Option<&Error>) {
        self.shared
            .requests
            .note_unsigned(cause, host, self.shared.now());
        self.shared
            .settings
            .observed
            .observe(|| EventKind::RequestUnsigned {
                cause,
                host: host.into(),
                error: error.cloned(),
            });
    }

    /// Tells the observer, if there is one, that a refused request is sent once more. For the
    /// layers of this workspace.
    #[doc(hidden)]
    pub fn observe_replayed(&self, host: &str, refused: Generation) {
        self.shared
            .settings
            .observed
            .observe(|| EventKind::RequestReplayed {
                refused,
                host: host.into(),
            });
    }

    /// Tells the observer, if there is one, that a refused request is not sent once more. For the
    /// layers of this workspace.
    #[doc(hidden)]
    pub fn observe_not_replayed(&self, cause: &'static str, host: &str, error: Option<&Error>) {
        self.shared
            .requests
            .note_not_replayed(cause, host, self.shared.now());
        self.shared
            .settings
            .observed
            .observe(|| EventKind::RequestNotReplayed {
                cause,
                host: host.into(),
                error: error.cloned(),
            });
    }

    /// Tells the observer, if there is one, that a credential was removed from a request. For the
    /// layers of this workspace.
    #[doc(hidden)]
    pub fn observe_removed(&self, host: &str) {
        self.shared
            .settings
            .observed
            .observe(|| EventKind::CredentialRemoved { host: host.into() });
    }

    /// Returns the clock that the authenticator goes by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.shared.settings.clock.as_dyn()
    }

    pub(crate) fn shared(&self) -> &SharedState {
        &self.shared
    }

    /// Tells whether there is another handle, a flight's included.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Returns how many copies of what threads share are kept for this key; see
    /// [`AuthenticatorOptions::shards`]. For the layers of this workspace.
    #[doc(hidden)]
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.settings.shards
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// Settings of an [`Authenticator`]; made by [`Authenticator::builder`].
#[must_use]
pub struct AuthenticatorBuilder {
    source: Box<dyn DynSource>,
    origins: Origins,
    vendor: String,
    scheme: Scheme,
    key: Option<Key>,
    options: AuthenticatorOptions,
}

impl AuthenticatorBuilder {
    /// Sets the vendor's name for errors and logs. Default: `token source`.
    pub fn vendor(mut self, name: impl Into<String>) -> Self {
        self.vendor = name.into();
        self
    }

    /// Sets how a token is put on a request. Default: `Authorization: Bearer`.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets whose token it is, for the [store](AuthenticatorOptions::store) in the options:
    /// everything that makes this token another than the next is part of the key. Required with a
    /// store; without one, the key has no effect. Default: no key.
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the options: policy, quota, limit, store, clock and shards. Default: no option is set.
    ///
    /// Replaces all options that were set before.
    pub fn options(mut self, options: AuthenticatorOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the authenticator. Starts nothing.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `key` if the options have a store and no key
    /// is set.
    pub fn build(self) -> Result<Authenticator, Error> {
        let options = self.options.resolve();
        let store = match (options.store, self.key) {
            (None, _) => None,
            (Some(store), Some(key)) => Some((store, key)),
            (Some(_), None) => {
                let problem = "is required with a store: say whose token the store keeps";
                return Err(Error::config("key", problem));
            }
        };
        let settings = Settings {
            observed: Observed::new(
                self.vendor,
                options.label,
                options.clock.clone(),
                options.observer,
            ),
            scheme: self.scheme,
            origins: self.origins,
            limit: options.limit,
            clock: options.clock,
            wider_scope: options.wider_scope,
            shards: options.shards,
        };
        Ok(Authenticator {
            shared: Arc::new(SharedState::new(
                settings,
                options.policy,
                options.quota,
                self.source,
                store,
            )),
        })
    }
}

impl fmt::Debug for AuthenticatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorBuilder")
            .field("vendor", &self.vendor)
            .field("options", &self.options)
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
    /// The token is so young that the API may not know it yet. Wait for it, and send the request
    /// once more with the same token.
    TooYoung(Acquire),
    /// No token request starts for this refusal, because an earlier one failed or brought a token
    /// that the API refused too, or because the quota has no slot for it: let the API's answer
    /// stand.
    BackOff,
    /// No other token can be had now: let the API's answer stand.
    Failed(Error),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ApiKey, ErrorKind, MemoryStore, Quota, RefreshPolicy, Secret, TokenRequestLimit};

    fn builder() -> AuthenticatorBuilder {
        let source = ApiKey::new(Secret::new("fake-key-1"));
        Authenticator::builder(source, Origins::new(["https://api.example.com"]).unwrap())
    }

    #[test]
    fn a_store_without_a_key_is_refused() {
        let options = AuthenticatorOptions::new().store(MemoryStore::new());
        let error = builder().options(options.clone()).build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("key"))
        );
        let key = Key::builder("example").client("my-client").build();
        let shared = builder().key(key.clone()).options(options).build().unwrap();
        let (_, used) = shared.shared().store().unwrap();
        assert_eq!(*used, key);
        // A key does no harm without a store.
        let single = builder().key(key).build().unwrap();
        assert!(single.shared().store().is_none());
    }

    #[test]
    fn all_options_reach_the_settings() {
        let policy = RefreshPolicy::default()
            .deadline(Duration::from_secs(3))
            .unwrap();
        let quota = Quota::new(3, Duration::from_secs(60)).unwrap();
        let wait = Duration::from_millis(7);
        let options = AuthenticatorOptions::new()
            .policy(policy.clone())
            .quota(quota)
            .limit(TokenRequestLimit::new(1).unwrap().max_wait(wait))
            .shards(32);
        let authenticator = builder().options(options).build().unwrap();
        let settings = &authenticator.shared().settings;
        let rules = &authenticator.shared().rules;
        assert_eq!(*rules.policy, policy);
        assert_eq!(rules.quota, Some(quota));
        let limit = settings.limit.as_ref().map(TokenRequestLimit::longest_wait);
        assert_eq!(limit, Some(wait));
        assert_eq!(authenticator.shards(), 32);
    }
}
