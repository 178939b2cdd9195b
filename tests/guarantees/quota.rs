//! G11: a vendor with a quota of token requests.

use auth_core::{ErrorKind, Quota, Refusal};
use auth_testkit::{Outcome, ScriptedSource, TestServer};
use tokio::time::Instant;

use crate::support::{
    HOUR, MINUTE, SECOND, Stack, elapse, exact, failed, machine_with, served, unavailable,
};

#[tokio::test(start_paused = true)]
async fn g11_without_a_slot_the_error_says_when_the_next_one_frees() {
    let source = ScriptedSource::new();
    source.times(3, Outcome::error(unavailable()));
    let authenticator = machine_with(source.clone(), |options| {
        options.quota(Quota::new(3, HOUR).unwrap())
    });
    let start = Instant::now();
    // Failures count, and the caller that used the last slot learns when a slot frees.
    for fetches in 1..=3 {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let wait = error.retry_after().unwrap();
        if fetches < 3 {
            elapse(wait).await;
        }
    }
    assert_eq!(source.fetches(), 3);
    elapse(MINUTE).await;
    let error = failed(&authenticator);
    assert_eq!(error.kind(), ErrorKind::Quota);
    let text = error.to_string();
    assert!(text.contains("3 token requests in 3600 s"), "{text}");
    let left = error.retry_after().unwrap();
    assert_eq!(left + start.elapsed(), HOUR);
    elapse(left - SECOND).await;
    failed(&authenticator);
    assert_eq!(source.fetches(), 3);
    elapse(SECOND).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
}

#[tokio::test(start_paused = true)]
async fn g11_without_a_slot_a_valid_token_is_used() {
    let source = ScriptedSource::new();
    let authenticator = machine_with(source.clone(), |options| {
        options
            .quota(Quota::new(5, 24 * HOUR).unwrap())
            .policy(exact())
    });
    // Refusals use four of five slots, which is the limit for renewals ahead of expiry.
    let first = authenticator.token().await.unwrap();
    authenticator.report_accepted(first.generation());
    for _ in 0..3 {
        elapse(SECOND).await;
        let token = authenticator.try_token().unwrap();
        authenticator.report_refused(token.generation());
        let renewed = authenticator.token().await.unwrap();
        authenticator.report_accepted(renewed.generation());
    }
    for _ in 0..59 {
        assert_eq!((served(&authenticator), source.fetches()), (4, 4));
        elapse(MINUTE).await;
    }
    // The last slot is reserved for an expired token.
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 5);
    assert_eq!(source.fetches(), 5);
}

#[tokio::test(start_paused = true)]
async fn g11_refusals_without_a_free_slot_start_no_token_request() {
    let source = ScriptedSource::new();
    let authenticator = machine_with(source.clone(), |options| {
        options.quota(Quota::new(2, HOUR).unwrap())
    });
    let first = authenticator.token().await.unwrap();
    authenticator.report_accepted(first.generation());
    elapse(SECOND).await;
    authenticator.report_refused(first.generation());
    let second = authenticator.token().await.unwrap();
    authenticator.report_accepted(second.generation());
    elapse(SECOND).await;
    // The refusal is returned, and the token remains in use.
    let answer = authenticator.report_refused(second.generation());
    assert!(matches!(answer, Refusal::BackOff), "{answer:?}");
    assert_eq!((served(&authenticator), source.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn g11_the_vendor_never_counts_more_than_its_quota() {
    fastrand::seed(11);
    let limit = 20;
    let server = TestServer::builder()
        .quota(limit, HOUR)
        .token_lifetime(2 * HOUR);
    let stack = Stack::with(server, |options| {
        options.quota(Quota::new(20, HOUR).unwrap())
    });
    let mut answered = 0;
    for minute in 0..24 * 60 {
        // An API that revokes tokens far more often than its vendor permits logins.
        if minute % 2 == 0 {
            stack.server.revoke_all();
        }
        for _ in 0..2 {
            answered += u32::from(stack.get().await.is_ok_and(|answer| answer.status == 200));
            elapse(MINUTE / 2).await;
        }
    }
    let seen = stack.server.counters();
    assert_eq!(seen.quota_refusals, 0);
    // A fifth is reserved for expired tokens.
    test_report::figure!(
        "G11: {} token requests in the fullest hour of a day, if the API refuses tokens all the time and the quota is {}",
        stack.server.max_token_requests_within(HOUR) => 16,
        limit => 20,
    );
    assert_eq!(seen.token_requests, 24 * 16);
    assert!(answered > 1_500, "{answered} answers");
}

#[tokio::test(start_paused = true)]
async fn g11_an_assumed_lifetime_frees_no_slot_early() {
    let source = ScriptedSource::new().lifetime(None);
    let authenticator = machine_with(source.clone(), |options| {
        options.quota(Quota::new(2, HOUR).unwrap()).policy(exact())
    });
    // Assumed to live for five minutes; the vendor may count it for an hour.
    for _ in 0..2 {
        authenticator.token().await.unwrap();
        elapse(5 * MINUTE).await;
    }
    assert_eq!(failed(&authenticator).kind(), ErrorKind::Quota);
    assert_eq!(source.fetches(), 2);
}
