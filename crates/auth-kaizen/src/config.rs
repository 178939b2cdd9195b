use std::{fmt, marker::PhantomData};

use auth_core::{
    Authenticator, Error, HttpHosts, Key, Origins, RefreshPolicy, SecretSource, SharedClock,
    SharedSecretSource, SharedTokenStore, SharedTransport, TokenStore, Transport,
};

use crate::{Central, Kaizen, LegacyEndpoint, Region, RegionName, source};

/// Settings for one of Kaizen's servers; made by [`Kaizen::builder`].
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
/// let kaizen = Kaizen::<East>::builder("my-client-id", Secret::new("fake-client-secret"))
///     .transport(transport)
///     .token_url("https://gateway.example.com/kaizen-east/token")
///     .base_url("https://gateway.example.com")
///     .build()?;
/// # Ok(kaizen)
/// # }
/// ```
///
/// What the other server's documents say does not fit:
///
/// ```
/// # use auth_core::{Error, Transport};
/// # use auth_core::Secret;
/// # use auth_kaizen::{East, Kaizen};
/// # fn test(transport: impl Transport) {
/// let mistaken = Kaizen::<East>::builder("my-client-id", Secret::new("fake-client-secret"))
///     .transport(transport)
///     .base_url("https://kaizen.coppertreeanalytics.com");
/// assert_eq!(mistaken.build().unwrap_err().field(), Some("base_url"));
/// # }
/// # test(auth_testkit::TestServer::builder().in_memory().transport());
/// ```
#[must_use]
pub struct KaizenBuilder<R: Region> {
    pub(crate) client_id: String,
    pub(crate) client_secret: SharedSecretSource,
    pub(crate) token_url: Option<String>,
    pub(crate) legacy: Option<LegacyEndpoint>,
    pub(crate) clock: SharedClock,
    pub(crate) http: HttpHosts,
    transport: Option<SharedTransport>,
    base_url: String,
    policy: RefreshPolicy,
    store: Option<SharedTokenStore>,
    region: PhantomData<fn() -> R>,
}

impl<R: Region> KaizenBuilder<R> {
    pub(crate) fn new(client_id: String, client_secret: impl SecretSource) -> Self {
        Self {
            client_id,
            client_secret: SharedSecretSource::new(client_secret),
            token_url: None,
            legacy: None,
            clock: SharedClock::default(),
            http: HttpHosts::default(),
            transport: None,
            base_url: R::BASE_URL.to_owned(),
            policy: RefreshPolicy::default(),
            store: None,
            region: PhantomData,
        }
    }

    /// Sets the way to send token requests. Required.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(SharedTransport::new(transport));
        self
    }

    /// Sets the token endpoint; default [`Region::TOKEN_URL`]. It is asked like a current one,
    /// without an audience, and does not go together with
    /// [`legacy`](KaizenBuilder::<Central>::legacy).
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Sets the API's URL, of which the origin counts; default [`Region::BASE_URL`]. For staging
    /// systems and gateways.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets when tokens are renewed, and how failures are spaced. The default renews a token of 30
    /// days after 22.5 to 24 days.
    pub fn policy(mut self, policy: RefreshPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Shares the token with other processes through a store, and with the next start of this one: a token
    /// lives for 30 days, which few processes do;
    /// see [`AuthenticatorBuilder::store`](auth_core::AuthenticatorBuilder::store). Default: none.
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Some(SharedTokenStore::new(store));
        self
    }

    /// Sets the clock; default [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
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
    /// Anybody who can listen on the way to this host can read credentials and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.http.allow(origin)?;
        Ok(self)
    }

    /// Checks the settings and makes the authenticator.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `client_id` or `client_secret`: empty.
    /// - `transport`: missing.
    /// - `token_url` or `base_url`: no URL that secrets may go to, or on a host of the other
    ///   server's.
    /// - `legacy`: set beside `token_url`.
    /// - The policy's own.
    pub fn build(self) -> Result<Kaizen<R>, Error> {
        self.check_owner("base_url", &self.base_url)?;
        if let Some(url) = &self.token_url {
            self.check_owner("token_url", url)?;
            // A gateway's URL does not tell whether an audience is wanted behind it, and a wish
            // that is silently dropped would look like a refused client.
            if self.legacy.is_some() {
                let problem = "names a token endpoint, and so does `token_url`: set one of them";
                return Err(Error::config("legacy", problem));
            }
        }
        let transport = self.transport.clone().ok_or_else(|| {
            Error::config("transport", "is required: it sends the token requests")
        })?;
        let origins = Origins::of_url("base_url", &self.base_url, &self.http)?;
        let (policy, clock) = (self.policy.clone(), self.clock.clone());
        let (store, key) = (self.store.clone(), self.key());
        let source = source::new(self, transport)?;
        let authenticator = Authenticator::builder(source)
            .vendor(R::NAME.vendor())
            .origins(origins)
            .policy(policy)
            .clock(clock)
            .shared_store(store, key)
            .build()?;
        Ok(Kaizen::new(authenticator))
    }

    /// Whose token it is, for the store.
    fn key(&self) -> Key {
        let legacy = self.legacy.map(LegacyEndpoint::url);
        let issuer = self.token_url.as_deref().or(legacy);
        Key::builder(R::NAME.vendor())
            .issuer(issuer.unwrap_or(R::TOKEN_URL))
            .grant("client_credentials")
            .client(&self.client_id)
            .build()
    }

    /// Checks that a URL is not the other server's, which would be given this one's secrets.
    fn check_owner(&self, field: &'static str, url: &str) -> Result<(), Error> {
        match RegionName::owner(url) {
            Some(owner) if owner != R::NAME => {
                let (owner, this) = (owner.vendor(), R::NAME.vendor());
                let problem = format_args!("is {owner}'s, and these are the settings of {this}");
                Err(Error::config(field, problem))
            }
            _ => Ok(()),
        }
    }
}

impl KaizenBuilder<Central> {
    /// Asks a token endpoint from before July 2023, in place of the current one, and for
    /// `audience=organize`, as it wants. Does not go together with
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
    /// let kaizen = Kaizen::<Central>::builder("my-client-id", Secret::new("fake-client-secret"))
    ///     .transport(transport)
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
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
