//! A store as its keeper has it, and stores with keys in front of it.

use std::time::Duration;

use auth_core::{Key, MemoryStore, NewEntry, Secret, StoredEntry, TokenStore as _, Version};
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
    SealedStore::new(inner.clone(), SealingKeys::new(text(number))).unwrap()
}

pub(crate) fn entry(version: u128) -> NewEntry {
    NewEntry::new(Version::new(version), Bytes::from_static(CONTENT), HOUR)
}

/// What is there, with its seal.
pub(crate) async fn kept(inner: &MemoryStore, key: &Key) -> StoredEntry {
    inner.load(key).await.unwrap().unwrap()
}

/// What an inner store that has its own mind has there from now on.
pub(crate) async fn plant(inner: &MemoryStore, key: &Key, version: u128, bytes: impl AsRef<[u8]>) {
    let before = inner.load(key).await.unwrap().map(|entry| entry.version);
    let bytes = Bytes::copy_from_slice(bytes.as_ref());
    let entry = NewEntry::new(Version::new(version), bytes, HOUR);
    assert!(inner.replace(key, before, entry).await.unwrap());
}

/// Asserts that there is nothing to be had, and that it can be replaced nevertheless.
#[track_caller]
pub(crate) fn assert_miss(entry: Option<StoredEntry>, version: u128) {
    let entry = entry.unwrap();
    assert_eq!(entry.version, Version::new(version));
    assert!(entry.bytes.is_empty(), "it was opened");
}
