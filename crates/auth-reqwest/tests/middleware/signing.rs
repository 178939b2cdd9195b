//! Requests are signed, and otherwise unchanged.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use auth_core::{Error, ErrorKind};
use auth_reqwest::AuthMiddleware;
use auth_testkit::Reply;
use auth_tower::{ExistingCredential, MissingToken};
use http::{Extensions, Version};
use reqwest::{Request, Response, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::task::JoinSet;

use crate::support::{World, http, outcome, with};

#[tokio::test]
async fn a_request_is_signed_and_its_response_is_unchanged() {
    let world = World::start().await;
    let client = world.client();
    for _ in 0..2 {
        let response = client.get(world.url()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.url().as_str(), world.url());
        assert_eq!(response.version(), Version::HTTP_11);
        assert!(response.remote_addr().is_some());
        assert_eq!(response.headers()["content-type"], "application/json");
        let length = response.content_length().unwrap();
        assert_eq!(outcome(&response).sends(), 1);
        let text = response.text().await.unwrap();
        assert_eq!(text.len() as u64, length);
        assert!(text.contains(r#""token":1"#), "{text}");
    }
    assert_eq!(world.counts(), (2, 1));
}

#[tokio::test]
async fn g3_a_hundred_concurrent_requests_make_one_token_request() {
    let world = World::start().await;
    let client = world.client();
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        requests.spawn(client.get(world.url()).send());
    }
    for response in requests.join_all().await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(world.counts(), (100, 1));
}

/// Records the requests that a middleware below receives.
#[derive(Clone, Default)]
struct Probe(Arc<Mutex<Vec<Request>>>);

#[async_trait]
impl Middleware for Probe {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let seen = request.try_clone().unwrap();
        self.0.lock().unwrap().push(seen);
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn both_sends_of_a_request_are_complete() {
    let world = World::warm().await;
    world.server.revoke_all();
    let probe = Probe::default();
    let client = ClientBuilder::new(http())
        .with(world.middleware())
        .with(probe.clone())
        .build();
    let timeout = Duration::from_secs(77);
    let url = Url::parse(&format!("{}#fragment", world.url())).unwrap();
    let request = client
        .delete(url.clone())
        .version(Version::HTTP_11)
        .timeout(timeout)
        .header("x-one", "1")
        .header("x-one", "2");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let requests = probe.0.lock().unwrap();
    assert_eq!(requests.len(), 2);
    for (request, number) in requests.iter().zip(1..) {
        assert_eq!((request.method().as_str(), request.url()), ("DELETE", &url));
        assert_eq!(request.timeout(), Some(&timeout));
        assert_eq!(request.version(), Version::HTTP_11);
        assert!(request.body().is_none());
        assert!(request.headers().get_all("x-one").iter().eq(["1", "2"]));
        assert_eq!(request.headers().len(), 3, "send {number}");
        assert!(request.headers()["authorization"].is_sensitive());
    }
}

#[tokio::test]
async fn g13_a_credential_that_the_caller_set_is_kept() {
    let world = World::start().await;
    let request = world.client().get(world.url()).bearer_auth("fake-own-1");
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (401, (1, 0)));
    let own = Some("Bearer fake-own-1");
    assert_eq!(world.seen()[0].expose_header("authorization"), own);

    let strict = with(world.layer().existing(ExistingCredential::Reject).into());
    let request = strict.get(world.url()).bearer_auth("fake-own-1");
    let error = request.send().await.unwrap_err();
    assert_eq!(why(&error).unwrap().kind(), ErrorKind::Config);
    assert_eq!(world.counts(), (1, 0));
}

#[tokio::test]
async fn g15_without_a_token_nothing_is_sent_and_the_error_is_typed() {
    let world = World::start().await;
    let refusal = Reply::oauth_error(401, "invalid_client");
    world.server.token().always(refusal);
    let error = world.client().get(world.url()).send().await.unwrap_err();
    assert_eq!(why(&error).unwrap().kind(), ErrorKind::Rejected);
    assert!(error.is_middleware());
    assert_eq!(world.counts(), (0, 1));

    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let unsigned = with(AuthMiddleware::from_layer(layer));
    let response = unsigned.get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (401, (1, 1)));
    assert_eq!(world.seen()[0].expose_header("authorization"), None);
}

#[tokio::test]
async fn an_error_of_the_client_is_returned_unchanged() {
    let world = World::warm().await;
    world.server.api().then(Reply::cut());
    let error = world.client().get(world.url()).send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(error.url().unwrap().as_str(), world.url());
}

/// As in the documentation.
fn why(error: &reqwest_middleware::Error) -> Option<&Error> {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
        reqwest_middleware::Error::Reqwest(_) => None,
    }
}
