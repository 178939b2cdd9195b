use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, Secret, SecretSource, SharedSecretSource,
};
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use tower_layer::Layer;
use tower_service::Service;

use super::Vendor;
use crate::{MemoryError, TestServer, queue::lock};

/// A vendor's fake, an authenticator for it, and the source of the secret.
pub(super) struct Stand {
    pub(super) server: TestServer,
    pub(super) secret: Cell,
    pub(super) authenticator: Authenticator,
    url: String,
}

/// The result of a request through the whole stack.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) sends: u8,
}

pub(super) type Result<T> = std::result::Result<T, auth_tower::Error<MemoryError>>;

impl Stand {
    /// A valid setup.
    pub(super) fn new<V: Vendor>() -> Self {
        Self::with::<V>(|server| Ok(V::right_secret(server)))
    }

    /// A secret source that returns another value.
    pub(super) fn with<V: Vendor>(
        secret: impl FnOnce(&TestServer) -> std::result::Result<String, Error>,
    ) -> Self {
        Self::of::<V>(secret, |options| options)
    }

    /// A valid setup, with more options than the clock.
    pub(super) fn set<V: Vendor>(
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        Self::of::<V>(|server| Ok(V::right_secret(server)), set)
    }

    pub(super) fn of<V: Vendor>(
        secret: impl FnOnce(&TestServer) -> std::result::Result<String, Error>,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        let server = V::server().in_memory();
        let secret = Cell(Arc::new(Mutex::new(secret(&server))));
        let authenticator = authenticator::<V>(&server, &secret, set);
        let url = format!("{}{}", server.api_url(), V::path());
        Self {
            server,
            secret,
            authenticator,
            url,
        }
    }

    /// Another process with the same server and the same secret.
    pub(super) fn beside<V: Vendor>(
        &self,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Authenticator {
        authenticator::<V>(&self.server, &self.secret, set)
    }

    /// A GET of the vendor's path.
    pub(super) async fn get(&self) -> Result<Got> {
        let response = self.send(self.server.service(), &self.url, HeaderMap::new());
        let response = response.await?;
        Ok(Got {
            status: response.status().as_u16(),
            sends: AuthOutcome::of(&response).sends(),
        })
    }

    /// A GET of a URL through the layer to any service.
    pub(super) fn send<S, B>(
        &self,
        service: S,
        url: &str,
        headers: HeaderMap,
    ) -> impl Future<Output = std::result::Result<Response<B>, auth_tower::Error<S::Error>>>
    + Send
    + use<S, B>
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Send,
    {
        let mut client = AuthLayer::new(self.authenticator.clone()).layer(service);
        let mut request = Request::new(Empty::new());
        match url.parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => panic!("{url}: {error}"),
        }
        *request.headers_mut() = headers;
        async move {
            poll_fn(|cx| client.poll_ready(cx)).await?;
            client.call(request).await
        }
    }

    /// A GET that must succeed at the first send.
    pub(super) async fn get_at_once(&self) {
        let got = self.get().await;
        assert!(
            matches!(
                got,
                Ok(Got {
                    status: 200,
                    sends: 1
                })
            ),
            "a valid request, but: {got:?}"
        );
    }

    /// A GET for which no credential is available.
    pub(super) async fn get_nothing(&self) -> Error {
        let api = self.server.counters().api_requests;
        match self.get().await {
            Err(auth_tower::Error::Auth(error)) => {
                assert_eq!(
                    self.server.counters().api_requests,
                    api,
                    "a request left without a credential"
                );
                error
            }
            other => panic!("no credential is available, but: {other:?}"),
        }
    }

    /// Repeats a request until it succeeds.
    pub(super) async fn recover(&self, after: &str) {
        for _ in 0..120 {
            if matches!(self.get().await, Ok(Got { status: 200, .. })) {
                return;
            }
            pass(Duration::from_secs(30)).await;
        }
        panic!("requests still fail an hour after: {after}");
    }

    /// The number of token requests that reached the vendor, rounded up.
    pub(super) fn token_requests<V: Vendor>(&self) -> u64 {
        let requests = self.server.counters().token_requests;
        requests.div_ceil(V::HTTP_REQUESTS_PER_TOKEN_REQUEST)
    }

    pub(super) async fn expect_token_requests<V: Vendor>(&self, wanted: u64, why: &str) {
        // Background work ends first.
        pass(Duration::from_millis(1)).await;
        let wanted = if V::FETCHES { wanted } else { 0 };
        assert_eq!(self.token_requests::<V>(), wanted, "{why}");
    }
}

/// The options that all clauses start with.
pub(super) fn options(server: &TestServer) -> AuthenticatorOptions {
    AuthenticatorOptions::new().clock(server.clock().clone())
}

fn authenticator<V: Vendor>(
    server: &TestServer,
    secret: &Cell,
    set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
) -> Authenticator {
    let secret = SharedSecretSource::new(secret.clone());
    match V::authenticator(server, secret, set(options(server))) {
        Ok(authenticator) => authenticator,
        Err(error) => panic!("the settings are valid, but: {error}"),
    }
}

/// A secret that a test changes while it is in use.
#[derive(Clone)]
pub(super) struct Cell(Arc<Mutex<std::result::Result<String, Error>>>);

impl Cell {
    pub(super) fn set(&self, secret: impl Into<String>) {
        *lock(&self.0) = Ok(secret.into());
    }
}

impl SecretSource for Cell {
    fn read(&self) -> impl Future<Output = std::result::Result<Secret, Error>> + Send {
        std::future::ready(lock(&self.0).clone().map(Secret::new))
    }
}

/// A client that keeps each request and answers 200.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Vec<HeaderMap>>>);

impl Witness {
    pub(super) fn take(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl<B> Service<Request<B>> for Witness {
    type Response = Response<Empty<Bytes>>;
    type Error = MemoryError;
    type Future = std::future::Ready<std::result::Result<Self::Response, MemoryError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> Poll<std::result::Result<(), MemoryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        lock(&self.0).push(request.headers().clone());
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// Advances the time, and runs the tasks that become due.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(super) fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "secret store: no answer")
}

/// An error with all its sources, as logs show it.
pub(super) fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!("{error}\n{error:?}\n"));
        source = error.source();
    }
    text
}
