mod source;

use std::fmt;

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, HttpHosts, Key, Origins, Secret, SecretSource,
    SharedSecretSource, SharedTransport, Transport,
};
use auth_oauth2::{BodyFormat, ClientAuth, check_identifier};

/// Authentication for the Kayzen API. Start with [`builder`](Self::builder).
///
/// The constants are the values that the vendor documents, and the defaults.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kayzen;

impl Kayzen {
    /// The token endpoint.
    pub const TOKEN_URL: &'static str = "https://api.kayzen.io/v1/authentication/token";
    /// The API's origin. A token is sent to no other origin.
    pub const BASE_URL: &'static str = "https://api.kayzen.io";

    /// Starts with the API key and the source of its secret, the e-mail of an account and the
    /// source of its password, and the transport that sends the logins.
    ///
    /// A [`Secret`] never changes. A [`SecretFile`](auth_core::SecretFile), a
    /// [`SecretEnv`](auth_core::SecretEnv) or a [`SecretFn`](auth_core::SecretFn) is read for each
    /// login. Pass the e-mail without encoding.
    ///
    /// # Example
    ///
    /// The transport is required:
    ///
    /// ```compile_fail,E0061
    /// use auth_core::Secret;
    /// use auth_kayzen::Kayzen;
    ///
    /// let secret = Secret::new("fake-secret");
    /// let password = Secret::new("fake-password");
    /// let settings = Kayzen::builder("my-api-key", secret, "me@example.com", password);
    /// ```
    pub fn builder(
        api_key: impl Into<String>,
        api_secret: impl SecretSource,
        email: impl Into<String>,
        password: impl SecretSource,
        transport: impl Transport,
    ) -> KayzenBuilder {
        KayzenBuilder {
            api_key: api_key.into(),
            api_secret: SharedSecretSource::new(api_secret),
            email: email.into(),
            password: SharedSecretSource::new(password),
            transport: SharedTransport::new(transport),
            token_url: Self::TOKEN_URL.into(),
            base_url: Self::BASE_URL.into(),
            client_auth: ClientAuth::BasicRaw,
            body_format: BodyFormat::Form,
            options: AuthenticatorOptions::new(),
            http: HttpHosts::default(),
        }
    }
}

/// Settings for the Kayzen API. Created by [`Kayzen::builder`].
///
/// # Example
///
/// Credentials from the environment, and a gateway that follows RFC 6749 where Kayzen does not:
///
/// ```
/// # use auth_core::{Authenticator, Error, Transport};
/// use auth_core::SecretEnv;
/// use auth_kayzen::Kayzen;
/// use auth_oauth2::{BodyFormat, ClientAuth};
///
/// # fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
/// let authenticator = Kayzen::builder(
///     "my-api-key",
///     SecretEnv::new("KAYZEN_API_SECRET"),
///     "api+reporting@example.com",
///     SecretEnv::new("KAYZEN_PASSWORD"),
///     transport,
/// )
/// .token_url("https://gateway.example.com/kayzen/token")
/// .base_url("https://gateway.example.com")
/// .client_auth(ClientAuth::Basic)
/// .body_format(BodyFormat::Json)
/// .build()?;
/// # Ok(authenticator)
/// # }
/// ```
#[must_use]
pub struct KayzenBuilder {
    api_key: String,
    api_secret: SharedSecretSource,
    email: String,
    password: SharedSecretSource,
    token_url: String,
    client_auth: ClientAuth,
    body_format: BodyFormat,
    transport: SharedTransport,
    options: AuthenticatorOptions,
    http: HttpHosts,
    base_url: String,
}

impl KayzenBuilder {
    /// Sets the token endpoint. Default: [`Kayzen::TOKEN_URL`].
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = url.into();
        self
    }

    /// Sets the API's URL; only its origin is used. Default: [`Kayzen::BASE_URL`]. For staging
    /// systems and gateways.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets how API key and secret are encoded. Default: [`ClientAuth::BasicRaw`], as the vendor
    /// documents. [`ClientAuth::Basic`] follows RFC 6749; the two differ if the key or the secret
    /// has characters other than letters, digits, `*`, `-`, `.` and `_`. The vendor accepts no
    /// other method.
    pub fn client_auth(mut self, method: ClientAuth) -> Self {
        self.client_auth = method;
        self
    }

    /// Sets the format of a login's body. Default: a form. The vendor documents both.
    pub fn body_format(mut self, format: BodyFormat) -> Self {
        self.body_format = format;
        self
    }

    /// Sets the options of the authenticator: policy, quota, limit, store, clock and shards; see
    /// [`AuthenticatorOptions`]. Default: none are set. The default policy renews a token of 30
    /// minutes after 22.5 to 24 minutes.
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
    ///
    /// - `api_key`: empty, or with a colon under [`ClientAuth::BasicRaw`].
    /// - `api_secret` or `password`: empty, if the value is known at this time. A value that is
    ///   read as empty later fails the login with the same error.
    /// - The name of an environment variable that a [`SecretEnv`](auth_core::SecretEnv) cannot
    ///   read.
    /// - `email`: empty, or already encoded.
    /// - `client_auth`: not one of the two kinds of Basic.
    /// - `token_url` or `base_url`: not an https URL.
    pub fn build(self) -> Result<Authenticator, Error> {
        self.check_credentials()?;
        let origins = Origins::of_url("base_url", &self.base_url, &self.http)?;
        let (key, options) = (self.key(), self.options.clone());
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
            .grant("password")
            .client(&self.api_key)
            .subject(&Secret::new(self.email.as_str()))
            .build()
    }

    /// Runs before the grant's checks, which would name the grant's settings.
    fn check_credentials(&self) -> Result<(), Error> {
        match self.client_auth {
            ClientAuth::Basic | ClientAuth::BasicRaw => {}
            _ => {
                let problem =
                    "must be Basic or BasicRaw; the vendor accepts the API key in no other form";
                return Err(Error::config("client_auth", problem));
            }
        }
        check_identifier("api_key", &self.api_key)?;
        if self.client_auth == ClientAuth::BasicRaw && self.api_key.contains(':') {
            let problem = "contains a colon, which ends the key in HTTP Basic (RFC 7617); remove it or use ClientAuth::Basic";
            return Err(Error::config("api_key", problem));
        }
        check_identifier("email", &self.email)?;
        if self.email.contains("%40") && !self.email.contains('@') {
            let problem = "is already form-encoded; pass it without encoding";
            return Err(Error::config("email", problem));
        }
        for (field, secret) in [
            ("api_secret", &self.api_secret),
            ("password", &self.password),
        ] {
            if secret.fixed().is_some_and(Secret::is_empty) {
                return Err(Error::config(field, "must not be empty"));
            }
            secret.check()?;
        }
        Ok(())
    }
}

impl fmt::Debug for KayzenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KayzenBuilder")
            .field("client_auth", &self.client_auth)
            .field("body_format", &self.body_format)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
