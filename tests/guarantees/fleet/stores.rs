//! G16: a store that denies everything, returns the same entry again and again, or is contended.

use auth_core::{ErrorKind, RejectedPart};
use tokio::time::{Instant, sleep};

use super::*;

#[tokio::test(start_paused = true)]
async fn g16f_a_lease_that_is_always_denied_costs_half_a_deadline_once_and_then_a_second() {
    fastrand::seed(16);
    let fleet = Fleet::new();
    fleet.store.denies.store(true, Ordering::SeqCst);
    let process = fleet.process();
    for (round, longest) in [(1, 6 * SECOND), (2, 2 * SECOND), (3, 2 * SECOND)] {
        let before = fleet.store.calls.load(Ordering::SeqCst);
        let begun = Instant::now();
        token(&process).await.unwrap();
        let calls = fleet.store.calls.load(Ordering::SeqCst) - before;
        println!("{round}: {:?}, {calls} calls", begun.elapsed());
        assert!(begun.elapsed() <= longest, "{:?}", begun.elapsed());
        // A dozen in the first second, and a few in each further one.
        assert!(calls <= 50, "{calls} calls");
        assert_eq!(fleet.token_requests(), round);
        sleep(2 * HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g16f_twenty_processes_with_a_lease_that_is_always_denied_make_one_token_request() {
    for seed in 0..10 {
        fastrand::seed(seed);
        let fleet = Fleet::new();
        fleet.store.denies.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        for told in tokens(&fleet.processes(20)).await {
            told.unwrap();
        }
        assert!(begun.elapsed() <= 6 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(fleet.token_requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn g06f_a_password_is_sent_once_if_the_lease_is_always_denied() {
    let fleet = Fleet::with_password();
    fleet.store.denies.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    for told in tokens(&fleet.processes(20)).await {
        told.unwrap();
    }
    println!("{:?}", begun.elapsed());
    // The longest time for which another process may hold the lease, so that its outcome is known.
    assert!(begun.elapsed() <= 15 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn g16f_a_password_waits_for_a_denied_lease_once_and_then_for_a_second() {
    fastrand::seed(16);
    let fleet = Fleet::with_password();
    fleet.store.denies.store(true, Ordering::SeqCst);
    let process = fleet.process();
    for (round, longest) in [(1, 15 * SECOND), (2, 2 * SECOND), (3, 2 * SECOND)] {
        let begun = Instant::now();
        token(&process).await.unwrap();
        println!("{round}: {:?}", begun.elapsed());
        assert!(begun.elapsed() <= longest, "{:?}", begun.elapsed());
        assert_eq!(fleet.token_requests(), round);
        sleep(2 * HOUR).await;
    }
    // The store grants leases again, so there may be a holder again.
    fleet.store.denies.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    token(&process).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    sleep(2 * HOUR).await;
    fleet.store.denies.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    token(&process).await.unwrap();
    assert!(begun.elapsed() > 13 * SECOND, "{:?}", begun.elapsed());
}

/// A wrong password is sent as often as with a lease, however often the lease is denied.
#[tokio::test(start_paused = true)]
async fn g16f_a_wrong_password_is_sent_twice_if_the_lease_is_always_denied() {
    for seed in 0..10 {
        fastrand::seed(seed);
        let fleet = Fleet::with_password();
        fleet.store.denies.store(true, Ordering::SeqCst);
        let wrong = Error::new(ErrorKind::Rejected, "wrong password")
            .with_rejected_part(RejectedPart::Credentials);
        fleet.source.script.always(Outcome::error(wrong));
        let processes = fleet.processes(5);
        let begun = Instant::now();
        while begun.elapsed() < 12 * HOUR {
            for told in tokens(&processes).await {
                assert!(told.is_err());
            }
            sleep(MINUTE).await;
        }
        assert_eq!(fleet.token_requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn g16f_a_source_with_refresh_tokens_waits_for_a_denied_lease_once() {
    let mut fleet = Fleet::new();
    fleet.source.keeps = true;
    let _ = fleet.source.script.clone().lifetime(MINUTE / 2);
    fleet.store.denies.store(true, Ordering::SeqCst);
    let process = fleet.process();
    let begun = Instant::now();
    token(&process).await.unwrap();
    println!("{:?}", begun.elapsed());
    assert!(begun.elapsed() <= 45 * SECOND, "{:?}", begun.elapsed());
    sleep(MINUTE / 2).await;
    let begun = Instant::now();
    token(&process).await.unwrap();
    assert!(begun.elapsed() <= SECOND / 10, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn g16f_a_compare_and_set_that_always_loses_costs_tens_of_calls() {
    let with_quota = Fleet {
        quota: Some(Quota::new(20, HOUR).unwrap()),
        ..Fleet::new()
    };
    let mut keeps = Fleet::new();
    keeps.source.keeps = true;
    keeps.source.script.always(Outcome::token(
        AccessToken::new("fake-token")
            .expires_in(HOUR)
            .refresh_token("fake-refresh"),
    ));
    for fleet in [Fleet::new(), with_quota, keeps] {
        fleet.store.loses.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        token(&fleet.process()).await.unwrap();
        let calls = fleet.store.calls.load(Ordering::SeqCst);
        println!("{:?}, {calls} calls", begun.elapsed());
        assert!(begun.elapsed() <= SECOND, "{:?}", begun.elapsed());
        assert!(calls <= 40, "{calls} calls");
        assert_eq!(fleet.token_requests(), 1);
    }
}

/// Returns one entry again and again, each time as if it had just been written. Returns the time of
/// the first token.
async fn presented_again(failure: Error) -> Duration {
    let fleet = Fleet::new();
    fleet.source.script.then(Outcome::error(failure));
    assert!(token(&fleet.process()).await.is_err());
    let process = fleet.process();
    let first = fleet.store.inner.load(&key("read")).await.unwrap().unwrap();
    let (mut version, bytes) = (first.version, first.content.unwrap());
    let begun = Instant::now();
    while token(&process).await.is_err() {
        assert!(begun.elapsed() < 3 * HOUR);
        let there = fleet.store.inner.load(&key("read")).await.unwrap();
        version = EntryVersion::after(Some(version), Duration::ZERO);
        let again = NewEntry::new(version, bytes.clone(), HOUR);
        let there = there.map(|entry| entry.version);
        fleet
            .store
            .inner
            .replace(&key("read"), there, again)
            .await
            .unwrap();
        sleep(SECOND).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn g20f_a_back_off_that_a_store_returns_again_and_again_ends() {
    let down = Error::new(ErrorKind::Unavailable, "no answer");
    let waited = presented_again(down).await;
    println!("no answer: {waited:?}");
    assert!(waited <= 6 * SECOND, "{waited:?}");
    let busy = Error::new(ErrorKind::Throttled, "429").with_retry_after(90 * SECOND);
    let waited = presented_again(busy).await;
    println!("429: {waited:?}");
    // The vendor stated it once.
    assert!(waited <= 91 * SECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn g16f_a_contended_quota_account_costs_50_ms() {
    let fleet = Fleet {
        quota: Some(Quota::new(1_000, HOUR).unwrap()),
        ..Fleet::new()
    };
    let process = |number: usize| fleet.process_for(&number.to_string(), VirtualClock::new());
    let processes: Vec<_> = (0..50).map(process).collect();
    let begun = Instant::now();
    for told in tokens(&processes).await {
        told.unwrap();
    }
    println!("{:?}", begun.elapsed());
    assert!(
        begun.elapsed() <= Duration::from_millis(60),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(fleet.token_requests(), 50);
}

#[tokio::test(start_paused = true)]
async fn g20f_clocks_ten_minutes_apart_extend_no_back_off_and_no_token() {
    for by in [10 * MINUTE, 10 * HOUR, 1_000 * HOUR] {
        for back in [false, true] {
            let fleet = Fleet::new();
            let clock = VirtualClock::new();
            if back {
                clock.jump_wall_back(by)
            } else {
                clock.jump_wall_forward(by)
            }
            let busy = Error::new(ErrorKind::Throttled, "429");
            let busy = busy.with_retry_after(90 * SECOND);
            fleet.source.script.then(Outcome::error(busy));
            assert!(
                token(&fleet.process_for("read", clock.clone()))
                    .await
                    .is_err()
            );
            let process = fleet.process();
            sleep(89 * SECOND).await;
            assert!(token(&process).await.is_err());
            sleep(2 * SECOND).await;
            token(&process).await.unwrap();
            let skewed = fleet.process_for("read", clock);
            token(&skewed).await.unwrap();
            assert!(skewed.health().usable_for().unwrap() <= 59 * MINUTE);
            sleep(59 * MINUTE).await;
            assert!(skewed.try_token().is_none());
            assert!(process.try_token().is_none());
            assert_eq!(fleet.token_requests(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g03f_a_token_that_another_process_fetched_keeps_the_margin_of_its_lifetime() {
    let fleet = Fleet::new();
    token(&fleet.process()).await.unwrap();
    // One minute and two seconds are left, of which one minute is the margin.
    sleep(HOUR - MINUTE - 2 * SECOND).await;
    let process = fleet.process();
    token(&process).await.unwrap();
    let left = process.health().usable_for().unwrap();
    assert!(left <= 2 * SECOND, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn g20f_the_maximum_lifetime_counts_from_the_token_request_in_every_process() {
    let fleet = Fleet::new();
    fleet.source.script.always(Outcome::token(
        AccessToken::new("fake-token").expires_in(10 * HOUR),
    ));
    let process = || {
        let policy = auth_core::RefreshPolicy::default();
        let options = AuthenticatorOptions::new()
            .store(fleet.store.clone())
            .policy(policy.max_lifetime(HOUR).unwrap())
            .clock(VirtualClock::new());
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(fleet.source.clone(), origins)
            .key(key("read"))
            .options(options)
            .build()
            .unwrap()
    };
    token(&process()).await.unwrap();
    for minutes in [20, 20] {
        sleep(minutes * MINUTE).await;
        token(&process()).await.unwrap();
    }
    // 40 minutes of the hour have passed, and the margin is one minute.
    let last = process();
    token(&last).await.unwrap();
    assert_eq!(last.health().usable_for(), Some(19 * MINUTE));
    assert_eq!(fleet.token_requests(), 1);
}
