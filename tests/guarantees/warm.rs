//! Tokens without requests: watched, kept warm, renewed and dropped by hand, and the end of a
//! process. All of them obey the quota, the back-off and the refusal back-off.

use auth_core::{ErrorKind, MemoryStore, Quota};
use auth_testkit::{Gate, Outcome, RecordingObserver, Reply, ScriptedSource, TestServer};
use tokio::runtime::Handle;

use crate::support::{
    HOUR, MINUTE, SECOND, Stack, elapse, exact, machine, machine_with, poll_once, served, soon,
    unavailable,
};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn g02_a_watched_token_is_renewed_ahead_of_its_expiry() {
    let source = ScriptedSource::new().lifetime(HOUR);
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    let mut tokens = authenticator.watch();
    let start = tokio::time::Instant::now();
    for round in 1..=24_u32 {
        let token = soon(tokens.next()).await.unwrap();
        assert_eq!(token.generation().get(), u64::from(round));
        let due = (round - 1) * (HOUR * 4 / 5);
        let late = start.elapsed().saturating_sub(due);
        assert!(late < round * SECOND, "round {round}: {late:?} late");
    }
    assert_eq!(source.fetches(), 24);
    drop(tokens);
    elapse(3 * HOUR).await;
    assert_eq!((tasks(), source.fetches()), (0, 24));
}

#[tokio::test(start_paused = true)]
async fn g07_a_watcher_receives_a_replacement_of_a_refused_token_at_once() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let mut tokens = authenticator.watch();
    let first = tokens.next().await.unwrap();
    authenticator.report_accepted(first.generation());
    let watching = tokio::spawn(async move { tokens.next().await.unwrap().generation() });
    elapse(MINUTE).await;
    let start = tokio::time::Instant::now();
    drop(authenticator.report_refused(first.generation()));
    assert_eq!(soon(watching).await.unwrap().get(), 2);
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn g05_a_watcher_receives_failures_at_the_pace_of_the_back_off() {
    let source = ScriptedSource::new();
    source.always(Outcome::error(unavailable()));
    let authenticator = machine(source.clone());
    let mut tokens = authenticator.watch();
    let start = tokio::time::Instant::now();
    let mut errors = 0;
    while start.elapsed() < HOUR {
        tokens.next().await.unwrap_err();
        errors += 1;
    }
    assert_eq!(errors, source.fetches());
    assert!(errors < 300, "{errors}");
    source.clear();
    assert_eq!(soon(tokens.next()).await.unwrap().generation().get(), 1);
}

#[tokio::test(start_paused = true)]
async fn g19_a_token_is_kept_warm_until_the_handle_is_dropped() {
    let source = ScriptedSource::new().lifetime(HOUR);
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    let warm = authenticator.keep_warm();
    for _ in 0..100 {
        elapse(7 * MINUTE).await;
        assert!(authenticator.try_token().is_some());
    }
    let fetches = source.fetches();
    assert_eq!(fetches, 15, "700 minutes, each token renewed after 48");
    drop(warm);
    elapse(24 * HOUR).await;
    assert_eq!((tasks(), source.fetches()), (0, fetches));
}

#[tokio::test(start_paused = true)]
async fn g11_keeping_warm_does_not_use_the_quotas_reserve() {
    let source = ScriptedSource::new().lifetime(2 * HOUR);
    let quota = Quota::new(5, 2 * HOUR).unwrap();
    let authenticator = machine_with(source.clone(), |options| {
        options.policy(exact()).quota(quota)
    });
    let _warm = authenticator.keep_warm();
    elapse(SECOND).await;
    source.always(Outcome::error(unavailable()));
    elapse(2 * HOUR - 5 * MINUTE).await;
    assert_eq!(source.fetches(), 4, "the renewals leave one slot of five");
    elapse(10 * MINUTE).await;
    assert!(authenticator.try_token().is_none());
    assert!(source.fetches() >= 5, "without a token every slot may go");
}

