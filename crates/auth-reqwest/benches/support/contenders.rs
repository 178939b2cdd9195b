//! The stacks that are compared.

use std::thread;

use auth_core::{Authenticator, AuthenticatorMap, Key, Origins, Secret};
use auth_reqwest::{AuthMiddleware, ReqwestService, client_builder};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use reqwest::{Client, ClientBuilder, Url, redirect::Policy};
use reqwest_middleware::{ClientBuilder as Chain, ClientWithMiddleware};
use tower::{Layer, Service, ServiceExt};

use crate::{
    hand_written::{HandWritten, HandWrittenReplay},
    server, warm,
};

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// A GET without a body.
    Get,
    /// A POST with 64 bytes of JSON.
    Post,
}

impl Scenario {
    pub(crate) const ALL: [Self; 2] = [Self::Get, Self::Post];

    /// Returns the name on the command line.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }

    fn body(self) -> Option<Bytes> {
        match self {
            Self::Get => None,
            Self::Post => Some(Bytes::from_static(BODY)),
        }
    }

    /// Makes a request of reqwest.
    fn reqwest_request(self, port: u16) -> reqwest::Request {
        let url = Url::parse(&url(port)).expect("a valid URL");
        let mut request = reqwest::Request::new(self.method(), url);
        *request.headers_mut() = headers();
        *request.body_mut() = self.body().map(reqwest::Body::from);
        request
    }

    /// Makes a request of the crate `http`. The URI was parsed before, and reqwest parses the URL
    /// again: for each contender one text is parsed, by the caller or by the contender.
    fn http_request(self, uri: &Uri) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body().unwrap_or_default()));
        *request.method_mut() = self.method();
        request.uri_mut().clone_from(uri);
        *request.headers_mut() = headers();
        request
    }
}

const BODY: &[u8] = b"{\"name\":\"a thing\",\"colour\":\"blue\",\"size\":[1,2,3],\"weight\":12.25}";

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v1/things/17?expand=all")
}

/// Six headers, two of them with allocated values, as in the benches of auth-tower.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        own_value("01890a5d-ac96-774b-bcce-b302099a8057"),
    );
    headers.insert(
        HeaderName::from_static("traceparent"),
        own_value("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    );
    headers
}

fn own_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a valid header value")
}

/// The code between the caller and reqwest's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Nothing.
    Reqwest,
    /// Nothing, with a client that `client_builder` makes.
    Built,
    /// Nothing; the request is converted from the crate `http`, and the response to it.
    Converted,
    ReqwestService,
    LayerReplayOff,
    Layer,
    /// reqwest-middleware without a middleware.
    Chain,
    HandWritten,
    MiddlewareReplayOff,
    HandWrittenReplay,
    Middleware,
    /// With a client of the application, whose redirects are not detected.
    MiddlewareForeign,
    /// reqwest-middleware without a middleware. Each request carries a key.
    ChainKey,
    KeyedReplayOff,
    Keyed,
    /// The key's subject is a token of 1 KiB.
    KeyedLong,
}

impl Contender {
    pub(crate) const ALL: [Self; 16] = [
        Self::Reqwest,
        Self::Built,
        Self::Converted,
        Self::ReqwestService,
        Self::LayerReplayOff,
        Self::Layer,
        Self::Chain,
        Self::HandWritten,
        Self::MiddlewareReplayOff,
        Self::HandWrittenReplay,
        Self::Middleware,
        Self::MiddlewareForeign,
        Self::ChainKey,
        Self::KeyedReplayOff,
        Self::Keyed,
        Self::KeyedLong,
    ];

