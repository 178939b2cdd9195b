use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::{
    AccessToken, CredentialMark, Error, ErrorKind, Exchange, Secret, SecretSource,
    SharedSecretSource, SharedTransport, TokenSource, Transport,
};

use crate::{
    GrantBuilder,
    grant::{Client, REFRESH_TOKEN, read, sealed},
    version::{Version, Versions},
};

/// The refresh token grant (RFC 6749 section 6): tokens for the refresh token that a person's login
/// brought.
///
/// The login itself, by an authorization code or a device code, happens elsewhere, once: its refresh
/// token is put into a file or a vault, and this source goes on from there. Where the vendor
/// replaces refresh tokens, each is kept in its turn. When none is worth anything any more, a person
/// has to log in again, and the error says so; the new refresh token is noticed where it was put.
///
/// **Give the authenticator a store that outlives the process** if the vendor replaces refresh
/// tokens at each use. Without one, the next start would spend the first one a second time, which
/// such vendors take for a theft: they withdraw all that came of that login (RFC 9700 section
/// 4.14.2).
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::SecretFile;
/// use auth_oauth2::RefreshToken;
///
/// # fn source(transport: impl Transport) -> Result<RefreshToken, Error> {
/// let source = RefreshToken::builder(
///     "https://login.example.com/oauth2/token",
///     "my-client",
///     SecretFile::new("/run/secrets/example-client"),
///     SecretFile::new("/run/secrets/example-refresh-token"),
///     transport,
/// )
/// .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping an exchange drops the request. Whether the vendor has replaced the refresh token by then
/// is unknown.
///
/// # Security
///
/// A refresh token is kept as long as the exchange needs it; of the first one, and of one that was
/// worth nothing, a keyed 64-bit fingerprint stays. What the vendor says is scrubbed of it.
pub struct RefreshToken {
    client: Client,
    first: SharedSecretSource,
    /// Of the first one, as it was handed out.
    versions: Versions,
    /// The latest that the vendor did not take, and what it said.
    worthless: Mutex<Option<(Version, Error)>>,
}

/// What a person's login brought.
#[derive(Debug)]
#[allow(unnameable_types, reason = "of the sealed trait's")]
pub struct First(SharedSecretSource);

impl RefreshToken {
    /// Starts with what every vendor needs: the token endpoint's URL, the client's identifier and
    /// secret, where the first refresh token comes from, and the way to send requests.
    ///
    /// A scope is only needed to ask for less than the login was granted, and must not name more.
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        refresh_token: impl SecretSource,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            Some(SharedSecretSource::new(client_secret)),
            SharedTransport::new(transport),
            First(SharedSecretSource::new(refresh_token)),
        )
    }

    /// As [`builder`](Self::builder), for a public client (RFC 6749 section 2.1): one without a
    /// secret, which only says its name, in the body.
    pub fn public_client(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        refresh_token: impl SecretSource,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            None,
            SharedTransport::new(transport),
            First(SharedSecretSource::new(refresh_token)),
        )
    }

    async fn read_first(&self) -> Result<Secret, Error> {
        read(REFRESH_TOKEN, &self.first).await
    }

    fn worthless(&self) -> MutexGuard<'_, Option<(Version, Error)>> {
        self.worthless
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A person has to act; the cause is what the vendor said last.
    fn nothing_left(&self) -> Error {
        let message = format!(
            "{}: there is no refresh token to spend: a person has to log in again, and what that \
             brings has to be put where `refresh_token` is read from",
            self.client.vendor()
        );
        let error = Error::new(ErrorKind::Rejected, message);
        match &*self.worthless() {
            Some((_, cause)) => error.with_source(cause.clone()),
            None => error,
        }
    }
}

impl sealed::Grant for RefreshToken {
    type Own = First;
    const PARAMETERS: &'static [&'static str] = &[];

    fn new(client: Client, First(first): First) -> Result<Self, Error> {
        if first.fixed().is_some_and(Secret::is_empty) {
            return Err(Error::config(REFRESH_TOKEN, "must not be empty"));
        }
        Ok(Self {
            client: client.keep_refresh_tokens(true),
            first,
            versions: Versions::default(),
            worthless: Mutex::default(),
        })
    }
}

impl TokenSource for RefreshToken {
    /// One exchange, for the refresh token that it comes with; without one there is nothing to ask
    /// the vendor for.
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let Some(token) = &exchange.refresh_token else {
            return Err(self.nothing_left());
        };
        let secret = self.client.use_secret().await?;
        let own = [(REFRESH_TOKEN, token.expose())];
        let result = self
            .client
            .exchange(secret.as_ref(), REFRESH_TOKEN, &own, &[token])
            .await;
        if let Err(error) = &result {
            if error.code() == Some("invalid_grant") {
                let version = self.versions.of(&[token]);
                *self.worthless() = Some((version, error.clone()));
            }
        }
        result
    }

    /// Tells whether the client's secret is another one, or somebody has logged in anew.
    async fn credential_changed(&self) -> bool {
        let first = self.read_first().await;
        let logged_in = first.is_ok_and(|first| self.versions.is_new(self.versions.of(&[&first])));
        logged_in || self.client.secret_has_changed().await
    }

    async fn credential(&self) -> Option<CredentialMark> {
        let first = self.read_first().await.ok()?;
        self.client.mark(REFRESH_TOKEN, &[&first]).await
    }

    fn keeps_refresh_tokens(&self) -> bool {
        true
    }

    /// Reads the one that a person's login brought; none if the vendor did not take it, because
    /// spending one again may cost all that came of it.
    async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
        let first = self.read_first().await?;
        let version = self.versions.of(&[&first]);
        let worthless = self.worthless().as_ref().map(|(worthless, _)| *worthless);
        if worthless == Some(version) {
            return Ok(None);
        }
        self.versions.use_up(version);
        Ok(Some(first))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("RefreshToken", f)
    }
}

#[cfg(test)]
mod tests;
