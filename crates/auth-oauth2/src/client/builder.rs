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
    Scrubber, TokenEndpoint, discovery::Issuer, parameter, secret_setting,
    token_endpoint::MAX_REPLY, token_url,
};

/// Settings of a [`Client`]; made by [`Client::builder`].
///
/// A text that is set to nothing counts as not set: a parameter without a value is left out (RFC
/// 6749 section 3.2).
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

/// Where token requests go, not checked yet.
enum PlaceSetting {
    TokenUrl(String, SharedTransport),
    /// The client does not share its cache.
    Issuer(String, SharedTransport),
    /// The client shares a cache.
    Shared(String, Discovery),
}

impl Client {
    /// Starts with what every client needs: the token endpoint's URL, the client identifier that
    /// the authorization server issued, and the transport that sends the token requests.
    ///
    /// A confidential client adds a [`secret`](ClientBuilder::secret) or a
    /// [`client_assertion`](ClientBuilder::client_assertion), a public client
    /// [`ClientAuth::None`].
    ///
    /// # Example
    ///
    /// A public client, for the refresh token that a person's login brought:
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

    /// Starts with the issuer in place of the token endpoint, which is taken from the authorization
    /// server's metadata (RFC 8414, OpenID Connect Discovery). [`Discovery`] says what is checked
    /// and cached.
    ///
    /// The metadata are read at the first token request, within its deadline. So a program starts
    /// while the authorization server is down, and recovers by itself: a discovery that fails
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
    /// Starts a client of an issuer: as [`Client::discover`], with this cache and this transport.
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

    /// Sets where the client secret comes from. The secret is read before each token request.
    /// Default: none, which is an error unless [`client_auth`](Self::client_auth) sends none.
    pub fn secret(mut self, client_secret: impl SecretSource) -> Self {
        self.client_secret = Some(SharedSecretSource::new(client_secret));
        self
    }

    /// Sets the source of the client assertion (RFC 7523 section 2.2), and
    /// [`ClientAuth::Assertion`]. Default: none.
    ///
    /// An issued assertion (Kubernetes, SPIFFE, workload identity federation) is read before each
    /// token request, and once more when the authorization server rejects it: if it changed, it is
    /// sent once. One that has expired by its own `exp` is not sent. A signer
    /// (`private_key_jwt`, `client_secret_jwt`: the crate `auth-jwt`) makes an assertion for each
    /// token request.
    ///
    /// # Example
    ///
    /// Entra ID with a federated credential: the token that Kubernetes projects into the pod.
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
    /// `https://login.example.com`: `aud` of the assertions that a signer makes. Default: the
    /// issuer of [`Client::discover`], and none with [`Client::builder`].
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets how the client proves who it is. Default: [`ClientAuth::Basic`].
    pub fn client_auth(mut self, method: ClientAuth) -> Self {
        self.client_auth = method;
        self
    }

    /// Sets how the parameters are written. Default: [`BodyFormat::Form`].
    pub fn body_format(mut self, format: BodyFormat) -> Self {
        self.body_format = format;
        self
    }

    /// Sets the scope to ask for (RFC 6749 section 3.3): values with exactly one space between
    /// two, for example `read write`. Default: none, and the authorization server chooses.
    ///
    /// With [`refresh_token`](Client::refresh_token), a scope asks for less than the login was
    /// granted, and must not name more.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets the `audience` parameter, which some vendors ask for. Default: none.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Adds a `resource` that the token is for (RFC 8707): an absolute URI without a fragment. May
    /// be called several times. Default: none.
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.resources.push(uri.into());
        self
    }

    /// Adds a parameter of the vendor's own. Its value is treated as a secret. May be called
    /// several times. Default: none.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extras.push((name.into(), value.into()));
        self
    }

    /// Sets how large a reply may be, in bytes. Default: 65,536 (64 KiB).
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Permits plain `http` to one exact origin, for the token endpoint and the issuer: a docker-compose or
    /// Kubernetes service (`http://payments:8080`), a mesh (`http://api.mesh.local`),
    /// `http://localhost:3000`. A path is ignored. May be called several times. Default: none.
    ///
    /// A client of [`Discovery::client`] has the permissions of its [`Discovery`] in place of these.
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

    /// Sets all origins to which plain `http` is permitted, in place of those before. For a
    /// vendor's builder that has collected them. Default: none.
    ///
    /// # Security
    ///
    /// As [`danger_allow_http`](Self::danger_allow_http).
    pub fn danger_http_hosts(mut self, hosts: HttpHosts) -> Self {
        self.http = hosts;
        self
    }

    /// Sets the vendor's name in errors. Default: the host of the token endpoint or the issuer.
    pub fn vendor(mut self, name: impl Into<String>) -> Self {
        self.vendor = Some(name.into());
        self
    }

    /// Sets how replies are read. Default: the standard's rules.
    pub fn reply_rules(mut self, rules: ReplyRules) -> Self {
        self.reply_rules = rules;
        self
    }

    /// Sets the clock, for the times in assertions, for a `Retry-After` date in a reply without a
    /// `Date`, and for
    /// [`TokenExchange::subject_expires_in`](crate::TokenExchange::subject_expires_in). Default:
    /// [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Checks the settings and makes the client.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `token_url`: not an absolute URL, neither `https` nor `http` to an origin of
    ///   [`danger_allow_http`](Self::danger_allow_http), with user information, with a fragment, or
    ///   with a query that carries a credential or another of the request's parameters.
    /// - `client_id`: empty, or with a colon under [`ClientAuth::BasicRaw`] and
    ///   [`ClientAuth::BasicRawWithId`].
    /// - `client_secret`: not set although [`client_auth`](Self::client_auth) sends one, or empty
    ///   as far as it is known before it is read.
    /// - `client_assertion`: not set although [`client_auth`](Self::client_auth) sends one, or
    ///   empty, not a JWT or expired as far as it is known before it is read.
    /// - `client_auth`: a method that sends no secret although a secret is set, or no assertion
    ///   although an assertion is set.
    /// - `issuer`: empty; set although [`Client::discover`] has it. For [`Client::discover`]: not an
    ///   absolute URL, neither `https` nor `http` to an origin of
    ///   [`danger_allow_http`](Self::danger_allow_http), with user information, a query or a
    ///   fragment.
    /// - A setting that the signer of the client assertion names.
    /// - The name of an environment variable that a [`SecretEnv`](auth_core::SecretEnv) cannot
    ///   read.
    /// - `scope`: characters outside RFC 6749 section 3.3, or other than one space between values.
    /// - `resource`: not an absolute URI, with a fragment, or given twice.
    /// - `extra`: without a name, given twice, or one of the request's own parameters.
    /// - `max_reply`: zero.
    pub fn build(self) -> Result<Client, Error> {
        self.check_client()?;
        parameter::check_scope(&self.scope)?;
        parameter::check_resources(&self.resources)?;
        parameter::check_extras(&self.extras)?;
        if self.max_reply == 0 {
            return Err(Error::config("max_reply", "a reply has at least one byte"));
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

    /// Returns `aud` of assertions. The issuer of a discovery is the one that the metadata repeat.
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
        if self.client_id.is_empty() {
            return Err(Error::config("client_id", "must not be empty"));
        }
        if method.is_raw() && self.client_id.contains(':') {
            let problem = "must not have a colon, which ends it in HTTP Basic (RFC 7617)";
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
