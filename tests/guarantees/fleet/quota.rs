use auth_core::{ErrorKind, TokenRequestReason};
use tokio::time::{Instant, sleep};

use super::*;

fn fleet(limit: u32) -> Fleet {
    Fleet {
        quota: Some(Quota::new(limit, HOUR).unwrap()),
        ..Fleet::new()
    }
}

/// Makes processes with different tokens and the same client, whose token requests the vendor
/// counts.
fn of_one_client(fleet: &Fleet, count: usize) -> Vec<Authenticator> {
    let process = |number: usize| fleet.process_for(&number.to_string(), VirtualClock::new());
    (0..count).map(process).collect()
}

#[tokio::test(start_paused = true)]
async fn g11f_all_keys_and_processes_of_a_client_share_its_quota() {
    let fleet = fleet(20);
    let told = tokens(&of_one_client(&fleet, 30)).await;
    let errors: Vec<_> = told.into_iter().filter_map(Result::err).collect();
    assert_eq!((fleet.token_requests(), errors.len()), (20, 10));
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Quota);
        let wait = error.retry_after().unwrap();
        assert!((59 * MINUTE..=61 * MINUTE).contains(&wait), "{error}");
        let text = error.to_string();
        assert!(text.contains("by all processes together"), "{text}");
    }
    sleep(HOUR + MINUTE).await;
    let told = tokens(&of_one_client(&fleet, 30)).await;
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 20);
    assert_eq!(fleet.token_requests(), 40);
}