    /// Returns the name on the command line.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Reqwest => "reqwest",
            Self::Built => "built",
            Self::Converted => "converted",
            Self::ReqwestService => "service",
            Self::LayerReplayOff => "layer-replay-off",
            Self::Layer => "layer",
            Self::Chain => "chain",
            Self::HandWritten => "hand",
            Self::MiddlewareReplayOff => "middleware-replay-off",
            Self::HandWrittenReplay => "hand-replay",
            Self::Middleware => "middleware",
            Self::MiddlewareForeign => "middleware-foreign",
            Self::ChainKey => "chain-key",
            Self::KeyedReplayOff => "keyed-replay-off",
            Self::Keyed => "keyed",
            Self::KeyedLong => "keyed-long",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Reqwest => "reqwest",
            Self::Built => "reqwest, made by client_builder",
            Self::Converted => "reqwest, request from http, response into http",
            Self::ReqwestService => "ReqwestService",
            Self::LayerReplayOff => "AuthLayer, replay off, ReqwestService",
            Self::Layer => "AuthLayer, ReqwestService",
            Self::Chain => "reqwest-middleware, no middleware",
            Self::HandWritten => "hand-written middleware, RwLock",
            Self::MiddlewareReplayOff => "AuthMiddleware, replay off",
            Self::HandWrittenReplay => "hand-written middleware, RwLock, try_clone",
            Self::Middleware => "AuthMiddleware",
            Self::MiddlewareForeign => "AuthMiddleware, client not by client_builder",
            Self::ChainKey => "reqwest-middleware, no middleware, a key on each request",
            Self::KeyedReplayOff => "AuthMiddleware::keyed, replay off",
            Self::Keyed => "AuthMiddleware::keyed",
            Self::KeyedLong => "AuthMiddleware::keyed, subject of 1 KiB",
        }
    }

    /// Returns the contender with which this one is compared.
    pub(crate) fn floor(self) -> Self {
        match self {
            Self::Reqwest
            | Self::Built
            | Self::Converted
            | Self::ReqwestService
            | Self::LayerReplayOff
            | Self::Layer
            | Self::Chain
            | Self::ChainKey => Self::Reqwest,
            Self::HandWritten
            | Self::MiddlewareReplayOff
            | Self::HandWrittenReplay
            | Self::Middleware
            | Self::MiddlewareForeign => Self::Chain,
            Self::KeyedReplayOff | Self::Keyed | Self::KeyedLong => Self::ChainKey,
        }
    }

    /// Sends this number of requests, one after the other.
    pub(crate) fn send(self, scenario: Scenario, requests: u32) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let port = server::start().await;
            // Made for every contender, because system calls cost more in a program with threads.
            let authenticator = authenticator(port);
            let layer = || AuthLayer::new(authenticator.clone());
            let keyed = || AuthLayer::keyed(authenticators(port));
            let token = warm::token(TOKEN);
            let drive = Drive {
                scenario,
                port,
                requests,
            };
            let chain = |client| Chain::new(client);
            match self {
                Self::Reqwest => drive.reqwest(plain()).await,
                Self::Built => drive.reqwest(built()).await,
                Self::Converted => drive.converted(plain()).await,
                Self::ReqwestService => drive.service(service()).await,
                Self::LayerReplayOff => drive.service(layer().replay_off().layer(service())).await,
                Self::Layer => drive.service(layer().layer(service())).await,
                Self::Chain => drive.chain(chain(plain()).build()).await,
                Self::HandWritten => {
                    let middleware = HandWritten::new(&token);
                    drive.chain(chain(plain()).with(middleware).build()).await;
                }
                Self::HandWrittenReplay => {
                    let middleware = HandWrittenReplay::new(&token);
                    drive.chain(chain(plain()).with(middleware).build()).await;
                }
                Self::MiddlewareReplayOff => {
                    let middleware = AuthMiddleware::from_layer(layer().replay_off());
                    drive.chain(chain(built()).with(middleware).build()).await;
                }
                Self::Middleware => {
                    let middleware = AuthMiddleware::from_layer(layer());
                    drive.chain(chain(built()).with(middleware).build()).await;
                }
                Self::MiddlewareForeign => {
                    let middleware = AuthMiddleware::from_layer(layer());
                    drive.chain(chain(plain()).with(middleware).build()).await;
                }
                Self::ChainKey => drive.keyed(chain(plain()).build(), SHORT).await,
                Self::KeyedReplayOff => {
                    let middleware = AuthMiddleware::from_layer(keyed().replay_off());
                    let client = chain(built()).with(middleware).build();
                    drive.keyed(client, SHORT).await;
                }
                Self::Keyed | Self::KeyedLong => {
                    let middleware = AuthMiddleware::from_layer(keyed());
                    let client = chain(built()).with(middleware).build();
                    let long = matches!(self, Self::KeyedLong);
                    drive.keyed(client, if long { LONG } else { SHORT }).await;
                }
            }
        });
    }
}

