//! Token requests of processes that share a store.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_token_of_another_process_is_adopted_with_its_age() {
    let store = Store::default().load_takes(millis(5));
    let world = World::new(Vendor::default()).store(&store);
    let first = world.build();
    first.warm_up().await.unwrap();
    first.shutdown(HOUR).await.unwrap();
    assert_eq!(world.heard.names(), ["token_published"]);
    assert_eq!(store.connects(), 1, "once for each flight");
    tokio::time::sleep(millis(60_000)).await;
    let second = world.build();
    assert_eq!(text(&second.token().await.unwrap()), "fake-token-1");
    settled().await;
    let age = world.heard.find(|kind| match kind {
        EventKind::TokenAdopted { age } => Some(*age),
        _ => None,
    });
    let age = age.unwrap();
    assert!(age.abs_diff(millis(60_000)) <= millis(20), "{age:?}");
    assert_eq!((world.vendor.requests(), store.connects()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn each_token_request_holds_its_own_lease() {
    let store = Store::default();
    let world = World::new(Vendor::default()).store(&store);
    let policy = RefreshPolicy::default().deadline(millis(7000)).unwrap();
    let world = world.with(|options| options.policy(policy));
    let authenticator = world.build();
    authenticator.warm_up().await.unwrap();
    tokio::time::sleep(millis(5000)).await;
    authenticator.refresh_now().await.unwrap();
    authenticator.shutdown(HOUR).await.unwrap();
    let leases = store.leases();
    let [(first, time), (second, _)] = &leases[..] else {
        panic!("{leases:?}");
    };
    assert_ne!(first, second);
    assert!(first.len() > 32 && second.len() > 32, "{leases:?}");
    assert_eq!(*time, millis(9000), "the deadline and 2 s");
    assert_eq!(store.releases(), 2);
    assert!(!world.heard.names().contains(&"store_failed"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_could_not_be_released_is_released_again() {
    let store = Store::default();
    store.fail_releases();
    let world = World::new(Vendor::default()).store(&store);
    world.build().warm_up().await.unwrap();
    settled().await;
    assert_eq!(store.releases(), 2);
    assert!(world.heard.names().contains(&"store_failed"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_write_that_callers_did_not_wait_for() {
    let store = Store::default();
    let world = World::new(Vendor::default()).store(&store);
    let authenticator = world.build();
    let store = store.replace_takes(millis(300));
    let begun = tokio::time::Instant::now();
    authenticator.warm_up().await.unwrap();
    assert_eq!(begun.elapsed(), millis(50), "the latency budget");
    settled().await;
    assert!(!authenticator.health().is_renewing());
    let error = authenticator.shutdown(millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    authenticator.shutdown(HOUR).await.unwrap();
    assert_eq!(begun.elapsed(), millis(300));
    drop(store);
    // The write has put the token into the store.
    assert_eq!(text(&world.build().token().await.unwrap()), "fake-token-1");
}

#[tokio::test(start_paused = true)]
async fn shutdown_reports_a_refresh_token_that_the_store_did_not_take() {
    for fails in [false, true] {
        let store = Store::default();
        let with_refresh_token = token(1).refresh_token("fake-refresh-token-1");
        let vendor = Vendor::default()
            .replies(Ok(with_refresh_token))
            .keeps_refresh_tokens();
        let world = World::new(vendor).store(&store);
        let authenticator = world.build();
        if fails {
            store.fail_writes();
        }
        authenticator.warm_up().await.unwrap();
        let end = authenticator.shutdown(HOUR).await;
        assert_eq!(
            end.err().map(|error| error.kind()),
            fails.then_some(ErrorKind::Store)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_without_a_shared_store_survive_an_eviction() {
    let vendor = || {
        let with_refresh_token = token(1).refresh_token("fake-refresh-token-1");
        Vendor::default()
            .replies(Ok(with_refresh_token))
            .keeps_refresh_tokens()
    };
    let alone = World::new(vendor()).build();
    alone.warm_up().await.unwrap();
    alone.shutdown(HOUR).await.unwrap();
    tokio::time::sleep(HOUR / 2).await;
    let residue = alone.shared().residue().unwrap();
    assert!(residue.refresh_tokens.is_some());
    // A shared store has the refresh token.
    let shared = World::new(vendor()).store(&Store::default()).build();
    shared.warm_up().await.unwrap();
    shared.shutdown(HOUR).await.unwrap();
    let residue = shared.shared().residue();
    assert!(residue.is_none_or(|residue| residue.refresh_tokens.is_none()));
}

#[tokio::test(start_paused = true)]
async fn failure_and_recovery_of_the_store_are_told_once_each() {
    let store = Store::default();
    let world = World::new(Vendor::default()).store(&store);
    let authenticator = world.build();
    let renew = || async {
        tokio::time::sleep(millis(10_000)).await;
        authenticator.refresh_now().await.unwrap();
        authenticator.shutdown(HOUR).await.unwrap();
        settled().await;
        let mut names = world.heard.names();
        names.retain(|name| name.starts_with("store"));
        names
    };
    assert!(renew().await.is_empty());
    store.fail_loads(true);
    assert_eq!(renew().await, ["store_failed"]);
    assert!(authenticator.health().is_store_failing());
    assert_eq!(renew().await, ["store_failed"]);
    store.fail_loads(false);
    assert_eq!(renew().await, ["store_recovered"]);
    assert!(!authenticator.health().is_store_failing());
    assert!(renew().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_all_processes_used_up_is_told_so() {
    let quota = Quota::new(1, HOUR).unwrap();
    let world = World::new(Vendor::default()).with(|options| options.quota(quota));
    let world = world.store(&Store::default());
    let first = world.build();
    first.warm_up().await.unwrap();
    first.shutdown(HOUR).await.unwrap();
    let second = world.build();
    second.warm_up().await.unwrap();
    second.invalidate();
    settled().await;
    world.heard.take();
    let error = second.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota);
    assert!(
        error.to_string().contains("by all processes together"),
        "{error}"
    );
    settled().await;
    assert_eq!(world.heard.names(), ["no_token", "quota_used_up"]);
    // The first one knows that it has used the slot itself.
    first.invalidate();
    let error = first.token().await.unwrap_err();
    assert!(
        !error.to_string().contains("by all processes together"),
        "{error}"
    );
}
