use std::fmt;

use auth_core::{
    AccessToken, Error, Exchange, Secret, SecretSource, SharedSecretSource, SharedTransport,
    TokenSource, Transport,
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

/// Whose token it is.
#[derive(Debug)]
#[allow(unnameable_types, reason = "of the sealed trait's")]
pub struct Owner {
    username: String,
    password: SharedSecretSource,
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
            SharedSecretSource::new(client_secret),
            SharedTransport::new(transport),
            Owner {
                username: username.into(),
                password: SharedSecretSource::new(password),
            },
        )
    }

    async fn credentials(&self) -> Result<(Secret, Secret), Error> {
        let secret = self.client.read_secret().await?;
        Ok((secret, read("password", &self.password).await?))
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
            client,
            username: own.username.into(),
            password: own.password,
        })
    }
}

impl TokenSource for ResourceOwnerPassword {
    async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
        let (secret, password) = self.credentials().await?;
        let username = &self.username;
        let own = [
            ("username", username.expose()),
            ("password", password.expose()),
        ];
        let secrets = [username, &password];
        let login = self.client.exchange(&secret, "password", &own, &secrets);
        let credential = [&secret, username, &password];
        self.limit.attempt(&credential, login).await
    }

    async fn credential_changed(&self) -> bool {
        let read = self.credentials().await;
        read.is_ok_and(|(secret, password)| {
            self.limit
                .has_changed(&[&secret, &self.username, &password])
        })
    }
}

impl fmt::Debug for ResourceOwnerPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("ResourceOwnerPassword", f)
    }
}

#[cfg(test)]
mod tests;
