use std::{future::Future, pin::Pin};

use crate::{AccessToken, Credentials, Error, Secret};

/// Fetches a token: one call is one token request with the vendor.
///
/// A source neither caches nor retries nor waits for its turn; the
/// [`Authenticator`](crate::Authenticator) does, for everybody. Its errors decide what happens
/// next: see [`ErrorKind`](crate::ErrorKind).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{AccessToken, Error, TokenRequest, TokenSource};
///
/// struct FromAgent;
///
/// impl TokenSource for FromAgent {
///     async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
/// ```
///
/// # Cancel safety
///
/// The future runs in a task of its own, so no caller's cancellation reaches it. It is dropped at
/// the token request's deadline, and when its runtime shuts down.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `TokenSource`: it cannot fetch tokens for an `Authenticator`",
    label = "not a `TokenSource`",
    note = "an `auth_oauth2::Client` makes one for each grant: `.client_credentials()`, `.refresh_token(..)`, `.token_exchange(..)`, or `.password(..)` with the feature `password`",
    note = "a vendor's builder makes an `Authenticator` itself: `.build()?`",
    note = "for a token that never changes, use `ApiKey::new(secret)`"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// Performs one token request.
    ///
    /// # Errors
    ///
    /// [`Rejected`](crate::ErrorKind::Rejected) and [`Config`](crate::ErrorKind::Config) stop the
    /// asking; [`Throttled`](crate::ErrorKind::Throttled) and [`Quota`](crate::ErrorKind::Quota)
    /// pause it for [`Error::retry_after`]; every other kind is tried again after a back-off.
    fn fetch(
        &self,
        token_request: TokenRequest,
    ) -> impl Future<Output = Result<AccessToken, Error>> + Send;

    /// Reads the credentials for the next token request. Called before each token request, and
    /// once more after the vendor rejected the credentials: if their
    /// [identity](Credentials::id) changed, one more token request follows at once.
    ///
    /// Default: [`Credentials::none`], which means that all processes have the same credentials and
    /// that these never change.
    ///
    /// # Errors
    ///
    /// Any error of a [`SecretSource`](crate::SecretSource). Nothing is sent then.
    fn credentials(&self) -> impl Future<Output = Result<Credentials, Error>> + Send {
        std::future::ready(Ok(Credentials::none()))
    }

    /// Tells whether its tokens come with refresh tokens that are to be kept and spent. If so, the
    /// next token request is given [the one](TokenRequest::refresh_token) that the last brought.
    ///
    /// The default says no: a refresh token is dropped.
    fn keeps_refresh_tokens(&self) -> bool {
        false
    }

    /// Returns the scope that the source asks for by itself, empty if it leaves the scope to the
    /// vendor, if it can ask for [another one](TokenRequest::scope); see
    /// [`WiderScope`](crate::WiderScope). Default: `None`, it cannot.
    fn own_scope(&self) -> Option<&str> {
        None
    }

    /// Tells whether a refresh token is the only way to a token: without one there is nothing to
    /// ask the vendor for, and a person has to log in again. Such a refresh token is never given up
    /// after an unknown outcome. Default: no.
    fn needs_refresh_token(&self) -> bool {
        false
    }

    /// Returns the refresh token that a person's login brought, where there is no other way to
    /// begin: for sources that keep refresh tokens.
    ///
    /// # Errors
    ///
    /// As those of [`fetch`](Self::fetch).
    fn first_refresh_token(&self) -> impl Future<Output = Result<Option<Secret>, Error>> + Send {
        std::future::ready(Ok(None))
    }
}

/// Facts about the token request that a [`TokenSource`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Why a token is wanted.
    pub reason: TokenRequestReason,
    /// The refresh token to spend. If it turns out to be worth nothing, say
    /// [`Rejected`](crate::ErrorKind::Rejected) with the code `invalid_grant`: it is dropped then,
    /// and the next call comes without.
    pub refresh_token: Option<Secret>,
    /// The credentials, as [`TokenSource::credentials`] returned them a moment ago.
    pub credentials: Credentials,
    /// The scope to ask for in place of the source's [own](TokenSource::own_scope), values
    /// separated by single spaces. Set only if the source has one.
    pub scope: Option<String>,
}

impl TokenRequest {
    /// Describes a token request, to call a source by hand in its tests.
    #[must_use]
    pub fn new(reason: TokenRequestReason) -> Self {
        Self {
            reason,
            refresh_token: None,
            credentials: Credentials::none(),
            scope: None,
        }
    }

    /// Sets the refresh token to spend.
    #[must_use]
    pub fn refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }

    /// Sets the scope to ask for in place of the source's own.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets the credentials to use.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }
}

/// Why a token request takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRequestReason {
    /// There is no usable token, and somebody waits for one.
    Needed,
    /// The token at hand is usable but will expire soon.
    Ahead,
    /// The API refused the token.
    Refused,
}

impl TokenRequestReason {
    /// Returns the reason in one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Ahead => "ahead",
            Self::Refused => "refused",
        }
    }
}

/// [`TokenSource`] behind a pointer; every source is one.
pub(crate) trait DynSource: Send + Sync {
    fn fetch(&self, token_request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, Error>>;
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>>;
    fn keeps_refresh_tokens(&self) -> bool;
    fn needs_refresh_token(&self) -> bool;
    fn own_scope(&self) -> Option<&str>;
    fn first_refresh_token(&self) -> BoxFuture<'_, Result<Option<Secret>, Error>>;
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<S: TokenSource> DynSource for S {
    fn fetch(&self, token_request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, Error>> {
        Box::pin(TokenSource::fetch(self, token_request))
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(TokenSource::credentials(self))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        TokenSource::keeps_refresh_tokens(self)
    }

    fn needs_refresh_token(&self) -> bool {
        TokenSource::needs_refresh_token(self)
    }

    fn own_scope(&self) -> Option<&str> {
        TokenSource::own_scope(self)
    }

    fn first_refresh_token(&self) -> BoxFuture<'_, Result<Option<Secret>, Error>> {
        Box::pin(TokenSource::first_refresh_token(self))
    }
}
