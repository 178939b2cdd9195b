//! T20: the number of sends is limited also with `reqwest-retry`.

use auth_core::ErrorKind;
use auth_testkit::Reply;
use reqwest::Response;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::{
    DefaultRetryableStrategy, RetryDecision, RetryError, RetryPolicy, RetryTransientMiddleware,
    Retryable, RetryableStrategy,
};

use crate::support::{World, http, outcome};

const RETRIES: u32 = 3;
const BOUND: u64 = 2 * (RETRIES as u64 + 1);

/// Retries without a pause.
#[derive(Clone, Copy)]
struct AtOnce;

impl RetryPolicy for AtOnce {
    fn should_retry(&self, start: std::time::SystemTime, retries: u32) -> RetryDecision {
        if retries < RETRIES {
            let execute_after = start;
            RetryDecision::Retry { execute_after }
        } else {
            RetryDecision::DoNotRetry
        }
    }
}

/// Retries a 401 too, which is the worst case.
struct Stubborn;

impl RetryableStrategy for Stubborn {
    fn handle(&self, result: &reqwest_middleware::Result<Response>) -> Option<Retryable> {
        match result {
            Ok(response) if response.status() == 401 => Some(Retryable::Transient),
            other => DefaultRetryableStrategy.handle(other),
        }
    }
}

/// In the order of the documentation.
fn outside(world: &World) -> ClientWithMiddleware {
    ClientBuilder::new(http())
        .with(RetryTransientMiddleware::new_with_policy(AtOnce))
        .with(world.middleware())
        .build()
}

fn inside(world: &World) -> ClientWithMiddleware {
    ClientBuilder::new(http())
        .with(world.middleware())
        .with(RetryTransientMiddleware::new_with_policy(AtOnce))
        .build()
}

fn stubborn() -> RetryTransientMiddleware<AtOnce, Stubborn> {
    RetryTransientMiddleware::new_with_policy_and_strategy(AtOnce, Stubborn)
}

type Build = fn(&World) -> ClientWithMiddleware;
const BOTH: [Build; 2] = [outside, inside];

/// Sends one request. Returns the last status, and how many requests API and token endpoint
/// received.
async fn send(world: &World, client: &ClientWithMiddleware) -> (u16, u64, u64) {
    let request = client.post(world.url()).body("a body");
    let status = request.send().await.unwrap().status().as_u16();
    let (api, token) = world.counts();
    assert!(
        world
            .seen()
            .iter()
            .all(|request| request.expose_body() == "a body")
    );
    (status, api, token)
}

#[tokio::test]
async fn t20_an_api_that_always_refuses_receives_two_sends() {
    for build in BOTH {
        let world = World::warm().await;
        world.server.always_refuse(true);
        assert_eq!(send(&world, &build(&world)).await, (401, 2, 2));
    }
}

#[tokio::test]
async fn t20_an_api_that_is_down_receives_one_send_per_try() {
    for build in BOTH {
        let world = World::warm().await;
        world.server.api().always(Reply::status(503));
        assert_eq!(send(&world, &build(&world)).await, (503, 4, 1));
    }
}

#[tokio::test]
async fn a_retry_is_signed_like_a_first_try() {
    for build in BOTH {
        let world = World::warm().await;
        world.server.api().times(2, Reply::status(503));
        assert_eq!(send(&world, &build(&world)).await, (200, 3, 1));
    }
}

/// The outer middleware retries a signed request; the inner one retries each send of
/// `AuthMiddleware`.
#[tokio::test]
async fn t20_alternating_refusals_and_failures_stay_within_the_limit() {
    let world = World::warm().await;
    for _ in 0..=RETRIES {
        let script = world.server.api();
        script.then(Reply::refuse()).then(Reply::status(503));
    }
    // The second token is on trial: after a refusal it is sent again, and no token is requested.
    assert_eq!(send(&world, &outside(&world)).await, (503, BOUND, 2));

    let world = World::warm().await;
    let script = world.server.api();
    script.times(3, Reply::status(503)).then(Reply::refuse());
    script.always(Reply::status(503));
    assert_eq!(send(&world, &inside(&world)).await, (503, BOUND, 2));
}

#[tokio::test]
async fn t20_retries_of_refusals_stay_within_the_limit() {
    let world = World::warm().await;
    world.server.always_refuse(true);
    let client = ClientBuilder::new(http())
        .with(stubborn())
        .with(world.middleware())
        .build();
    // The first try replaces the token. The others send the second token twice, because it is on
    // trial.
    assert_eq!(send(&world, &client).await, (401, BOUND, 2));

    let world = World::warm().await;
    world.server.always_refuse(true);
    let client = ClientBuilder::new(http())
        .with(world.middleware())
        .with(stubborn())
        .build();
    assert_eq!(send(&world, &client).await, (401, BOUND, 2));
}

#[tokio::test]
async fn the_outcome_counts_the_sends_of_the_middleware() {
    for build in BOTH {
        let world = World::warm().await;
        world.server.api().then(Reply::status(503));
        world.server.revoke_all();
        let response = build(&world).get(world.url()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!((outcome(&response).sends(), world.counts()), (2, (3, 2)));
    }
}

#[tokio::test]
async fn t20_a_vendor_that_is_down_does_not_get_a_token_request_per_try() {
    let world = World::start().await;
    world.server.token().always(Reply::status(503));
    let request = outside(&world).get(world.url());
    let error = request.send().await.unwrap_err();
    assert_eq!(world.counts(), (0, 1));
    assert_eq!(why(&error).unwrap().kind(), ErrorKind::Unavailable);
}

/// As in the documentation.
fn why(error: &reqwest_middleware::Error) -> Option<&auth_core::Error> {
    let reqwest_middleware::Error::Middleware(error) = error else {
        return None;
    };
    match error.downcast_ref()? {
        RetryError::WithRetries { err, .. } | RetryError::Error(err) => match err {
            reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
            reqwest_middleware::Error::Reqwest(_) => None,
        },
    }
}
