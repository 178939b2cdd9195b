use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::{
    AccessToken, Credentials, CredentialsId, Error, ErrorKind, Exchange, RejectedPart, Secret,
    SecretSource, SharedSecretSource, SharedTransport, TokenSource, Transport,
};

use crate::{
    GrantBuilder,
    grant::{Client, REFRESH_TOKEN, check, read, sealed},
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
/// A refresh token is kept as long as the exchange needs it; of the first one, and of the last one
/// that the vendor rejected, a 64-bit hash stays. What the vendor says is scrubbed of it.
pub struct RefreshToken {
    client: Client,
    first: SharedSecretSource,
    /// The last that the vendor rejected.
    rejected: Mutex<Option<Rejected>>,
}

struct Rejected {
    token: Option<CredentialsId>,
    error: Error,
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

    fn rejected(&self) -> MutexGuard<'_, Option<Rejected>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A person has to act; the cause is what the vendor said last.
    fn nothing_left(&self) -> Error {
        let message = format!(
            "{}: there is no refresh token to spend: a person has to log in again, and what that \
             brings has to be put where `refresh_token` is read from",
            self.client.vendor()
        );
        let error = Error::new(ErrorKind::Rejected, message);
        let error = error.with_rejected_part(RejectedPart::RefreshToken);
        match &*self.rejected() {
            Some(rejected) => error.with_source(rejected.error.clone()),
            None => error,
        }
    }
}

impl sealed::Grant for RefreshToken {
    type Own = First;
    const PARAMETERS: &'static [&'static str] = &[];

    fn new(client: Client, First(first): First) -> Result<Self, Error> {
        check(REFRESH_TOKEN, &first)?;
        Ok(Self {
            client: client.keep_refresh_tokens(true),
            first,
            rejected: Mutex::default(),
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
        let secret = self.client.secret_of(&exchange.credentials)?;
        let own = [(REFRESH_TOKEN, token.expose())];
        let result = self
            .client
            .exchange(secret, REFRESH_TOKEN, &own, &[token])
            .await;
        if let Err(error) = &result {
            if error.rejected_part() == Some(RejectedPart::RefreshToken) {
                *self.rejected() = Some(Rejected {
                    token: id_of(token),
                    error: error.clone(),
                });
            }
        }
        result
    }

    /// Reads the client secret, and the first refresh token: the identity changes when a person logs
    /// in again. A first refresh token that cannot be read counts as removed, because the vendor may
    /// have replaced it long ago.
    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.extend(self.read_first().await.ok());
        Ok(self.client.credentials(secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        true
    }

    fn needs_refresh_token(&self) -> bool {
        true
    }

    /// Reads the refresh token that a person's login brought; `None` if the vendor rejected it,
    /// because a vendor may withdraw all that came of a login whose refresh token is spent twice.
    async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
        let first = self.read_first().await?;
        let rejected = self.rejected();
        let rejected = rejected
            .as_ref()
            .is_some_and(|it| it.token == id_of(&first));
        Ok((!rejected).then_some(first))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("RefreshToken", f)
    }
}

/// Identifies a refresh token without keeping it.
fn id_of(token: &Secret) -> Option<CredentialsId> {
    Credentials::new(&[], [token.clone()]).id()
}

#[cfg(test)]
mod tests;
