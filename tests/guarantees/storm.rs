//! G7 and G9 under load: many refusals at once, and an API that refuses for an hour.

use auth_core::Quota;
use auth_testkit::{Reply, ScriptedSource};

use crate::{
    support::{Answer, HOUR, SECOND, Stack, elapse, machine, machine_with, soon},
    traffic::{revoked_under, traffic},
};

#[tokio::test(start_paused = true)]
async fn g07_a_storm_of_a_thousand_refusals_costs_one_token_request() {
    let stack = Stack::new();
    let requests = revoked_under(&stack, 1_000, Reply::normal()).await;
    for answer in soon(requests.join_all()).await {
        let answer = Answer::read(answer.unwrap()).await;
        assert_eq!((answer.status, answer.outcome.sends()), (200, 2));
    }
    let seen = stack.server.counters();
    assert_eq!(seen.max_token_in_flight, 1);
    // The first token and the first request were before.
    test_report::figure!(
        "G7: {} token request after {} refusals of one token; {} requests sent once more and answered",
        seen.token_requests - 1 => 1,
        seen.api_status(401) => 1_000,
        seen.api_status(200) - 1 => 1_000,
    );
}

/// 20 requests per second for one hour.
const REQUESTS: usize = 72_000;

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_for_an_hour_costs_a_dozen_token_requests() {
    let source = ScriptedSource::new();
    let seen = traffic(&machine(source.clone()), |_| true, REQUESTS, SECOND / 20).await;
    assert_eq!((seen.refused, seen.failed), (REQUESTS, 0));
    let token_requests = source.fetches();
    println!("{token_requests} token requests, {} sends", seen.sends);
    test_report::figure!(
        "G9: {} token requests for {} requests in an hour, all of them refused",
        token_requests => 4..=12,
        REQUESTS => 72_000,
    );
    // At most two in a hundred are sent twice.
    let sends = seen.sends;
    assert!(sends * 100 <= REQUESTS as u64 * 102, "{sends} sends");
}

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_everything_does_not_use_up_the_quota() {
    let source = ScriptedSource::new();
    let quota = Quota::new(20, HOUR).unwrap();
    let authenticator = machine_with(source.clone(), |options| options.quota(quota));
    traffic(&authenticator, |_| true, REQUESTS, SECOND / 20).await;
    let token_requests = source.fetches();
    assert!((4..=12).contains(&token_requests), "{token_requests}");
}

#[tokio::test(start_paused = true)]
async fn g09_an_api_that_refuses_nearly_everything_does_not_use_the_quotas_reserve() {
    // An occasional acceptance ends each trial, so that refusals lead to renewals.
    for accepted_in in [2, 5, 20, 100] {
        let source = ScriptedSource::new();
        let quota = Quota::new(20, HOUR).unwrap();
        let authenticator = machine_with(source.clone(), |options| options.quota(quota));
        let mut failed = 0;
        for second in 0..HOUR.as_secs() {
            match authenticator.token().await {
                Ok(token) if second % accepted_in == 0 => {
                    authenticator.report_accepted(token.generation());
                }
                Ok(token) => drop(authenticator.report_refused(token.generation())),
                Err(_) => failed += 1,
            }
            elapse(SECOND).await;
        }
        // Repeated refusals leave four slots for tokens that expire. A refusal long after the last
        // one may use such a slot, like that of a revoked token.
        let requests = source.fetches();
        println!(
            "one of {accepted_in} accepted: {requests} token requests, {failed} without a token"
        );
        assert!((10..20).contains(&requests), "{requests} token requests");
    }
}
