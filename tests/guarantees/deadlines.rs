//! G2 and G5: deadlines and back-offs protect callers, and nothing else.

use std::time::Duration;

use auth_core::{Error, ErrorKind, RequestOutcome};
use auth_testkit::{Outcome, ScriptedSource};
use tokio::time::Instant;

use crate::support::{MINUTE, SECOND, elapse, exact, machine, machine_with, unavailable};

const LIFETIME: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn g02_a_silent_issuer_at_the_end_of_the_renewal_window_fails_no_caller() {
    // The renewal starts so long before the token ends, when the first caller comes.
    for before in [59, 30, 10, 5, 2, 1] {
        for silent in 1..=2 {
            let source = ScriptedSource::new().lifetime(LIFETIME);
            source
                .then(Outcome::fresh())
                .times(silent, Outcome::never());
            let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
            authenticator.token().await.unwrap();
            elapse(540 * SECOND - before * SECOND).await;
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..700 {
                let authenticator = authenticator.clone();
                callers.spawn(async move { authenticator.token().await.is_ok() });
                elapse(SECOND / 10).await;
            }
            let answers = callers.join_all().await;
            let failed = answers.iter().filter(|served| !**served).count();
            // A second silent call may have to run into its own whole deadline.
            let spoilt = silent == 2 && before < 20;
            println!("{before} s before the end, {silent} silent: {failed} failed");
            assert!(
                failed == 0 || spoilt,
                "{before} s, {silent}: {failed} failed"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g05_after_an_outage_of_a_minute_service_is_back_within_ten_seconds() {
    let mut worst = Duration::ZERO;
    for seed in 0..20 {
        fastrand::seed(seed);
        for failure in [
            unavailable(),
            unavailable().with_outcome(RequestOutcome::NotSent),
            Error::new(ErrorKind::Protocol, "example: an HTML page"),
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
