use std::fmt;

use auth_core::{
    ApiKey, Authenticator, AuthenticatorOptions, Error, Key, Scheme, SecretSource,
    SharedSecretSource,
};
use http::HeaderName;

use crate::{VENDOR, base_url::BaseUrl, settings};

/// Settings for Axonize's API keys. Created by [`Axonize::api_keys`](crate::Axonize::api_keys).
///
/// The vendor's support sends the first pair of client id and client secret. For an application
/// that is created later, the API's function `GetAppSecret` returns another pair: call the function
/// with the first pair, and use the result in a second authenticator.
///
/// # Example
///
/// A secret in a file:
///
/// ```
/// use auth_axonize::Axonize;
/// use auth_core::SecretFile;
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let secret = SecretFile::new("/run/secrets/axonize");
/// let authenticator = Axonize::api_keys("https://api.axonize.com", "my-app-id", secret).build()?;
/// # Ok(())
/// # }
/// ```
///
/// A secret that `GetAppSecret` returns, requested through a client that is signed with the first
/// pair. The authenticator requests the secret once, and again when the API refuses it:
///
/// ```
/// use auth_axonize::Axonize;
/// use auth_core::{Authenticator, Error, ErrorKind, Secret, SecretFn};
///
/// # async fn get_app_secret(_: &str) -> Option<String> { None }
/// # fn build() -> Result<Authenticator, Error> {
/// let secret = SecretFn::new(|| async {
///     // Call the function through your client, and read the secret from the reply.
///     let secret = get_app_secret("my-new-app-id").await;
///     secret
///         .map(Secret::new)
///         .ok_or_else(|| Error::new(ErrorKind::Unavailable, "GetAppSecret has no secret"))
/// });
/// Axonize::api_keys("https://api.axonize.com", "my-new-app-id", secret).build()
/// # }
/// ```
#[must_use]
pub struct ApiKeysBuilder {
    base_url: BaseUrl,
    client_id: String,
    client_secret: SharedSecretSource,
    options: AuthenticatorOptions,
}

impl ApiKeysBuilder {
    pub(crate) fn new(
        base_url: String,
        client_id: String,
        client_secret: impl SecretSource,
    ) -> Self {
        Self {
            base_url: BaseUrl::new(base_url),
            client_id,
            client_secret: SharedSecretSource::new(client_secret),
            options: AuthenticatorOptions::new(),
        }
    }

    /// Sets the options of the authenticator: policy, quota, limit, store, clock and shards; see
    /// [`AuthenticatorOptions`]. Default: none are set. The policy sets the back-off of failed
    /// reads of the secret, and how often the secret is read again while the API refuses it. Keys
    /// are not written to a store.
    pub fn options(mut self, options: AuthenticatorOptions) -> Self {
        self.options = options;
        self
    }

    /// Permits plain `http` to one exact origin, for the API: a docker-compose or
    /// Kubernetes service (`http://payments:8080`), a mesh (`http://api.mesh.local`),
    /// `http://localhost:3000`. A path is ignored. May be called several times. Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an absolute `http` URL, for user information and for a wildcard.
    ///
    /// # Security
    ///
    /// Anyone on the network path to this host can read credentials and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.base_url.http.allow(origin)?;
        Ok(self)
    }

    /// Checks the settings and creates the authenticator.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting: `base_url`
    /// if not an https URL, `client_id` or `client_secret` if empty or not allowed in a header.
    pub fn build(self) -> Result<Authenticator, Error> {
        let origins = self.base_url.origins()?;
        settings::check_header("client_id", &self.client_id)?;
        settings::check_secret("client_secret", &self.client_secret)?;
        let key = Key::builder(VENDOR)
            .issuer(&self.base_url.url)
            .grant("api_keys")
            .client(&self.client_id)
            .build();
        let scheme = Scheme::header(CLIENT_SECRET)?
            .and_header(CLIENT_ID, self.client_id)?
            .content_type(settings::CONTENT_TYPE)?;
        Authenticator::builder(
            ApiKey::new(self.client_secret).field("client_secret"),
            origins,
        )
        .vendor(VENDOR)
        .scheme(scheme)
        .key(key)
        .options(self.options)
        .build()
    }
}

impl fmt::Debug for ApiKeysBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeysBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

// The vendor writes `clientId` and `clientSecret`. Header names are compared without case.
const CLIENT_ID: HeaderName = HeaderName::from_static("clientid");
const CLIENT_SECRET: HeaderName = HeaderName::from_static("clientsecret");
