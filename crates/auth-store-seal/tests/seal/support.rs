//! An inner store, and sealed stores with keys around it.

use std::time::Duration;

use auth_core::{
    EntryVersion, ErrorKind, Key, MemoryStore, NewEntry, Secret, StoredEntry, TokenStore,
};
use auth_store_seal::{SealedStore, SealingKeys};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

pub(crate) const CONTENT: &[u8] = b"fake-secret-1 of some length";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn key() -> Key {
    let subject = Secret::new("fake-token-of-a-user");
    Key::builder("example").subject(&subject).build()
}

/// The text of one of many keys.
pub(crate) fn text(number: u8) -> Secret {
    Secret::new(STANDARD.encode([number; 32]))
}

pub(crate) fn sealed(inner: &MemoryStore, number: u8) -> SealedStore<MemoryStore> {
    SealedStore::new(inner.clone(), with_key(number)).unwrap()
}

/// With names that the inner store can compute as well.
pub(crate) fn with_key(number: u8) -> SealingKeys {
    SealingKeys::new(text(number)).danger_plain_names()
}

/// The key of all names, if there is one.
pub(crate) const NAMES: u8 = 99;

pub(crate) fn entry(version: u128) -> NewEntry {
    NewEntry::new(
        EntryVersion::new(version),
        Bytes::from_static(CONTENT),
        HOUR,
    )
}

/// The stored bytes, with their seal.
pub(crate) async fn kept(inner: &MemoryStore, key: &Key) -> StoredEntry {
    inner.load(key).await.unwrap().unwrap()
}

/// Replaces the stored bytes.
pub(crate) async fn plant(inner: &MemoryStore, key: &Key, version: u128, bytes: impl AsRef<[u8]>) {
    let before = inner.load(key).await.unwrap().map(|entry| entry.version);
    let bytes = Bytes::copy_from_slice(bytes.as_ref());
    let entry = NewEntry::new(EntryVersion::new(version), bytes, HOUR);
    assert!(inner.replace(key, before, entry).await.unwrap());
}

/// Asserts that there is an entry that cannot be opened, and returns the reason.
#[track_caller]
pub(crate) fn assert_miss(entry: Option<StoredEntry>, version: u128) -> String {
    let entry = entry.unwrap();
    assert_eq!(entry.version, EntryVersion::new(version));
    let error = entry.content.expect_err("the entry was opened");
    assert_eq!(error.kind(), ErrorKind::Store);
    error.to_string()
}

/// The stored entry, opened.
pub(crate) async fn opened(store: &impl TokenStore, key: &Key) -> Bytes {
    let entry = store.load(key).await.unwrap().unwrap();
    entry.content.unwrap()
}
