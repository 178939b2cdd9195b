//! The guarantees of `MinLifetimeLayer` for bodies that can be sent only once.

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

/// A world with a token of one hour that is 30 minutes old.
async fn half_an_hour_later() -> World {
    let world = World::cold();
    world.warm_up().await;
    world.clock.advance(30 * MINUTE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_long_enough_is_used() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 20 * MINUTE);
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn g14_a_token_that_expires_too_early_is_renewed_first() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 40 * MINUTE);
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_body_and_to_other_origins_start_no_renewal() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 40 * MINUTE);
    in_time(send(&mut client, get(URL))).await.unwrap();
    in_time(send(&mut client, upload(FOREIGN))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn g10_tokens_that_always_expire_too_early_cost_one_renewal_per_floor() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 90 * MINUTE);
    for _ in 0..10 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
    }
    assert_eq!((api.seen().len(), world.source.fetches()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn g04_after_a_failed_renewal_the_current_token_is_used() {
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
async fn g15_without_a_token_the_layer_below_returns_the_error() {
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

/// Sends an upload for each `pause`, for one hour. Returns the number of token requests.
async fn upload_for_an_hour(world: &World, min: Duration, pause: Duration) -> usize {
    let (api, mut client) = client(world, min);
    let uploads = (60 * MINUTE).as_secs() / pause.as_secs();
    for _ in 0..uploads {
        in_time(send(&mut client, upload(URL))).await.unwrap();
        world.clock.advance(pause).await;
        settle().await;
    }
    assert_eq!(api.seen().len() as u64, uploads);
    world.source.fetches()
}

#[tokio::test(start_paused = true)]
async fn g10_tokens_that_always_expire_too_early_cost_one_more_renewal() {
    // Always the same text, or a new text each time.
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
    // Uploads during and after the minimum time between two token requests.
    for pause in [Duration::from_secs(1), 2 * MINUTE] {
        for short in [same as fn() -> World, new] {
            let plain = upload_for_an_hour(&short(), Duration::ZERO, pause).await;
            let asking = upload_for_an_hour(&short(), 20 * MINUTE, pause).await;
            assert!((6..=9).contains(&plain), "{pause:?} {plain}");
            assert!(
                (plain..=plain + 1).contains(&asking),
                "{pause:?} {plain} {asking}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_long_enough_permits_renewals_again() {
    let world = World::cold();
    world.source.then(ten_minutes()).then(ten_minutes());
    let (api, mut client) = client(&world, 20 * MINUTE);
    world.warm_up().await;
    world.clock.advance(MINUTE).await;
    for _ in 0..3 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
    }
    assert_eq!(world.source.fetches(), 2);
    // The next token lives for one hour, and after 45 minutes a renewal is due again.
    world.clock.advance(20 * MINUTE).await;
    in_time(send(&mut client, upload(URL))).await.unwrap();
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!(world.source.fetches(), 3);
    world.clock.advance(45 * MINUTE).await;
    in_time(send(&mut client, upload(URL))).await.unwrap();
    assert_eq!((api.seen().len(), world.source.fetches()), (6, 4));
}

/// No upload in between sees that the renewed token lives long enough.
#[tokio::test(start_paused = true)]
async fn a_renewed_token_that_lived_long_enough_is_renewed_when_it_no_longer_does() {
    let world = half_an_hour_later().await;
    let (api, mut client) = client(&world, 40 * MINUTE);
    for _ in 0..3 {
        in_time(send(&mut client, upload(URL))).await.unwrap();
        world.clock.advance(30 * MINUTE).await;
    }
    assert_eq!(
        api.tokens(),
        ["fake-token-2", "fake-token-3", "fake-token-4"]
    );
    assert_eq!(world.source.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn g13_a_request_with_its_own_credentials_does_not_wait_and_starts_no_renewal() {
    for world in [half_an_hour_later().await, World::cold()] {
        let fetches = world.source.fetches();
        // A request that waited would never end.
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
        // The instance that was made ready is the one that is called.
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
