//! Each stack is a client for a caller that accepts any error (`BoxError`) and clones the client.
//! If the client at the bottom is in memory, the test also sends a request.

use std::{future::ready, time::Duration};

use auth_core::{ApiKey, Authenticator, Origins, Secret};
use auth_kaizen::{Central, Kaizen};
use auth_reqwest::{AuthMiddleware, ReqwestService};
use auth_testkit::TestServer;
use auth_tower::{AuthLayer, ReplayBodyLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt as _, service_fn,
    util::{BoxCloneService, BoxCloneSyncService},
};

type Sent = Request<Full<Bytes>>;
type Got = Response<Empty<Bytes>>;

const SECOND: Duration = Duration::from_secs(1);

fn auth() -> AuthLayer {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let source = ApiKey::new(Secret::new("fake-secret-1"));
    AuthLayer::new(Authenticator::builder(source, origins).build().unwrap())
}

/// Answers if the request is signed.
fn client()
-> impl Service<Sent, Response = Got, Error = std::io::Error, Future: Send> + Clone + Send + Sync {
    service_fn(|request: Sent| {
        let signed = request.headers().contains_key("authorization");
        let unsigned = || std::io::Error::other("not signed");
        ready(
            signed
                .then(|| Response::new(Empty::new()))
                .ok_or_else(unsigned),
        )
    })
}

/// The bounds of a caller.
fn is_client<B, S>(client: S) -> S
where
    S: Service<Request<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    client
}

async fn send<S>(client: S)
where
    S: Service<Sent, Response = Got, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    let request = Request::get("https://api.example.com/")
        .body(Full::default())
        .unwrap();
    let sent = is_client(client).oneshot(request).await.map_err(Into::into);
    assert_eq!(sent.unwrap().status(), 200);
}

#[tokio::test]
async fn timeout_above() {
    send(
        ServiceBuilder::new()
            .timeout(SECOND)
            .layer(auth())
            .service(client()),
    )
    .await;
}

#[tokio::test]
async fn timeout_below() {
    let stack = ServiceBuilder::new()
        .layer(auth())
        .timeout(SECOND)
        .service(client());
    let boxed = stack.clone().map_err(auth_tower::Error::into_boxed);
    send(boxed).await;
    // Inside `Error`, inner errors are separate from the layer's own.
    let request = Request::get("https://api.example.com/")
        .body(Full::default())
        .unwrap();
    let sent: Result<Got, auth_tower::Error<BoxError>> = stack.oneshot(request).await;
    assert_eq!(sent.unwrap().status(), 200);
}

#[tokio::test]
async fn timeout_above_and_below() {
    let stack = ServiceBuilder::new()
        .timeout(SECOND)
        .map_err(auth_tower::Error::into_boxed)
        .layer(auth())
        .timeout(SECOND)
        .service(client());
    send(stack).await;
}

#[tokio::test]
async fn buffer_and_load_shed_above() {
    let stack = ServiceBuilder::new()
        .load_shed()
        .buffer(8)
        .layer(auth())
        .service(client());
    send(stack).await;
}

#[tokio::test]
async fn buffer_and_load_shed_below() {
    let stack = ServiceBuilder::new()
        .load_shed()
        .map_err(auth_tower::Error::into_boxed)
        .layer(auth())
        .load_shed()
        .buffer(8)
        .service(client());
    send(stack).await;
}

#[tokio::test]
async fn boxes_above_and_below() {
    let below: BoxCloneService<Sent, Got, std::io::Error> = client().boxed_clone();
    let stack = ServiceBuilder::new().layer(auth()).service(below);
    let above: BoxCloneService<Sent, Got, auth_tower::Error<std::io::Error>> = stack.boxed_clone();
    send(above).await;
    let stack = ServiceBuilder::new().layer(auth()).service(client());
    send(BoxCloneSyncService::new(stack)).await;
    let stack = ServiceBuilder::new()
        .boxed_clone()
        .layer(auth())
        .timeout(SECOND)
        .service(client());
    send(stack.map_err(auth_tower::Error::into_boxed)).await;
}

#[tokio::test]
async fn a_vendors_type_is_accepted_without_conversion() {
    let transport = TestServer::builder().in_memory().transport();
    let secret = Secret::new("fake-secret-1");
    let kaizen = Kaizen::<Central>::builder("fake-client", secret, transport)
        .build()
        .unwrap();
    let _middleware = AuthMiddleware::new(kaizen.clone());
    is_client::<Full<Bytes>, _>(
        ServiceBuilder::new()
            .layer(AuthLayer::new(kaizen))
            .service(client()),
    );
}

#[tokio::test]
async fn reqwest_at_the_bottom() {
    let reqwest = || ReqwestService::new().unwrap();
    is_client::<Full<Bytes>, _>(ServiceBuilder::new().layer(auth()).service(reqwest()));
    is_client::<reqwest::Body, _>(ServiceBuilder::new().layer(auth()).service(reqwest()));
    is_client::<Full<Bytes>, _>(
        ServiceBuilder::new()
            .timeout(SECOND)
            .layer(auth())
            .service(reqwest()),
    );
    is_client::<Full<Bytes>, _>(
        ServiceBuilder::new()
            .timeout(SECOND)
            .map_err(auth_tower::Error::into_boxed)
            .layer(auth())
            .timeout(SECOND)
            .service(reqwest()),
    );
}

#[tokio::test]
async fn hyper_at_the_bottom() {
    fn hyper<B>() -> Client<HttpConnector, B>
    where
        B: http_body::Body<Data: Send> + Send,
    {
        Client::builder(TokioExecutor::new()).build(HttpConnector::new())
    }
    is_client::<Full<Bytes>, _>(
        ServiceBuilder::new()
            .layer(auth())
            .service(hyper::<Full<Bytes>>()),
    );
    // A request that a server received and forwards.
    type Incoming = axum::body::Body;
    is_client::<Incoming, _>(
        ServiceBuilder::new()
            .timeout(SECOND)
            .layer(auth())
            .service(hyper::<Incoming>()),
    );
    is_client::<Incoming, _>(
        ServiceBuilder::new()
            .layer(ReplayBodyLayer::new(1024))
            .layer(auth())
            .map_request(|request: Request<_>| request.map(axum::body::Body::new))
            .service(hyper::<Incoming>()),
    );
}

/// `axum::body::Body` is not `Sync`, which reqwest requires; a kept body is.
#[tokio::test]
async fn an_axum_body_is_sent_with_reqwest_below_replay_body_layer() {
    let stack = ServiceBuilder::new()
        .layer(ReplayBodyLayer::new(1024))
        .layer(auth())
        .service(ReqwestService::new().unwrap());
    is_client::<axum::body::Body, _>(stack);
}
