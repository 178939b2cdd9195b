mod source;

use std::{fmt, marker::PhantomData};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, HttpHosts, Key, Origins, SecretSource,
    SharedSecretSource, SharedTransport, Transport,
};

use crate::{Central, Kaizen, LegacyEndpoint, Region, RegionName};

/// Settings for one of Kaizen's servers. Created by [`Kaizen::builder`].
///
/// # Example
///
/// The East server behind a gateway:
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::Secret;
/// use auth_kaizen::{East, Kaizen};
///
/// # fn kaizen(transport: impl Transport) -> Result<Kaizen<East>, Error> {
/// let secret = Secret::new("fake-client-secret");
/// let kaizen = Kaizen::<East>::builder("my-client-id", secret, transport)
///     .token_url("https://gateway.example.com/kaizen-east/token")
///     .base_url("https://gateway.example.com")
///     .build()?;
/// # Ok(kaizen)
/// # }
/// ```
///
/// A URL of the other server is refused:
///
/// ```
/// # use auth_core::{Error, Transport};
/// # use auth_core::Secret;
/// # use auth_kaizen::{East, Kaizen};
/// # fn test(transport: impl Transport) {
/// let secret = Secret::new("fake-client-secret");
/// let mistaken = Kaizen::<East>::builder("my-client-id", secret, transport)
///     .base_url("https://kaizen.coppertreeanalytics.com");
/// assert_eq!(mistaken.build().unwrap_err().field(), Some("base_url"));
/// # }
/// # test(auth_testkit::TestServer::builder().in_memory().transport());
/// ```
#[must_use]
pub struct KaizenBuilder<R: Region> {
    client_id: String,
    client_secret: SharedSecretSource,
    token_url: Option<String>,
    legacy: Option<LegacyEndpoint>,
    transport: SharedTransport,
    options: AuthenticatorOptions,
    http: HttpHosts,
    base_url: String,
    region: PhantomData<fn() -> R>,
}

impl<R: Region> Kaizen<R> {
    /// Starts with the client id, the source of its secret, and the transport that sends token
    /// requests. The source is a [`Secret`](auth_core::Secret), or a
    /// [`SecretFn`](auth_core::SecretFn) for a secret that rotates. Client id and secret are this
    /// server's; the other server does not know them.
    ///
    /// # Example
    ///
    /// The transport is required:
    ///
    /// ```compile_fail,E0061
    /// use auth_core::Secret;
    /// use auth_kaizen::{East, Kaizen};
    ///
    /// let settings = Kaizen::<East>::builder("my-client-id", Secret::new("fake-client-secret"));
    /// ```
    pub fn builder(
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        transport: impl Transport,
    ) -> KaizenBuilder<R> {
        KaizenBuilder {
            client_id: client_id.into(),
            client_secret: SharedSecretSource::new(client_secret),
            token_url: None,
            legacy: None,
            transport: SharedTransport::new(transport),
            options: AuthenticatorOptions::new(),
            http: HttpHosts::default(),
            base_url: R::BASE_URL.to_owned(),
            region: PhantomData,
        }
    }
}

impl<R: Region> KaizenBuilder<R> {
    /// Sets the token endpoint. Default: [`Region::TOKEN_URL`]. It is requested without an
    /// audience. Cannot be combined with [`legacy`](KaizenBuilder::<Central>::legacy).
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Sets the API's URL; only its origin is used. Default: [`Region::BASE_URL`]. For staging
    /// systems and gateways.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the options of the authenticator: policy, quota, limit, store, clock and shards; see
    /// [`AuthenticatorOptions`]. Default: none are set. The default policy renews a token of 30
    /// days after 22.5 to 24 days. Use a [store](AuthenticatorOptions::store): few processes run as
    /// long as a token is valid.
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
    /// - `client_id` or `client_secret`: empty.
    /// - `token_url` or `base_url`: not an https URL, or on a host of the other server.
    /// - `legacy`: set together with `token_url`.
    pub fn build(self) -> Result<Kaizen<R>, Error> {
        self.check_owner("base_url", &self.base_url)?;
        if let Some(url) = &self.token_url {
            self.check_owner("token_url", url)?;
            // A gateway's URL does not show whether it expects an audience. If the audience were
            // silently dropped, the vendor would reject the client without a visible reason.
            if self.legacy.is_some() {
                let problem = "is set together with `token_url`; set only one of them";
                return Err(Error::config("legacy", problem));
            }
        }
        let origins = Origins::of_url("base_url", &self.base_url, &self.http)?;
        let (key, options) = (self.key(), self.options.clone());
        let authenticator = Authenticator::builder(source::new(self)?, origins)
            .vendor(R::NAME.vendor())
            .key(key)
            .options(options)
            .build()?;
        Ok(Kaizen::new(authenticator))
    }

    /// The key of the token in a store.
    fn key(&self) -> Key {
        let legacy = self.legacy.map(LegacyEndpoint::url);
        let issuer = self.token_url.as_deref().or(legacy);
        Key::builder(R::NAME.vendor())
            .issuer(issuer.unwrap_or(R::TOKEN_URL))
            .grant("client_credentials")
            .client(&self.client_id)
            .build()
    }

    /// Checks that a URL is not the other server's, which would receive this server's secrets.
    fn check_owner(&self, field: &'static str, url: &str) -> Result<(), Error> {
        match RegionName::owner(url) {
            Some(owner) if owner != R::NAME => {
                let (owner, this) = (owner.vendor(), R::NAME.vendor());
                let problem = format_args!(
                    "is a host of {owner}, and these are the settings of {this}; use the URL or the type of one server"
                );
                Err(Error::config(field, problem))
            }
            _ => Ok(()),
        }
    }
}

impl KaizenBuilder<Central> {
    /// Uses a token endpoint from before July 2023 in place of the current one, with the
    /// `audience=organize` that it requires. Cannot be combined with
    /// [`token_url`](Self::token_url).
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::Secret;
    /// use auth_kaizen::{Central, Kaizen, LegacyEndpoint};
    ///
    /// # fn kaizen(transport: impl Transport) -> Result<Kaizen<Central>, Error> {
    /// let secret = Secret::new("fake-client-secret");
    /// let kaizen = Kaizen::<Central>::builder("my-client-id", secret, transport)
    ///     .legacy(LegacyEndpoint::LoginGlobal)
    ///     .build()?;
    /// # Ok(kaizen)
    /// # }
    /// ```
    pub fn legacy(mut self, endpoint: LegacyEndpoint) -> Self {
        self.legacy = Some(endpoint);
        self
    }
}

impl<R: Region> fmt::Debug for KaizenBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KaizenBuilder")
            .field("region", &R::NAME)
            .field("legacy", &self.legacy)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
