use std::fmt;

use auth_core::{
    AccessToken, CredentialMark, Error, Exchange, Secret, SecretSource, SharedSecretSource,
    SharedTransport, TokenSource, Transport,
};

use crate::{
    GrantBuilder, LoginLimit,
    grant::{Client, read, sealed},
};

/// The resource owner password credentials grant (RFC 6749 section 4.3): a person's user name and
/// password for a token.
///
/// **Discouraged.** RFC 9700 section 2.4 says that this grant must not be used, because it hands a
/// person's password to a program; OAuth 2.1 leaves it out. It is here, behind the feature
/// `password`, for vendors that offer nothing else. Use an account of the program's own, with no
/// more rights than it needs.
///
/// A password that the vendor rejected is tried at most twice, ever: see [`LoginLimit`].
///
/// A refresh token that comes with a token is spent for the next one, so that the password travels
/// as rarely as it can (RFC 6749 section 4.3.1); when it is worth nothing any more, the password is
/// used again. [`refresh_tokens`](GrantBuilder::refresh_tokens) turns that off.
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
/// Dropping an exchange drops the request. Whether the vendor counted it as a failed login is
/// unknown, and not assumed.
///
/// # Security
///
/// The password is read for each exchange and dropped with it (RFC 6749 section 4.3.1).
pub struct ResourceOwnerPassword {
    client: Client,
    username: Secret,
    password: SharedSecretSource,
    limit: LoginLimit,
}

const GRANT: &str = "password";

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

    async fn read_password(&self) -> Result<Secret, Error> {
        read("password", &self.password).await
    }

    async fn log_in(
        &self,
        exchange: &Exchange,
        secret: Option<&Secret>,
    ) -> Result<AccessToken, Error> {
        let password = self.read_password().await?;
        let username = &self.username;
        let own = [
            ("username", username.expose()),
            ("password", password.expose()),
        ];
        let secrets = [username, &password];
        let login = self.client.exchange(secret, GRANT, &own, &secrets);
        let credential = self.credential_of(secret, &password);
        self.limit.attempt(exchange, &credential, login).await
    }

    /// All that a login's verdict depends on.
    fn credential_of<'a>(
        &'a self,
        secret: Option<&'a Secret>,
        password: &'a Secret,
    ) -> Vec<&'a Secret> {
        let secret = secret.into_iter();
        secret.chain([&self.username, password]).collect()
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
        if own.password.fixed().is_some_and(Secret::is_empty) {
            return Err(Error::config("password", "must not be empty"));
        }
        Ok(Self {
            limit: LoginLimit::new(client.vendor()),
            client: client.keep_refresh_tokens(own.refresh_tokens),
            username: own.username.into(),
            password: own.password,
        })
    }
}

impl TokenSource for ResourceOwnerPassword {
    /// One exchange: for the refresh token if there is one to spend, and for the password if not.
    /// A refresh is no login, so no count of failed ones is in its way, and it adds to none.
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let secret = self.client.use_secret().await?;
        match self.client.to_spend(&exchange) {
            Some(token) => self.client.refresh(secret.as_ref(), token).await,
            None => self.log_in(&exchange, secret.as_ref()).await,
        }
    }

    async fn credential_changed(&self) -> bool {
        let (Ok(secret), Ok(password)) =
            (self.client.read_secret().await, self.read_password().await)
        else {
            return false;
        };
        let secret = secret.as_ref();
        let credential = self.credential_of(secret, &password);
        self.client.is_another(secret) || self.limit.has_changed(&credential)
    }

    async fn credential(&self) -> Option<CredentialMark> {
        let password = self.read_password().await.ok()?;
        let own = [&self.username, &password];
        self.client.mark(GRANT, &own).await
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
