use auth_core::{AccessToken, Credentials, Error, TokenRequest, TokenSource};

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::CLIENT_CREDENTIALS,
};

/// The client credentials grant (RFC 6749 section 4.4): a program's token for itself.
///
/// Made by [`Client::client_credentials`]. Hand it to an
/// [`Authenticator`](auth_core::Authenticator), which decides when to call it. One call is one
/// token request, without retries. A refresh token that comes unasked is ignored: section 4.4.3 has
/// no place for one, and the secret does as well.
///
/// Can ask for more scope when the API wants it, see [`WiderScope`](auth_core::WiderScope).
///
/// # Cancel safety
///
/// Dropping a token request drops the HTTP request. Nothing is kept of it, and nothing goes on.
///
/// # Security
///
/// The secret is kept as long as the request needs it; the
/// [`Authenticator`](auth_core::Authenticator) keeps a hash of it, to tell whether it has changed.
/// The request's body and its `Authorization` header are wiped with their last clone, the reply's
/// body if nobody shares it.
#[derive(Debug)]
pub struct ClientCredentials {
    client: Client,
}

impl Client {
    /// Makes a source of tokens for the client itself (RFC 6749 section 4.4).
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::Secret;
    /// use auth_oauth2::{Client, ClientCredentials};
    ///
    /// # fn source(transport: impl Transport) -> Result<ClientCredentials, Error> {
    /// let source = Client::builder("https://login.example.com/token", "my-client", transport)
    ///     .secret(Secret::new("fake-secret"))
    ///     .scope("read:meters")
    ///     .build()?
    ///     .client_credentials();
    /// # Ok(source)
    /// # }
    /// ```
    #[must_use]
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials {
            client: self.clone(),
        }
    }
}

impl TokenSource for ClientCredentials {
    /// Sends one token request. The reason makes no difference to this grant.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let scope = token_request.scope.as_deref();
        let request = GrantRequest {
            grant_type: CLIENT_CREDENTIALS,
            parameters: &[],
            secrets: &[],
            scope: scope.map_or(AskedScope::OfTheClient, AskedScope::Other),
            keeps_refresh_token: false,
        };
        self.client.send(&token_request.credentials, request).await
    }

    fn own_scope(&self) -> Option<&str> {
        Some(self.client.scope())
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let secrets = self.client.read_secrets().await?;
        Ok(self.client.credentials(secrets))
    }
}
