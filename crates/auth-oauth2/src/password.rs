use auth_core::{
    AccessToken, Credentials, Error, Secret, SecretSource, SharedSecretSource, TokenRequest,
    TokenSource,
};

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::PASSWORD,
    refreshing::Refreshing,
    secret_setting::{check, read},
};

/// The resource owner password credentials grant (RFC 6749 section 4.3): a person's user name and
/// password for a token.
///
/// Made by [`Client::password`].
///
/// **Discouraged.** RFC 9700 section 2.4 says that this grant must not be used, because it hands a
/// person's password to a program; OAuth 2.1 leaves it out. It is here, behind the feature
/// `password`, for vendors that offer nothing else. Use an account of the program's own, with no
/// more rights than it needs.
///
/// A password that the vendor rejected is sent at most twice, then once a day until the secret
/// changes or `Authenticator::clear_rejections` is called. The
/// [`Authenticator`](auth_core::Authenticator) counts, for all sources in the process that log in
/// as the same user at the same token endpoint with the same client.
///
/// A refresh token that comes with a token is spent for the next one, so that the password travels
/// as rarely as it can (RFC 6749 section 4.3.1); when the vendor rejects it, the password is used
/// again. [`refresh_tokens`](Self::refresh_tokens) turns that off.
///
/// # Cancel safety
///
/// Dropping a token request drops the HTTP request. The request does not count as a rejected login
/// then, whether or not the vendor counts it.
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
    /// - `username`: empty.
    /// - `password`: empty, as far as it is known before it is read.
    /// - `extra`: the client has an extra parameter `username` or `password`.
    pub fn password(
        &self,
        username: impl Into<Secret>,
        password: impl SecretSource,
    ) -> Result<ResourceOwnerPassword, Error> {
        let (username, password) = (username.into(), SharedSecretSource::new(password));
        if username.is_empty() {
            return Err(Error::config("username", "must not be empty"));
        }
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
    /// Sets whether refresh tokens are kept, in the authenticator's store if it has one, and spent
    /// in place of the password. Default: yes.
    ///
    /// A refresh asks for the scope that was granted; audience, resources and extra parameters are
    /// sent with it as with a login.
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
    /// Sends one token request: with the refresh token if there is one to spend, otherwise with the
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
