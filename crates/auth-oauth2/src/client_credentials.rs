use std::fmt;

use auth_core::{
    AccessToken, Credentials, Error, Exchange, SecretSource, SharedSecretSource, SharedTransport,
    TokenSource, Transport,
};

use crate::{
    GrantBuilder,
    grant::{Client, sealed},
};

/// The client credentials grant (RFC 6749 section 4.4): a program's token for itself.
///
/// Hand it to an [`Authenticator`](auth_core::Authenticator), which decides when to call it. One
/// call is one request, without retries; the client secret is read before each request. A refresh token
/// that comes unasked is ignored: section 4.4.3 has no place for one, and the secret does as well.
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::Secret;
/// use auth_oauth2::{ClientAuth, ClientCredentials};
///
/// # fn source(transport: impl Transport) -> Result<ClientCredentials, Error> {
/// let source = ClientCredentials::builder(
///     "https://login.example.com/oauth2/token",
///     "my-client",
///     Secret::new("fake-secret"),
///     transport,
/// )
/// .client_auth(ClientAuth::Post)
/// .scope("read:meters")
/// .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping an exchange drops the request. Nothing is kept of it, and nothing goes on.
///
/// # Security
///
/// The secret is kept as long as the request needs it; the [`Authenticator`](auth_core::Authenticator)
/// keeps a hash of it, to tell whether it has changed. The request's body and its `Authorization` header are
/// wiped with their last clone, the reply's body if nobody shares it.
pub struct ClientCredentials {
    client: Client,
}

impl ClientCredentials {
    /// Starts with what every vendor needs: the token endpoint's URL, the client's identifier, where
    /// its secret comes from, and the way to send requests.
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            Some(SharedSecretSource::new(client_secret)),
            SharedTransport::new(transport),
            (),
        )
    }
}

impl sealed::Grant for ClientCredentials {
    type Own = ();
    const PARAMETERS: &'static [&'static str] = &[];

    fn new(client: Client, (): ()) -> Result<Self, Error> {
        Ok(Self { client })
    }
}

impl TokenSource for ClientCredentials {
    /// One exchange; why it takes place makes no difference to this grant.
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let secret = self.client.secret_of(&exchange.credentials)?;
        self.client.exchange(secret, GRANT, &[], &[]).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let secrets = self.client.read_secrets().await?;
        Ok(self.client.credentials(secrets))
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("ClientCredentials", f)
    }
}

const GRANT: &str = "client_credentials";

#[cfg(test)]
mod tests;
