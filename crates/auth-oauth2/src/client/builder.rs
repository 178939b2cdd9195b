use std::{fmt, sync::Arc};

use auth_core::{
    Error, HttpHosts, Secret, SecretSource, SharedClock, SharedSecretSource, SharedTransport,
    Transport,
};

use super::{
    Client, Proof, Settings,
    place::{Discovered, Place},
};
use crate::{
    Assertion, AssertionContext, BodyFormat, ClientAuth, Discovery, DiscoveryBuilder, ReplyRules,
    Scrubber, TokenEndpoint, check_identifier, discovery::Issuer, parameter, secret_setting,
    token_endpoint::MAX_REPLY, token_url,
};

/// Settings of a [`Client`]. Made by [`Client::builder`] and [`Client::discover`].
///
/// An empty text counts as not set, because a parameter without a value is left out (RFC 6749
/// section 3.2).
#[must_use]
pub struct ClientBuilder {
    place: PlaceSetting,
    client_id: String,
    client_secret: Option<SharedSecretSource>,
    client_assertion: Option<Assertion>,
    issuer: Option<String>,
    client_auth: ClientAuth,
    body_format: BodyFormat,
    scope: String,
    audience: String,
    resources: Vec<String>,
    extras: Vec<(String, Secret)>,
    max_reply: usize,
    http: HttpHosts,
    vendor: Option<String>,
    reply_rules: ReplyRules,
    clock: SharedClock,
}

/// Where token requests are sent, before validation.
enum PlaceSetting {
    TokenUrl(String, SharedTransport),
    /// The client has its own metadata cache.
    Issuer(String, SharedTransport),
    /// The client uses a shared metadata cache.
    Shared(String, Discovery),
}

impl Client {
    /// Starts with what every client needs: the token endpoint's URL, the client identifier that
    /// the authorization server issued, and the transport that sends the token requests.
    ///
    /// For a confidential client, add a [`secret`](ClientBuilder::secret) or a
    /// [`client_assertion`](ClientBuilder::client_assertion). For a public client, set
    /// [`ClientAuth::None`].
    ///
    /// # Example
    ///
    /// A public client that has the refresh token of a person's login:
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::SecretFile;
    /// use auth_oauth2::{Client, ClientAuth, RefreshToken};
    ///
    /// # fn source(transport: impl Transport) -> Result<RefreshToken, Error> {
    /// let source = Client::builder("https://login.example.com/token", "my-app", transport)
    ///     .client_auth(ClientAuth::None)
    ///     .build()?
    ///     .refresh_token(SecretFile::new("/var/lib/my-app/refresh-token"))?;
    /// # Ok(source)
    /// # }
    /// ```
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        transport: impl Transport,
    ) -> ClientBuilder {
        let transport = SharedTransport::new(transport);
        ClientBuilder::new(
            PlaceSetting::TokenUrl(token_url.into(), transport),
            client_id.into(),
        )
    }

    /// Starts with the issuer in place of the token endpoint. The token endpoint is taken from the
    /// authorization server's metadata (RFC 8414, OpenID Connect Discovery). [`Discovery`]
    /// describes what is checked and cached.
    ///
    /// The first token request reads the metadata, within the deadline of the token request. The
    /// program therefore starts also while the authorization server is down: a failed discovery
    /// counts as a token request that was not sent. To read the metadata at start, call
    /// [`metadata`](Self::metadata).
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::{Error, Secret, Transport};
    /// use auth_oauth2::{Client, ClientCredentials};
    ///
    /// fn source(transport: impl Transport) -> Result<ClientCredentials, Error> {
    ///     let client = Client::discover("https://login.example.com", "my-client", transport)
    ///         .secret(Secret::new("fake-secret"))
    ///         .build()?;
    ///     Ok(client.client_credentials())
    /// }
    /// ```
    pub fn discover(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        transport: impl Transport,
    ) -> ClientBuilder {
        let transport = SharedTransport::new(transport);
        ClientBuilder::new(
            PlaceSetting::Issuer(issuer.into(), transport),
            client_id.into(),
        )
    }
}

impl Discovery {
    /// Starts a client of an issuer, as [`Client::discover`] does, but with the cache and the
    /// transport of this `Discovery`.
    pub fn client(&self, issuer: impl Into<String>, client_id: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(
            PlaceSetting::Shared(issuer.into(), self.clone()),
            client_id.into(),
        )
    }
}

