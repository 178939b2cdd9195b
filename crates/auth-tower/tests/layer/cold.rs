//! Without a cached token: the request waits for one, and delays no other request.

use std::{task::Poll, time::Duration};

use auth_core::AccessToken;
use auth_testkit::{Gate, Outcome};
use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceExt};
use tower_test::mock;

use crate::support::{
    Api, Broken, FOREIGN, URL, World, get, in_time, ok, poll, ready, send, settle, start,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_its_token_and_the_outcome_says_so() {
    let world = World::cold();
    world.source.then(Outcome::fresh().delay(3 * SECOND));
    let api = Api::new();
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(api.tokens(), ["fake-token-1"]);
    let outcome = AuthOutcome::of(&response);
    assert_eq!(outcome.waited(), 3 * SECOND);
    assert_eq!(outcome.sends(), 1);
    assert_eq!(outcome.generation().unwrap().get(), 1);
    assert!(!outcome.was_refused() && outcome.not_replayed().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_ready_service_is_returned_and_made_ready_again() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let mut client = world.over(api.clone());
    ready(&mut client).await;
    assert_eq!((api.readied(), api.holding()), (1, 1));

    let mut response = client.call(get(URL));
    assert!(poll(&mut response).is_pending());
    in_time(gate.reached(1)).await;
    assert_eq!((api.holding(), api.calls()), (0, 0), "held while waiting");
    gate.open();
    // The API panics if it is called without being ready.
    in_time(response).await.unwrap();
    assert_eq!((api.readied(), api.holding(), api.calls()), (2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_holds_no_permit() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let mut client = world.over_one_place(&api);

    let waiting = tokio::spawn(start(&mut client, get(URL)).await);
    in_time(gate.reached(1)).await;
    // The one permit is free for a request that needs no token.
    let foreign = send(&mut client, get(FOREIGN)).await;
    assert_eq!(foreign.unwrap().status(), 200);
    assert_eq!(api.tokens(), ["none"]);

    gate.open();
    assert_eq!(in_time(waiting).await.unwrap().unwrap().status(), 200);
    assert_eq!(api.tokens(), ["none", "fake-token-1"]);
}

#[tokio::test(start_paused = true)]
async fn g3_a_thousand_cold_requests_cost_one_token_request() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let client = world.over_one_place(&api);
    let calls: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(client.clone().oneshot(get(URL))))
        .collect();
    in_time(gate.reached(1)).await;
    settle().await;
    gate.open();
    for call in calls {
        assert_eq!(in_time(call).await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(world.source.fetches(), 1);
    assert_eq!(api.tokens(), vec!["fake-token-1"; 1000]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_after_the_wait_is_returned() {
    let world = World::cold();
    let (service, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<()>>();
    let mut client = world.over(service);
    let call = start(&mut client, get(URL)).await;
    handle.send_error(Broken("not ready"));
    let Err(Error::Inner(error)) = call.await else {
        panic!("an error of readiness got lost");
    };
    assert_eq!(error.downcast_ref(), Some(&Broken("not ready")));
}

/// Starts a request that has a token and waits for readiness.
macro_rules! readying {
    ($world:ident, $handle:ident, $call:ident) => {
        let (service, mut $handle) = mock::pair::<Request<Full<Bytes>>, Response<_>>();
        let mut client = $world.over(service);
        ready(&mut client).await;
        $handle.allow(0);
        let mut $call = tokio::spawn(client.call(get(URL)));
        in_time($world.source.fetches_reached(1)).await;
        settle().await;
        assert!($world.authenticator.try_token().is_some());
        assert!(poll(&mut $call).is_pending());
        assert!($handle.poll_request().is_pending());
    };
}

#[tokio::test(start_paused = true)]
async fn a_token_renewed_while_readiness_is_pending_is_used() {
    let world = World::cold();
    readying!(world, handle, call);
    let first = world.authenticator.try_token().unwrap().generation();
    // Other requests have sent the first token meanwhile.
    world.authenticator.report_accepted(first);
    world.authenticator.report_refused(first);
    world.warm_up().await;

    handle.allow(1);
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer fake-token-2");
    reply.send_response(ok());
    let outcome = AuthOutcome::of(&in_time(call).await.unwrap().unwrap());
    assert_eq!(outcome.generation().unwrap().get(), 2);
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g20_a_token_that_expired_while_readiness_was_pending_is_requested_again() {
    let world = World::cold();
    let gate = Gate::new();
    world.source.then(Outcome::fresh());
    world.source.then(Outcome::fresh().after(&gate));
    readying!(world, handle, call);
    world.clock.advance(3600 * SECOND).await;

    // Ready with an expired token: the one place is returned while the next token is requested.
    handle.allow(1);
    in_time(gate.reached(1)).await;
    settle().await;
    assert!(handle.poll_request().is_pending(), "sent an expired token");
    gate.open();
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer fake-token-2");
    reply.send_response(ok());
    in_time(call).await.unwrap().unwrap();
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_even_if_tokens_expire_before_readiness() {
    // Each token request brings a token that only the waiting requests may use.
    let world = World::cold();
    let stillborn = AccessToken::new("fake-stillborn").expires_in(Duration::ZERO);
    world.source.always(Outcome::token(stillborn));
    let (service, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<_>>();
    let mut client = world.over(service);
    ready(&mut client).await;
    handle.allow(0);
    let call = tokio::spawn(client.call(get(URL)));
    for round in 1..=3 {
        in_time(world.source.fetches_reached(round)).await;
        settle().await;
        handle.allow(1);
        settle().await;
        handle.allow(0);
    }
    handle.allow(1);
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer fake-stillborn");
    reply.send_response(ok());
    in_time(call).await.unwrap().unwrap();
    assert_eq!(world.source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_for_waiting_requests_only_is_used_by_them() {
    let world = World::cold();
    let stillborn = AccessToken::new("fake-stillborn").expires_in(Duration::ZERO);
    world.source.then(Outcome::token(stillborn));
    let api = Api::new();
    in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(api.tokens(), ["fake-stillborn"]);
    assert!(world.authenticator.try_token().is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_the_first_poll() {
    let world = World::cold();
    let api = Api::new();
    let mut client = world.over(api.clone());
    let mut call = start(&mut client, get(URL)).await;
    settle().await;
    assert_eq!((world.source.fetches(), api.calls()), (0, 0));
    assert_eq!(poll(&mut call).map(|_| ()), Poll::Pending);
    in_time(world.source.fetches_reached(1)).await;
}
