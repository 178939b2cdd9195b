use crate::{TokenRequestReason, authenticator::Refusal, observer::EventKind};

use super::*;

mod failures;
mod stores;
pub(in crate::authenticator) mod world;

use world::*;

#[tokio::test(start_paused = true)]
async fn a_token_request_ends_at_the_deadline_of_the_policy() {
    let vendor = Vendor::default().replies_after(HOUR, Ok(token(1)));
    let policy = RefreshPolicy::default().deadline(millis(3000)).unwrap();
    let world = World::new(vendor).with(|options| options.policy(policy));
    let begun = tokio::time::Instant::now();
    let error = world.build().token().await.unwrap_err();
    assert_eq!(
        (error.kind(), begun.elapsed()),
        (ErrorKind::TimedOut, millis(3000))
    );
}

#[tokio::test(start_paused = true)]
async fn the_back_off_is_that_of_the_policy() {
    let policy = RefreshPolicy::default()
        .backoff(12 * HOUR, 12 * HOUR)
        .unwrap();
    let policy = policy.jitter(0.0).unwrap();
    let vendor = Vendor::default().replies(Err(unavailable()));
    let world = World::new(vendor).with(|options| options.policy(policy));
    let authenticator = world.build();
    authenticator.token().await.unwrap_err();
    assert!(authenticator.health().next_try().unwrap() > 5 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_rests_until_its_renewal() {
    let authenticator = World::new(Vendor::default()).build();
    authenticator.warm_up().await.unwrap();
    let health = authenticator.health();
    let rest = authenticator.shared().rests_for();
    assert_eq!(Some(rest), health.renewal_due());
    assert!(rest > HOUR / 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_until_the_token_request_has_ended() {
    let vendor = Vendor::default().replies_after(millis(2000), Ok(token(1)));
    let authenticator = World::new(vendor).build();
    let begun = tokio::time::Instant::now();
    authenticator.shutdown(HOUR).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing is in progress");
    let waiting = tokio::spawn(authenticator.token());
    settled().await;
    assert!(authenticator.health().is_renewing());
    let error = authenticator.shutdown(millis(500)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    authenticator.shutdown(HOUR).await.unwrap();
    assert_eq!(begun.elapsed(), millis(2000));
    waiting.await.unwrap().unwrap();
    authenticator.shutdown(HOUR).await.unwrap();
    assert_eq!(begun.elapsed(), millis(2000));
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_not_sent_again() {
    let world = World::new(Vendor::default());
    let authenticator = world.build();
    let mut watch = authenticator.watch();
    assert_eq!(text(&watch.next().await.unwrap()), "fake-token-1");
    let begun = tokio::time::Instant::now();
    let next = tokio::spawn(async move { watch.next().await });
    settled().await;
    authenticator.invalidate();
    assert!(authenticator.try_token().is_none());
    let next = next.await.unwrap().unwrap();
    assert_eq!(text(&next), "fake-token-2");
    assert!(begun.elapsed() < millis(2000), "{:?}", begun.elapsed());
}

#[test]
fn a_handle_leaves_the_tables_that_it_entered() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let authenticator = runtime.block_on(async { World::new(Vendor::default()).build() });
    let shared = authenticator.shared();
    assert!(!shared.leave_tables());
    shared.enter_table();
    assert!(shared.leave_tables());
    assert!(!shared.leave_tables());
}

#[tokio::test(start_paused = true)]
async fn events_of_a_token_request_name_its_reason_lifetime_and_quota() {
    let quota = Quota::new(5, HOUR).unwrap();
    let world = World::new(Vendor::default()).with(|options| options.quota(quota));
    world.build().warm_up().await.unwrap();
    settled().await;
    let events = world.heard.take();
    let names: Vec<_> = events.iter().map(crate::Event::name).collect();
    let expected = [
        "token_request_started",
        "requests_waiting",
        "token_request_ended",
        "token_published",
        "requests_waited",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{names:?}");
    for event in events {
        match event.kind() {
            EventKind::TokenRequestEnded {
                reason,
                error,
                quota,
                ..
            } => {
                assert_eq!(*reason, TokenRequestReason::Needed);
                assert!(error.is_none());
                let quota = quota.as_ref().unwrap();
                assert_eq!((quota.used, quota.limit), (1, 5));
            }
            EventKind::TokenPublished {
                lifetime,
                valid_for,
                ..
            } => {
                assert_eq!(*lifetime, Some(HOUR));
                assert!(*valid_for > HOUR / 2);
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_that_no_request_used_is_reported() {
    let same = token(1);
    let vendor = Vendor::default()
        .replies(Ok(same.clone()))
        .replies(Ok(same));
    let world = World::new(vendor);
    let authenticator = world.build();
    let shared = Arc::clone(&authenticator.shared);
    let renew = || async {
        shared.renew();
        tokio::time::sleep(millis(2000)).await;
        world.heard.names()
    };
    shared.demand();
    settled().await;
    assert_eq!(world.heard.names(), ["token_published"]);
    // The same text is the same token, and is not replaced.
    assert_eq!(renew().await, ["token_published"]);
    assert_eq!(renew().await, ["token_published", "token_unused"]);
    authenticator.try_token().unwrap();
    assert_eq!(renew().await, ["token_published"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_new_token_is_superseded_by_the_one_that_the_api_accepted() {
    let authenticator = World::new(Vendor::default()).build();
    let first = authenticator.token().await.unwrap();
    authenticator.report_accepted(first.generation());
    tokio::time::sleep(millis(60_000)).await;
    let second = authenticator.refresh_now().await.unwrap();
    assert_eq!(text(&second), "fake-token-2");
    let Refusal::Superseded(previous) = authenticator.report_refused(second.generation()) else {
        panic!("the new token is on trial");
    };
    assert_eq!(text(&previous), "fake-token-1");
    // Another renewal keeps the token that the API has accepted.
    tokio::time::sleep(millis(60_000)).await;
    let third = authenticator.refresh_now().await.unwrap();
    let Refusal::Superseded(previous) = authenticator.report_refused(third.generation()) else {
        panic!("the new token is on trial");
    };
    assert_eq!(text(&previous), "fake-token-1");
}

#[tokio::test(start_paused = true)]
async fn a_longer_refusal_back_off_is_reported() {
    let world = World::new(Vendor::default());
    let authenticator = world.build();
    let mut waits = Vec::new();
    let mut token = authenticator.token().await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(HOUR / 4).await;
        world.heard.take();
        let Refusal::Renewing(acquire) = authenticator.report_refused(token.generation()) else {
            panic!("the refused token is renewed");
        };
        token = acquire.await.unwrap();
        settled().await;
        let wait = world.heard.find(|kind| match kind {
            EventKind::RefusalBackOff { wait } => Some(*wait),
            _ => None,
        });
        waits.push(wait.unwrap_or_default());
    }
    assert!(waits.is_sorted_by(|a, b| a < b), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_after_its_request_was_given_up_serves_the_waiting_callers() {
    let vendor = Vendor::default()
        .replies_after(millis(5000), Ok(token(1)))
        .replies_after(millis(9000), Ok(token(2)));
    let world = World::new(vendor);
    let authenticator = world.build();
    let begun = tokio::time::Instant::now();
    let first = tokio::spawn(authenticator.token());
    settled().await;
    // The process stood still for two minutes, so that another token request starts.
    world.clock.jump(millis(120_000));
    let second = tokio::spawn(authenticator.token());
    let token = second.await.unwrap().unwrap();
    assert_eq!(
        (text(&token).as_str(), begun.elapsed()),
        ("fake-token-1", millis(5000))
    );
    first.await.unwrap().unwrap();
    assert_eq!(world.vendor.requests(), 2);
}

/// A runtime on the real clock.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

#[test]
fn a_token_request_ends_with_its_runtime() {
    let vendor = Vendor::default().replies_after(HOUR, Ok(token(1)));
    let authenticator = runtime().block_on(async {
        let authenticator = World::new(vendor).build();
        let _waiting = tokio::spawn(authenticator.token());
        settled().await;
        assert!(authenticator.health().is_renewing());
        authenticator
    });
    assert!(!authenticator.health().is_renewing());
}

#[test]
fn a_caller_does_not_wait_for_a_runtime_that_stands_still() {
    let stalled = runtime();
    let vendor = Vendor::default().replies_after(HOUR, Ok(token(1)));
    let paused = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let authenticator = paused.block_on(async { World::new(vendor).build() });
    stalled.block_on(async {
        let _waiting = tokio::spawn(authenticator.token());
        settled().await;
    });
    assert!(authenticator.health().is_renewing());
    let token = async { tokio::time::timeout(HOUR, authenticator.token()).await };
    let token = paused.block_on(token);
    assert_eq!(text(&token.unwrap().unwrap()), "fake-token-2");
}
