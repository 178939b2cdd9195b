//! A used slot or refresh token stays used, and a request that did not reach the vendor uses
//! nothing.

use auth_core::{AuthenticatorOptions, ErrorKind, TokenRequestLimit, TokenRequestOutcome};
use auth_testkit::ScriptedSource;
use tokio::time::sleep;

use super::*;

fn brings(number: usize) -> Outcome {
    let token = AccessToken::new(format!("fake-token-{number}")).expires_in(HOUR);
    Outcome::token(token.refresh_token(format!("fake-refresh-{number}")))
}

/// Failures that prove nothing about a refresh token.
fn proving_nothing() -> [(&'static str, Error); 4] {
    let error = |outcome| Error::new(ErrorKind::Unavailable, "example").with_outcome(outcome);
    [
        ("connection refused", error(TokenRequestOutcome::NotSent)),
        ("plain 503", error(TokenRequestOutcome::NotUnderstood)),
        (
            "a page",
            Error::new(ErrorKind::Protocol, "an HTML page")
                .with_outcome(TokenRequestOutcome::NotUnderstood),
        ),
        ("429", error(TokenRequestOutcome::Throttled)),
    ]
}

#[tokio::test(start_paused = true)]
async fn t32f_token_requests_that_were_not_sent_end_no_refresh_token() {
    for (what, failure) in proving_nothing() {
        for restarts in [false, true] {
            for ahead in [false, true] {
                let mut fleet = Fleet::new();
                fleet.source.keeps = true;
                let script = &fleet.source.script;
                script.then(brings(1));
                let process = fleet.process();
                token(&process).await.unwrap();
                sleep(if ahead { 50 * MINUTE } else { HOUR }).await;
                script.times(6, Outcome::error(failure.clone()));
                script.always(brings(2));
                while fleet.token_requests() < 8 {
                    let process = if restarts {
                        fleet.process()
                    } else {
                        process.clone()
                    };
                    let _ = token(&process).await;
                    sleep(5 * SECOND).await;
                }
                let spent = fleet.spent();
                let one = Some("fake-refresh-1".to_owned());
                assert!(
                    spent[1..].iter().all(|sent| *sent == one),
                    "{what}: {spent:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t32_a_login_survives_two_runs_of_a_program_without_network() {
    for (what, failure) in proving_nothing() {
        let mut fleet = Fleet::new();
        fleet.source.keeps = true;
        *fleet.source.first.lock().unwrap() = Some(Secret::new("fake-first"));
        let script = &fleet.source.script;
        script.times(5, Outcome::error(failure));
        for _ in 0..5 {
            assert!(token(&fleet.process()).await.is_err());
            sleep(MINUTE).await;
        }
        script.then(brings(1));
        token(&fleet.process()).await.unwrap();
        let spent = fleet.spent();
        let first = Some("fake-first".to_owned());
        assert!(spent.iter().all(|sent| *sent == first), "{what}: {spent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t32f_no_refresh_token_is_sent_twice_when_the_store_was_flushed() {
    let mut fleet = Fleet::new();
    fleet.source.keeps = true;
    *fleet.source.first.lock().unwrap() = Some(Secret::new("fake-first"));
    for number in 1..=6 {
        fleet.source.script.then(brings(number));
    }
    let processes = fleet.processes(3);
    for round in 0..4 {
        tokens(&processes).await;
        if round % 2 == 1 {
            fleet.store.flush().await;
        }
        sleep(HOUR).await;
    }
    let mut spent: Vec<_> = fleet.spent().into_iter().flatten().collect();
    println!("{spent:?}");
    let sent = spent.len();
    spent.sort();
    spent.dedup();
    assert_eq!(spent.len(), sent, "sent twice: {spent:?}");
}

#[tokio::test(start_paused = true)]
async fn t32f_no_refresh_token_is_sent_twice_from_a_record_that_could_not_be_saved() {
    for writes in 1..=3 {
        let mut fleet = Fleet::new();
        fleet.source.keeps = true;
        for number in 1..=6 {
            fleet.source.script.then(brings(number));
        }
        let (first, second) = (fleet.process(), fleet.process());
        token(&first).await.unwrap();
        sleep(HOUR).await;
        fleet.store.fail_after_writes(writes);
        token(&first).await.unwrap();
        fleet.store.fail(false);
        sleep(HOUR).await;
        // The other process continues from the store's entry, and then the first one returns.
        for process in [&second, &first, &second, &first] {
            let _ = token(process).await;
            sleep(HOUR).await;
        }
        let spent: Vec<_> = fleet.spent().into_iter().flatten().collect();
        println!("{writes}: {spent:?}");
        for text in &spent {
            let times = spent.iter().filter(|other| *other == text).count();
            // One careful re-use: the mark says that the outcome of the first use is unknown.
            assert!(times <= 2, "{writes} writes: {spent:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g11_the_token_request_limit_uses_no_slot() {
    let source = ScriptedSource::new();
    let limit = TokenRequestLimit::new(1).unwrap().max_wait(SECOND);
    let authenticator = |source: ScriptedSource, limit: TokenRequestLimit| {
        Authenticator::builder(source, Origins::new(["https://api.example.com"]).unwrap())
            .options(
                AuthenticatorOptions::new()
                    .quota(Quota::new(2, HOUR).unwrap())
                    .limit(limit)
                    .clock(VirtualClock::new()),
            )
            .build()
            .unwrap()
    };
    let blocks = ScriptedSource::new();
    blocks.always(Outcome::fresh().delay(9 * SECOND));
    let holder = authenticator(blocks, limit.clone());
    let held = tokio::spawn(holder.token());
    sleep(SECOND / 10).await;
    let waits = authenticator(source.clone(), limit);
    for _ in 0..4 {
        assert!(waits.token().await.is_err());
        sleep(SECOND).await;
    }
    assert_eq!(source.fetches(), 0);
    held.await.unwrap().unwrap();
    sleep(10 * SECOND).await;
    // Both slots are free.
    for _ in 0..2 {
        let token = waits.token().await.unwrap();
        waits.report_accepted(token.generation());
        sleep(SECOND).await;
        drop(waits.report_refused(token.generation()));
    }
    sleep(SECOND).await;
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g11f_waiting_for_a_lease_uses_no_slot() {
    let fleet = Fleet {
        quota: Some(Quota::new(2, HOUR).unwrap()),
        ..Fleet::new()
    };
    fleet
        .source
        .script
        .always(Outcome::fresh().delay(5 * SECOND));
    let processes = fleet.processes(10);
    for told in tokens(&processes).await {
        told.unwrap();
    }
    sleep(59 * MINUTE).await;
    for told in tokens(&processes).await {
        told.unwrap();
    }
    assert_eq!(fleet.token_requests(), 2);
}
