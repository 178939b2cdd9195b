use std::fmt;

use auth_core::{
    Error, HttpHosts, Secret, SecretSource as _, SharedClock, SharedSecretSource, SharedTransport,
};

use super::{Client, Grant, check, refreshing::Refreshing, sealed};
use crate::{
    BodyFormat, ClientAuth, ReplyRules, Scrubber, TokenEndpoint, parameter,
    token_endpoint::MAX_REPLY, token_url,
};

/// Settings that all grants have; made by [`ClientCredentials::builder`] and its likes.
///
/// [`ClientCredentials::builder`]: crate::ClientCredentials::builder
///
/// A text that is set to nothing counts as not set: a parameter without a value is left out (RFC
/// 6749 section 3.2).
#[must_use]
pub struct GrantBuilder<G: Grant> {
    pub(crate) own: <G as sealed::Grant>::Own,
    token_url: String,
    client_id: String,
    client_secret: Option<SharedSecretSource>,
    transport: SharedTransport,
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

impl<G: Grant> GrantBuilder<G> {
    pub(crate) fn new(
        token_url: String,
        client_id: String,
        client_secret: Option<SharedSecretSource>,
        transport: SharedTransport,
        own: <G as sealed::Grant>::Own,
    ) -> Self {
        Self {
            own,
            token_url,
            client_id,
            client_secret,
            transport,
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

    /// Sets how the client proves who it is; default [`ClientAuth::Basic`]. A public client, which
    /// has no secret, only says its name.
    pub fn client_auth(mut self, method: ClientAuth) -> Self {
        self.client_auth = method;
        self
    }

    /// Sets how the parameters are written; default [`BodyFormat::Form`].
    pub fn body_format(mut self, format: BodyFormat) -> Self {
        self.body_format = format;
        self
    }

    /// Sets the scope to ask for (RFC 6749 section 3.3): values with exactly one space between
    /// two; other whitespace is an error, so that a scope is sent as it was written.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets the `audience` parameter, which some vendors ask for.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Adds a `resource` that the token is for (RFC 8707): an absolute URI without a fragment. May
    /// be called several times.
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.resources.push(uri.into());
        self
    }

    /// Adds a parameter of the vendor's own. Its value is treated as a secret.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extras.push((name.into(), value.into()));
        self
    }

    /// Sets how large a reply may be, in bytes; default 64 KiB.
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Permits plain `http` to one exact origin, for the token endpoint: a docker-compose or
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

    /// Sets all origins to which plain `http` is permitted, in place of those before. For a vendor's
    /// builder that has collected them. Default: none.
    ///
    /// # Security
    ///
    /// As [`danger_allow_http`](Self::danger_allow_http).
    pub fn danger_http_hosts(mut self, hosts: HttpHosts) -> Self {
        self.http = hosts;
        self
    }

    /// Sets the name in errors; default the token endpoint's host.
    pub fn vendor(mut self, name: impl Into<String>) -> Self {
        self.vendor = Some(name.into());
        self
    }

    /// Sets how replies are read; default the standard's rules.
    pub fn reply_rules(mut self, rules: ReplyRules) -> Self {
        self.reply_rules = rules;
        self
    }

    /// Sets the clock that a `Retry-After` date is measured against where a reply has no `Date`;
    /// default [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Checks the settings and makes the source.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `token_url`: no absolute URL, neither `https` nor `http` to an origin of
    ///   [`danger_allow_http`](Self::danger_allow_http), with user information, a fragment, or a
    ///   query that carries a credential or another of the request's parameters.
    /// - `client_id`: empty, or with a colon under [`ClientAuth::BasicRaw`] and
    ///   [`ClientAuth::BasicRawWithId`].
    /// - `client_secret`: empty, as far as it is known already.
    /// - `client_auth`: [`ClientAuth::BasicEmptySecret`] with a client secret.
    /// - The name of an environment variable that a [`SecretEnv`](auth_core::SecretEnv) cannot read.
    /// - `scope`: characters outside RFC 6749 section 3.3, or other than one space between values.
    /// - `resource`: no absolute URI, with a fragment, or given twice.
    /// - `extra`: no name, given twice, or one of the request's own parameters.
    /// - `max_reply`: zero.
    /// - Those of the grant's own.
    pub fn build(self) -> Result<G, Error> {
        self.check_client()?;
        parameter::check_scope(&self.scope)?;
        parameter::check_resources(&self.resources)?;
        parameter::check_extras(&self.extras, G::PARAMETERS)?;
        let endpoint = TokenEndpoint::checked(
            self.vendor,
            "token_url",
            &self.token_url,
            self.transport,
            &self.http,
        )?;
        let extras = self.extras.iter().map(|(name, _)| name.as_str());
        token_url::check_query("token_url", endpoint.url(), extras)?;
        if self.max_reply == 0 {
            return Err(Error::config("max_reply", "a reply has at least one byte"));
        }
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
        let client = Client {
            endpoint: endpoint.max_reply(self.max_reply),
            id: self.client_id,
            secret: self
                .client_secret
                .filter(|_| self.client_auth != ClientAuth::BasicEmptySecret),
            auth: self.client_auth,
            format: self.body_format,
            parameters: parameters.collect(),
            scrubber,
            rules,
            clock: self.clock,
            refreshing: Refreshing::default(),
        };
        G::new(client, self.own)
    }

    fn check_client(&self) -> Result<(), Error> {
        if self.client_id.is_empty() {
            return Err(Error::config("client_id", "must not be empty"));
        }
        let Some(client_secret) = &self.client_secret else {
            return Ok(());
        };
        if self.client_auth == ClientAuth::BasicEmptySecret {
            return match client_secret.fixed().is_some_and(Secret::is_empty) {
                true => Ok(()),
                false => {
                    let problem = "sends no client secret, and one is set: leave the secret empty";
                    Err(Error::config("client_auth", problem))
                }
            };
        }
        if self.client_auth.is_raw() && self.client_id.contains(':') {
            let problem = "must not have a colon, which ends it in HTTP Basic (RFC 7617)";
            return Err(Error::config("client_id", problem));
        }
        check("client_secret", client_secret)
    }
}

impl<G: Grant> fmt::Debug for GrantBuilder<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantBuilder")
            .field("vendor", &self.vendor)
            .field("client_auth", &self.client_auth)
            .field("body_format", &self.body_format)
            .finish_non_exhaustive()
    }
}
