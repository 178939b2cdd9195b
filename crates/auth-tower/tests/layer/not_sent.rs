//! A request that is not sent returns the ready service, with the permit that it holds.

use auth_core::{AuthenticatorMap, ErrorKind};
use auth_testkit::Outcome;
use auth_tower::{AuthLayer, Error, ExistingCredential, MinLifetimeLayer};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder};

use crate::support::{Api, URL, World, get, in_time, poll, ready, send, settle};

fn their_own() -> Request<Full<Bytes>> {
    let mut request = get(URL);
    let own = HeaderValue::from_static("Bearer fake-own");
    request.headers_mut().insert("authorization", own);
    request
}

fn authenticators() -> AuthenticatorMap {
    let failing =
        AuthenticatorMap::builder(|_| Err(auth_core::Error::config("subject", "is not known")));
    failing.build().unwrap()
}

/// Calls the client, and checks who holds a permit before the future is polled.
async fn assert_given_back<S>(mut client: S, api: &Api, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>, Error: std::fmt::Debug>,
{
    ready(&mut client).await;
    assert_eq!(api.holding(), 1);
    let call = client.call(request);
    assert_eq!(
        api.holding(),
        0,
        "a permit is held although nothing is sent"
    );
    assert!(in_time(call).await.is_err());
    assert_eq!((api.calls(), api.holding()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn t18_a_rejected_request_returns_its_permit() {
    let world = World::warm().await;
    let api = Api::new();
    let client = world
        .layer()
        .existing(ExistingCredential::Reject)
        .layer(api.clone());
    assert_given_back(client, &api, their_own()).await;
}

#[tokio::test(start_paused = true)]
async fn t18_a_request_without_a_key_returns_its_permit() {
    let api = Api::new();
    let client = AuthLayer::keyed(authenticators()).layer(api.clone());
    assert_given_back(client, &api, get(URL)).await;
}

#[tokio::test(start_paused = true)]
async fn t18_a_request_whose_key_has_no_authenticator_returns_its_permit() {
    let api = Api::new();
    let client = AuthLayer::keyed(authenticators()).layer(api.clone());
    let mut request = get(URL);
    let key = auth_core::Key::builder("example").build();
    request.extensions_mut().insert(key);
    assert_given_back(client, &api, request).await;
}

#[tokio::test(start_paused = true)]
async fn t18_a_request_that_gets_no_token_returns_its_permit() {
    let world = World::cold();
    let error = auth_core::Error::new(ErrorKind::Rejected, "no such client");
    world.source.always(Outcome::error(error));
    let api = Api::new();
    assert_given_back(world.over(api.clone()), &api, get(URL)).await;

    // Also with a renewal by `MinLifetimeLayer` above.
    let min = std::time::Duration::from_secs(60);
    let client = ServiceBuilder::new()
        .layer(MinLifetimeLayer::new(world.authenticator.clone(), min))
        .layer(world.layer())
        .service(api.clone());
    let upload = Request::post(URL).body(Full::from("body")).unwrap();
    assert_given_back(client, &api, upload).await;
}

#[tokio::test(start_paused = true)]
async fn t18_the_next_request_gets_the_place_of_one_that_is_not_sent() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .layer(world.layer().existing(ExistingCredential::Reject))
        .concurrency_limit(1)
        .service(api.clone());
    ready(&mut client).await;
    // Kept, and never polled.
    let mut rejected = client.call(their_own());
    send(&mut client, get(URL)).await.unwrap();
    let error = poll(&mut rejected);
    assert!(matches!(error, std::task::Poll::Ready(Err(Error::Auth(_)))));
    settle().await;
    assert_eq!((api.calls(), api.holding()), (1, 0));
}
