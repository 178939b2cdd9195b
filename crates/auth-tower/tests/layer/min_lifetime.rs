//! What `MinLifetimeLayer` promises to bodies that can be sent only once.

use std::time::Duration;

use auth_core::{Error, ErrorKind};
use auth_testkit::Outcome;
use auth_tower::{Auth, MinLifetime, MinLifetimeLayer, ReplayOff};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::ServiceBuilder;

use crate::support::{Api, FOREIGN, URL, World, get, in_time, send};

const MINUTE: Duration = Duration::from_secs(60);

type Client = MinLifetime<Auth<Api, ReplayOff>>;

fn client(world: &World, min: Duration) -> (Api, Client) {
    let api = Api::new();
    let layer = MinLifetimeLayer::new(world.authenticator.clone(), min);
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(world.layer().replay_off())
        .service(api.clone());
    (api, client)
}

fn upload(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("body")).unwrap()
}

/// With an hour's token, 30 minutes old.
async fn half_an_hour_later() -> World {
    let world = World::cold();
    world.warm_up().await;
    world.clock.advance(30 * MINUTE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_long_enough_does() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 20 * MINUTE);
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn g14_a_token_that_does_not_is_renewed_first() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 40 * MINUTE);
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_body_and_to_other_origins_do_not_ask() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 40 * MINUTE);
    in_time(send(&mut client, get(URL))).await.unwrap();
    in_time(send(&mut client, upload(FOREIGN))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn g10_tokens_that_never_live_so_long_cost_one_renewal_for_each_floor() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 90 * MINUTE);
    for _ in 0..10 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
    }
    assert_eq!((api.seen().len(), world.source.fetches()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn g04_a_renewal_that_fails_leaves_the_token_that_there_is() {
    let world = half_an_hour_later().await;
    let error = Error::new(ErrorKind::Unavailable, "example: no answer");
    world.source.always(Outcome::error(error));
    let (api, mut client) = client(&world, 40 * MINUTE);
    for _ in 0..10 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
    }
    assert_eq!((api.seen().len(), world.source.fetches()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn g15_without_any_token_the_layer_below_says_why() {
    let world = World::cold();
    let error = Error::new(ErrorKind::Rejected, "example: no such client");
    world.source.always(Outcome::error(error));
    let (api, mut client) = client(&world, MINUTE);
    let failed = in_time(send(&mut client, upload(URL))).await;
    assert!(
        matches!(failed, Err(auth_tower::Error::Auth(error)) if error.kind() == ErrorKind::Rejected)
    );
    assert_eq!(api.seen().len(), 0);
}
