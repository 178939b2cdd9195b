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
    sync::{Counted, is_shared},
    token::source::DynSource,
};

/// Holds one access token for all callers: fetches the token, renews it ahead of its expiry, and
/// replaces it when the API refuses it.
///
/// One authenticator holds the token of one key: one vendor account and one set of scopes. An
/// authenticator is a handle, and clones share the token. Put it into `auth_tower::AuthLayer`, or
/// call [`token`](Self::token) yourself.
///
/// Without callers nothing runs. The first request that needs a token starts a token request in a
/// tokio task that no caller owns. The task ends with the result of the token request or at the
/// [deadline](crate::RefreshPolicy::deadline).
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
    shared: Counted<SharedState>,
}

impl Authenticator {
    /// Starts an authenticator that fetches its tokens from `source`. The tokens are sent to
    /// `origins` only.
    ///
    /// # Example
    ///
    /// An authenticator without origins does not compile:
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

    /// Returns the cached token if it is valid. Never waits and starts nothing, not even a renewal
    /// that is due.
    #[must_use]
    #[inline]
    pub fn try_token(&self) -> Option<Token> {
        self.shared
            .fresh_token()
            .or_else(|| self.shared.valid_token())
    }

    /// Returns the cached token if nothing has to be decided. Returns `None` if, for example, a
    /// renewal is due: call [`token`](Self::token) then. For the layers of this workspace.
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
    /// The error of the token request; see [`ErrorKind`](crate::ErrorKind). During the back-off
    /// after a failure, the same error is returned at once, with the time until the next token
    /// request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends only the waiting. The token request continues, and its token serves
    /// the next caller.
    #[must_use = "futures do nothing unless awaited"]
    pub fn token(&self) -> Acquire {
        Acquire::new(Arc::clone(&self.shared))
    }

    /// Like [`token`](Self::token), but renews the token first if it expires within `min`. For
    /// requests that cannot be sent twice, for example an upload that takes 5 minutes.
    ///
    /// Returns the cached token if no renewal may start now (back-off, quota), and if the renewed
    /// token expires within `min` too.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token). If the renewal fails, its error is returned, even if the cached
    /// token is still valid.
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

    /// Fetches a token if none is cached, so that the first request does not wait.
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

    /// Returns the state of the token and of its token requests, for a health page. Starts nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Signs a request with the cached token if that is possible without waiting. Starts nothing.
    #[inline(always)]
    pub fn sign(&self, headers: &mut HeaderMap) -> Signing {
        match self.shared.sign_fresh(headers) {
            Some(generation) => Signing::Signed(generation),
            None if self.is_signed(headers) => Signing::Occupied,
            None => Signing::NoToken,
        }
    }

    /// Returns whether a request already carries a header that signing would set.
    #[must_use]
    pub fn is_signed(&self, headers: &HeaderMap) -> bool {
        self.shared.settings.scheme.is_set(headers)
    }

    /// Returns whether a request carries the header that holds the token.
    #[doc(hidden)]
    #[must_use]
    pub fn has_token(&self, headers: &HeaderMap) -> bool {
        self.shared.settings.scheme.has_token(headers)
    }

    /// Returns whether another authenticator puts its token into the same header.
    #[doc(hidden)]
    #[must_use]
    pub fn shares_header(&self, other: &Self) -> bool {
        let own = &self.shared.settings.scheme;
        own.shares_header(&other.shared.settings.scheme)
    }

    /// Removes each header that signing would set from a request.
    pub fn unsign(&self, headers: &mut HeaderMap) {
        self.shared.settings.scheme.remove(headers);
    }

    /// Reports that the API refused a token. Only the newest token counts: a refusal of an older
    /// token changes nothing. Starts a token request if one is needed and allowed, and does not
    /// wait for it.
    pub fn report_refused(&self, generation: Generation) -> Refusal {
        self.report_refused_by(generation, None)
    }

    /// Like [`report_refused`](Self::report_refused), and names the host that refused the token.
    /// For the layers of this workspace.
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

    /// Reports that the API accepted a token that was sent in place of a refused one. Ends the
    /// refusal back-off.
    pub fn report_accepted(&self, generation: Generation) {
        self.shared.accepted(generation);
    }

    /// Forgets that the vendor rejected the credentials, so that the next request sends them again.
    /// For an operator who has unlocked the account or has corrected a setting at the vendor.
    ///
    /// Forgets the rejected logins of the account that was used last, in this process, and ignores
    /// once what other processes wrote into the store. Changed credentials are tried without this
    /// call.
    pub fn clear_rejections(&self) {
        self.shared.clear_rejections();
    }

