//! Helpers of the clauses: one place, two stores, and a few values.

use std::{error::Error as _, time::Duration};

use auth_core::{EntryVersion, Error, Key, NewEntry, Secret, StoredEntry, TokenStore};
use bytes::Bytes;
use tokio::time;

use super::Place;

/// Two stores on one place, as two processes have them.
pub(super) struct Stand<P: Place> {
    pub(super) place: P,
    pub(super) one: P::Store,
    pub(super) other: P::Store,
}

impl<P: Place> Stand<P> {
    pub(super) async fn new() -> Self {
        let place = P::new().await;
        let one = place.open().await;
        let other = place.open().await;
        Self { place, one, other }
    }
}

pub(super) fn key() -> Key {
    let subject = Secret::new("fake-token-of-a-user");
    Key::builder("contract").subject(&subject).build()
}

pub(super) async fn load(store: &impl TokenStore, key: &Key) -> Option<StoredEntry> {
    good(store.load(key).await)
}

pub(super) async fn content(store: &impl TokenStore, key: &Key) -> Option<Bytes> {
    load(store, key).await.map(|entry| good(entry.content))
}

pub(super) async fn replace(
    store: &impl TokenStore,
    key: &Key,
    expected: Option<EntryVersion>,
    bytes: impl Into<Bytes>,
) -> Option<EntryVersion> {
    replace_for(store, key, expected, bytes, LONG).await
}

/// Returns the version of the entry now, unless another writer was faster.
pub(super) async fn replace_for(
    store: &impl TokenStore,
    key: &Key,
    expected: Option<EntryVersion>,
    bytes: impl Into<Bytes>,
    time_to_live: Duration,
) -> Option<EntryVersion> {
    let version = EntryVersion::after(expected, Duration::ZERO);
    let entry = NewEntry::new(version, bytes.into(), time_to_live);
    good(store.replace(key, expected, entry).await).then_some(version)
}

/// Takes the lease, in the owner's name.
pub(super) async fn lease(store: &impl TokenStore, key: &Key, owner: &str, time: Duration) -> bool {
    good(store.lease(key, owner, time).await)
}

pub(super) async fn release(store: &impl TokenStore, key: &Key, owner: &str) {
    good(store.release(key, owner).await);
}

/// Waits until an entry with time to live [`SHORT`] has expired.
pub(super) async fn outlive() {
    time::sleep(SHORT + SHORT / 2).await;
}

#[track_caller]
pub(super) fn good<T>(answer: Result<T, Error>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("the store failed: {error} ({:?})", error.source()),
    }
}

/// Ends soon, but not while a slow machine runs the steps of a clause.
pub(super) const SHORT: Duration = Duration::from_millis(300);
/// Longer than any clause takes.
pub(super) const LONG: Duration = Duration::from_secs(3600);
