//! G7 and G9: one refusal is information about one request, not about the token of all callers.

use std::time::Duration;

use auth_core::{AccessToken, Quota};
use auth_testkit::{Outcome, Reply, ScriptedSource};
use tower::ServiceExt;

use crate::{
    support::{
        Answer, HOUR, MINUTE, SECOND, Stack, elapse, machine, machine_with, soon, unavailable,
    },
    traffic::{API_TIME, revoked_under, traffic},
};

#[tokio::test(start_paused = true)]
async fn g07_one_percent_false_refusals_at_a_thousand_requests_per_second_cause_no_outage() {
    let source = ScriptedSource::new();
    source.always(Outcome::fresh().delay(SECOND / 5));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    let mut seen = traffic(
        &authenticator,
        |number| number % 100 == 0,
        60_000,
        SECOND / 1_000,
    )
    .await;
    let requests = source.fetches();
    println!(
        "60 s: p50 {:?}, longest {:?}, {} refused, {} failed, {requests} token requests",
        seen.median(),
        seen.longest(),
        seen.refused,
        seen.failed,
    );
    // Timers have a resolution of one millisecond.
    assert!(seen.median() <= API_TIME + API_TIME);
    assert_eq!(seen.failed, 0);
    assert!(seen.refused <= 600, "{} refused", seen.refused);
    // No request waits longer than for the replacement of a refused token.
    assert!(
        seen.longest() <= 2 * SECOND + SECOND / 4,
        "{:?}",
        seen.longest()
    );
    assert!(requests <= 10, "{requests} token requests");
}

#[tokio::test(start_paused = true)]
async fn g07_an_hour_of_false_refusals_costs_about_one_token_request_per_minute() {
    let source = ScriptedSource::new();
    source.always(Outcome::fresh().delay(SECOND / 5));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    let seen = traffic(
        &authenticator,
        |number| number % 100 == 0,
        72_000,
        SECOND / 20,
    )
    .await;
    let requests = source.fetches();
    println!(
        "an hour: longest {:?}, {} refused, {} failed, {requests} token requests",
        seen.longest(),
        seen.refused,
        seen.failed,
    );
    assert_eq!(seen.failed, 0);
    assert!(seen.refused <= 720, "{} refused", seen.refused);
    assert!((50..=75).contains(&requests), "{requests} token requests");
}

#[tokio::test(start_paused = true)]
async fn g07_one_false_refusal_without_another_token_fails_one_request() {
    let token = AccessToken::new("fake-token-kept").expires_in(HOUR);
    for (what, outcome) in [
        ("500", Outcome::error(unavailable())),
        ("silence", Outcome::never()),
        ("the same text", Outcome::token(token.clone())),
        (
            "an expired token",
            Outcome::token(AccessToken::new("fake-token-dead").expires_in(Duration::ZERO)),
        ),
        ("a panic", Outcome::panic()),
    ] {
        let source = ScriptedSource::new();
        source.then(Outcome::token(token.clone())).always(outcome);
        let authenticator = machine(source.clone());
        let first = authenticator.token().await.unwrap();
        authenticator.report_accepted(first.generation());
        elapse(MINUTE).await;
        let seen = traffic(&authenticator, |number| number == 20, 800, SECOND / 20).await;
        println!(
            "{what}: longest {:?}, {} refused, {} failed",
            seen.longest(),
            seen.refused,
            seen.failed
        );
        // A token that has expired on arrival is sent once, and this API accepts it.
        let refused = usize::from(what != "an expired token");
        assert_eq!((seen.refused, seen.failed), (refused, 0), "{what}");
        let mut longest = seen.took.clone();
        longest.sort_unstable();
        // Only the refused request may wait for the end of the token request.
        let others = longest[longest.len() - 2];
        assert!(others <= 2 * SECOND + 2 * API_TIME, "{what}: {others:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g07_false_refusals_under_verdigris_quota_fail_no_other_request() {
    let source = ScriptedSource::new();
    let quota = Quota::new(20, HOUR).unwrap();
    let authenticator = machine_with(source.clone(), |options| options.quota(quota));
    let first = authenticator.token().await.unwrap();
    authenticator.report_accepted(first.generation());
    elapse(SECOND).await;
    // Five requests per second for three hours, and one false refusal every two minutes.
    let seen = traffic(
        &authenticator,
        |number| number % 600 == 0,
        3 * 3_600 * 5,
        SECOND / 5,
    )
    .await;
    println!(
        "{} refused, {} failed, {} token requests",
        seen.refused,
        seen.failed,
        source.fetches()
    );
    assert_eq!(seen.failed, 0);
    assert!(seen.refused <= 90, "{} refused", seen.refused);
    assert!(seen.longest() <= SECOND, "{:?}", seen.longest());
    assert!(
        source.fetches() <= 3 * 16 + 3,
        "{} token requests",
        source.fetches()
    );
}

#[tokio::test(start_paused = true)]
async fn g07_a_revocation_with_a_thousand_requests_in_progress_costs_one_token_request() {
    let stack = Stack::new();
    let renewal = Reply::normal().delay(SECOND);
    let mut requests = revoked_under(&stack, 1_000, renewal).await;
    // Requests that arrive meanwhile wait for the new token, and are not refused.
    for _ in 0..50 {
        elapse(SECOND / 100).await;
        requests.spawn(stack.client().oneshot(stack.request()));
    }
    let mut twice = 0;
    for answer in soon(requests.join_all()).await {
        let answer = Answer::read(answer.unwrap()).await;
        assert_eq!(answer.status, 200);
        twice += usize::from(answer.outcome.sends() == 2);
    }
    assert_eq!(twice, 1_000);
    assert_eq!(stack.server.counters().token_requests, 2);
}