const TOKEN: usize = 1024;

/// The lengths of the subjects of keys, in bytes.
const SHORT: usize = 16;
const LONG: usize = 1024;

fn plain() -> Client {
    made(Client::builder().no_proxy())
}

fn built() -> Client {
    made(client_builder())
}

fn service() -> ReqwestService {
    let client = client_builder().tls_certs_only([]);
    ReqwestService::from_builder(client, Policy::limited(10)).expect("valid settings")
}

/// Without root certificates, which take long to read and are not needed.
fn made(client: ClientBuilder) -> Client {
    client.tls_certs_only([]).build().expect("valid settings")
}

fn authenticator(port: u16) -> Authenticator {
    let origins = origins(port);
    // In its own thread, because this thread runs a runtime.
    let make = move || warm::warm(warm::builder_to(TOKEN, origins));
    thread::spawn(make).join().expect("a token")
}

fn authenticators(port: u16) -> AuthenticatorMap {
    let origins = origins(port);
    let make = move |_: &Key| {
        let builder = warm::builder_to(TOKEN, origins.clone());
        // In its own thread, because this thread runs a runtime.
        Ok(thread::spawn(|| warm::warm(builder))
            .join()
            .expect("a token"))
    };
    AuthenticatorMap::builder(make)
        .build()
        .expect("valid settings")
}

fn origins(port: u16) -> Origins {
    Origins::danger_allow_http([format!("http://127.0.0.1:{port}")]).expect("an origin")
}

/// How requests are sent.
struct Drive {
    scenario: Scenario,
    port: u16,
    requests: u32,
}

impl Drive {
    async fn reqwest(&self, client: Client) {
        for _ in 0..self.requests {
            let response = client
                .execute(self.scenario.reqwest_request(self.port))
                .await;
            response.expect("an answer").bytes().await.expect("a body");
        }
    }

    async fn converted(&self, client: Client) {
        let uri = url(self.port).parse().expect("a valid URI");
        for _ in 0..self.requests {
            let (head, body) = self.scenario.http_request(&uri).into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let request = reqwest::Request::try_from(Request::from_parts(head, body));
            let response = client.execute(request.expect("a valid request")).await;
            let response: http::Response<reqwest::Body> = response.expect("an answer").into();
            response.into_body().collect().await.expect("a body");
        }
    }

    async fn chain(&self, client: ClientWithMiddleware) {
        for _ in 0..self.requests {
            let response = client
                .execute(self.scenario.reqwest_request(self.port))
                .await;
            response.expect("an answer").bytes().await.expect("a body");
        }
    }

    /// The key was made before, as for a signed-in user.
    async fn keyed(&self, client: ClientWithMiddleware, subject_bytes: usize) {
        let subject = Secret::new(warm::token(subject_bytes));
        let key = Key::builder("example").subject(&subject).build();
        for _ in 0..self.requests {
            let mut extensions = Extensions::new();
            extensions.insert(key.clone());
            let request = self.scenario.reqwest_request(self.port);
            let response = client.execute_with_extensions(request, &mut extensions);
            let response = response.await.expect("an answer");
            response.bytes().await.expect("a body");
        }
    }

    async fn service<S>(&self, service: S)
    where
        S: Service<Request<Full<Bytes>>, Response = http::Response<reqwest::Body>> + Clone,
        S::Error: std::fmt::Debug,
    {
        let uri = url(self.port).parse().expect("a valid URI");
        for _ in 0..self.requests {
            let request = self.scenario.http_request(&uri);
            let response = service.clone().oneshot(request).await;
            let body = response.expect("an answer").into_body();
            body.collect().await.expect("a body");
        }
    }
}
