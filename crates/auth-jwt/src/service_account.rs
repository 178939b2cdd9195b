use std::fmt;

use auth_core::{
    AccessToken, Credentials, Error, HttpHosts, Secret, SecretSource, SharedClock,
    SharedSecretSource, SharedTransport, TokenRequest, TokenRequestOutcome, TokenSource, Transport,
};
use auth_oauth2::{Client, ClientAuth, JwtBearer};
use serde::Deserialize;

use crate::{JwtAlgorithm, JwtAudience, JwtSigner};

/// Requests tokens for a Google service account with its JSON key file (RFC 7523 section 2.1).
///
/// The file contains all settings: the client (`client_email`), the key (`private_key`,
/// `private_key_id`), and the token endpoint (`token_uri`, which must be `https`). The file is read
/// before each token request, so that a replaced key is used at once.
///
/// # Example
///
/// ```
/// # use auth_core::Transport;
/// use auth_core::{Authenticator, Error, Origins, SecretFile};
/// use auth_jwt::ServiceAccount;
///
/// # fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
/// let key = SecretFile::new("/run/secrets/service-account.json");
/// let source = ServiceAccount::builder(key, transport)
///     .scope("https://www.googleapis.com/auth/pubsub")
///     .build()?;
/// let origins = Origins::new(["https://pubsub.googleapis.com"])?;
/// let authenticator = Authenticator::builder(source, origins).vendor("google").build()?;
/// # Ok(authenticator)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. No state is kept and no task continues.
///
/// # Security
///
/// Anyone who can write the key file chooses the server to which assertions are sent. An assertion
/// is valid for that server only (`aud`). No error contains a part of the key.
pub struct ServiceAccount(Settings);

struct Settings {
    key: SharedSecretSource,
    transport: SharedTransport,
    scope: String,
    subject: Option<String>,
    http: HttpHosts,
    clock: SharedClock,
}

/// Settings of a [`ServiceAccount`]. Made by [`ServiceAccount::builder`].
#[must_use]
pub struct ServiceAccountBuilder(Settings);

impl ServiceAccount {
    /// Starts with the source of the key file and the transport that sends the token requests.
    pub fn builder(key: impl SecretSource, transport: impl Transport) -> ServiceAccountBuilder {
        ServiceAccountBuilder(Settings {
            key: SharedSecretSource::new(key),
            transport: SharedTransport::new(transport),
            scope: String::new(),
            subject: None,
            http: HttpHosts::default(),
            clock: SharedClock::default(),
        })
    }
}

impl ServiceAccountBuilder {
    /// Sets the requested scopes, with exactly one space between two scopes, for example
    /// `https://www.googleapis.com/auth/pubsub`. Default: none.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.0.scope = scope.into();
        self
    }

    /// Sets the user for whom the service account acts (domain-wide delegation), for example
    /// `user@example.com`. Default: none; the service account acts for itself.
    pub fn subject(mut self, user: impl Into<String>) -> Self {
        self.0.subject = Some(user.into()).filter(|user| !user.is_empty());
        self
    }

    /// Permits plain `http` to one exact origin, for the `token_uri` of an emulator, for example
    /// `http://localhost:8080`. May be called several times. Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` if the text is not an
    /// absolute `http` URL.
    ///
    /// # Security
    ///
    /// Anyone on the network path to this host can read assertions and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.0.http.allow(origin)?;
        Ok(self)
    }

    /// Sets the clock for `iat` and `exp`. Default: [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.0.clock = clock.into();
        self
    }

    /// Validates the settings and makes the source.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `cargo features`: no feature with cryptography is enabled.
    /// - If the key file is given as a `Secret`, the errors of a token request:
    ///   `service_account_key` if the text is not a key file, `token_uri` if it is not `https`,
    ///   `signing_key` if the key does not fit.
    pub fn build(self) -> Result<ServiceAccount, Error> {
        crate::provider::provider()?;
        self.0.key.check()?;
        if let Some(key) = self.0.key.fixed() {
            self.0.grant(key)?;
        }
        Ok(ServiceAccount(self.0))
    }
}

impl Settings {
    /// Makes the grant of one token request. The file may change between token requests.
    fn grant(&self, file: &Secret) -> Result<JwtBearer, Error> {
        let KeyFile {
            client_email,
            token_uri,
        } = KeyFile::read(file)?;
        self.http.check("token_uri", &token_uri)?;
        let signer = JwtSigner::new(JwtAlgorithm::Rs256, file.clone())
            .audience(JwtAudience::Fixed(token_uri.clone()));
        let signer = match &self.subject {
            Some(user) => signer.subject(user),
            None => signer.without_subject(),
        };
        let signer = match self.scope.as_str() {
            "" => signer,
            scope => signer.claim("scope", scope)?,
        };
        Client::builder(token_uri, client_email, self.transport.clone())
            .client_auth(ClientAuth::None)
            .danger_http_hosts(self.http.clone())
            .clock(self.clock.clone())
            .build()?
            .jwt_bearer(signer)
    }
}

impl TokenSource for ServiceAccount {
    /// Sends one token request. This grant ignores the reason in `token_request`.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let file = token_request.credentials.secret(0).ok_or_else(|| {
            let problem = "secrets are missing; pass what `TokenSource::credentials` returned";
            Error::config("TokenRequest::credentials", problem)
        })?;
        self.0.grant(file)?.fetch(token_request).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let file = self.0.key.read().await;
        let file = file.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
        self.0.grant(&file)?.credentials().await
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceAccountBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountBuilder")
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

/// The members of a key file other than the key.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    token_uri: String,
}

impl KeyFile {
    fn read(text: &Secret) -> Result<Self, Error> {
        let file: Option<Self> = serde_json::from_str(text.expose()).ok();
        file.filter(|file| !file.client_email.is_empty())
            .ok_or_else(|| {
                let problem = "the text that was read is no service account's key file (JSON with \
                               `client_email`, `private_key` and `token_uri`), or only a part of \
                               one; download the key once more";
                Error::config("service_account_key", problem)
            })
    }
}

#[cfg(test)]
mod tests;
