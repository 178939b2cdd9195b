use std::{future::Future, pin::Pin};

use crate::{AccessToken, Credentials, Error, Secret};

/// Fetches access tokens. One call sends one token request to the vendor.
///
/// A source neither caches nor retries nor limits its calls: the
/// [`Authenticator`](crate::Authenticator) does this for all callers. The kind of its error decides
/// when the next token request starts: see [`ErrorKind`](crate::ErrorKind).
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
/// The future runs in a tokio task that no caller owns, so dropping a caller's future does not
/// cancel it. It is dropped at the token request's deadline, and when its runtime shuts down.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `TokenSource`: it cannot fetch tokens for an `Authenticator`",
    label = "not a `TokenSource`",
    note = "an `auth_oauth2::Client` makes one for each grant: `.client_credentials()`, `.refresh_token(..)`, `.token_exchange(..)`, or `.password(..)` with the feature `password`",
    note = "a vendor's builder makes an `Authenticator` itself: `.build()?`",
    note = "for a token that never changes, use `ApiKey::new(secret)`"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// Sends one token request and returns its token.
    ///
    /// # Errors
    ///
    /// After [`Rejected`](crate::ErrorKind::Rejected) and [`Config`](crate::ErrorKind::Config),
    /// only a probe follows. After [`Throttled`](crate::ErrorKind::Throttled) and
    /// [`Quota`](crate::ErrorKind::Quota), the next token request follows after
    /// [`Error::retry_after`]. After any other kind, the next token request follows after a
    /// back-off.
    fn fetch(
        &self,
        token_request: TokenRequest,
    ) -> impl Future<Output = Result<AccessToken, Error>> + Send;

    /// Reads the credentials for the next token request. Called before each token request, and once
    /// more after the vendor rejected the credentials: if their [identity](Credentials::id)
    /// changed, one more token request follows at once.
    ///
    /// Default: [`Credentials::none`], for sources whose credentials never change and are the same
    /// in all processes.
    ///
    /// # Errors
    ///
    /// The error of a [`SecretSource`](crate::SecretSource). No token request is sent.
    fn credentials(&self) -> impl Future<Output = Result<Credentials, Error>> + Send {
        std::future::ready(Ok(Credentials::none()))
    }

    /// Returns whether the source uses refresh tokens. If true, the refresh token of a reply is
    /// kept and passed to the next token request in [`TokenRequest::refresh_token`].
    ///
    /// Default: false. Refresh tokens are dropped.
    fn keeps_refresh_tokens(&self) -> bool {
        false
    }

    /// Returns the scope that the source requests by default, if it can request
    /// [another one](TokenRequest::scope): see [`WiderScope`](crate::WiderScope). Empty if the vendor
    /// chooses the scope. Default: `None`, the source cannot request another scope.
    fn own_scope(&self) -> Option<&str> {
        None
    }

    /// Returns whether the source can get a token only with a refresh token, so that without one a
    /// person has to log in again. Such a refresh token is kept after a token request with unknown
    /// outcome. Default: false.
    fn needs_refresh_token(&self) -> bool {
        false
    }

    /// Returns the first refresh token, which a person's login brought. For sources that [need a
    /// refresh token](Self::needs_refresh_token). Default: none.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    fn first_refresh_token(&self) -> impl Future<Output = Result<Option<Secret>, Error>> + Send {
        std::future::ready(Ok(None))
    }
}

/// Parameters of one call of [`TokenSource::fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Why a token is requested.
    pub reason: TokenRequestReason,
    /// The refresh token to send. If the authorization server rejects it, return
    /// [`Rejected`](crate::ErrorKind::Rejected) with the code `invalid_grant`: the refresh token is
    /// then dropped, and the next call has none.
    pub refresh_token: Option<Secret>,
    /// The credentials that [`TokenSource::credentials`] returned for this token request.
    pub credentials: Credentials,
    /// The scope to request instead of the source's [own](TokenSource::own_scope), values
    /// separated by single spaces. Set only if the source has one.
    pub scope: Option<String>,
}

impl TokenRequest {
    /// Makes the parameters of a token request without refresh token and credentials. For tests of
    /// a source.
    #[must_use]
    pub fn new(reason: TokenRequestReason) -> Self {
        Self {
            reason,
            refresh_token: None,
            credentials: Credentials::none(),
            scope: None,
        }
    }

    /// Sets the refresh token to send. Default: none.
    #[must_use]
    pub fn refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }

    /// Sets the scope to request in place of the source's own. Default: the source's own.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets the credentials to send. Default: [`Credentials::none`].
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }
}

/// Why a token request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRequestReason {
    /// No valid token is cached, and a caller waits for one.
    Needed,
    /// The cached token is valid, and its renewal ahead of expiry is due.
    Ahead,
    /// The API refused the token.
    Refused,
}

impl TokenRequestReason {
    /// Returns the reason as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Ahead => "ahead",
            Self::Refused => "refused",
        }
    }
}

/// [`TokenSource`] behind a pointer. Implemented for every source.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A source with the defaults of the trait.
    struct Plain;

    impl TokenSource for Plain {
        async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
            Ok(AccessToken::new("fake-token"))
        }
    }

    /// A source for which a person logs in.
    struct OfPerson;

    impl TokenSource for OfPerson {
        async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
            Ok(AccessToken::new("fake-token"))
        }

        fn keeps_refresh_tokens(&self) -> bool {
            true
        }

        fn own_scope(&self) -> Option<&str> {
            Some("read")
        }

        fn needs_refresh_token(&self) -> bool {
            true
        }

        async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
            Ok(Some(Secret::new("fake-refresh-token")))
        }
    }

    #[tokio::test]
    async fn a_source_without_settings_has_neither_refresh_tokens_nor_scope_nor_credentials() {
        let plain: &dyn DynSource = &Plain;
        assert!(!plain.keeps_refresh_tokens());
        assert!(!plain.needs_refresh_token());
        assert_eq!(plain.own_scope(), None);
        assert_eq!(plain.first_refresh_token().await.unwrap(), None);
        assert_eq!(plain.credentials().await.unwrap().id(), None);
    }

    #[tokio::test]
    async fn a_source_behind_a_pointer_keeps_its_own_answers() {
        let person: &dyn DynSource = &OfPerson;
        assert!(person.keeps_refresh_tokens());
        assert!(person.needs_refresh_token());
        assert_eq!(person.own_scope(), Some("read"));
        let first = person.first_refresh_token().await.unwrap();
        assert_eq!(first, Some(Secret::new("fake-refresh-token")));
    }
}
