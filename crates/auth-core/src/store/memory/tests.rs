use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use tokio::time::advance;

use super::*;
use crate::{Clock, Moment};

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);

/// A wall clock that is set by hand. Nanoseconds.
#[derive(Clone, Debug)]
struct Wall(Arc<AtomicU64>);

impl Wall {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000_000_000)))
    }

    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Relaxed);
    }

    fn back(&self, by: Duration) {
        self.0.fetch_sub(by.as_nanos() as u64, Relaxed);
    }
}

impl Clock for Wall {
    fn now(&self) -> Moment {
        Moment::new(Duration::ZERO, Duration::from_nanos(self.0.load(Relaxed)))
    }
}

fn key() -> Key {
    Key::builder("example").client("one").build()
}

fn entry(time_to_live: Duration) -> NewEntry {
    let version = EntryVersion::after(None, SECOND);
    NewEntry::new(version, Bytes::from_static(b"content"), time_to_live)
}

async fn age(store: &MemoryStore) -> Option<Duration> {
    let entry = store.load(&key()).await.expect("loads");
    entry.map(|entry| entry.age)
}

async fn write(store: &MemoryStore, time_to_live: Duration) -> bool {
    let replaced = store.replace(&key(), None, entry(time_to_live)).await;
    replaced.expect("writes")
}

async fn lease(store: &MemoryStore, owner: &str, time: Duration) -> bool {
    store.lease(&key(), owner, time).await.expect("leases")
}

async fn release(store: &MemoryStore, owner: &str) {
    store.release(&key(), owner).await.expect("releases");
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_gone_when_its_time_to_live_is_over() {
    let store = MemoryStore::new().clock(Wall::new());
    assert!(write(&store, SECOND).await);
    advance(SECOND - NANOSECOND).await;
    assert!(!write(&store, SECOND).await);
    assert_eq!(age(&store).await, Some(SECOND - NANOSECOND));
    advance(NANOSECOND).await;
    assert_eq!(age(&store).await, None);
    assert!(write(&store, SECOND).await);
    assert_eq!(age(&store).await, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_an_end_stays() {
    let store = MemoryStore::new().clock(Wall::new());
    assert!(write(&store, Duration::MAX).await);
    let year = 365 * 24 * 3600 * SECOND;
    advance(year).await;
    assert_eq!(age(&store).await, Some(year));
    assert!(!write(&store, SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_version_is_not_replaced() {
    let store = MemoryStore::new();
    let first = entry(SECOND);
    let version = first.version;
    let other = Some(EntryVersion::after(Some(version), SECOND));
    for (expected, is_replaced) in [
        (other, false),
        (None, true),
        (None, false),
        (other, false),
        (Some(version), true),
    ] {
        let replaced = store.replace(&key(), expected, first.clone()).await;
        assert_eq!(replaced.expect("writes"), is_replaced, "{expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_the_time_that_the_machine_was_suspended() {
    let wall = Wall::new();
    let store = MemoryStore::new().clock(wall.clone());
    assert!(write(&store, 60 * SECOND).await);
    advance(3 * SECOND).await;
    assert_eq!(age(&store).await, Some(3 * SECOND));
    // A correction of the wall clock: up to 5 s more than the timer.
    wall.forward(8 * SECOND);
    assert_eq!(age(&store).await, Some(3 * SECOND));
    wall.forward(NANOSECOND);
    assert_eq!(age(&store).await, Some(8 * SECOND + NANOSECOND));
    wall.back(3600 * SECOND);
    assert_eq!(age(&store).await, Some(3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_lease_has_one_owner_until_its_time_is_over() {
    let store = MemoryStore::new();
    assert!(lease(&store, "a", 10 * SECOND).await);
    assert!(!lease(&store, "b", 10 * SECOND).await);
    advance(5 * SECOND).await;
    assert!(lease(&store, "a", 10 * SECOND).await);
    advance(10 * SECOND - NANOSECOND).await;
    assert!(!lease(&store, "b", 10 * SECOND).await);
    advance(NANOSECOND).await;
    assert!(lease(&store, "b", 10 * SECOND).await);
    assert!(!lease(&store, "a", 10 * SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_longer_than_the_longest() {
    let store = MemoryStore::new();
    assert!(lease(&store, "a", Duration::MAX).await);
    advance(LONGEST_LEASE - NANOSECOND).await;
    assert!(!lease(&store, "b", SECOND).await);
    advance(NANOSECOND).await;
    assert!(lease(&store, "b", SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_releases_a_lease() {
    let store = MemoryStore::new();
    assert!(lease(&store, "a", 10 * SECOND).await);
    release(&store, "b").await;
    assert!(!lease(&store, "b", 10 * SECOND).await);
    release(&store, "a").await;
    assert!(lease(&store, "b", 10 * SECOND).await);
}