impl ClientBuilder {
    fn new(place: PlaceSetting, client_id: String) -> Self {
        Self {
            place,
            client_id,
            client_secret: None,
            client_assertion: None,
            issuer: None,
            client_auth: ClientAuth::default(),
            body_format: BodyFormat::default(),
            scope: String::new(),
            audience: String::new(),
            resources: Vec::new(),
            extras: Vec::new(),
            max_reply: MAX_REPLY,
            http: HttpHosts::default(),
            vendor: None,
            reply_rules: ReplyRules::new(),
            clock: SharedClock::default(),
        }
    }

    /// Sets the source of the client secret. The secret is read before each token request. Default:
    /// none, which is an error unless [`client_auth`](Self::client_auth) is a method without a
    /// secret.
    pub fn secret(mut self, client_secret: impl SecretSource) -> Self {
        self.client_secret = Some(SharedSecretSource::new(client_secret));
        self
    }

    /// Sets the source of the client assertion (RFC 7523 section 2.2), and sets
    /// [`client_auth`](Self::client_auth) to [`ClientAuth::Assertion`]. Default: none.
    ///
    /// An issued assertion (Kubernetes, SPIFFE, workload identity federation) is read before each
    /// token request. If the authorization server rejects it, the assertion is read again, and sent
    /// once more if it changed. An assertion whose `exp` has passed is not sent. A signer
    /// (`private_key_jwt`, `client_secret_jwt`, see the crate `auth-jwt`) makes a new assertion for
    /// each token request.
    ///
    /// # Example
    ///
    /// Entra ID with a federated credential. Kubernetes projects the token into the pod:
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::SecretFile;
    /// use auth_oauth2::Client;
    ///
    /// # fn client(transport: impl Transport) -> Result<Client, Error> {
    /// let url = "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token";
    /// let token = SecretFile::new("/var/run/secrets/azure/tokens/azure-identity-token");
    /// let client = Client::builder(url, "my-client", transport)
    ///     .client_assertion(token)
    ///     .scope("https://graph.microsoft.com/.default")
    ///     .build()?;
    /// # Ok(client)
    /// # }
    /// ```
    pub fn client_assertion(mut self, assertion: impl Into<Assertion>) -> Self {
        self.client_assertion = Some(assertion.into());
        self.client_auth = ClientAuth::Assertion;
        self
    }

    /// Sets the authorization server's issuer identifier (RFC 8414 section 2), for example
    /// `https://login.example.com`. A signer puts it into assertions as `aud`. Default: with
    /// [`Client::discover`] its issuer, with [`Client::builder`] none.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets how the client authenticates. Default: [`ClientAuth::Basic`].
    pub fn client_auth(mut self, method: ClientAuth) -> Self {
        self.client_auth = method;
        self
    }

    /// Sets how the parameters are encoded. Default: [`BodyFormat::Form`].
    pub fn body_format(mut self, format: BodyFormat) -> Self {
        self.body_format = format;
        self
    }

