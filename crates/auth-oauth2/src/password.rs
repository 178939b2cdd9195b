use std::fmt;

use auth_core::{
    AccessToken, Credentials, Error, Exchange, Secret, SecretSource, SharedSecretSource,
    SharedTransport, TokenSource, Transport,
};

use crate::{
    GrantBuilder,
    grant::{Client, PASSWORD, check, read, sealed},
};

/// The resource owner password credentials grant (RFC 6749 section 4.3): a person's user name and
/// password for a token.
///
/// **Discouraged.** RFC 9700 section 2.4 says that this grant must not be used, because it hands a
/// person's password to a program; OAuth 2.1 leaves it out. It is here, behind the feature
/// `password`, for vendors that offer nothing else. Use an account of the program's own, with no
/// more rights than it needs.
///
/// A password that the vendor rejected is sent at most twice, then once a day until the secret
/// changes or `Authenticator::clear_rejections` is called. The
/// [`Authenticator`](auth_core::Authenticator) counts, for all sources in the process that log in as
/// the same user at the same token endpoint with the same client.
///
/// A refresh token that comes with a token is spent for the next one, so that the password travels
/// as rarely as it can (RFC 6749 section 4.3.1); when the vendor rejects it, the password is used
/// again. [`refresh_tokens`](GrantBuilder::refresh_tokens) turns that off.
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::SecretFile;
/// use auth_oauth2::ResourceOwnerPassword;
///
/// # fn source(transport: impl Transport) -> Result<ResourceOwnerPassword, Error> {
/// let source = ResourceOwnerPassword::builder(
///     "https://login.example.com/oauth2/token",
///     "my-client",
///     SecretFile::new("/run/secrets/example-client"),
///     "robot@example.com",
///     SecretFile::new("/run/secrets/example-password"),
///     transport,
/// )
/// .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping an exchange drops the request. The request does not count as a rejected login then,
/// whether or not the vendor counts it.
///
/// # Security
///
/// The password is read before each token request and dropped after it (RFC 6749 section 4.3.1).
pub struct ResourceOwnerPassword {
    client: Client,
    username: Secret,
    password: SharedSecretSource,
}

/// Whose token it is.
#[derive(Debug)]
#[allow(unnameable_types, reason = "of the sealed trait's")]
pub struct Owner {
    username: String,
    password: SharedSecretSource,
    refresh_tokens: bool,
}

impl ResourceOwnerPassword {
    /// Starts with what every vendor needs: the token endpoint's URL, the client's identifier and
    /// secret, the person's user name and password, and the way to send requests.
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        username: impl Into<String>,
        password: impl SecretSource,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            Some(SharedSecretSource::new(client_secret)),
            SharedTransport::new(transport),
            Owner {
                username: username.into(),
                password: SharedSecretSource::new(password),
                refresh_tokens: true,
            },
        )
    }

    /// As [`builder`](Self::builder), for a public client (RFC 6749 section 2.1): one without a
    /// secret, which only says its name, in the body.
    pub fn public_client(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        username: impl Into<String>,
        password: impl SecretSource,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            None,
            SharedTransport::new(transport),
            Owner {
                username: username.into(),
                password: SharedSecretSource::new(password),
                refresh_tokens: true,
            },
        )
    }

    async fn log_in(&self, credentials: &Credentials) -> Result<AccessToken, Error> {
        let secret = self.client.secret_of(credentials)?;
        let password = self.client.own_secret(credentials, 0)?;
        let username = &self.username;
        let own = [
            ("username", username.expose()),
            (PASSWORD, password.expose()),
        ];
        let secrets = [username, password];
        self.client.exchange(secret, PASSWORD, &own, &secrets).await
    }
}

impl GrantBuilder<ResourceOwnerPassword> {
    /// Sets whether refresh tokens are kept, in the authenticator's store if it has one, and spent
    /// in place of the password; default yes.
    ///
    /// A refresh asks for the scope that was granted; audience, resources and extra parameters are
    /// sent with it as with a login.
    pub fn refresh_tokens(mut self, keep: bool) -> Self {
        self.own.refresh_tokens = keep;
        self
    }
}

impl sealed::Grant for ResourceOwnerPassword {
    type Own = Owner;
    const PARAMETERS: &'static [&'static str] = &["username", "password"];

    fn new(client: Client, own: Owner) -> Result<Self, Error> {
        if own.username.is_empty() {
            return Err(Error::config("username", "must not be empty"));
        }
        check(PASSWORD, &own.password)?;
        Ok(Self {
            client: client.keep_refresh_tokens(own.refresh_tokens),
            username: own.username.into(),
            password: own.password,
        })
    }
}

impl TokenSource for ResourceOwnerPassword {
    /// One exchange: for the refresh token if there is one to spend, and for the password if not.
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        match self.client.to_spend(&exchange) {
            Some(token) => {
                let secret = self.client.secret_of(&exchange.credentials)?;
                self.client.refresh(secret, token).await
            }
            None => self.log_in(&exchange.credentials).await,
        }
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.push(read(PASSWORD, &self.password).await?);
        Ok(self
            .client
            .user_credentials(self.username.expose(), secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.client.keeps_refresh_tokens()
    }
}

impl fmt::Debug for ResourceOwnerPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("ResourceOwnerPassword", f)
    }
}

#[cfg(test)]
mod tests;
