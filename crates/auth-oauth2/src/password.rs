use auth_core::{
    AccessToken, Credentials, Error, Secret, SecretSource, SharedSecretSource, TokenRequest,
    TokenSource,
};

use crate::{
    check_identifier,
    client::{AskedScope, Client, GrantRequest},
    grant_type::PASSWORD,
    refreshing::Refreshing,
    secret_setting::{check, read},
};

/// The resource owner password credentials grant (RFC 6749 section 4.3): requests a token with a
/// user name and a password.
///
/// Made by [`Client::password`].
///
/// **Discouraged.** RFC 9700 section 2.4 forbids this grant because it gives a person's password to
/// a program, and OAuth 2.1 removes it. It is behind the feature `password`, for vendors that offer
/// no other grant. Use an account that only the program uses, with no more rights than it needs.
///
/// A rejected password is sent at most twice, and then once a day until the secret changes or
/// `Authenticator::clear_rejections` is called. The [`Authenticator`](auth_core::Authenticator)
/// counts rejections per user, client and token endpoint, for all sources in the process.
///
/// A refresh token in the reply is kept and spent for the next token, so that the password is sent
/// as rarely as possible (RFC 6749 section 4.3.1). If the vendor rejects the refresh token, the
/// password is sent again. [`refresh_tokens`](Self::refresh_tokens) turns this off.
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. The request then does not count as a rejected
/// login, whether or not the vendor counts it.
///
/// # Security
///
/// The password is read before each token request and dropped after it (RFC 6749 section 4.3.1).
#[derive(Debug)]
pub struct ResourceOwnerPassword {
    client: Client,
    username: Secret,
    password: SharedSecretSource,
    refreshing: Refreshing,
}

impl Client {
    /// Makes a source of tokens for a user name and a password (RFC 6749 section 4.3).
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::SecretFile;
    /// use auth_oauth2::{Client, ResourceOwnerPassword};
    ///
    /// # fn source(transport: impl Transport) -> Result<ResourceOwnerPassword, Error> {
    /// let password = SecretFile::new("/run/secrets/example-password");
    /// let source = Client::builder("https://login.example.com/token", "my-client", transport)
    ///     .secret(SecretFile::new("/run/secrets/example-client"))
    ///     .build()?
    ///     .password("robot@example.com", password)?;
    /// # Ok(source)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `username`: empty, or with white space at an end.
    /// - `password`: empty, if it is given as a `Secret`.
    /// - `extra`: the client has an extra parameter `username` or `password`.
    pub fn password(
        &self,
        username: impl Into<Secret>,
        password: impl SecretSource,
    ) -> Result<ResourceOwnerPassword, Error> {
        let (username, password) = (username.into(), SharedSecretSource::new(password));
        check_identifier("username", username.expose())?;
        check(PASSWORD, &password)?;
        self.check_own_parameters(&["username", PASSWORD])?;
        Ok(ResourceOwnerPassword {
            client: self.clone(),
            username,
            password,
            refreshing: Refreshing::new(true),
        })
    }
}

impl ResourceOwnerPassword {
    /// Sets whether refresh tokens are kept (in the authenticator's store if it has one) and spent
    /// in place of the password. Default: `true`.
    ///
    /// A request with a refresh token has no scope: the vendor grants the same scope again. It has
    /// the audience, resources and extra parameters of the client.
    #[must_use]
    pub fn refresh_tokens(mut self, keep: bool) -> Self {
        self.refreshing = Refreshing::new(keep);
        self
    }

    async fn log_in(&self, credentials: &Credentials) -> Result<AccessToken, Error> {
        let username = &self.username;
        let password = self.client.own_secret(credentials, 0)?;
        let request = GrantRequest {
            grant_type: PASSWORD,
            parameters: &[
                ("username", username.expose()),
                (PASSWORD, password.expose()),
            ],
            secrets: &[username, password],
            scope: AskedScope::OfTheClient,
            keeps_refresh_token: self.keeps_refresh_tokens(),
        };
        self.client.send(credentials, request).await
    }
}

impl TokenSource for ResourceOwnerPassword {
    /// Sends one token request: with the refresh token if there is one, otherwise with the
    /// password.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        match self.refreshing.to_spend(&token_request) {
            Some(token) => {
                let refreshing = &self.refreshing;
                refreshing
                    .refresh(&self.client, &token_request, token)
                    .await
            }
            None => self.log_in(&token_request.credentials).await,
        }
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.push(read(PASSWORD, &self.password).await?);
        let user = self.username.expose();
        Ok(self.client.user_credentials(user, secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.refreshing.keeps_refresh_tokens()
    }
}

#[cfg(test)]
mod tests;