    /// Sets the requested scope (RFC 6749 section 3.3): one or more values with exactly one space
    /// between two values, for example `read write`. Default: none, and the authorization server
    /// chooses the scope.
    ///
    /// With [`refresh_token`](Client::refresh_token), the scope must be a part of the scope that
    /// was granted at the login.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets the `audience` parameter, which some vendors require. Default: none.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Adds a `resource` for which the token is requested (RFC 8707): an absolute URI without a
    /// fragment. May be called several times. Default: none.
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.resources.push(uri.into());
        self
    }

    /// Adds a vendor-specific parameter. Its value is treated as a secret. May be called several
    /// times. Default: none.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extras.push((name.into(), value.into()));
        self
    }

    /// Sets the maximum size of a reply, in bytes. Default: 65,536 (64 KiB).
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Permits plain `http` to one exact origin, for the token endpoint and the issuer: for example
    /// a docker-compose or Kubernetes service (`http://payments:8080`), a mesh
    /// (`http://api.mesh.local`) or `http://localhost:3000`. A path is ignored. May be called
    /// several times. Default: none.
    ///
    /// A client that [`Discovery::client`] made has the origins of its [`Discovery`] instead.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` if the text is not an
    /// absolute `http` URL, has user information (`user@host`), or has a wildcard.
    ///
    /// # Security
    ///
    /// Anyone on the network path to this host can read credentials and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.http.allow(origin)?;
        Ok(self)
    }

    /// Sets all origins to which plain `http` is permitted, and replaces earlier ones. For builders
    /// of vendor crates that have this setting. Default: none.
    ///
    /// # Security
    ///
    /// See [`danger_allow_http`](Self::danger_allow_http).
    pub fn danger_http_hosts(mut self, hosts: HttpHosts) -> Self {
        self.http = hosts;
        self
    }

    /// Sets the vendor's name in errors and logs. Default: the host of the token endpoint or of the
    /// issuer.
    pub fn vendor(mut self, name: impl Into<String>) -> Self {
        self.vendor = Some(name.into());
        self
    }

    /// Sets how replies are read. Default: the rules of RFC 6749, [`ReplyRules::new`].
    pub fn reply_rules(mut self, rules: ReplyRules) -> Self {
        self.reply_rules = rules;
        self
    }

    /// Sets the clock. It is used for a `Retry-After` date in a reply without a `Date`, for the
    /// times in assertions, and for
    /// [`TokenExchange::subject_expires_in`](crate::TokenExchange::subject_expires_in). Default:
    /// [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Validates the settings and makes the client.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `token_url`: not an absolute URL; neither `https` nor `http` to an origin of
    ///   [`danger_allow_http`](Self::danger_allow_http); user information (`user@host`); a
    ///   fragment; or a query with a credential or with a parameter that the request's body has.
    /// - `client_id`: empty, or with white space at an end; or a colon with [`ClientAuth::BasicRaw`] or
    ///   [`ClientAuth::BasicRawWithId`].
    /// - `client_secret`: not set although [`client_auth`](Self::client_auth) sends a secret; or
    ///   empty, if it is given as a `Secret`.
    /// - `client_assertion`: not set although [`client_auth`](Self::client_auth) sends an
    ///   assertion; or empty, not a JWT or expired, if it is given as a `Secret`.
    /// - `client_auth`: a secret is set and the method sends none, or an assertion is set and the
    ///   method sends none.
    /// - `issuer`: empty; or set in addition to [`Client::discover`]. For [`Client::discover`]
    ///   also: not an absolute URL; neither `https` nor `http` to an origin of
    ///   [`danger_allow_http`](Self::danger_allow_http); user information, a query or a fragment.
    /// - A setting that the signer of the client assertion names.
    /// - The name of an environment variable that a [`SecretEnv`](auth_core::SecretEnv) cannot
    ///   read.
    /// - `scope`: characters outside RFC 6749 section 3.3, or not exactly one space between two
    ///   values.
    /// - `resource`: not an absolute URI, a fragment, or the same URI twice.
    /// - `extra`: an empty name, the same name twice, or a parameter that the request sets itself.
    /// - `max_reply`: zero.
    pub fn build(self) -> Result<Client, Error> {
        self.check_client()?;
        parameter::check_scope(&self.scope)?;
        parameter::check_resources(&self.resources)?;
        parameter::check_extras(&self.extras)?;
        if self.max_reply == 0 {
            return Err(Error::config(
                "max_reply",
                "is 0 bytes; set at least 1, or remove the setting",
            ));
        }
        let place = self.place()?;
        let issuer = self.issuer_of(&place)?;
        let proof = self.proof(&place, issuer.as_deref())?;
        let rules = match self.scope.as_str() {
            "" => self.reply_rules,
            scope => self.reply_rules.requested_scope(scope),
        };
        let scrubber = Scrubber::new();
        let scrubber = self.extras.iter().fold(scrubber, |scrubber, (_, value)| {
            scrubber.secret(value.clone())
        });
        let resources = self
            .resources
            .into_iter()
            .map(|uri| ("resource".to_owned(), Secret::new(uri)));
        let parameters = [("scope", self.scope), ("audience", self.audience)]
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into_iter()
            .chain(resources)
            .chain(self.extras)
            .filter(|(_, value)| !value.is_empty());
        Ok(Client(Arc::new(Settings {
            place,
            id: self.client_id,
            proof,
            issuer,
            auth: self.client_auth,
            format: self.body_format,
            parameters: parameters.collect(),
            scrubber,
            rules,
            clock: self.clock,
        })))
    }

    fn place(&self) -> Result<Place, Error> {
        let (issuer, discovery) = match &self.place {
            PlaceSetting::TokenUrl(url, transport) => {
                let endpoint = TokenEndpoint::checked(
                    self.vendor.clone(),
                    "token_url",
                    url,
                    transport.clone(),
                    &self.http,
                )?;
                let extras = self.extras.iter().map(|(name, _)| name.as_str());
                token_url::check_query("token_url", endpoint.url(), extras)?;
                return Ok(Place::Fixed(endpoint.max_reply(self.max_reply)));
            }
            PlaceSetting::Issuer(issuer, transport) => {
                let discovery = DiscoveryBuilder::new(transport.clone());
                let discovery = discovery.http_hosts(self.http.clone());
                (issuer, discovery.clock(self.clock.clone()).build()?)
            }
            PlaceSetting::Shared(issuer, discovery) => (issuer, discovery.clone()),
        };
        let issuer = Issuer::parse(issuer, discovery.http())?;
        let host = || issuer.host().to_owned();
        Ok(Place::Discovered(Discovered {
            vendor: self.vendor.clone().unwrap_or_else(host),
            issuer,
            discovery,
            max_reply: self.max_reply,
        }))
    }

    /// Returns the `aud` of assertions. With discovery it is the configured issuer, which equals
    /// the one in the metadata.
    fn issuer_of(&self, place: &Place) -> Result<Option<String>, Error> {
        match (&self.issuer, place.issuer()) {
            (Some(_), Some(_)) => {
                let problem = "is an argument of `Client::discover` already; remove the setting";
                Err(Error::config("issuer", problem))
            }
            (Some(issuer), None) if issuer.is_empty() => {
                Err(Error::config("issuer", "must not be empty"))
            }
            (set, discovered) => Ok(set.clone().or(discovered.map(Into::into))),
        }
    }

    fn check_client(&self) -> Result<(), Error> {
        let method = self.client_auth;
        check_identifier("client_id", &self.client_id)?;
        if method.is_raw() && self.client_id.contains(':') {
            let problem = "has a colon, which ends it in HTTP Basic (RFC 7617); set `client_auth` to `ClientAuth::Basic`";
            return Err(Error::config("client_id", problem));
        }
        if self.client_assertion.is_some() && method != ClientAuth::Assertion {
            let problem = format_args!(
                "`{method:?}` sends no client assertion, and one is set: remove the assertion, or \
                 the method"
            );
            return Err(Error::config("client_auth", problem));
        }
        match &self.client_secret {
            Some(secret) if method.sends_secret() => secret_setting::check("client_secret", secret),
            Some(_) => {
                let problem = format_args!(
                    "`{method:?}` sends no client secret, and one is set: remove the secret, or \
                     choose a method that sends it"
                );
                Err(Error::config("client_auth", problem))
            }
            None if method.sends_secret() => {
                let problem = format_args!(
                    "is missing, and client authentication `{method:?}` sends it: set it with \
                     `secret`, or set `client_auth` to `ClientAuth::None` for a public client"
                );
                Err(Error::config("client_secret", problem))
            }
            None => Ok(()),
        }
    }

    fn proof(&self, place: &Place, issuer: Option<&str>) -> Result<Proof, Error> {
        match (&self.client_secret, &self.client_assertion) {
            (Some(secret), _) => Ok(Proof::Secret(secret.clone())),
            (None, Some(assertion)) => {
                let context = AssertionContext {
                    client_id: &self.client_id,
                    issuer,
                    token_endpoint: &place.known_url(),
                    now: self.clock.now(),
                };
                assertion.check("client_assertion", &context)?;
                Ok(Proof::Assertion(assertion.clone()))
            }
            (None, None) if self.client_auth == ClientAuth::Assertion => {
                let problem = "is missing, and client authentication `Assertion` sends it: set it \
                               with `client_assertion`";
                Err(Error::config("client_assertion", problem))
            }
            (None, None) => Ok(Proof::None),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("vendor", &self.vendor)
            .field("client_auth", &self.client_auth)
            .field("body_format", &self.body_format)
            .finish_non_exhaustive()
    }
}
