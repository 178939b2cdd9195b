pub(crate) mod api_key;
pub(crate) mod headers;
pub(crate) mod scheme;
pub(crate) mod source;

use std::{fmt, num::NonZeroU64, time::Duration};

use http::HeaderMap;

use crate::{Error, ErrorKind, Moment, Secret, sharded::OneCopy, token::headers::Headers};

/// Result of a token request: the access token and the lifetime that the vendor stated.
///
/// A [`TokenSource`](crate::TokenSource) returns it. When the token is renewed is decided by the
/// [`RefreshPolicy`](crate::RefreshPolicy).
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
    /// Makes a token of unknown lifetime. The policy's [default
    /// lifetime](crate::RefreshPolicy::default_lifetime) applies.
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

    /// Makes a credential that does not expire, for example an API key. When the API refuses the
    /// credential, the source is read once more in the background. A changed credential replaces
    /// the refused one; an unchanged one stays in use.
    pub fn permanent(secret: impl Into<Secret>) -> Self {
        Self {
            permanent: true,
            ..Self::new(secret).expires_in(Duration::MAX)
        }
    }

    /// Sets the lifetime, counted from the time just before the token request was sent. Default:
    /// unknown. Zero means: callers that already wait get the token, and it is not cached.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets the vendor's hint when to renew, counted like the lifetime. The hint wins over the
    /// policy. Default: no hint.
    #[must_use]
    pub fn refresh_in(mut self, hint: Duration) -> Self {
        self.refresh_in = Some(hint);
        self
    }

    /// Sets the granted scope (RFC 6749 section 5.1), values separated by single spaces, for
    /// example `read write`. Default: unknown.
    #[must_use]
    pub fn scope(mut self, granted: impl Into<String>) -> Self {
        self.scope = Some(granted.into());
        self
    }

    /// Sets the refresh token of the reply. Default: none; the refresh token that was sent stays
    /// valid ([RFC 6749, section 6](https://datatracker.ietf.org/doc/html/rfc6749#section-6)). A
    /// refresh token is kept only if the source [keeps refresh
    /// tokens](crate::TokenSource::keeps_refresh_tokens).
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

    /// Returns whether the credential does not expire, see [`permanent`](Self::permanent).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Returns the lifetime that the vendor stated. `None` if the vendor stated none.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Returns the vendor's hint when to renew. `None` if the vendor gave none.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_in
    }

    /// Returns the granted scope. `None` if the vendor did not state it.
    #[must_use]
    pub fn granted_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns the refresh token of the reply. `None` if the reply had none.
    #[must_use]
    pub fn kept_refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }
}

/// The number of a token, which tells which token was sent and which was refused.
///
/// The numbers of one [`Authenticator`](crate::Authenticator) only increase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) NonZeroU64);

impl Generation {
    pub(crate) fn after(last: Option<Self>) -> Self {
        Self(last.map_or(NonZeroU64::MIN, |last| last.0.saturating_add(1)))
    }

    /// Returns the number. The first token of an authenticator has number 1.
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

/// A cached token with finished header values, ready to sign requests.
///
/// A clone is cheap. Use a token for one request, and ask the
/// [`Authenticator`](crate::Authenticator) again for the next one.
#[derive(Clone)]
pub struct Token(pub(crate) OneCopy<Headers>);

impl Token {
    /// Returns the number of this token. Pass it to
    /// [`Authenticator::report_refused`](crate::Authenticator::report_refused) when the API refuses
    /// the token.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.0.generation()
    }

    /// Returns the granted scope of the token (RFC 6749 section 5.1), values separated by single
    /// spaces, for example `read write`. A token from a [store](crate::AuthenticatorOptions::store)
    /// has the scope that the process which requested the token received. `None` if the vendor did
    /// not state a scope, or if the token comes from a store and its scope is longer than 4,096
    /// bytes.
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

    /// Returns the token's text, for protocols other than HTTP in which it is sent in place of a
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
    /// [`Origins`](crate::Origins) are not checked here: pass the token only to servers that you
    /// trust with it.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.0.text()
    }

    /// Returns the authentication scheme (RFC 9110 section 11.1) that stands before the token in
    /// `Authorization`, for example `Bearer`; `None` if the token has a separate header.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        let prefix = self.0.prefix().trim();
        Some(prefix).filter(|prefix| !prefix.is_empty())
    }

    /// Returns the moment from which the token is no longer sent: the expiry that the authorization
    /// server stated minus the [margin](crate::RefreshPolicy::margin). Compare it with the
    /// [clock](crate::Authenticator::clock) of the authenticator: `clock.now().until(moment)` is
    /// how long the token may still be sent. More than 500 years ahead for a credential that does
    /// not expire.
    #[must_use]
    pub fn valid_until(&self) -> Moment {
        self.0.about().valid_until
    }

    /// Sets the credential headers of a request, replaces headers of the same name, and sets the
    /// scheme's [content type](crate::Scheme::content_type) if the request has none.
    ///
    /// # Panics
    ///
    /// If the request has 24,576 header names, so that another one does not fit.
    /// [`try_sign`](Self::try_sign) returns an error instead.
    ///
    /// # Security
    ///
    /// The credentials are marked sensitive. Call [`Origins::permits`](crate::Origins::permits)
    /// first: this method does not know where the request goes.
    pub fn sign(&self, headers: &mut HeaderMap) {
        let signed = self.try_sign(headers);
        signed.expect("the request has room for another header");
    }

    /// Like [`sign`](Self::sign), for requests whose headers come from other code.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if the request has 24,576 header names, so that another one
    /// does not fit. Do not send the request then: some credential headers may be set and others
    /// not.
    pub fn try_sign(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        if self.0.sign(headers) {
            return Ok(());
        }
        let message = "the request has too many headers (24576 names fit), so the credential cannot be added; send fewer headers";
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

#[cfg(test)]
mod tests;
