use auth_core::{ErrorKind, TokenRequestOutcome};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::*;

fn unavailable() -> Outcome {
    Outcome::error(Error::new(ErrorKind::Unavailable, "no answer"))
}

fn rejected() -> Outcome {
    let error = Error::new(ErrorKind::Rejected, "invalid_client");
    let error = error.with_status(StatusCode::UNAUTHORIZED);
    Outcome::error(error.with_code("invalid_client"))
}

#[tokio::test(start_paused = true)]
async fn g05f_one_failure_applies_to_all_processes() {
    let fleet = Fleet::new();
    fleet.source.script.then(unavailable().delay(SECOND));
    let processes = fleet.processes(20);
    for told in tokens(&processes).await {
        let error = told.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.retry_after().is_some(), "{error}");
    }
    // A process that starts later does not try before the back-off ends either.
    assert!(token(&fleet.process()).await.is_err());
    assert_eq!(fleet.token_requests(), 1);
    sleep(3 * SECOND).await;
    for told in tokens(&processes).await {
        told.unwrap();
    }
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g05f_an_outage_of_an_hour_costs_a_fleet_as_much_as_one_process() {
    let fleet = Fleet::new();
    fleet.source.script.always(unavailable());
    let processes = fleet.processes(20);
    for _ in 0..3600 {
        for process in &processes {
            assert!(token(process).await.is_err());
        }
        sleep(SECOND).await;
    }
    // 120 is the limit for one process alone.
    let token_requests = fleet.token_requests();
    assert!(
        (80..=160).contains(&token_requests),
        "{token_requests} in an hour"
    );
}

/// Meets these failures, with a login that may lock the account. Two processes take turns, or the
/// process has no store. Returns how long after each failure the next token request was sent.
async fn waits_after(outcomes: Vec<Outcome>, fleet: &Fleet, turns: &[Authenticator]) -> Vec<u64> {
    let mut waits = Vec::new();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let sent = fleet.token_requests();
        fleet.source.script.then(outcome);
        let asked = Instant::now();
        while fleet.token_requests() == sent {
            assert!(token(&turns[number % turns.len()]).await.is_err());
            sleep(SECOND / 10).await;
        }
        waits.push(asked.elapsed().as_secs());
    }
    let asked = Instant::now();
    while token(&turns[0]).await.is_err() {
        sleep(SECOND / 10).await;
    }
    waits.push(asked.elapsed().as_secs());
    waits
}

