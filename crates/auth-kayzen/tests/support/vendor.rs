//! The vendor in memory, under its own URLs, and a record of all that is sent to it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, Secret, SecretFn, SecretSource, Transport,
};
use auth_kayzen::{Kayzen, KayzenBuilder, fake};
use auth_testkit::{MemoryBody, TestServer, TestServerBuilder};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const CAMPAIGNS: &str = "https://api.kayzen.io/v1/meta/campaigns?page=1&per_page=25";

#[derive(Clone)]
pub(crate) struct Vendor(Arc<Inner>);

struct Inner {
    server: TestServer,
    sent: Mutex<Vec<Sent>>,
}

/// A request as it left the client.
#[derive(Clone)]
pub(crate) struct Sent(Request<Bytes>);

impl Vendor {
    pub(crate) fn new() -> Self {
        Self::of(fake::server())
    }

    pub(crate) fn of(server: TestServerBuilder) -> Self {
        Self(Arc::new(Inner {
            server: server.in_memory(),
            sent: Mutex::default(),
        }))
    }

    pub(crate) fn server(&self) -> &TestServer {
        &self.0.server
    }

    /// Settings as a user has them: with the right credentials, and nothing else.
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
        Kayzen::builder(key, api_secret, email, password, self.clone()).options(self.options())
    }

    /// Options as the tests need them: with the server's clock.
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
        let this = self.clone();
        let http = service_fn(move |request: Request<Full<Bytes>>| {
            let this = this.clone();
            // The tests send no bodies to the API.
            let request = this.arrive(request.map(|_| Bytes::new()));
            async move {
                this.server()
                    .service()
                    .oneshot(request.map(Full::new))
                    .await
            }
        });
        let client = AuthLayer::new(authenticator.clone()).layer(http);
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
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    /// Those to the token endpoint.
    pub(crate) fn logins(&self) -> Vec<Sent> {
        let mut sent = self.sent();
        sent.retain(|sent| sent.0.uri() == Kayzen::TOKEN_URL);
        sent
    }

    /// Notes a request, and turns it to the test server.
    fn arrive(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        self.0.sent.lock().unwrap().push(Sent(request.clone()));
        let url = request.uri().to_string();
        let path = url.strip_prefix(Kayzen::BASE_URL);
        let path = path.unwrap_or_else(|| panic!("the vendor has nothing at {url}"));
        let url = format!("{}{path}", self.server().origin());
        *request.uri_mut() = url.parse().unwrap();
        request
    }
}

impl Transport for Vendor {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let request = self.arrive(request);
        self.server().transport().send(request, max_reply).await
    }
}

impl Sent {
    pub(crate) fn body(&self) -> String {
        String::from_utf8(self.0.body().to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The whole request as text: method and URL, headers by name, body.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.0.method(), self.0.uri());
        let mut headers: Vec<_> = self.0.headers().iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
        }
        let body = self.body();
        if !body.is_empty() {
            writeln!(text, "\n{body}").unwrap();
        }
        text
    }
}

/// A place where a secret is kept, and can be replaced.
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
