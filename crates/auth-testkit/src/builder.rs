use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::{
    BodyFormat, ClientAuth, RefreshTokens, RetryAfter, TestServer, VendorRules, VirtualClock,
    listen::Port,
    place::{Has, Place},
    settings::Settings,
    state::{Secrets, State},
    vendor::SharedRules,
};

/// Settings of a [`TestServer`]; see [`TestServer::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TestServerBuilder {
    settings: Settings,
    rules: SharedRules,
    client_secret: String,
    password: String,
    clock: Option<VirtualClock>,
    two_origins: bool,
    name: String,
}

impl TestServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::new(VirtualClock::new()),
            rules: SharedRules::standard(),
            client_secret: "fake-secret-7c1e5a90d3b2".into(),
            password: String::new(),
            clock: None,
            two_origins: false,
            name: "server".into(),
        }
    }

    /// Sets how the vendor's servers behave; default as the standards say, see [`VendorRules`].
    pub fn vendor(mut self, rules: impl VendorRules) -> Self {
        self.rules = SharedRules::new(rules);
        self
    }

    /// Sets the client's id and secret.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client_id = id.into();
        self.client_secret = secret.into();
        self
    }

    /// Allows the password grant for this user (RFC 6749 section 4.3).
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.user = Some(name.into());
        self.password = password.into();
        self
    }

    /// Issues refresh tokens with tokens of the password grant and to
    /// [people](TestServer::log_in), and takes them at the token endpoint; default neither.
    pub fn refresh_tokens(mut self, rule: RefreshTokens) -> Self {
        self.settings.refresh_tokens = Some(rule);
        self
    }

    /// Sets how clients may prove who they are; default [`Basic`](ClientAuth::Basic) and
    /// [`Post`](ClientAuth::Post).
    pub fn client_auth(mut self, allowed: impl IntoIterator<Item = ClientAuth>) -> Self {
        self.settings.client_auth = allowed.into_iter().collect();
        self
    }

    /// Sets which bodies the token endpoint reads; default [`Form`](BodyFormat::Form).
    pub fn body_formats(mut self, allowed: impl IntoIterator<Item = BodyFormat>) -> Self {
        self.settings.body_formats = allowed.into_iter().collect();
        self
    }

    /// Sets how long tokens live; default one hour. `expires_in` states it in whole seconds.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Sets the scope that is granted to requests that ask for none; default `fake.read`.
    pub fn default_scope(mut self, scope: impl Into<String>) -> Self {
        self.settings.scope = scope.into();
        self
    }

    /// Sets how many token requests are served in any window of this length; default any number.
    /// Failed and scripted requests count; those refused for the quota do not.
    pub fn quota(mut self, limit: usize, window: Duration) -> Self {
        self.settings.quota = Some((limit, window));
        self
    }

    /// Makes tokens that have expired count no longer towards the quota, so that a short-lived one
    /// frees its slot early. What brought no token counts for the whole window.
    pub fn quota_of_live_tokens(mut self) -> Self {
        self.settings.quota_of_live_tokens = true;
        self
    }

    /// Sets the status for requests over the quota, whose body has no OAuth error code; default
    /// 429.
    pub fn quota_status(mut self, status: StatusCode) -> Self {
        self.settings.quota_status = status;
        self
    }

    /// Sets how a refusal for the quota says when the next slot frees; default not at all.
    pub fn quota_retry_after(mut self, form: RetryAfter) -> Self {
        self.settings.quota_retry_after = form;
        self
    }

    /// Makes the API expect the bare token in a header of this name instead of
    /// `Authorization: Bearer`.
    pub fn token_header(mut self, name: HeaderName) -> Self {
        self.settings.token_header = Some(name);
        self
    }

    /// Sets the clock by which tokens age. Without one, the server makes its own, which follows
    /// tokio's: from the real date with sockets, from a fixed one in memory.
    pub fn clock(mut self, clock: &VirtualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Gives token endpoint and API an origin each, as most vendors do.
    pub fn two_origins(mut self) -> Self {
        self.two_origins = true;
        self
    }

    /// Sets the host name of a server in memory; default `server`. The tokens of two servers
    /// differ if their names or their clients do.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Starts the server on free ports of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there are none, or outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// If dropped, nothing is left behind.
    pub async fn start(self) -> TestServer {
        let mut ports = Vec::new();
        let mut places = self.places();
        for place in &mut places {
            let port = Port::bind().await;
            place.origin = port.origin();
            ports.push(port);
        }
        self.server(places, VirtualClock::from_system).listen(ports)
    }

    /// Makes the server without sockets, at `https://NAME.test` or, with
    /// [`two_origins`](Self::two_origins), `https://auth.NAME.test` and `https://api.NAME.test`.
    #[must_use]
    pub fn in_memory(self) -> TestServer {
        let places = self.places();
        self.server(places, VirtualClock::new)
    }

    /// Where the token side and the API are found, as names.
    fn places(&self) -> Vec<Place> {
        let place = |host: String, has| Place {
            origin: format!("https://{host}.test"),
            shown: format!("https://{host}.test"),
            has,
        };
        if self.two_origins {
            vec![
                place(format!("auth.{}", self.name), Has::TokenSide),
                place(format!("api.{}", self.name), Has::Api),
            ]
        } else {
            vec![place(self.name.clone(), Has::Both)]
        }
    }

    fn server(self, places: Vec<Place>, clock: impl FnOnce() -> VirtualClock) -> TestServer {
        let name = places.first().map_or("", |place| &place.origin);
        let clock = self.clock.unwrap_or_else(clock);
        let settings = Settings {
            clock,
            ..self.settings
        };
        let secrets = Secrets {
            client: self.client_secret,
            password: self.password,
            others: Vec::new(),
        };
        let state = State::new(settings, secrets, name);
        TestServer::new(state, self.rules, places)
    }
}

impl TestServer {
    /// Starts a server with default settings on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no such port, or outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// If dropped, nothing is left behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Begins with the default settings.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::new()
    }
}
