//! G2 and G5: deadlines and back-offs protect callers.

use std::time::Duration;

use auth_core::{AuthenticatorOptions, Error, ErrorKind, MemoryStore, TokenRequestOutcome};
use auth_testkit::{Outcome, ScriptedSource};
use tokio::time::Instant;

use crate::support::{MINUTE, SECOND, elapse, exact, machine, machine_with, unavailable};

const LIFETIME: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn g02_no_caller_fails_if_a_renewal_close_to_expiry_gets_no_answer() {
    silent_at_the_end(|options| options).await;
}

#[tokio::test(start_paused = true)]
async fn g02_no_caller_fails_if_a_renewal_close_to_expiry_gets_no_answer_with_a_store() {
    silent_at_the_end(|options| options.store(MemoryStore::new())).await;
}

#[expect(clippy::print_stdout, reason = "the figures of a test")]
async fn silent_at_the_end(set: fn(AuthenticatorOptions) -> AuthenticatorOptions) {
    // The renewal starts at this time before the token's end, with the first caller.
    for before in [59, 30, 10, 5, 2, 1] {
        for silent in 0..=4 {
            let source = ScriptedSource::new().lifetime(LIFETIME);
            source
                .then(Outcome::fresh())
                .times(silent, Outcome::never());
            let authenticator =
                machine_with(source.clone(), |options| set(options.policy(exact())));
            authenticator.token().await.unwrap();
            elapse(540 * SECOND - before * SECOND).await;
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..700 {
                let authenticator = authenticator.clone();
                callers.spawn(async move {
                    let begun = Instant::now();
                    let served = authenticator.token().await.is_ok();
                    (served, begun.elapsed())
                });
                elapse(SECOND / 10).await;
            }
            let answers = callers.join_all().await;
            let failed = answers.iter().filter(|(served, _)| !served).count();
            let longest = answers.iter().map(|(_, waited)| *waited).max();
            let longest = longest.unwrap_or_default();
            println!("{before} s before the end, {silent} silent: {failed} failed, {longest:?}");
            // The renewal, and two token requests for which callers wait.
            assert!(
                failed == 0 || silent == 4,
                "{before} s, {silent}: {failed} failed"
            );
            // No caller waits for longer than one token request.
            assert!(longest <= 10 * SECOND, "{before} s, {silent}: {longest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g03_a_vendor_that_needs_nine_seconds_serves_callers_after_a_shortened_renewal() {
    let source = ScriptedSource::new().lifetime(LIFETIME);
    source
        .then(Outcome::fresh())
        .always(Outcome::fresh().delay(9 * SECOND));
    let authenticator = machine_with(source.clone(), |builder| builder.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(538 * SECOND).await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * SECOND || authenticator.token().await.is_err() {
        authenticator.token().await.ok();
        elapse(SECOND / 10).await;
        assert!(begun.elapsed() < MINUTE / 2);
    }
    println!("{:?}, {} token requests", begun.elapsed(), source.fetches());
    assert!(source.fetches() <= 7, "{}", source.fetches());
}

#[tokio::test(start_paused = true)]
async fn g05_requests_succeed_within_ten_seconds_after_an_outage_of_a_minute() {
    let mut worst = Duration::ZERO;
    for seed in 0..20 {
        fastrand::seed(seed);
        for failure in [
            unavailable(),
            unavailable().with_outcome(TokenRequestOutcome::NotSent),
            Error::new(ErrorKind::Protocol, "an HTML page"),
        ] {
            let source = ScriptedSource::new();
            source.always(Outcome::error(failure));
            let authenticator = machine(source.clone());
            let begun = Instant::now();
            while begun.elapsed() < MINUTE {
                assert!(authenticator.token().await.is_err());
                elapse(SECOND / 10).await;
            }
            source.clear();
            let back = Instant::now();
            while authenticator.token().await.is_err() {
                elapse(SECOND / 10).await;
            }
            worst = worst.max(back.elapsed());
        }
    }
    println!("worst of 60: {worst:?}");
    assert!(worst <= 9 * SECOND, "{worst:?}");
}
