//! G4 and G5: the consequences of a failed token request, with and without a valid cached token.

use std::{task::Poll, time::Duration};

use auth_core::{Error, ErrorKind, RefreshPolicy};
use auth_testkit::{Outcome, ScriptedSource};
use tokio::task::JoinSet;

use crate::support::{
    HOUR, MINUTE, SECOND, at_once, elapse, exact, failed, machine, machine_with, served, soon,
    unavailable,
};

/// A token of 1,000 s may be sent for 940 s, until one minute before it expires.
const LIFETIME: Duration = Duration::from_secs(1_000);
const USABLE: u64 = 940;

#[tokio::test(start_paused = true)]
async fn g04_while_renewals_fail_the_old_token_is_used_until_its_hard_deadline() {
    let source = ScriptedSource::new().lifetime(LIFETIME);
    source
        .then(Outcome::fresh())
        .always(Outcome::error(unavailable()));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    for _ in 0..USABLE {
        assert_eq!(served(&authenticator), 1);
        elapse(SECOND).await;
    }
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    test_report::figure!(
        "G4: a token of {} s is used for {} s while renewals fail, with {} token request at a time",
        LIFETIME.as_secs() => 1_000,
        USABLE => 940,
        source.max_in_flight() => 1,
    );
}

#[tokio::test(start_paused = true)]
async fn g04_a_backoff_is_at_most_a_quarter_of_the_remaining_time() {
    for seed in 0..50 {
        fastrand::seed(seed);
        let source = ScriptedSource::new().lifetime(LIFETIME);
        source
            .then(Outcome::fresh())
            .always(Outcome::error(unavailable()));
        // Back-offs that would exceed the hard deadline by far.
        let policy = RefreshPolicy::default()
            .backoff(100 * SECOND, HOUR)
            .unwrap();
        let authenticator = machine_with(source.clone(), |options| options.policy(policy));
        authenticator.token().await.unwrap();
        for _ in 0..USABLE {
            served(&authenticator);
            elapse(SECOND).await;
        }
        let times: Vec<_> = source.log()[1..].iter().map(|fetch| fetch.at).collect();
        assert!(times.len() > 5, "seed {seed}: {times:?}");
        for pair in times.windows(2) {
            let left = Duration::from_secs(USABLE) - pair[0];
            let gap = pair[1] - pair[0];
            // One caller per second.
            assert!(gap <= (left / 4).max(SECOND) + SECOND, "{seed}: {times:?}");
            assert!(gap >= SECOND, "seed {seed}: {times:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g04_retry_after_is_obeyed_while_the_old_token_is_used() {
    let source = ScriptedSource::new().lifetime(LIFETIME);
    source
        .then(Outcome::fresh())
        .then(Outcome::error(throttled(100)))
        .then(Outcome::fresh());
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(800 * SECOND).await;
    for _ in 0..100 {
        assert_eq!(served(&authenticator), 1);
        assert!(source.fetches() <= 2);
        elapse(SECOND).await;
    }
    assert_eq!(served(&authenticator), 1);
    elapse(Duration::from_millis(1)).await;
    assert_eq!((served(&authenticator), source.fetches()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn g04_retry_after_is_limited_to_one_hour() {
    let source = ScriptedSource::new();
    source.then(Outcome::error(throttled(u64::MAX)));
    let authenticator = machine(source.clone());
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(HOUR));
    elapse(HOUR).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
}

#[tokio::test(start_paused = true)]
async fn g04_backoffs_are_random_between_half_and_their_full_length() {
    fastrand::seed(4);
    let mut waits = Vec::new();
    for _ in 0..300 {
        let source = ScriptedSource::new();
        source.then(Outcome::error(unavailable()));
        let policy = RefreshPolicy::default()
            .backoff(64 * SECOND, 64 * SECOND)
            .unwrap();
        let authenticator = machine_with(source, |options| options.policy(policy));
        let error = authenticator.token().await.unwrap_err();
        waits.push(error.retry_after().unwrap());
    }
    for eighth in 0..8 {
        let first = 32 * SECOND + 4 * SECOND * eighth;
        let range = first..=first + 4 * SECOND;
        let inside = waits.iter().filter(|wait| range.contains(wait)).count();
        assert!((15..60).contains(&inside), "{inside} in {range:?}");
    }
    let bounds = 32 * SECOND..=64 * SECOND;
    assert!(waits.iter().all(|wait| bounds.contains(wait)));
}

#[tokio::test(start_paused = true)]
async fn g05_all_waiters_get_the_same_error_at_once() {
    let source = ScriptedSource::new();
    source.then(Outcome::error(unavailable()).delay(SECOND));
    let authenticator = machine(source.clone());
    let mut waiters = JoinSet::new();
    for _ in 0..1_000 {
        waiters.spawn(authenticator.token());
    }
    let start = tokio::time::Instant::now();
    let errors = soon(waiters.join_all()).await;
    assert_eq!(start.elapsed(), SECOND);
    let first = errors[0].as_ref().unwrap_err().to_string();
    for error in errors {
        assert_eq!(error.unwrap_err().to_string(), first);
    }
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn g05_until_the_backoff_ends_callers_fail_at_once_with_cause_and_time() {
    let source = ScriptedSource::new();
    source.then(Outcome::error(throttled(30)));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap_err();
    for passed in 0..30 {
        let error = failed(&authenticator);
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.to_string().starts_with("example: 429"), "{error}");
        assert_eq!(error.retry_after(), Some((30 - passed) * SECOND));
        elapse(SECOND).await;
    }
    assert_eq!(source.fetches(), 1);
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
}

#[tokio::test(start_paused = true)]
async fn g05_retries_that_obey_retry_after_do_not_multiply_token_requests() {
    let source = ScriptedSource::new();
    source.times(20, Outcome::error(unavailable()));
    let authenticator = machine(source.clone());
    let mut callers = JoinSet::new();
    for _ in 0..500 {
        let authenticator = authenticator.clone();
        callers.spawn(async move {
            let mut failures = 0;
            while let Err(error) = authenticator.token().await {
                failures += 1;
                elapse(error.retry_after().unwrap()).await;
            }
            failures
        });
    }
    let failures = soon(callers.join_all()).await;
    assert!(failures.iter().all(|count| *count <= 20));
    assert_eq!((source.fetches(), source.max_in_flight()), (21, 1));
}

#[tokio::test(start_paused = true)]
async fn g05_callers_that_ignore_retry_after_cause_no_more_token_requests_than_the_backoff_permits()
{
    fastrand::seed(5);
    let source = ScriptedSource::new();
    source.always(Outcome::error(unavailable()));
    let authenticator = machine(source.clone());
    for _ in 0..HOUR.as_millis() / 100 {
        assert!(!matches!(at_once(&authenticator), Poll::Ready(Ok(_))));
        elapse(SECOND / 10).await;
    }
    // 30 seconds on average, with full jitter between one second and one minute.
    test_report::figure!(
        "G5: {} token requests in an hour of failures, with {} calls",
        source.fetches() => 80..=160,
        HOUR.as_millis() / 100 => 36_000,
    );
    let longest = longest_gap(&source);
    assert!(longest <= MINUTE + SECOND, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn g05_a_silent_endpoint_ends_at_the_deadline() {
    let source = ScriptedSource::new();
    source.then(Outcome::never());
    let authenticator = machine(source.clone());
    let start = tokio::time::Instant::now();
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // Timers have a resolution of one millisecond.
    let passed = start.elapsed();
    assert!(passed >= 10 * SECOND && passed < 10 * SECOND + SECOND / 100);
    assert_eq!(source.in_flight(), 0);
    elapse(error.retry_after().unwrap()).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
}

#[tokio::test(start_paused = true)]
async fn g05_after_a_panic_of_the_source_callers_get_an_error_and_the_next_call_works() {
    let source = ScriptedSource::new();
    source.then(Outcome::panic().delay(SECOND));
    let authenticator = machine(source.clone());
    let mut waiters = JoinSet::new();
    for _ in 0..100 {
        waiters.spawn(authenticator.token());
    }
    let mut wait = Duration::ZERO;
    for result in soon(waiters.join_all()).await {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        wait = error.retry_after().unwrap();
    }
    elapse(wait).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g05_a_panic_while_the_old_token_is_valid_affects_no_caller() {
    let source = ScriptedSource::new().lifetime(LIFETIME);
    source.then(Outcome::fresh()).then(Outcome::panic());
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(800 * SECOND).await;
    for _ in 0..MINUTE.as_secs() {
        served(&authenticator);
        elapse(SECOND).await;
    }
    assert_eq!((served(&authenticator), source.fetches()), (2, 3));
}

fn throttled(seconds: u64) -> Error {
    Error::new(ErrorKind::Throttled, "429").with_retry_after(Duration::from_secs(seconds))
}

fn longest_gap(source: &ScriptedSource) -> Duration {
    let times: Vec<_> = source.log().iter().map(|fetch| fetch.at).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap()
}
