use auth_core::{AuthenticatorOptions, ErrorKind, Generation, TokenRequestReason};
use http::StatusCode;
use tokio::time::sleep;

use super::*;

fn fleet() -> Fleet {
    let mut fleet = Fleet::new();
    fleet.source.keeps = true;
    fleet
}

fn brings(number: usize, refresh_token: Option<&str>) -> Outcome {
    let token = AccessToken::new(format!("fake-token-{number}")).expires_in(HOUR);
    Outcome::token(match refresh_token {
        Some(refresh_token) => token.refresh_token(refresh_token),
        None => token,
    })
}

fn invalid_grant() -> Outcome {
    let error = Error::new(ErrorKind::Rejected, "invalid_grant");
    let error = error.with_status(StatusCode::BAD_REQUEST);
    Outcome::error(error.with_code("invalid_grant"))
}

fn lost() -> Outcome {
    Outcome::error(Error::new(ErrorKind::Unavailable, "connection reset"))
}

fn texts(spent: &[Option<&str>]) -> Vec<Option<String>> {
    spent
        .iter()
        .map(|text| text.map(ToOwned::to_owned))
        .collect()
}

async fn refused(process: &Authenticator) -> Generation {
    let generation = process.token().await.unwrap().generation();
    process.report_accepted(generation);
    process.report_refused(generation);
    let next = process.token().await.unwrap().generation();
    process.report_accepted(next);
    next
}

#[tokio::test(start_paused = true)]
async fn s15_a_rotated_refresh_token_is_spent_once() {
    let fleet = fleet();
    let script = &fleet.source.script;
    for number in 1..=4 {
        script.then(brings(number, Some(&format!("fake-refresh-{number}"))));
    }
    // Each renewal in another process.
    for _ in 0..4 {
        token(&fleet.process()).await.unwrap();
        sleep(HOUR).await;
    }
    let spent = [
        None,
        Some("fake-refresh-1"),
        Some("fake-refresh-2"),
        Some("fake-refresh-3"),
    ];
    assert_eq!(fleet.spent(), texts(&spent));
}

#[tokio::test(start_paused = true)]
async fn s15_a_refresh_token_that_is_not_replaced_remains_in_use() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    script.times(3, brings(2, None));
    for _ in 0..4 {
        token(&fleet.process()).await.unwrap();
        sleep(HOUR).await;
    }
    let one = Some("fake-refresh-1");
    assert_eq!(fleet.spent(), texts(&[None, one, one, one]));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_keeps_no_refresh_tokens_receives_none() {
    let mut fleet = fleet();
    fleet.source.keeps = false;
    fleet
        .source
        .script
        .always(brings(1, Some("fake-refresh-1")));
    for _ in 0..3 {
        token(&fleet.process()).await.unwrap();
        sleep(HOUR).await;
    }
    assert_eq!(fleet.spent(), texts(&[None, None, None]));
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_need_no_store() {
    let fleet = fleet();
    let script = &fleet.source.script;
    for number in 1..=3 {
        script.then(brings(number, Some(&format!("fake-refresh-{number}"))));
    }
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let process = Authenticator::builder(fleet.source.clone(), origins)
        .options(AuthenticatorOptions::new().clock(VirtualClock::new()))
        .build()
        .unwrap();
    for _ in 0..3 {
        token(&process).await.unwrap();
        sleep(HOUR).await;
    }
    let spent = [None, Some("fake-refresh-1"), Some("fake-refresh-2")];
    assert_eq!(fleet.spent(), texts(&spent));
}

#[tokio::test(start_paused = true)]
async fn t32_one_of_many_concurrent_renewals_spends_the_refresh_token() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    let processes = fleet.processes(20);
    tokens(&processes).await;
    sleep(HOUR).await;
    script.then(brings(2, Some("fake-refresh-2")).delay(SECOND));
    for told in tokens(&processes).await {
        assert_eq!(told.unwrap(), "Bearer fake-token-2");
    }
    assert_eq!(fleet.spent(), texts(&[None, Some("fake-refresh-1")]));
}

