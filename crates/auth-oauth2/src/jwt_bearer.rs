use auth_core::{AccessToken, Credentials, Error, TokenRequest, TokenSource};

use crate::{
    Assertion,
    client::{AskedScope, Client, GrantRequest},
    grant_type::JWT_BEARER,
};

/// The JWT bearer grant (RFC 7523 section 2.1): requests a token with an assertion.
///
/// Made by [`Client::jwt_bearer`]. The assertion names the subject of the token: a service account
/// (Google), a user (Salesforce, SAP), or the user whose token a service received (Entra ID, "on
/// behalf of"). A refresh token in the reply is ignored (RFC 7521 section 4.1), because the next
/// assertion serves the same purpose.
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. No state is kept and no task continues.
///
/// # Security
///
/// The assertion is kept only while the token request needs it, and is scrubbed from the
/// authorization server's texts.
#[derive(Debug)]
pub struct JwtBearer {
    client: Client,
    assertion: Assertion,
}

impl Client {
    /// Makes a source of tokens that sends an assertion (RFC 7523 section 2.1), either issued by
    /// another program or signed for each token request.
    ///
    /// With [`ClientAuth::None`](crate::ClientAuth::None) no `client_id` is sent, because the
    /// assertion identifies the client (RFC 7521 section 4.1). Other client authentication methods
    /// are sent as with every grant.
    ///
    /// # Example
    ///
    /// Entra ID, on behalf of the user whose token the service received:
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::{Secret, SecretFile};
    /// use auth_oauth2::{Client, ClientAuth, JwtBearer};
    ///
    /// # fn source(transport: impl Transport, user_token: Secret) -> Result<JwtBearer, Error> {
    /// let url = "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token";
    /// let client = Client::builder(url, "my-client", transport)
    ///     .secret(SecretFile::new("/run/secrets/my-client"))
    ///     .client_auth(ClientAuth::Post)
    ///     .extra("requested_token_use", "on_behalf_of")
    ///     .scope("https://graph.microsoft.com/.default")
    ///     .build()?;
    /// let source = client.jwt_bearer(user_token)?;
    /// # Ok(source)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `assertion`: empty, not a JWT or expired, if it is given as a `Secret`.
    /// - `extra`: the client has an extra parameter `assertion`.
    /// - A setting that the signer names.
    pub fn jwt_bearer(&self, assertion: impl Into<Assertion>) -> Result<JwtBearer, Error> {
        let assertion = assertion.into();
        self.check_own_parameters(&[ASSERTION])?;
        self.with_assertion_context(|context| assertion.check(ASSERTION, context))?;
        Ok(JwtBearer {
            client: self.clone(),
            assertion,
        })
    }
}

impl TokenSource for JwtBearer {
    /// Sends one token request. This grant ignores the reason in `token_request`.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let credentials = &token_request.credentials;
        let proof = self.client.own_secret(credentials, 0)?;
        let assertion = self.client.assert(&self.assertion, proof).await?;
        let request = GrantRequest {
            grant_type: JWT_BEARER,
            parameters: &[(ASSERTION, assertion.expose())],
            secrets: &[&assertion],
            scope: AskedScope::OfTheClient,
            keeps_refresh_token: false,
        };
        self.client.send(credentials, request).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.push(self.assertion.read(ASSERTION, self.client.now()).await?);
        Ok(self.client.credentials(secrets))
    }
}

/// The grant's parameter.
const ASSERTION: &str = "assertion";

#[cfg(test)]
mod tests;
