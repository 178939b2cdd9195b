//! Entries and leases from a clock that was ahead.

use std::time::Duration;

use auth_core::{EntryVersion, Moment, NewEntry, StoredEntry, TokenStore as _};
use auth_store_file::FileStore;
use auth_testkit::VirtualClock;
use bytes::Bytes;

use crate::temporary::{Temporary, key};

const HOUR: Duration = Duration::from_secs(3600);
const WALL: Duration = Duration::from_secs(1_893_456_000);

/// A store with a clock that is ahead, and a store after a restart of the machine, with the right
/// clock.
fn stores(directory: &Temporary, ahead: Duration) -> ([FileStore; 2], VirtualClock) {
    let fast = VirtualClock::starting_at(Moment::new(24 * HOUR, WALL + ahead));
    let right = VirtualClock::starting_at(Moment::new(HOUR, WALL));
    let stores = [fast, right.clone()].map(|clock| directory.store().clock(clock));
    (stores, right)
}

#[tokio::test(start_paused = true)]
async fn g20_an_entry_from_the_future_is_of_unknown_age_and_stays() {
    let directory = Temporary::new();
    let ([fast, right], clock) = stores(&directory, HOUR);
    let bytes = Bytes::from_static(b"fake-refresh-token-1");
    let entry = NewEntry::new(EntryVersion::new(1), bytes.clone(), 2 * HOUR);
    assert!(fast.replace(&key(), None, entry.clone()).await.unwrap());
    // Until the clock has passed the time of writing, and longer than any timed entry may last.
    for _ in 0..59 {
        let seen = right.load(&key()).await.unwrap().unwrap();
        assert_eq!(seen.age, StoredEntry::UNKNOWN_AGE);
        assert_eq!(seen.content.unwrap(), bytes);
        clock.advance(HOUR / 60).await;
    }
    clock.advance(HOUR / 60).await;
    let seen = right.load(&key()).await.unwrap().unwrap();
    assert_eq!(seen.age, Duration::ZERO);
    clock.advance(2 * HOUR).await;
    assert!(right.load(&key()).await.unwrap().is_none());

    let other = NewEntry::new(EntryVersion::new(2), bytes, Duration::ZERO);
    assert!(fast.replace(&key(), None, other).await.unwrap());
    let seen = right.load(&key()).await.unwrap();
    assert!(seen.is_none(), "a time to live of zero is over: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_small_correction_of_the_clock_makes_no_age_unknown() {
    let directory = Temporary::new();
    for (ahead, age) in [
        (Duration::from_secs(5), Duration::ZERO),
        (Duration::from_millis(5_001), StoredEntry::UNKNOWN_AGE),
    ] {
        let ([fast, right], _) = stores(&directory, ahead);
        let before = right.load(&key()).await.unwrap().map(|entry| entry.version);
        let bytes = Bytes::from_static(b"fake-secret-1");
        let entry = NewEntry::new(EntryVersion::after(before, WALL), bytes, HOUR);
        assert!(fast.replace(&key(), before, entry).await.unwrap());
        let seen = right.load(&key()).await.unwrap().unwrap();
        assert_eq!(seen.age, age);
    }
}

#[tokio::test(start_paused = true)]
async fn g20_a_lease_from_the_future_ends_within_its_time_to_live_of_being_read() {
    let directory = Temporary::new();
    let ([fast, right], clock) = stores(&directory, HOUR);
    let time = Duration::from_secs(20);
    assert!(fast.lease(&key(), "a", time).await.unwrap());
    assert!(!right.lease(&key(), "b", time).await.unwrap());
    clock.advance(time - Duration::from_secs(1)).await;
    assert!(!right.lease(&key(), "b", time).await.unwrap());
    clock.advance(Duration::from_secs(1)).await;
    assert!(
        right.lease(&key(), "b", time).await.unwrap(),
        "the lease never ends"
    );
}

#[tokio::test(start_paused = true)]
async fn g20_a_wall_clock_that_jumps_forward_ends_no_entry_and_makes_entries_older() {
    let directory = Temporary::new();
    let clock = VirtualClock::new();
    let store = directory.store().clock(clock.clone());
    let bytes = Bytes::from_static(b"fake-refresh-token-1");
    let entry = NewEntry::new(EntryVersion::new(1), bytes, HOUR);
    assert!(store.replace(&key(), None, entry).await.unwrap());
    assert!(store.lease(&key(), "a", HOUR).await.unwrap());
    clock.jump_wall_forward(365 * 24 * HOUR);
    let seen = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(seen.age, 365 * 24 * HOUR);
    assert!(!store.lease(&key(), "b", HOUR).await.unwrap());
}
