//! The client of all stories: hyper-util's, with the layer.

use auth_core::{Authenticator, AuthenticatorOptions, Error, Origins, RefreshPolicy, Secret};
use auth_testkit::TestServer;
use auth_tower::{Auth, AuthLayer, AuthOutcome, ServiceTransport};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{
    ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};

pub(crate) type Body = Full<Bytes>;
pub(crate) type Http = Client<HttpConnector, Body>;
/// At most `MAX_REQUESTS` requests are in progress. Requests that wait for a token do not count.
pub(crate) type Signed = Auth<ConcurrencyLimit<Http>>;

pub(crate) fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Makes an authenticator for the test server.
pub(crate) fn authenticator(
    server: &TestServer,
    policy: RefreshPolicy,
) -> Result<Authenticator, Error> {
    let source = auth_oauth2::Client::builder(
        server.token_url(),
        server.client_id(),
        ServiceTransport::new(http()),
    )
    .secret(Secret::new(server.client_secret()))
    .danger_allow_http(&server.token_url())?
    .build()?
    .client_credentials();
    Authenticator::builder(source, Origins::danger_allow_http([server.origin()])?)
        .vendor("testkit")
        .options(AuthenticatorOptions::new().policy(policy))
        .build()
}

pub(crate) fn signed(authenticator: Authenticator) -> Signed {
    ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .layer(GlobalConcurrencyLimitLayer::new(MAX_REQUESTS))
        .service(http())
}

/// Gets a URL. Returns its status and the outcome of authentication.
pub(crate) async fn get<S, ResB>(
    client: S,
    url: &str,
) -> Result<(StatusCode, AuthOutcome), S::Error>
where
    S: tower::Service<Request<Body>, Response = http::Response<ResB>>,
{
    let request = Request::get(url)
        .body(Body::default())
        .expect("the server's own URL");
    let response = client.oneshot(request).await?;
    Ok((response.status(), AuthOutcome::of(&response)))
}

const MAX_REQUESTS: usize = 128;