    /// Returns the origins that the token may be sent to.
    #[must_use]
    #[inline]
    pub fn origins(&self) -> &Origins {
        &self.shared.settings.origins
    }

    /// Returns the vendor's name, as errors and logs show it.
    #[must_use]
    pub fn vendor(&self) -> &str {
        self.shared.vendor()
    }

    /// Returns the label that was set by [`AuthenticatorOptions::label`].
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.shared.settings.observed.label()
    }

    /// Tells the observer and the log that a request is sent without a token. For the layers of
    /// this workspace.
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

    /// As [`observe_unsigned`](Self::observe_unsigned), for a request like the thread's last one,
    /// see [`Origins::check_request`].
    #[doc(hidden)]
    #[inline]
    pub fn observe_same_unsigned<'a>(
        &self,
        number: u64,
        cause: &'static str,
        host: impl Fn() -> &'a str,
    ) {
        let now = self.shared.now();
        if !self.shared.requests.note_same_unsigned(number, now) {
            self.shared.requests.note_unsigned(cause, host(), now);
        }
        self.shared
            .settings
            .observed
            .observe(|| EventKind::RequestUnsigned {
                cause,
                host: host().into(),
                error: None,
            });
    }

    /// Tells the observer and the log that a refused request is sent once more. For the layers of
    /// this workspace.
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

    /// Tells the observer and the log that a refused request is not sent once more. For the layers
    /// of this workspace.
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

    /// Tells the observer and the log that a credential was removed from a request. For the layers
    /// of this workspace.
    #[doc(hidden)]
    pub fn observe_removed(&self, host: &str) {
        self.shared
            .settings
            .observed
            .observe(|| EventKind::CredentialRemoved { host: host.into() });
    }

    /// Returns the authenticator's clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.shared.clock().as_dyn()
    }

    pub(crate) fn shared(&self) -> &SharedState {
        &self.shared
    }

    /// Returns whether another handle exists. The task of a token request holds one.
    pub(crate) fn is_shared(&self) -> bool {
        is_shared(&self.shared)
    }

    /// Returns the number of copies of the token's headers; see [`AuthenticatorOptions::shards`].
    /// For the layers of this workspace.
    #[doc(hidden)]
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.shards()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// Settings of an [`Authenticator`]. Made by [`Authenticator::builder`].
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

    /// Sets the key that names the token in the [store](AuthenticatorOptions::store). Put
    /// everything into the key that makes this token different from another one: vendor, account,
    /// scopes, user. Required with a store; without a store the key has no effect. Default: no key.
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the options: policy, quota, limit, store, clock, shards, observer and label. Default:
    /// [`AuthenticatorOptions::new`], which sets no option.
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
                let problem =
                    "is required with a store; name the token that the store keeps: `.key(..)`";
                return Err(Error::config("key", problem));
            }
        };
        let settings = Settings {
            observed: Observed::new(
                options.names.of(self.vendor, options.label),
                options.clock,
                options.observer,
            ),
            scheme: self.scheme,
            origins: self.origins,
            limit: options.limit,
            wider_scope: options.wider_scope,
            shards: options.shards,
        };
        Ok(Authenticator {
            shared: Counted::new(SharedState::new(
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

/// Result of [`Authenticator::sign`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Signing {
    /// The request is signed with this token.
    Signed(Generation),
    /// The request already carries a credential header. The request was not changed.
    Occupied,
    /// No valid token is cached, or a renewal is due. The request was not changed: call
    /// [`Authenticator::token`].
    NoToken,
}

/// What to do after a refusal; returned by [`Authenticator::report_refused`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// A newer token is cached: send the request again with this token.
    Superseded(Token),
    /// Another token is being fetched: wait for it, then send the request again. A credential that
    /// does not expire may come back unchanged, with the same generation: then return the API's
    /// answer.
    Renewing(Acquire),
    /// The token is so new that the API may not know it yet. Wait, and send the request once more
    /// with the same token.
    TooYoung(Acquire),
    /// No token request starts for this refusal: return the API's answer. Either an earlier token
    /// request failed, or an earlier one brought a token that the API refused too, or the quota has
    /// no free slot.
    BackOff,
    /// No other token can be fetched now: return the API's answer.
    Failed(Error),
}

#[cfg(test)]
mod tests;
