//! What `MinLifetimeLayer` promises to bodies that can be sent only once.

use std::time::Duration;

use auth_core::{AccessToken, Error, ErrorKind};
use auth_testkit::{Gate, Outcome};
use auth_tower::{Auth, MinLifetime, MinLifetimeLayer, ReplayOff};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tower::ServiceBuilder;

use crate::support::{Api, FOREIGN, URL, World, get, in_time, send, settle, start};

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
    let error = Error::new(ErrorKind::Unavailable, "no answer");
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
    let error = Error::new(ErrorKind::Rejected, "no such client");
    world.source.always(Outcome::error(error));
    let (api, mut client) = client(&world, MINUTE);
    let failed = in_time(send(&mut client, upload(URL))).await;
    assert!(
        matches!(failed, Err(auth_tower::Error::Auth(error)) if error.kind() == ErrorKind::Rejected)
    );
    assert_eq!(api.seen().len(), 0);
}

fn ten_minutes() -> Outcome {
    Outcome::token(AccessToken::new("fake-short").expires_in(10 * MINUTE))
}

/// Uploads each second for an hour; returns how many token requests there were.
async fn upload_for_an_hour(world: &World, min: Duration) -> usize {
    let (api, mut client) = client(world, min);
    for _ in 0..3_600 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
        world.clock.advance(Duration::from_secs(1)).await;
        settle().await;
    }
    assert_eq!(api.seen().len(), 3_600);
    world.source.fetches()
}

#[tokio::test(start_paused = true)]
async fn g10_tokens_that_never_live_so_long_cost_one_renewal_more() {
    // Always the same text, or a new one each time.
    let same = || {
        let world = World::cold();
        world.source.always(ten_minutes());
        world
    };
    let new = || {
        let world = World::cold();
        for number in 0..20 {
            let token = AccessToken::new(format!("fake-short-{number}"));
            let outcome = Outcome::token(token.expires_in(10 * MINUTE));
            world.source.then(outcome);
        }
        world
    };
    for short in [same as fn() -> World, new] {
        let plain = upload_for_an_hour(&short(), Duration::ZERO).await;
        let asking = upload_for_an_hour(&short(), 20 * MINUTE).await;
        assert!((6..=9).contains(&plain), "{plain}");
        assert!((plain..=plain + 1).contains(&asking), "{plain} {asking}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_long_enough_ends_the_doubt() {
    let world = World::cold();
    world.source.then(ten_minutes()).then(ten_minutes());
    let (api, mut client) = client(&world, 20 * MINUTE);
    world.warm_up().await;
    world.clock.advance(MINUTE).await;
    for _ in 0..3 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
    }
    assert_eq!(world.source.fetches(), 2);
    // The next one lives for an hour, and after 45 minutes a renewal is asked for again.
    world.clock.advance(20 * MINUTE).await;
    in_time(send(&mut client, upload(URL))).await.unwrap();
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!(world.source.fetches(), 3);
    world.clock.advance(45 * MINUTE).await;
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (6, 4));
}

#[tokio::test(start_paused = true)]
async fn g13_a_request_with_its_own_credentials_does_not_wait_and_asks_for_nothing() {
    for world in [half_an_hour_later().await, World::cold()] {
        let fetches = world.source.fetches();
        // Whoever waited would wait for ever.
        let gate = Gate::new();
        world.source.always(Outcome::fresh().after(&gate));
        let (api, mut client) = client(&world, 40 * MINUTE);
        let mut request = upload(URL);
        let own = HeaderValue::from_static("Bearer fake-own");
        request.headers_mut().insert("authorization", own);
        in_time(send(&mut client, request)).await.unwrap();
        let mut request = upload(URL);
        let host = HeaderValue::from_static("evil.example");
        request.headers_mut().insert("host", host);
        in_time(send(&mut client, request)).await.unwrap();
        assert_eq!(api.tokens(), ["fake-own", "none"]);
        // The service that was made ready is the one that is called.
        assert_eq!((api.readied(), world.source.fetches()), (2, fetches));
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_that_start_together_wait_for_one_renewal() {
    let world = half_an_hour_later().await;
    let gate = world.gate();
    let (api, mut client) = client(&world, 40 * MINUTE);
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(tokio::spawn(start(&mut client, upload(URL)).await));
    }
    in_time(gate.reached(1)).await;
    settle().await;
    assert_eq!(api.calls(), 0);
    gate.open();
    for call in calls {
        in_time(call).await.unwrap().unwrap();
    }
    assert_eq!((api.calls(), world.source.fetches()), (10, 2));
    assert!(api.tokens().iter().all(|token| token == "fake-token-2"));
}
