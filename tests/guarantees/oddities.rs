//! G10: invalid tokens and numbers from a vendor.

use std::time::Duration;

use auth_core::{AccessToken, ErrorKind, RefreshPolicy, TokenRequestReason};
use auth_testkit::{Gate, Outcome, Reply, ScriptedSource, TestServer};

use crate::support::{
    HOUR, MINUTE, SECOND, Stack, elapse, exact, failed, machine, machine_with, served, soon,
};

#[tokio::test(start_paused = true)]
async fn g10_a_refused_token_that_is_issued_again_is_doubted_then_dropped() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.revoke_all();
    stack.server.token().always(Reply::normal().same_token());
    let (mut refused, mut failed) = (0, 0);
    for _ in 0..100 {
        match stack.get().await {
            Ok(answer) => {
                assert_eq!((answer.status, answer.outcome.sends()), (401, 1));
                refused += 1;
            }
            Err(auth_tower::Error::Auth(error)) => {
                assert_eq!(error.kind(), ErrorKind::Refused);
                failed += 1;
            }
            Err(error) => panic!("{error}"),
        }
        elapse(SECOND).await;
    }
    // Dropped permanently after a few refusals in a row.
    assert!(refused <= 10 && failed >= 90, "{refused} refused");
    assert_eq!(stack.server.token_uses()[0].refused, refused);
    // Refusal back-off: 1, 2, 4 ... 60 s.
    assert!(stack.server.counters().token_requests <= 9);

    stack.server.token().clear();
    elapse(MINUTE).await;
    stack.get_well().await;
}

