mod source;

use std::{fmt, num::NonZeroU32};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, HttpHosts, Key, Origins, Quota, SecretSource,
    SharedSecretSource, SharedTransport, Transport,
};
use auth_oauth2::BodyFormat;

/// Authentication for the Verdigris API. Start with [`builder`](Self::builder).
///
/// The constants are the values that the vendor documents, and the defaults.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdigris;

impl Verdigris {
    /// The token endpoint.
    pub const TOKEN_URL: &'static str = "https://auth.verdigris.co/oauth/token";
    /// The API's origin. A token is sent to no other origin.
    pub const BASE_URL: &'static str = "https://api.verdigris.co";
    /// The audience of a token request. The slash at the end is part of it.
    pub const AUDIENCE: &'static str = "https://api.verdigris.co/";
    /// 20 token requests in any hour, for each client, for all of its processes together.
    pub const QUOTA: Quota = Quota::per_hour(NonZeroU32::new(20).unwrap());

    /// Starts with the client id, the source of its secret, and the transport that sends token
    /// requests. The source is a [`Secret`](auth_core::Secret), or a
    /// [`SecretFn`](auth_core::SecretFn) for a secret that rotates.
    ///
    /// # Example
    ///
    /// The transport is required:
    ///
    /// ```compile_fail,E0061
    /// use auth_core::Secret;
    /// use auth_verdigris::Verdigris;
    ///
    /// let settings = Verdigris::builder("my-client-id", Secret::new("fake-client-secret"));
    /// ```
    pub fn builder(
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        transport: impl Transport,
    ) -> VerdigrisBuilder {
        VerdigrisBuilder {
            client_id: client_id.into(),
            client_secret: SharedSecretSource::new(client_secret),
            transport: SharedTransport::new(transport),
            token_url: Self::TOKEN_URL.into(),
            base_url: Self::BASE_URL.into(),
            audience: Self::AUDIENCE.into(),
            body_format: BodyFormat::Form,
            options: AuthenticatorOptions::new(),
            http: HttpHosts::default(),
        }
    }
}

/// Settings for the Verdigris API. Created by [`Verdigris::builder`].
///
/// # Example
///
/// Four processes that share a client without a store, behind a gateway:
///
/// ```
/// # use auth_core::{Authenticator, Error, Transport};
/// use std::time::Duration;
///
/// use auth_core::{AuthenticatorOptions, Quota, Secret};
/// use auth_verdigris::Verdigris;
///
/// # fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
/// let secret = Secret::new("fake-client-secret");
/// let quota = Quota::new(5, Duration::from_secs(3600))?;
/// let authenticator = Verdigris::builder("my-client-id", secret, transport)
///     .token_url("https://gateway.example.com/verdigris/token")
///     .base_url("https://gateway.example.com")
///     .options(AuthenticatorOptions::new().quota(quota))
///     .build()?;
/// # Ok(authenticator)
/// # }
/// ```
#[must_use]
pub struct VerdigrisBuilder {
    client_id: String,
    client_secret: SharedSecretSource,
    transport: SharedTransport,
    token_url: String,
    base_url: String,
    audience: String,
    body_format: BodyFormat,
    options: AuthenticatorOptions,
    http: HttpHosts,
}

impl VerdigrisBuilder {
    /// Sets the token endpoint. Default: [`Verdigris::TOKEN_URL`].
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = url.into();
        self
    }

    /// Sets the API's URL; only its origin is used. Default: [`Verdigris::BASE_URL`]. For staging
    /// systems and gateways. It does not change the audience.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the audience. Default: [`Verdigris::AUDIENCE`].
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Sets the format of a token request's body. Default: a form. The vendor documents both.
    pub fn body_format(mut self, format: BodyFormat) -> Self {
        self.body_format = format;
        self
    }

    /// Sets the options of the authenticator: policy, quota, limit, store, clock and shards; see
    /// [`AuthenticatorOptions`]. Default: none are set; the quota is [`Verdigris::QUOTA`].
    ///
    /// The quota belongs to the client. Processes that share a
    /// [store](AuthenticatorOptions::store) share the quota too: give each the whole quota. Without
    /// a store, divide the quota among the processes that share a client.
    pub fn options(mut self, options: AuthenticatorOptions) -> Self {
        self.options = options;
        self
    }

    /// Permits plain `http` to one exact origin, for token endpoint or API: a docker-compose or
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
        self.http.allow(origin)?;
        Ok(self)
    }

    /// Checks the settings and creates the authenticator.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    /// `client_id`, `client_secret` or `audience` if empty, `token_url` or `base_url` if not an https
    /// URL.
    pub fn build(self) -> Result<Authenticator, Error> {
        let origins = Origins::of_url("base_url", &self.base_url, &self.http)?;
        let key = self.key();
        let options = self.options.clone().default_quota(Verdigris::QUOTA);
        Authenticator::builder(source::new(self)?, origins)
            .vendor(source::VENDOR)
            .key(key)
            .options(options)
            .build()
    }

    /// The key of the token in a store.
    fn key(&self) -> Key {
        Key::builder(source::VENDOR)
            .issuer(&self.token_url)
            .grant("client_credentials")
            .client(&self.client_id)
            .audience(&self.audience)
            .build()
    }
}

impl fmt::Debug for VerdigrisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdigrisBuilder")
            .field("audience", &self.audience)
            .field("body_format", &self.body_format)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
