//! G3: one token request for all callers, also when callers are cancelled.

use std::{future::Future, pin::pin, time::Duration};

use auth_testkit::{Gate, Outcome, Reply, ScriptedSource, TestServer};
use auth_tower::AuthLayer;
use tokio::{task::JoinSet, time};
use tower::{ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};

use crate::support::{SECOND, Stack, elapse, machine, soon};

#[tokio::test(start_paused = true)]
async fn g03_ten_thousand_callers_cost_one_token_request() {
    let (callers, token_requests) = ten_thousand_callers().await;
    test_report::figure!(
        "G3: {} token request for {} callers",
        token_requests => 1,
        callers => 10_000,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g03_ten_thousand_callers_on_four_threads_cost_one_token_request() {
    assert_eq!(ten_thousand_callers().await, (10_000, 1));
}

/// Returns the number of callers, and of token requests.
async fn ten_thousand_callers() -> (usize, usize) {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    let authenticator = machine(source.clone());
    let mut callers = JoinSet::new();
    for _ in 0..10_000 {
        callers.spawn(authenticator.token());
    }
    let number = callers.len();
    soon(gate.reached(1)).await;
    gate.open();
    for token in soon(callers.join_all()).await {
        assert_eq!(token.unwrap().generation().get(), 1);
    }
    (number, source.fetches())
}

#[tokio::test(start_paused = true)]
async fn g03_dropping_9999_of_10000_then_all_neither_cancels_nor_repeats() {
    let source = ScriptedSource::new();
    let gates = [Gate::new(), Gate::new()];
    for gate in &gates {
        source.then(Outcome::fresh().after(gate));
    }
    let authenticator = machine(source.clone());
    let mut callers = waiting(&authenticator, 10_000).await;
    let last = callers.pop().unwrap();
    drop(callers);
    gates[0].open();
    assert_eq!(last.await.unwrap().generation().get(), 1);
    assert_eq!(source.fetches(), 1);

    // Once more, and no caller is left.
    let generation = authenticator.try_token().unwrap().generation();
    elapse(2 * SECOND).await;
    authenticator.report_accepted(generation);
    authenticator.report_refused(generation);
    let callers = waiting(&authenticator, 10_000).await;
    soon(gates[1].reached(1)).await;
    drop(callers);
    gates[1].open();
    elapse(Duration::from_millis(1)).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 2);
    assert_eq!((source.fetches(), source.max_in_flight()), (2, 1));
}

/// Makes callers that all wait.
async fn waiting(
    authenticator: &auth_core::Authenticator,
    count: usize,
) -> Vec<auth_core::Acquire> {
    let mut callers: Vec<_> = (0..count).map(|_| authenticator.token()).collect();
    for caller in &mut callers {
        assert!(crate::support::poll_once(caller).is_pending());
    }
    elapse(Duration::from_millis(1)).await;
    callers
}

#[tokio::test(start_paused = true)]
async fn g03_requests_cancelled_at_any_time_do_not_affect_others() {
    let stack = Stack::new();
    let gate = Gate::new();
    stack
        .server
        .token()
        .then(Reply::normal().answer_after(&gate));
    let mut requests = JoinSet::new();
    for number in 0..1_000_u64 {
        let send = stack.client().oneshot(stack.request());
        requests.spawn(async move {
            // Every second caller is cancelled, each at a different time.
            let latency_budget = if number % 2 == 0 { 10_000 } else { number };
            time::timeout(Duration::from_millis(latency_budget), send).await
        });
    }
    soon(stack.server.token_requests_reached(1)).await;
    elapse(5 * SECOND).await;
    gate.open();
    let answers = soon(requests.join_all()).await;
    let patient = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(patient, 500);
    for answer in answers.into_iter().flatten() {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.api_status(200)), (1, 500));
}

#[tokio::test(start_paused = true)]
async fn g03_a_call_that_is_started_and_parked_blocks_no_other_in_the_same_task() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    let authenticator = machine(source.clone());
    let mut parked = authenticator.token();
    park(&mut parked).await;
    gate.open();
    let token = time::timeout(SECOND, authenticator.token()).await.unwrap();
    assert_eq!(token.unwrap().generation().get(), 1);
    assert_eq!(parked.await.unwrap().generation().get(), 1);
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn g03_a_parked_request_holds_no_permit_while_it_waits_for_a_token() {
    let stack = Stack::new();
    let gate = Gate::new();
    stack
        .server
        .token()
        .then(Reply::normal().answer_after(&gate));
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(stack.authenticator.clone()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(stack.server.service());
    let mut parked = pin!(client.clone().oneshot(stack.request()));
    park(parked.as_mut()).await;
    gate.open();
    let other = time::timeout(SECOND, client.oneshot(stack.request())).await;
    assert_eq!(other.unwrap().unwrap().status(), 200);
    assert_eq!(parked.await.unwrap().status(), 200);
    assert_eq!(stack.server.counters().token_requests, 1);
}

/// Polls a call by reference until a timer fires, as `select!` in a loop does.
async fn park(mut call: impl Future + Unpin) {
    tokio::select! {
        biased;
        _ = &mut call => panic!("there was nothing to return"),
        () = elapse(SECOND) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn g03_the_cold_start_of_a_thousand_requests_costs_one_token_request() {
    let stack = Stack::with(TestServer::builder(), |options| options);
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        requests.spawn(stack.client().oneshot(stack.request()));
    }
    for answer in soon(requests.join_all()).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (1, 1_000));
}
