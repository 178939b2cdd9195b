//! Cancelled requests.

use auth_testkit::{Gate, Reply};
use tokio::select;

use crate::support::World;

#[tokio::test]
async fn a_cancelled_request_does_not_cancel_the_token_request() {
    let world = World::start().await;
    let gate = Gate::new();
    world
        .server
        .token()
        .then(Reply::normal().answer_after(&gate));
    let client = world.client();
    select! {
        _ = client.get(world.url()).send() => panic!("answered"),
        () = world.server.token_requests_reached(1) => {}
    }
    gate.open();
    let response = client.get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (1, 1)));
}

#[tokio::test]
async fn a_dropped_future_cancels_its_request() {
    let world = World::warm().await;
    world.server.api().then(Reply::never());
    let client = world.client();
    select! {
        _ = client.get(world.url()).send() => panic!("answered"),
        () = world.server.api_requests_reached(1) => {}
    }
    let gone = world
        .server
        .counters_reached(|seen| seen.api_in_flight == 0);
    gone.await;
    let response = client.get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (2, 1)));
}
