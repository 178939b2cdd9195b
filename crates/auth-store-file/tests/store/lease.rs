//! Leases, when the clock is not what it was.

use std::{fs, time::Duration};

use auth_core::TokenStore as _;
use auth_testkit::VirtualClock;

use crate::temporary::{Temporary, key};

const TIME: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let directory = Temporary::new();
    let clock = VirtualClock::new();
    let store = directory.store().clock(clock.clone());
    assert!(store.lease(&key(), "a", TIME).await.unwrap());
    clock.jump_wall_back(Duration::from_secs(24 * 3600));
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
    clock.advance(TIME).await;
    assert!(store.lease(&key(), "b", TIME).await.unwrap(), "it sticks");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_little_time_shortens_nobody_elses_lease() {
    let directory = Temporary::new();
    let clock = VirtualClock::new();
    let store = directory.store().clock(clock.clone());
    assert!(store.lease(&key(), "a", 10 * TIME).await.unwrap());
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
    clock.advance(5 * TIME).await;
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_read_is_nobodys() {
    let directory = Temporary::new();
    let store = directory.store();
    for damage in [&b""[..], b"a", &[0; 100]] {
        assert!(store.lease(&key(), "a", TIME).await.unwrap());
        fs::write(directory.file(".lease"), damage).unwrap();
        store.release(&key(), "a").await.unwrap();
        assert!(store.lease(&key(), "b", TIME).await.unwrap());
        store.release(&key(), "b").await.unwrap();
    }
}