#[tokio::test(start_paused = true)]
async fn g10_the_refusal_of_an_expired_token_proves_nothing() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    let token = AccessToken::new("fake-token-kept").expires_in(MINUTE);
    source
        .then(Outcome::token(token.clone()))
        .then(Outcome::token(token).after(&gate));
    let authenticator = machine(source.clone());
    let old = authenticator.token().await.unwrap().generation();
    elapse(MINUTE).await;
    // The request took so long that its token is already being replaced.
    let waiting = tokio::spawn(authenticator.token());
    soon(gate.reached(1)).await;
    authenticator.report_refused(old);
    gate.open();
    // The vendor returned the same text with another minute of lifetime.
    assert_eq!(soon(waiting).await.unwrap().unwrap().generation(), old);
    assert_eq!((served(&authenticator), source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn g10_refused_tokens_that_have_expired_on_arrival_cause_no_loop() {
    fastrand::seed(10);
    let source = ScriptedSource::new();
    let token = AccessToken::new("fake-token-again").expires_in(Duration::ZERO);
    source.always(Outcome::token(token));
    let authenticator = machine(source.clone());
    for _ in 0..HOUR.as_secs() {
        if let Ok(token) = authenticator.token().await {
            authenticator.report_refused(token.generation());
        }
        elapse(SECOND).await;
    }
    // As many as in an outage of one hour.
    let fetches = source.fetches();
    assert!((80..=160).contains(&fetches), "{fetches} token requests");
}

#[tokio::test(start_paused = true)]
async fn g10_a_vendor_that_returns_the_same_token_causes_no_loop() {
    let source = ScriptedSource::new();
    // Vendors that return the same token until it is about to expire.
    source.always(Outcome::token(
        AccessToken::new("fake-token-same").expires_in(10 * SECOND),
    ));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    let calls = 6_000;
    for _ in 0..calls {
        assert_eq!(served(&authenticator), 1);
        elapse(SECOND / 10).await;
    }
    // Each time it is renewed after 75 % to 80 % of the stated lifetime.
    test_report::figure!(
        "G10: {} token requests for {} calls in ten minutes, if the vendor repeats a token of 10 s",
        source.fetches() => 75..=81,
        calls => 6_000,
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_token_with_a_lifetime_of_zero_serves_only_the_waiting_callers() {
    for lifetime in ["0", "-1", "-1e300", "\"0\""] {
        let stack = Stack::new();
        stack
            .server
            .token()
            .then(Reply::normal().expires_in(lifetime));
        let waiters: Vec<_> = (0..100)
            .map(|_| tokio::spawn(stack.authenticator.token()))
            .collect();
        for waiter in waiters {
            assert_eq!(soon(waiter).await.unwrap().unwrap().generation().get(), 1);
        }
        assert!(stack.authenticator.try_token().is_none());
        let token = stack.authenticator.token().await.unwrap();
        assert_eq!(token.generation().get(), 2);
        assert_eq!(stack.server.counters().token_requests, 2);
        assert_eq!(
            stack.clock.world_elapsed(),
            SECOND,
            "the floor for {lifetime}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn g10_a_minimum_time_separates_two_token_requests() {
    fastrand::seed(10);
    let source = ScriptedSource::new().lifetime(Duration::ZERO);
    let authenticator = machine(source.clone());
    for _ in 0..6_000 {
        let _ = crate::support::at_once(&authenticator);
        elapse(SECOND / 100).await;
    }
    let times: Vec<_> = source.log().iter().map(|fetch| fetch.at).collect();
    assert!(
        (20..=40).contains(&times.len()),
        "{} token requests",
        times.len()
    );
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND));
}

#[tokio::test(start_paused = true)]
async fn g10_lifetimes_of_one_second_work_with_the_default_policy() {
    let server = TestServer::builder().token_lifetime(SECOND);
    let stack = Stack::with(server, |options| options);
    stack
        .server
        .token()
        .always(Reply::normal().delay(SECOND / 20));
    for _ in 0..60 * 50 {
        assert_eq!(stack.get_well().await.outcome.sends(), 1);
        elapse(SECOND / 50).await;
    }
    let seen = stack.server.counters();
    assert_eq!(seen.api_status(401), 0);
    assert!(
        seen.token_requests <= 90,
        "{} token requests",
        seen.token_requests
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_token_request_slower_than_the_lifetime_serves_the_waiting_callers() {
    let source = ScriptedSource::new().lifetime(SECOND);
    source.always(Outcome::fresh().delay(5 * SECOND));
    let authenticator = machine(source.clone());
    let mut longest = Duration::ZERO;
    for generation in 1..=10 {
        // The back-off grows, and the error states its end.
        let token = match authenticator.token().await {
            Ok(token) => token,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Protocol);
                let wait = error.retry_after().unwrap();
                longest = longest.max(wait);
                elapse(wait).await;
                authenticator.token().await.unwrap()
            }
        };
        assert_eq!(token.generation().get(), generation);
    }
    assert_eq!((source.fetches(), source.max_in_flight()), (10, 1));
    assert!((2 * SECOND..30 * SECOND).contains(&longest), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn g10_extreme_lifetimes_neither_panic_nor_last_without_end() {
    for number in [
        "18446744073709551615",
        "1e300",
        "99999999999999999999999",
        "\"1e9\"",
    ] {
        let stack = Stack::new();
        stack.server.token().then(
            Reply::normal()
                .expires_in(number)
                .with("refresh_in", "1e300"),
        );
        match stack.authenticator.token().await {
            Ok(token) => {
                assert_eq!(token.generation().get(), 1);
                // Limited to 400 days, less one minute.
                elapse(400 * 24 * HOUR - MINUTE - SECOND).await;
                assert_eq!(served(&stack.authenticator), 1);
                elapse(2 * SECOND).await;
                let token = stack.authenticator.token().await.unwrap();
                assert_eq!(token.generation().get(), 2);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{number}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g10_durations_at_the_end_of_their_range_are_accepted() {
    let source = ScriptedSource::new();
    let token = AccessToken::new("fake-token-max")
        .expires_in(Duration::MAX)
        .refresh_in(Duration::MAX);
    source.then(Outcome::token(token));
    let policy = RefreshPolicy::default()
        .max_lifetime(Duration::MAX)
        .unwrap()
        .default_lifetime(Duration::MAX)
        .unwrap()
        .deadline(Duration::MAX)
        .unwrap()
        .min_interval(Duration::MAX)
        .unwrap()
        .backoff(Duration::MAX, Duration::MAX)
        .unwrap()
        .max_retry_after(Duration::MAX)
        .probe_interval(Duration::MAX)
        .unwrap();
    let authenticator = machine_with(source.clone(), |options| options.policy(policy));
    let token = authenticator.token().await.unwrap();
    elapse(10 * 365 * 24 * HOUR).await;
    assert_eq!(served(&authenticator), 1);
    source.always(Outcome::error(
        crate::support::unavailable().with_retry_after(Duration::MAX),
    ));
    authenticator.report_refused(token.generation());
    elapse(SECOND).await;
    let _ = crate::support::at_once(&authenticator);
}

#[tokio::test(start_paused = true)]
async fn g10_a_token_that_no_header_can_carry_is_an_error() {
    for token in [
        "",
        "fake token",
        "fake\ttoken",
        "fake\r\nx-evil: 1",
        "fake-\u{e9}",
        "fake\0",
    ] {
        let source = ScriptedSource::new();
        source.then(Outcome::token(AccessToken::new(token)));
        let authenticator = machine(source.clone());
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{token:?}");
        assert_eq!(failed(&authenticator).kind(), ErrorKind::Protocol);
    }
}

#[tokio::test(start_paused = true)]
async fn g10_a_token_without_a_stated_lifetime_has_the_lifetime_of_the_policy() {
    for lifetime in [None, Some("null")] {
        let stack = Stack::with(TestServer::builder(), |options| options.policy(exact()));
        let reply = match lifetime {
            None => Reply::normal().without("expires_in"),
            Some(json) => Reply::normal().expires_in(json),
        };
        stack.server.token().then(reply);
        stack.authenticator.token().await.unwrap();
        elapse(4 * MINUTE - SECOND).await;
        assert_eq!(served(&stack.authenticator), 1);
        assert_eq!(stack.server.counters().token_requests, 1);
        elapse(SECOND).await;
        assert_eq!(served(&stack.authenticator), 1);
        soon(stack.server.token_requests_reached(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g10_an_early_renewal_without_a_lifetime_keeps_the_cached_token() {
    let source = ScriptedSource::new();
    source.then(Outcome::fresh()).always(Outcome::token(
        AccessToken::new("fake-token-dead").expires_in(Duration::ZERO),
    ));
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(HOUR * 4 / 5).await;
    for _ in 0..600 {
        assert_eq!(served(&authenticator), 1);
        elapse(SECOND).await;
    }
    assert!(source.fetches() > 2);
    let reasons = source.log();
    assert!(
        reasons[1..]
            .iter()
            .all(|fetch| fetch.token_request.reason == TokenRequestReason::Ahead)
    );
}
