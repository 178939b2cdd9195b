use auth_core::{AccessToken, Credentials, Error, TokenRequest, TokenSource};

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::CLIENT_CREDENTIALS,
};

/// The client credentials grant (RFC 6749 section 4.4): a token for the program itself.
///
/// Made by [`Client::client_credentials`]. Pass it to an
/// [`Authenticator`](auth_core::Authenticator), which decides when to call it. One call sends one
/// token request, without retries. A refresh token in the reply is ignored, because this grant
/// issues none (section 4.4.3) and the client secret serves the same purpose.
///
/// Can ask for more scope when the API wants it, see [`WiderScope`](auth_core::WiderScope).
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. No state is kept and no task continues.
///
/// # Security
///
/// The secret is kept only while the request needs it. The
/// [`Authenticator`](auth_core::Authenticator) keeps a hash of it, to detect a change. The
/// request's body and its `Authorization` header are wiped when their last clone is dropped. The
/// reply's body is wiped unless other code holds a clone of it.
#[derive(Debug)]
pub struct ClientCredentials {
    client: Client,
}

impl Client {
    /// Makes a source of tokens for the program itself (RFC 6749 section 4.4).
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
    /// Sends one token request. This grant ignores the reason in `token_request`.
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