#[tokio::test(start_paused = true)]
async fn refresh_now_renews_once_for_all_callers() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    elapse(MINUTE).await;
    let (first, second) = tokio::join!(authenticator.refresh_now(), authenticator.refresh_now());
    assert_eq!(first.unwrap().generation().get(), 2);
    assert_eq!(second.unwrap().generation().get(), 2);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g04_refresh_now_obeys_a_back_off() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    elapse(MINUTE).await;
    let throttled = auth_core::Error::new(ErrorKind::Throttled, "token endpoint answered 429");
    source.then(Outcome::error(throttled.with_retry_after(10 * MINUTE)));
    let error = authenticator.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    elapse(MINUTE).await;
    let error = authenticator.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.retry_after().unwrap() > 8 * MINUTE, "{error}");
    assert_eq!((source.fetches(), served(&authenticator)), (2, 1));
    elapse(10 * MINUTE).await;
    assert_eq!(
        authenticator
            .refresh_now()
            .await
            .unwrap()
            .generation()
            .get(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn g11_refresh_now_obeys_the_quota() {
    let source = ScriptedSource::new();
    let quota = Quota::new(5, HOUR).unwrap();
    let authenticator = machine_with(source.clone(), |options| options.quota(quota));
    for _ in 0..4 {
        authenticator.refresh_now().await.unwrap();
        elapse(MINUTE).await;
    }
    let error = authenticator.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota);
    assert!(error.retry_after().unwrap() > 50 * MINUTE, "{error}");
    assert_eq!(source.fetches(), 4, "the reserve is not used");
}

#[tokio::test(start_paused = true)]
async fn g09_refresh_now_obeys_the_refusal_back_off() {
    let events = RecordingObserver::new();
    let stack = Stack::with(TestServer::builder(), |options| {
        options.observer(events.clone())
    });
    stack.server.api().always(Reply::status(401));
    for _ in 0..400 {
        elapse(SECOND).await;
        assert_eq!(stack.get().await.unwrap().status, 401);
        if events.count("refusal_back_off") == 2 {
            break;
        }
    }
    assert_eq!(events.count("refusal_back_off"), 2);
    let before = stack.server.counters().token_requests;
    let error = stack.authenticator.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.retry_after().is_some(), "{error}");
    assert_eq!(stack.server.counters().token_requests, before);
    assert!(stack.authenticator.try_token().is_some(), "the token stays");
}

#[tokio::test(start_paused = true)]
async fn g07_an_invalidated_token_is_not_used_again_by_any_process() {
    let store = MemoryStore::new();
    let source = ScriptedSource::new();
    let make = || machine_with(source.clone(), |options| options.store(store.clone()));
    let (first, second) = (make(), make());
    first.token().await.unwrap();
    assert_eq!(second.token().await.unwrap().generation().get(), 1);
    assert_eq!(source.fetches(), 1);
    elapse(MINUTE).await;
    first.invalidate();
    assert!(first.try_token().is_none());
    assert_eq!(first.token().await.unwrap().generation().get(), 2);
    assert_eq!(source.fetches(), 2, "not taken from the store");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_renewal_in_progress_and_no_longer() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    let authenticator = machine(source.clone());
    let ended = authenticator.shutdown(SECOND).await;
    ended.expect("nothing is in progress");
    source.then(Outcome::fresh().after(&gate));
    let _ = poll_once(&mut authenticator.token());
    let start = tokio::time::Instant::now();
    let error = authenticator.shutdown(SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), SECOND);
    let ends = authenticator.clone();
    let ending = tokio::spawn(async move { ends.shutdown(MINUTE).await });
    elapse(SECOND).await;
    gate.open();
    soon(ending).await.unwrap().unwrap();
    assert_eq!(served(&authenticator), 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_an_authenticator_with_defaults_expire() {
    let server = TestServer::builder().token_lifetime(MINUTE).in_memory();
    let authenticator = server.authenticator();
    authenticator.warm_up().await.unwrap();
    elapse(MINUTE).await;
    assert!(authenticator.try_token().is_none());
}
