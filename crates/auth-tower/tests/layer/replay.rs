//! If the API refuses a token, the token is replaced once and the request is sent once more.

mod back_off;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use auth_core::{AccessToken, ApiKey, Authenticator, Error, ErrorKind, Key, Origins, Secret};
use auth_testkit::Outcome;
use auth_tower::{AuthLayer, AuthOutcome, NotReplayed};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::support::{
    Api, Broken, URL, World, get, in_time, ok, send, settle, start, text, unauthorized,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn g7_a_refused_request_is_sent_once_more_unchanged() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut cookie = HeaderValue::from_static("fake-secret=1");
    cookie.set_sensitive(true);
    let request = Request::builder()
        .method(Method::from_bytes(b"PROPPATCH").unwrap())
        .uri("https://API.example.com:443/v1/%7Ethings;a=b?page=2&page=3")
        .version(Version::HTTP_2)
        .header("x-twice", "1")
        .header("cookie", cookie)
        .header("x-bytes", HeaderValue::from_bytes(b"\xff\x80").unwrap())
        .header("x-twice", "2")
        .extension("extension")
        .body(Full::from("a body of some length"))
        .unwrap();
    let response = in_time(world.over(api.clone()).oneshot(request))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);

    let [first, second] = api.seen().try_into().unwrap();
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
    assert_eq!(second.but_the_token(), first.but_the_token());
    assert_eq!(second.method, "PROPPATCH");
    assert_eq!(second.body, "a body of some length");
    assert_eq!(second.extensions.get(), Some(&"extension"));
    assert!(second.headers["authorization"].is_sensitive());
    assert_eq!(second.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(world.source.fetches(), 2);

    let outcome = AuthOutcome::of(&response);
    assert_eq!(outcome.sends(), 2);
    assert_eq!(outcome.refused().unwrap().get(), 1);
    assert_eq!(outcome.generation().unwrap().get(), 2);
    assert!(outcome.was_refused() && outcome.not_replayed().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_outcome_contains_the_wait_for_the_second_token() {
    let world = World::cold();
    world.source.then(Outcome::fresh().delay(3 * SECOND));
    world.source.then(Outcome::fresh().delay(4 * SECOND));
    let api = Api::refusing_the_first(&world);
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(AuthOutcome::of(&response).waited(), 7 * SECOND);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
}

#[tokio::test(start_paused = true)]
async fn the_second_send_uses_a_service_that_was_made_ready() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut client = world.over(api.clone());
    // The API panics if readiness was not polled, or was used up.
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.readied(), api.calls(), api.holding()), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn s23_a_second_refusal_is_returned_byte_for_byte() {
    let world = World::warm().await;
    let api = Api::refusing();
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
    assert_eq!(world.source.fetches(), 2);

    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Twice)));
    assert_eq!(outcome.sends(), 2);
    assert_eq!(outcome.refused().unwrap().get(), 2);
    assert_eq!(outcome.generation().unwrap().get(), 2);
    assert_refusal(response, "fake-token-2").await;
}

/// Asserts that this is the API's response to the token, with only the outcome added.
async fn assert_refusal(response: Response<Full<Bytes>>, token: &str) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(response.headers().len(), 2);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer error="invalid_token""#
    );
    assert_eq!(response.headers()["x-refused"], token);
    // The outcome, and the mark that there is one.
    assert_eq!(response.extensions().len(), 2);
    assert_eq!(text(response).await, format!("refused Some({token:?})"));
}

#[tokio::test(start_paused = true)]
async fn g8_a_late_refusal_of_an_old_token_costs_no_token_request() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair();
    let mut client = world.over(service);
    let mut start = async || tokio::spawn(start(&mut client, get(URL)).await);
    let (first, second) = (start().await, start().await);
    let (_, first_reply) = in_time(handle.next_request()).await.unwrap();
    let (_, second_reply) = in_time(handle.next_request()).await.unwrap();

    first_reply.send_response(status(401));
    let (_, reply) = in_time(handle.next_request()).await.unwrap();
    reply.send_response(ok());
    in_time(first).await.unwrap().unwrap();
    assert_eq!(world.source.fetches(), 2);

    // Much later, the API answers the other request.
    second_reply.send_response(status(401));
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer fake-token-2");
    reply.send_response(ok());
    let outcome = AuthOutcome::of(&in_time(second).await.unwrap().unwrap());
    assert_eq!((outcome.sends(), outcome.waited()), (2, Duration::ZERO));
    assert_eq!(outcome.refused().unwrap().get(), 1);
    assert_eq!(outcome.generation().unwrap().get(), 2);
    assert_eq!(world.source.fetches(), 2);
}

