use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, Key, Origins, RefreshPolicy, Secret,
};
use auth_oauth2::Client;
use auth_reqwest::{AuthMiddleware, ReqwestTransport, client_builder};
use auth_testkit::{RecordedRequest, Side, TestServer};
use auth_tower::{AuthLayer, AuthOutcome};
use reqwest::Response;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Extension};

/// A vendor with its API, and an authenticator for it.
pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) authenticator: Authenticator,
}

impl World {
    pub(crate) async fn start() -> Self {
        let server = TestServer::start().await;
        let authenticator = authenticator(&server);
        Self {
            server,
            authenticator,
        }
    }

    /// Makes a world with a cached token that the API has accepted once, so that it is not on
    /// trial.
    pub(crate) async fn warm() -> Self {
        let world = Self::start().await;
        let token = world.authenticator.token().await.unwrap();
        world.authenticator.report_accepted(token.generation());
        world
    }

    pub(crate) fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.authenticator.clone())
    }

    pub(crate) fn middleware(&self) -> AuthMiddleware {
        AuthMiddleware::new(self.authenticator.clone())
    }

    /// Makes a client with no other middleware.
    pub(crate) fn client(&self) -> ClientWithMiddleware {
        with(self.middleware())
    }

    /// Makes a map that has the same authenticator for every key.
    pub(crate) fn authenticators(&self) -> AuthenticatorMap {
        let authenticator = self.authenticator.clone();
        let make = move |_: &Key| Ok(authenticator.clone());
        AuthenticatorMap::builder(make).build().unwrap()
    }

    /// Makes a client whose requests carry a key.
    pub(crate) fn keyed(&self) -> ClientWithMiddleware {
        ClientBuilder::new(http())
            .with_init(Extension(key("alice")))
            .with(AuthMiddleware::keyed(self.authenticators()))
            .build()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/things?page=2", self.server.api_url())
    }

    /// Returns the requests that the API received.
    pub(crate) fn seen(&self) -> Vec<RecordedRequest> {
        let mut recorded = self.server.recorded();
        recorded.retain(|request| request.side() == Side::Api);
        recorded
    }

    /// Returns how many requests the API and the token endpoint received.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let seen = self.server.counters();
        (seen.api_requests, seen.token_requests)
    }
}

pub(crate) fn with(middleware: AuthMiddleware) -> ClientWithMiddleware {
    ClientBuilder::new(http()).with(middleware).build()
}

pub(crate) fn key(user: &str) -> Key {
    Key::builder("example").subject(&Secret::new(user)).build()
}

/// Does not read the system's certificates, which a test machine may lack.
pub(crate) fn http() -> reqwest::Client {
    client_builder().tls_certs_only([]).build().unwrap()
}

pub(crate) fn authenticator(server: &TestServer) -> Authenticator {
    let transport = ReqwestTransport::builder().configure(|client| client.tls_certs_only([]));
    let source = Client::builder(
        server.token_url(),
        server.client_id(),
        transport.build().unwrap(),
    )
    .secret(Secret::new(server.client_secret()))
    .danger_allow_http(&server.token_url())
    .unwrap()
    .build()
    .unwrap()
    .client_credentials();
    let origins = Origins::danger_allow_http([server.origin()]).unwrap();
    // Time is real here: renewals are due at once or never.
    let policy = RefreshPolicy::default()
        .min_interval(Duration::from_nanos(1))
        .unwrap()
        .backoff(Duration::from_secs(600), Duration::from_secs(600))
        .unwrap();
    Authenticator::builder(source, origins)
        .vendor("testkit")
        .options(AuthenticatorOptions::new().policy(policy))
        .build()
        .unwrap()
}

pub(crate) fn outcome(response: &Response) -> AuthOutcome {
    AuthOutcome::in_extensions(response.extensions())
}