#[tokio::test(start_paused = true)]
async fn g11f_failed_token_requests_use_slots() {
    let fleet = fleet(5);
    let error = Error::new(ErrorKind::Unavailable, "no answer");
    fleet.source.script.times(5, Outcome::error(error));
    tokens(&of_one_client(&fleet, 5)).await;
    let process = fleet.process_for("another", VirtualClock::new());
    assert_eq!(token(&process).await.unwrap_err().kind(), ErrorKind::Quota);
    assert_eq!(fleet.token_requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn g11f_a_token_of_another_process_uses_no_slot() {
    let fleet = fleet(4);
    let process = fleet.process();
    let first = process.token().await.unwrap().generation();
    process.report_accepted(first);
    // The process loses its token repeatedly, and takes the next one from another process.
    for round in 1..=12 {
        sleep(HOUR / 2).await;
        let late = fleet.process();
        let generation = late.token().await.unwrap().generation();
        late.report_accepted(generation);
        late.report_refused(generation);
        late.token().await.unwrap();
        assert_eq!(fleet.token_requests(), 1 + round);
        let generation = process.token().await.unwrap().generation();
        process.report_refused(generation);
        let next = process.token().await.unwrap().generation();
        process.report_accepted(next);
        assert_ne!(next, generation);
        assert_eq!(
            fleet.token_requests(),
            1 + round,
            "the others' token is there"
        );
    }
    token(&process).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn g11f_renewals_ahead_of_expiry_leave_the_reserve_for_expired_tokens() {
    let fleet = fleet(10);
    let others = of_one_client(&fleet, 7);
    let process = fleet.process();
    tokens(&others).await;
    let _ = fleet.source.script.clone().lifetime(10 * MINUTE);
    token(&process).await.unwrap();
    // Eight slots are taken: a renewal ahead of expiry gets none, and an expired token gets one.
    for _ in 0..8 {
        sleep(MINUTE).await;
        token(&process).await.unwrap();
    }
    assert_eq!(fleet.token_requests(), 8);
    sleep(2 * MINUTE).await;
    token(&process).await.unwrap();
    let log = fleet.source.script.log();
    assert_eq!(log.len(), 9);
    assert_eq!(log[8].token_request.reason, TokenRequestReason::Needed);
}

#[tokio::test(start_paused = true)]
async fn t30_without_the_store_a_process_uses_only_its_share() {
    let fleet = fleet(20);
    fleet.store.fail(true);
    let process = fleet.process();
    for _ in 0..10 {
        if let Ok(token) = process.token().await {
            process.report_refused(token.generation());
        }
        sleep(2 * MINUTE).await;
    }
    // A tenth by default.
    assert_eq!(fleet.token_requests(), 2);
    assert_eq!(token(&process).await.unwrap_err().kind(), ErrorKind::Quota);
    sleep(HOUR).await;
    token(&process).await.unwrap();

    let asks = Fleet {
        quota: Some(Quota::new(20, HOUR).unwrap().without_store(3).unwrap()),
        ..fleet.clone()
    };
    let before = fleet.token_requests();
    let process = asks.process();
    for _ in 0..10 {
        if let Ok(token) = process.token().await {
            process.report_refused(token.generation());
        }
        sleep(2 * MINUTE).await;
    }
    assert_eq!(fleet.token_requests() - before, 3);
}

#[tokio::test(start_paused = true)]
async fn t35_a_storm_of_restarts_costs_one_token_request() {
    let fleet = fleet(20);
    for _ in 0..20 {
        for told in tokens(&fleet.processes(50)).await {
            told.unwrap();
        }
    }
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn g11f_a_slot_is_freed_when_its_token_expires() {
    let fleet = fleet(2);
    let _ = fleet.source.script.clone().lifetime(10 * MINUTE);
    for _ in 0..6 {
        token(&fleet.process()).await.unwrap();
        sleep(10 * MINUTE).await;
    }
    assert_eq!(fleet.token_requests(), 6);
}

#[tokio::test(start_paused = true)]
async fn t31_a_lease_granted_too_late_is_requested_again_and_uses_no_slot() {
    let mut fleet = fleet(1);
    fleet.store.latency_budget = Some(MINUTE);
    // Three of twelve seconds have passed, and the token request may take ten.
    *fleet.store.late.lock().unwrap() = Some(3 * SECOND);
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.store.leases.load(Ordering::SeqCst), 2);
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn t31_a_lease_requested_again_is_held_until_the_token_request_has_ended() {
    let mut fleet = fleet(5);
    fleet.store.latency_budget = Some(MINUTE);
    *fleet.store.late.lock().unwrap() = Some(3 * SECOND);
    let slow = Outcome::fresh().delay(5 * SECOND);
    fleet.source.script.always(slow);
    let process = fleet.process();
    let waits = tokio::spawn(async move { token(&process).await });
    let store = &fleet.store.inner;
    for _ in 0..7 {
        sleep(SECOND).await;
        assert!(!store.lease(&key("read"), "other", SECOND).await.unwrap());
    }
    waits.await.unwrap().unwrap();
    assert_eq!(fleet.store.leases.load(Ordering::SeqCst), 2);
    sleep(SECOND).await;
    assert!(store.lease(&key("read"), "other", SECOND).await.unwrap());
}

/// Sends requests from these processes for a few seconds.
async fn go_on(processes: &[Authenticator]) {
    for _ in 0..20 {
        tokens(processes).await;
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g11f_a_contended_account_permits_a_share_that_is_written_later() {
    let fleet = fleet(5);
    fleet.store.loses_accounts.store(true, Ordering::SeqCst);
    let process = fleet.process();
    let begun = Instant::now();
    token(&process).await.unwrap();
    assert!(begun.elapsed() <= SECOND / 20, "{:?}", begun.elapsed());
    // Other processes find the token, because the store has accepted everything else.
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 1);
    // A share is one token request here.
    let refused = process.token().await.unwrap().generation();
    process.report_accepted(refused);
    process.report_refused(refused);
    go_on(std::slice::from_ref(&process)).await;
    assert_eq!(fleet.token_requests(), 1);
    fleet.store.loses_accounts.store(false, Ordering::SeqCst);
    go_on(std::slice::from_ref(&process)).await;
    tokens(&of_one_client(&fleet, 10)).await;
    assert_eq!(fleet.token_requests(), 5, "by the vendor's count");
}

#[tokio::test(start_paused = true)]
async fn g11f_token_requests_during_an_outage_of_the_store_are_counted_afterwards() {
    let fleet = fleet(10);
    fleet.store.fail(true);
    let processes = fleet.processes(6);
    for told in tokens(&processes).await {
        told.unwrap();
    }
    assert_eq!(fleet.token_requests(), 6);
    fleet.store.fail(false);
    go_on(&processes).await;
    let told = tokens(&of_one_client(&fleet, 10)).await;
    let served = told.iter().filter(|told| told.is_ok()).count();
    assert_eq!((served, fleet.token_requests()), (4, 10));
}

#[tokio::test(start_paused = true)]
async fn g20f_setting_wall_clocks_does_not_change_the_length_of_a_slot() {
    for back in [true, false] {
        let fleet = fleet(2);
        let clocks = [VirtualClock::new(), VirtualClock::new()];
        let process =
            |number: usize| fleet.process_for(&number.to_string(), clocks[number % 2].clone());
        let processes: Vec<_> = (0..4).map(process).collect();
        let told = tokens(&processes).await;
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 2);
        // One of two wall clocks is set after the slots were taken.
        if back {
            clocks[0].jump_wall_back(10 * HOUR)
        } else {
            clocks[0].jump_wall_forward(30 * MINUTE)
        }
        sleep(59 * MINUTE).await;
        for number in [4, 5] {
            let error = token(&process(number)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
            assert!(error.retry_after().unwrap() <= 2 * MINUTE, "{error}");
        }
        sleep(2 * MINUTE).await;
        for number in [6, 7] {
            token(&process(number)).await.unwrap();
        }
        assert_eq!(fleet.token_requests(), 4);
    }
}