fn status(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn g10_a_refused_token_that_the_vendor_issues_again_is_not_sent_again() {
    let world = World::warm().await;
    let same = AccessToken::new("fake-token-1").expires_in(3600 * SECOND);
    world.source.always(Outcome::token(same));
    let api = Api::refusing();
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    let outcome = AuthOutcome::of(&response);
    let Some(NotReplayed::NoToken(error)) = outcome.not_replayed() else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((api.calls(), world.source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_api_key_that_was_not_replaced_is_not_sent_again() {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let key = ApiKey::new(Secret::new("fake-key"));
    let authenticator = Authenticator::builder(key, origins).build().unwrap();
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    let api = Api::refusing();
    let client = AuthLayer::new(authenticator).layer(api.clone());
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    let why = outcome.not_replayed();
    assert!(matches!(why, Some(NotReplayed::Unchanged)), "{why:?}");
    assert_eq!((api.calls(), outcome.sends()), (1, 1));
}

/// A key is kept in another way than the other extensions.
#[tokio::test(start_paused = true)]
async fn the_second_send_has_all_extensions_of_the_first() {
    for (has_key, has_other) in [(true, true), (true, false), (false, true)] {
        let world = World::warm().await;
        let api = Api::new();
        api.revoke("fake-token-1");
        let mut request = get(URL);
        if has_key {
            let key = Key::builder("example").client("fake-client").build();
            request.extensions_mut().insert(key);
        }
        if has_other {
            request.extensions_mut().insert("other");
        }
        let client = world.over(api.clone());
        in_time(client.oneshot(request)).await.unwrap();
        let [_, second] = api.seen().try_into().unwrap();
        let found = second.extensions;
        assert_eq!(
            found.get::<Key>().is_some(),
            has_key,
            "{has_key} {has_other}"
        );
        let other = found.get::<&str>().copied();
        assert_eq!(other, has_other.then_some("other"), "{has_key} {has_other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_refusals_of_one_token_cost_one_token_request() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair();
    let mut client = world.over(service);
    let (mut calls, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        calls.push(tokio::spawn(start(&mut client, get(URL)).await));
        replies.push(handle.next_request().await.unwrap().1);
    }
    // All requests are sent when the token is revoked.
    for reply in replies {
        reply.send_response(status(401));
    }
    for _ in 0..1000 {
        let (request, reply) = in_time(handle.next_request()).await.unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer fake-token-2");
        reply.send_response(ok());
    }
    for call in calls {
        let response = in_time(call).await.unwrap().unwrap();
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
    }
    settle().await;
    assert!(handle.poll_request().is_pending());
    assert_eq!(world.source.fetches(), 2);
}

/// A client with one connection, which is free after the response was dropped.
struct OneConnection {
    free: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl OneConnection {
    fn new() -> Self {
        let free = Arc::new(Semaphore::new(1));
        Self { free, permit: None }
    }
}

impl Clone for OneConnection {
    fn clone(&self) -> Self {
        let free = Arc::clone(&self.free);
        Self { free, permit: None }
    }
}

impl Service<Request<Full<Bytes>>> for OneConnection {
    type Response = Response<OwnedSemaphorePermit>;
    type Error = Broken;
    type Future = std::future::Ready<Result<Response<OwnedSemaphorePermit>, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let free = Arc::clone(&self.free).try_acquire_owned();
        self.permit = Some(free.map_err(|_| Broken("the connection is in use"))?);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let dead = request.headers()["authorization"] == "Bearer fake-token-1";
        let mut response = Response::new(self.permit.take().unwrap());
        if dead {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_response_is_dropped_before_readiness_is_polled() {
    let world = World::warm().await;
    let call = world.over(OneConnection::new()).oneshot(get(URL));
    let response = in_time(call).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_older_token_is_dropped_before_readiness_is_polled() {
    // As above, without the wait for a token.
    let world = World::warm().await;
    let mut client = world.over(OneConnection::new());
    let call = start(&mut client, get(URL)).await;
    let first = world.authenticator.try_token().unwrap().generation();
    world.authenticator.report_refused(first);
    world.warm_up().await;
    assert_eq!(call.await.unwrap().status(), 200);
    assert_eq!(world.source.fetches(), 2);
}
