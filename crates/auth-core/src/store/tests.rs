use std::time::Duration;

use crate::{
    EntryVersion, Error, ErrorKind, Key, MemoryStore, NewEntry, SharedTokenStore, StoredEntry,
    TokenStore,
};

/// A store that cannot be reached.
struct Unconnected;

impl TokenStore for Unconnected {
    async fn connect(&self) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Store, "connection refused"))
    }

    async fn load(&self, _: &Key) -> Result<Option<StoredEntry>, Error> {
        Ok(None)
    }

    async fn replace(&self, _: &Key, _: Option<EntryVersion>, _: NewEntry) -> Result<bool, Error> {
        Ok(false)
    }

    async fn lease(&self, _: &Key, _: &str, _: Duration) -> Result<bool, Error> {
        Ok(false)
    }

    async fn release(&self, _: &Key, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn a_shared_store_reports_that_its_store_cannot_connect() {
    let store = SharedTokenStore::new(Unconnected);
    let error = store.connect().await.expect_err("no connection");
    assert_eq!(error.to_string(), "connection refused");
}

#[test]
fn a_request_waits_at_most_50_ms_for_a_store_that_states_no_time() {
    let default = Duration::from_millis(50);
    assert_eq!(Unconnected.latency_budget(), default);
    let shared = SharedTokenStore::new(Unconnected);
    assert_eq!(shared.latency_budget(), default);
}

#[tokio::test]
async fn a_shared_store_passes_calls_on() {
    let (store, key) = (MemoryStore::new(), &Key::builder("example").build());
    let shared = SharedTokenStore::new(store.clone());
    let minute = Duration::from_secs(60);
    let entry = NewEntry::new(EntryVersion::new(7), "content".into(), minute);
    assert!(shared.replace(key, None, entry).await.unwrap());
    let loaded = shared.load(key).await.unwrap().unwrap();
    assert_eq!(loaded.version, EntryVersion::new(7));
    assert!(shared.lease(key, "a", minute).await.unwrap());
    assert!(!store.lease(key, "b", minute).await.unwrap());
    shared.release(key, "a").await.unwrap();
    assert!(store.lease(key, "b", minute).await.unwrap());
}

#[test]
fn a_version_is_a_number_whose_upper_half_is_the_epoch() {
    let number = (5 << 64) | 7;
    let version = EntryVersion::new(number);
    assert_eq!((version.get(), version.epoch()), (number, 5));
    let next = EntryVersion::after(Some(version), Duration::ZERO);
    assert_eq!(next.epoch(), 6);
    let first = EntryVersion::after(None, Duration::from_millis(9));
    assert_eq!(first.epoch(), 9);
}