#[tokio::test(start_paused = true)]
async fn s15_an_invalid_refresh_token_is_replaced_by_the_primary_grant() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    let process = fleet.process();
    token(&process).await.unwrap();
    sleep(HOUR).await;
    script.then(invalid_grant());
    script.then(brings(2, Some("fake-refresh-2")));
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-2");
    script.then(brings(3, None));
    sleep(HOUR).await;
    token(&process).await.unwrap();
    let spent = [None, Some("fake-refresh-1"), None, Some("fake-refresh-2")];
    assert_eq!(fleet.spent(), texts(&spent));
}

#[tokio::test(start_paused = true)]
async fn t32_a_lost_answer_is_followed_by_exactly_one_careful_reuse() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    script.times(2, lost());
    for _ in 0..2 {
        assert!(token(&fleet.process()).await.is_err());
        sleep(MINUTE).await;
    }
    script.then(brings(2, Some("fake-refresh-2")));
    token(&fleet.process()).await.unwrap();
    let one = Some("fake-refresh-1");
    assert_eq!(fleet.spent(), texts(&[None, one, one, None]));
}

#[tokio::test(start_paused = true)]
async fn t32_a_refresh_token_is_not_spent_by_a_throttled_request() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    let busy = Error::new(ErrorKind::Throttled, "too many requests");
    script.times(5, Outcome::error(busy.with_retry_after(SECOND)));
    for _ in 0..5 {
        assert!(token(&fleet.process()).await.is_err());
        sleep(2 * SECOND).await;
    }
    script.then(brings(2, None));
    token(&fleet.process()).await.unwrap();
    assert_eq!(
        fleet.spent().last(),
        Some(&Some("fake-refresh-1".to_owned()))
    );
}

#[tokio::test(start_paused = true)]
async fn s15_an_invalid_first_refresh_token_is_not_sent_again() {
    let fleet = fleet();
    let log_in = |text: &str| *fleet.source.first.lock().unwrap() = Some(Secret::new(text));
    log_in("fake-first-1");
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    // The current refresh token is invalid, and the first one was replaced long ago.
    script.then(invalid_grant());
    let end = Error::new(ErrorKind::Rejected, "log in again");
    script.then(Outcome::error(end.clone()));
    assert!(token(&fleet.process()).await.is_err());
    let first = Some("fake-first-1");
    let one = Some("fake-refresh-1");
    assert_eq!(fleet.spent(), texts(&[first, one, None]));
    sleep(6 * MINUTE).await;
    script.then(Outcome::error(end));
    assert!(token(&fleet.process()).await.is_err());
    assert_eq!(
        fleet.spent().last(),
        Some(&None),
        "the refresh token is known to be invalid"
    );
    // A person logged in again.
    log_in("fake-first-2");
    sleep(6 * MINUTE).await;
    script.then(brings(2, None));
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.spent().last(), Some(&Some("fake-first-2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn t32_without_the_store_no_first_refresh_token_is_spent() {
    let fleet = fleet();
    *fleet.source.first.lock().unwrap() = Some(Secret::new("fake-first-1"));
    fleet.store.fail(true);
    let error = token(&fleet.process()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(fleet.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn t30_without_the_store_the_primary_grant_is_used() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.always(brings(1, Some("fake-refresh-1")));
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    fleet.store.fail(true);
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.spent(), texts(&[None, None]));
}

#[tokio::test(start_paused = true)]
async fn g17_g21_a_shutdown_says_that_the_store_did_not_take_the_refresh_token() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    let process = fleet.process();
    token(&process).await.unwrap();
    process.shutdown(MINUTE).await.unwrap();
    sleep(HOUR).await;
    fleet.store.fail_after_writes(1);
    script.then(brings(2, Some("fake-refresh-2")));
    token(&process).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = process.shutdown(MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), auth_core::ErrorKind::Store);
    assert!(
        error.to_string().contains("newest refresh token"),
        "{error}"
    );
    assert!(start.elapsed() <= 2 * SECOND, "{:?}", start.elapsed());
    assert!(process.health().is_store_failing());
    // The store is back: the next renewal writes a newer one.
    fleet.store.fail(false);
    sleep(HOUR).await;
    script.then(brings(3, Some("fake-refresh-3")));
    token(&process).await.unwrap();
    process.shutdown(MINUTE).await.unwrap();
    assert!(!process.health().is_store_failing());
}

#[tokio::test(start_paused = true)]
async fn g17_a_refresh_token_that_could_not_be_written_is_not_lost() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    let process = fleet.process();
    token(&process).await.unwrap();
    sleep(HOUR).await;
    // The store accepts the mark that a refresh token is being spent, and no write after it.
    fleet.store.fail_after_writes(1);
    script.then(brings(2, Some("fake-refresh-2")));
    token(&process).await.unwrap();
    fleet.store.fail(false);
    sleep(HOUR).await;
    script.then(brings(3, Some("fake-refresh-3")));
    token(&process).await.unwrap();
    sleep(HOUR).await;
    script.then(brings(4, None));
    token(&fleet.process()).await.unwrap();
    let spent = [
        None,
        Some("fake-refresh-1"),
        Some("fake-refresh-2"),
        Some("fake-refresh-3"),
    ];
    assert_eq!(fleet.spent(), texts(&spent));
}

