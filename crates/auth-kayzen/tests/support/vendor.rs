//! The vendor in memory, under its own URLs, and a record of all requests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{Authenticator, AuthenticatorOptions, Error, Secret, SecretFn, SecretSource};
use auth_kayzen::{Kayzen, KayzenBuilder, fake};
use auth_testkit::{MemoryBody, Recorder, SentRequest, TestServer, TestServerBuilder};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const CAMPAIGNS: &str = "https://api.kayzen.io/v1/meta/campaigns?page=1&per_page=25";

#[derive(Clone)]
pub(crate) struct Vendor(Arc<Inner>);

struct Inner {
    server: TestServer,
    /// The vendor's own URLs.
    urls: Recorder,
}

impl Vendor {
    pub(crate) fn new() -> Self {
        Self::of(fake::server())
    }

    pub(crate) fn of(server: TestServerBuilder) -> Self {
        let server = server.in_memory();
        let urls = Recorder::new().route(Kayzen::BASE_URL, &server, server.origin());
        Self(Arc::new(Inner { server, urls }))
    }

    pub(crate) fn server(&self) -> &TestServer {
        &self.0.server
    }

    /// A user's settings: the right credentials and only defaults.
    pub(crate) fn settings(&self) -> KayzenBuilder {
        self.with_password(Secret::new(self.server().user_password()))
    }

    pub(crate) fn with_password(&self, password: impl SecretSource) -> KayzenBuilder {
        let secret = Secret::new(self.server().client_secret());
        self.with_secrets(secret, password)
    }

    pub(crate) fn with_secrets(
        &self,
        api_secret: impl SecretSource,
        password: impl SecretSource,
    ) -> KayzenBuilder {
        let (key, email) = (self.server().client_id(), self.server().user_name());
        let transport = self.0.urls.clone();
        Kayzen::builder(key, api_secret, email, password, transport).options(self.options())
    }

    /// Options for the tests: with the server's clock.
    pub(crate) fn options(&self) -> AuthenticatorOptions {
        AuthenticatorOptions::new().clock(self.server().clock().clone())
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.server().clock().advance(time).await;
    }

    /// GETs a URL through the layer.
    pub(crate) async fn get(
        &self,
        authenticator: &Authenticator,
        url: &str,
    ) -> Result<Response<MemoryBody>, Error> {
        let client = AuthLayer::new(authenticator.clone()).layer(self.0.urls.clone());
        let request = Request::get(url).header("accept", "application/json");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        client.oneshot(request).await.map_err(|error| match error {
            auth_tower::Error::Auth(error) => error,
            other => panic!("{other:?}"),
        })
    }

    /// GETs the campaigns, and returns the status.
    pub(crate) async fn campaigns(&self, authenticator: &Authenticator) -> Result<u16, Error> {
        let response = self.get(authenticator, CAMPAIGNS).await?;
        Ok(response.status().as_u16())
    }

    /// All requests so far.
    pub(crate) fn sent(&self) -> Vec<SentRequest> {
        self.0.urls.sent()
    }

    /// Those to the token endpoint.
    pub(crate) fn logins(&self) -> Vec<SentRequest> {
        let mut sent = self.sent();
        sent.retain(|sent| sent.expose_url() == Kayzen::TOKEN_URL);
        sent
    }
}

/// Keeps a secret that a test can replace.
#[derive(Clone)]
pub(crate) struct Vault(Arc<Mutex<String>>);

impl Vault {
    pub(crate) fn new(secret: &str) -> Self {
        Self(Arc::new(Mutex::new(secret.to_owned())))
    }

    pub(crate) fn replace(&self, secret: &str) {
        *self.0.lock().unwrap() = secret.to_owned();
    }

    pub(crate) fn source(&self) -> impl SecretSource + use<> {
        let this = self.clone();
        SecretFn::new(move || {
            let secret = Secret::new(this.0.lock().unwrap().clone());
            async { Ok(secret) }
        })
    }
}