#[tokio::test(start_paused = true)]
async fn g05f_one_lost_login_after_other_failures_starts_no_long_back_off() {
    let page = || {
        let error = Error::new(ErrorKind::Unavailable, "a page");
        let error = error.with_status(StatusCode::INTERNAL_SERVER_ERROR);
        Outcome::error(error.with_outcome(TokenRequestOutcome::NotUnderstood))
    };
    let lost = || {
        let error = Error::new(ErrorKind::Unavailable, "connection reset");
        Outcome::error(error.with_outcome(TokenRequestOutcome::Unknown))
    };
    for count in [0, 1, 2] {
        let fleet = Fleet::with_password();
        let turns = match count {
            0 => vec![fleet.process_without_store()],
            count => fleet.processes(count),
        };
        let story = vec![page(), page(), page(), page(), lost()];
        let waits = waits_after(story, &fleet, &turns).await;
        // A process that failed itself waits 2 s longer than the others.
        assert!(waits.iter().all(|wait| *wait <= 4), "{count}: {waits:?}");
        // A second lost login in a row may be a second rejected one.
        let fleet = Fleet::with_password();
        let turns = match count {
            0 => vec![fleet.process_without_store()],
            count => fleet.processes(count),
        };
        let waits = waits_after(vec![page(), lost(), lost()], &fleet, &turns).await;
        let last = waits[waits.len() - 1];
        assert!((300..=335).contains(&last), "{count}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s29f_no_process_sends_a_token_request_before_retry_after_ends() {
    let fleet = Fleet::new();
    let error = Error::new(ErrorKind::Throttled, "too many requests");
    let error = error.with_retry_after(90 * SECOND);
    fleet.source.script.then(Outcome::error(error));
    let processes = fleet.processes(20);
    assert!(token(&processes[0]).await.is_err());
    for _ in 0..89 {
        for process in processes.iter().chain(&fleet.processes(1)) {
            let error = token(process).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Throttled);
        }
        sleep(SECOND).await;
    }
    assert_eq!(fleet.token_requests(), 1);
    sleep(2 * SECOND).await;
    token(&processes[7]).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g04f_a_failure_leaves_valid_tokens_in_use() {
    let fleet = Fleet::new();
    let processes = fleet.processes(10);
    tokens(&processes).await;
    fleet.source.script.always(unavailable());
    // Until the last minute, which is the margin.
    for _ in 0..58 {
        for process in &processes {
            token(process).await.unwrap();
        }
        sleep(MINUTE).await;
    }
    token(&fleet.process()).await.unwrap();
    sleep(MINUTE).await;
    assert!(token(&fleet.process()).await.is_err());
    assert!(fleet.token_requests() > 1);
}

#[tokio::test(start_paused = true)]
async fn g06f_a_rejection_stops_all_processes() {
    let fleet = Fleet::new();
    fleet.source.change_credential(1);
    fleet.source.script.always(rejected());
    let processes = fleet.processes(20);
    let begun = Instant::now();
    while begun.elapsed() < HOUR {
        for process in &processes {
            let error = token(process).await.unwrap_err();
            assert_eq!(error.code(), Some("invalid_client"));
        }
        sleep(10 * SECOND).await;
    }
    // One probe every five minutes.
    let token_requests = fleet.token_requests();
    assert!(token_requests <= 13, "{token_requests} in an hour");
}

#[tokio::test(start_paused = true)]
async fn g06f_changed_credentials_are_tried_at_once() {
    let fleet = Fleet::new();
    fleet.source.change_credential(1);
    fleet.source.script.then(rejected());
    assert!(token(&fleet.process()).await.is_err());
    assert!(token(&fleet.process()).await.is_err());
    assert_eq!(fleet.token_requests(), 1);
    fleet.source.change_credential(2);
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g06f_a_process_that_read_the_rejection_tries_changed_credentials_once() {
    let fleet = Fleet::new();
    let script = &fleet.source.script;
    script.then(rejected());
    script.change_credential();
    // Within the same flight, also after the rejection was written.
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26f_processes_share_the_count_of_rejected_logins() {
    let fleet = Fleet::with_password();
    fleet.source.script.times(2, rejected());
    for attempts in [1, 2, 2, 2] {
        assert!(token(&fleet.process()).await.is_err());
        assert_eq!(fleet.token_requests(), attempts);
        sleep(6 * MINUTE).await;
    }
    // Another password has its own count.
    fleet.source.change_credential(2);
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn t26f_an_accepted_login_clears_the_count() {
    let fleet = Fleet::with_password();
    let script = &fleet.source.script;
    script.then(rejected());
    assert!(token(&fleet.process()).await.is_err());
    sleep(6 * MINUTE).await;
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    script.always(rejected());
    for attempts in [3, 4, 4, 4] {
        assert!(token(&fleet.process()).await.is_err());
        assert_eq!(fleet.token_requests(), attempts);
        sleep(6 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn t26f_the_count_is_written_again_after_the_store_was_flushed() {
    let fleet = Fleet::with_password();
    fleet.source.script.always(rejected());
    let knows = fleet.process();
    assert!(token(&knows).await.is_err());
    sleep(6 * MINUTE).await;
    fleet.store.flush().await;
    // The process uses its own memory, and later processes read the count that it wrote.
    assert!(token(&knows).await.is_err());
    sleep(6 * MINUTE).await;
    assert!(token(&fleet.process()).await.is_err());
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26f_without_the_store_no_process_sends_a_rejected_login_twice() {
    let fleet = Fleet::with_password();
    fleet.source.script.always(rejected());
    fleet.store.fail(true);
    let process = fleet.process();
    assert!(token(&process).await.is_err());
    sleep(6 * MINUTE).await;
    assert!(token(&process).await.is_err());
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_setting_missing_in_one_process_stops_no_other() {
    let fleet = Fleet::new();
    let missing = Error::config("client_secret", "the variable EXAMPLE_SECRET is not set");
    fleet.source.script.then(Outcome::error(missing));
    assert!(token(&fleet.process()).await.is_err());
    token(&fleet.process()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g17_a_token_request_that_panics_releases_its_lease() {
    let fleet = Fleet::new();
    fleet.source.script.then(Outcome::panic());
    assert!(token(&fleet.process()).await.is_err());
    let begun = Instant::now();
    token(&fleet.process()).await.unwrap();
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn t14_clocks_ten_minutes_apart_change_nothing() {
    let fleet = Fleet::new();
    let skewed: Vec<_> = (0..10_u32)
        .map(|number| {
            let clock = VirtualClock::new();
            match number % 3 {
                0 => clock.jump_wall_forward(10 * MINUTE),
                1 => clock.jump_wall_back(10 * MINUTE),
                _ => {}
            }
            fleet.process_for("read", clock)
        })
        .collect();
    for _ in 0..20 * 60 {
        for process in &skewed {
            token(process).await.unwrap();
        }
        sleep(MINUTE).await;
    }
    let token_requests = fleet.token_requests();
    assert!(
        (20..=28).contains(&token_requests),
        "{token_requests} in 20 hours"
    );
}