#[tokio::test(start_paused = true)]
async fn g07f_a_refused_token_is_renewed_by_its_refresh_token() {
    let fleet = fleet();
    let script = &fleet.source.script;
    for number in 1..=3 {
        script.then(brings(number, Some(&format!("fake-refresh-{number}"))));
    }
    let process = fleet.process();
    token(&process).await.unwrap();
    sleep(2 * SECOND).await;
    refused(&process).await;
    sleep(10 * SECOND).await;
    refused(&process).await;
    let spent = [None, Some("fake-refresh-1"), Some("fake-refresh-2")];
    assert_eq!(fleet.spent(), texts(&spent));
    assert_eq!(
        script.log()[2].token_request.reason,
        TokenRequestReason::Refused
    );
}

#[tokio::test(start_paused = true)]
async fn s15_a_token_from_another_process_refresh_token_serves_all() {
    let fleet = fleet();
    let script = &fleet.source.script;
    script.then(brings(1, Some("fake-refresh-1")));
    let slow = fleet.process();
    token(&slow).await.unwrap();
    sleep(HOUR).await;
    script.then(invalid_grant().delay(5 * SECOND));
    let waiting = tokio::spawn(async move { token(&slow).await });
    sleep(SECOND).await;
    // A process whose lease ended during the call: its entry is copied from its own store.
    let other = Fleet {
        store: Unreliable::default(),
        ..fleet.clone()
    };
    script.then(brings(2, Some("fake-refresh-2")));
    token(&other.process()).await.unwrap();
    let key = key("read");
    let theirs = other.store.inner.load(&key).await.unwrap().unwrap();
    let there = fleet.store.inner.load(&key).await.unwrap();
    let there = there.map(|entry| entry.version);
    let version = EntryVersion::after(there, 10 * HOUR);
    let entry = NewEntry::new(version, theirs.content.unwrap(), HOUR);
    assert!(fleet.store.inner.replace(&key, there, entry).await.unwrap());
    assert_eq!(waiting.await.unwrap().unwrap(), "Bearer fake-token-2");
    assert_eq!(fleet.spent(), texts(&[None, Some("fake-refresh-1"), None]));
}

#[tokio::test(start_paused = true)]
async fn t31_a_process_that_loses_the_lease_before_the_call_spends_nothing() {
    let mut fleet = fleet();
    fleet.store.latency_budget = Some(HOUR);
    fleet.source.script.then(brings(1, Some("fake-refresh-1")));
    token(&fleet.process()).await.unwrap();
    sleep(HOUR).await;
    // The process is stopped after the mark was written, until the lease is too short for a token
    // request, and again after the next write: two marks without an answer end a refresh token.
    *fleet.store.late_writes.lock().unwrap() = (2, 13 * SECOND);
    fleet.source.script.then(brings(2, None));
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.store.late_writes.lock().unwrap().0, 0);
    let one = Some("fake-refresh-1");
    assert_eq!(fleet.spent(), texts(&[None, one]));
}
