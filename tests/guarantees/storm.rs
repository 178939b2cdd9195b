//! G7 and G9 under load: many refusals at once, and an API that refuses for an hour.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::Quota;
use auth_testkit::{Gate, Reply, ScriptedSource};
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{API, Answer, HOUR, SECOND, Stack, elapse, machine, machine_with, soon};

#[tokio::test(start_paused = true)]
async fn g07_a_storm_of_a_thousand_refusals_costs_one_exchange() {
    let stack = Stack::new();
    stack.get_well().await;
    // A thousand requests with the first token are at the API when it is revoked.
    let gate = Gate::new();
    stack
        .server
        .api()
        .times(1_000, Reply::normal().process_after(&gate));
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        requests.spawn(stack.client().oneshot(stack.request()));
    }
    soon(gate.reached(1_000)).await;
    stack.server.revoke_all();
    gate.open();
    for answer in soon(requests.join_all()).await {
        let answer = Answer::read(answer.unwrap()).await;
        assert_eq!((answer.status, answer.outcome.sends()), (200, 2));
    }
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.max_token_in_flight), (2, 1));
    assert_eq!((seen.api_status(401), seen.api_status(200)), (1_000, 1_001));
}

/// What an API that refuses everything has to bear, and what its client costs the vendor.
#[derive(Debug)]
struct Toll {
    exchanges: usize,
    requests: u64,
    sends: u64,
    /// Requests that were not sent, because there was no token.
    failed: u64,
}

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_for_an_hour_costs_a_dozen_token_requests() {
    let source = ScriptedSource::new();
    let toll = refused_for(HOUR, source.clone(), machine(source)).await;
    assert_eq!((toll.requests, toll.failed), (72_000, 0));
    assert!((4..=12).contains(&toll.exchanges), "{toll:?}");
    // Two in a hundred are sent twice at most.
    assert!(toll.sends * 100 <= toll.requests * 102, "{toll:?}");
}

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_cannot_drain_the_quota() {
    let source = ScriptedSource::new();
    let quota = Quota::new(20, HOUR).unwrap();
    let authenticator = machine_with(source.clone(), |options| options.quota(quota));
    let toll = refused_for(HOUR, source.clone(), authenticator.clone()).await;
    assert!((4..=12).contains(&toll.exchanges), "{toll:?}");
}

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_nearly_everything_leaves_the_quotas_reserve_alone() {
    // An acceptance now and then ends each trial, so that refusals lead to renewals.
    for accepted_in in [2, 5, 20, 100] {
        let source = ScriptedSource::new();
        let quota = Quota::new(20, HOUR).unwrap();
        let authenticator = machine_with(source.clone(), |options| options.quota(quota));
        let mut failed = 0;
        for second in 0..HOUR.as_secs() {
            match authenticator.token().await {
                Ok(token) if second % accepted_in == 0 => {
                    authenticator.accepted(token.generation());
                }
                Ok(token) => drop(authenticator.refuse(token.generation())),
                Err(_) => failed += 1,
            }
            elapse(SECOND).await;
        }
        // Refusals that repeat leave four slots to tokens that expire. A refusal long after the last
        // one may take such a slot, as that of a revoked token does.
        let requests = source.fetches();
        println!(
            "one of {accepted_in} accepted: {requests} token requests, {failed} without a token"
        );
        assert!((10..20).contains(&requests), "{requests} token requests");
    }
}

/// Sends 20 requests a second to an API that answers nothing but 401.
async fn refused_for(
    duration: Duration,
    source: ScriptedSource,
    authenticator: auth_core::Authenticator,
) -> Toll {
    let sends = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sends);
    let api = move |_: Request<Full<Bytes>>| -> Ready<Result<Response<()>, Infallible>> {
        count.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        ready(Ok(response))
    };
    let client = AuthLayer::new(authenticator).layer(service_fn(api));
    let (mut requests, mut failed) = (0, 0);
    let mut under_way = JoinSet::new();
    for _ in 0..duration.as_secs() * 20 {
        let request = Request::get(API).body(Full::default()).unwrap();
        under_way.spawn(client.clone().oneshot(request));
        requests += 1;
        elapse(SECOND / 20).await;
    }
    for answered in soon(under_way.join_all()).await {
        match answered {
            Ok(response) => {
                assert_eq!(response.status(), 401);
                assert!(AuthOutcome::of(&response).sends() <= 2);
            }
            Err(_) => failed += 1,
        }
    }
    Toll {
        exchanges: source.fetches(),
        requests,
        sends: sends.load(Ordering::Relaxed),
        failed,
    }
}
