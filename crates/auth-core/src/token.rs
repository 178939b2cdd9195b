pub(crate) mod api_key;
pub(crate) mod headers;
pub(crate) mod scheme;
pub(crate) mod source;

use std::{fmt, num::NonZeroU64, time::Duration};

use http::HeaderMap;

use crate::{Error, ErrorKind, Moment, Secret, sharded::Local, token::headers::Headers};

/// What a token request brought: the short-lived credential and how long the vendor says it lives.
///
/// A [`TokenSource`](crate::TokenSource) returns it. It says nothing about when to renew: that is
/// the [`RefreshPolicy`](crate::RefreshPolicy)'s.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::AccessToken;
///
/// let token = AccessToken::new("fake-token").expires_in(Duration::from_secs(3600));
/// assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: Secret,
    lifetime: Option<Duration>,
    refresh_in: Option<Duration>,
    scope: Option<String>,
    refresh_token: Option<Secret>,
    permanent: bool,
}

impl AccessToken {
    /// Makes a token whose lifetime is unknown: the policy's default applies, never "for ever".
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self {
            secret: secret.into(),
            lifetime: None,
            refresh_in: None,
            scope: None,
            refresh_token: None,
            permanent: false,
        }
    }

    /// Makes a credential that is read rather than issued and does not expire, an API key for
    /// example. When the API refuses it, the source is asked once more beside the traffic: another
    /// credential takes its place, and where there is no other it stays in use.
    pub fn permanent(secret: impl Into<Secret>) -> Self {
        Self {
            permanent: true,
            ..Self::new(secret).expires_in(Duration::MAX)
        }
    }

    /// Sets the lifetime, counted from the instant before the token request was sent. Zero means:
    /// good for the callers that already wait for it, and not kept.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets the vendor's hint when to renew, counted like the lifetime; it wins over the policy.
    #[must_use]
    pub fn refresh_in(mut self, hint: Duration) -> Self {
        self.refresh_in = Some(hint);
        self
    }

    /// Sets the scope that was granted (RFC 6749 section 5.1), values separated by single spaces.
    #[must_use]
    pub fn scope(mut self, granted: impl Into<String>) -> Self {
        self.scope = Some(granted.into());
        self
    }

    /// Sets the refresh token that came with it. It is kept only for a source that
    /// [keeps them](crate::TokenSource::keeps_refresh_tokens); where none comes, the one that was
    /// spent stays ([RFC 6749, section
    /// 6](https://datatracker.ietf.org/doc/html/rfc6749#section-6)).
    #[must_use]
    pub fn refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }

    /// Returns the token's text.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Tells whether it was made by [`permanent`](Self::permanent).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Returns the lifetime that the vendor stated, if it did.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Returns the vendor's hint when to renew, if it gave one.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_in
    }

    /// Returns the scope that was granted, if the vendor said.
    #[must_use]
    pub fn granted_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns the refresh token that came with it.
    #[must_use]
    pub fn kept_refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }
}

/// The number of a published token: which one was sent, which one was refused.
///
/// Numbers of one [`Authenticator`](crate::Authenticator) only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) NonZeroU64);

impl Generation {
    pub(crate) fn after(last: Option<Self>) -> Self {
        Self(last.map_or(NonZeroU64::MIN, |last| last.0.saturating_add(1)))
    }

    /// Returns the number; the first token of an authenticator has 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A token at hand, ready to sign requests with: finished header values and their generation.
///
/// Cheap to clone, and safe to hold, but meant for one request: ask the
/// [`Authenticator`](crate::Authenticator) again for the next.
#[derive(Clone)]
pub struct Token(pub(crate) Local<Headers>);

impl Token {
    /// Returns which token this is; hand it to
    /// [`Authenticator::report_refused`](crate::Authenticator::report_refused) when the API refuses it.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.0.generation()
    }

    /// Returns the scope that the token was granted (RFC 6749 section 5.1), values separated by
    /// single spaces, for example `read write`. A token from a
    /// [store](crate::AuthenticatorOptions::store) has the scope that the process which fetched the
    /// token was told. `None` if the vendor did not say, or said more than 4,096 bytes and the
    /// token comes from a store.
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::Authenticator;
    ///
    /// fn may_write(authenticator: &Authenticator) -> bool {
    ///     let token = authenticator.try_token();
    ///     let scope = token.as_ref().and_then(|token| token.granted_scope());
    ///     scope.is_some_and(|scope| scope.split(' ').any(|value| value == "write"))
    /// }
    /// ```
    #[must_use]
    pub fn granted_scope(&self) -> Option<&str> {
        self.0.scope()
    }

    /// Returns the token's text: for protocols other than HTTP, where it stands in the place of a
    /// password. Follow its renewals with [`Authenticator::watch`](crate::Authenticator::watch).
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::Token;
    ///
    /// /// Arguments of a Redis `AUTH` command.
    /// fn arguments(token: &Token) -> [String; 2] {
    ///     ["worker".to_owned(), token.secret().expose().to_owned()]
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// [`Origins`](crate::Origins) are not checked here: know to whom you give the token.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.0.text()
    }

    /// Returns the authentication scheme (RFC 9110 section 11.1) that stands before the token in
    /// `Authorization`, for example `Bearer`; `None` if the token has a header of its own.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        let prefix = self.0.about().prefix.trim();
        Some(prefix).filter(|prefix| !prefix.is_empty())
    }

    /// Returns the moment from which on the token is not sent: the expiry that the authorization
    /// server stated minus the [margin](crate::RefreshPolicy::margin). Compare it with the
    /// [clock](crate::Authenticator::clock) of the authenticator: `clock.now().until(moment)` is
    /// how long the token may still be sent. More than 500 years ahead for a credential that does
    /// not expire.
    #[must_use]
    pub fn valid_until(&self) -> Moment {
        self.0.about().valid_until
    }

    /// Puts the credential headers on a request, in place of any of the same name, and the scheme's
    /// [content type](crate::Scheme::content_type) if the request has none.
    ///
    /// # Panics
    ///
    /// If the request has 24,576 header names, so that there is no room for another one; see
    /// [`try_sign`](Self::try_sign).
    ///
    /// # Security
    ///
    /// The credentials are marked sensitive. Ask
    /// [`Origins::permits`](crate::Origins::permits) first: this does not know where the
    /// request goes.
    pub fn sign(&self, headers: &mut HeaderMap) {
        let signed = self.try_sign(headers);
        signed.expect("the request has room for another header");
    }

    /// As [`sign`](Self::sign), for requests whose headers somebody else chose.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if the request has 24,576 header names, so that there
    /// is no room for another one. Do not send the request then: it may be signed in part.
    pub fn try_sign(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        if self.0.sign(headers) {
            return Ok(());
        }
        let message = "the request has too many headers, so there is no room for the credential";
        Err(Error::new(ErrorKind::Config, message))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
