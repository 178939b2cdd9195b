//! Names of entries in the inner store, and a lost name key.

use auth_core::{EntryVersion, ErrorKind, Key, MemoryStore, Secret, SecretFile, TokenStore as _};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::support::{CONTENT, HOUR, NAMES, assert_miss, entry, key, opened, text};

fn store(inner: &MemoryStore, sealing: u8, names: u8) -> SealedStore<MemoryStore> {
    let keys = SealingKeys::new(text(sealing)).name_key(text(names));
    SealedStore::new(inner.clone(), keys).unwrap()
}

#[tokio::test]
async fn t29_guessing_does_not_reveal_for_whom_there_is_an_entry() {
    let inner = MemoryStore::new();
    let store = store(&inner, 1, NAMES);
    store.connect().await.unwrap();
    assert!(store.replace(&key(), None, entry(1)).await.unwrap());
    assert!(store.lease(&key(), "owner", HOUR).await.unwrap());
    assert_eq!(opened(&store, &key()).await, CONTENT);
    // The guessed key is right, and finds neither entry nor lease.
    assert!(inner.load(&key()).await.unwrap().is_none());
    assert!(inner.lease(&key(), "keeper", HOUR).await.unwrap());
    store.release(&key(), "owner").await.unwrap();
    let other = self::store(&inner, 1, NAMES);
    assert!(other.lease(&key(), "other", HOUR).await.unwrap());
}

#[tokio::test]
async fn names_stay_when_the_sealing_key_is_replaced() {
    let inner = MemoryStore::new();
    let old = store(&inner, 1, NAMES);
    old.connect().await.unwrap();
    assert!(old.replace(&key(), None, entry(1)).await.unwrap());
    assert!(old.lease(&key(), "old", HOUR).await.unwrap());
    let keys = SealingKeys::new(text(2)).also_opens(text(1));
    let new = SealedStore::new(inner.clone(), keys.name_key(text(NAMES))).unwrap();
    new.connect().await.unwrap();
    assert_eq!(opened(&new, &key()).await, CONTENT);
    assert!(!new.lease(&key(), "new", HOUR).await.unwrap());
}

/// For sources that keep refresh tokens, only this keeps processes from using one twice.
#[tokio::test]
async fn a_sealing_key_removed_too_early_is_an_error_that_names_it() {
    let inner = MemoryStore::new();
    let old = store(&inner, 1, NAMES);
    assert!(old.replace(&key(), None, entry(1)).await.unwrap());
    let new = store(&inner, 2, NAMES);
    let told = assert_miss(new.load(&key()).await.unwrap(), 1);
    // The missing key, the keys of this process, and what to do.
    let ids: Vec<_> = told
        .split(|char: char| !char.is_ascii_hexdigit())
        .filter(|word| word.len() == 16)
        .collect();
    assert_eq!(ids.len(), 2, "{told}");
    assert_ne!(ids[0], ids[1], "{told}");
    assert!(told.contains("`also_opens`"), "{told}");
    // Nothing is lost, also not by a caller that treats the entry as missing.
    assert!(!new.replace(&key(), None, entry(2)).await.unwrap());
    let both = SealingKeys::new(text(2)).also_opens(text(1));
    let both = SealedStore::new(inner, both.name_key(text(NAMES))).unwrap();
    assert_eq!(opened(&both, &key()).await, CONTENT);
}

#[tokio::test]
async fn another_name_key_is_noticed_before_an_entry_is_missed() {
    let inner = MemoryStore::new();
    let first = store(&inner, 1, NAMES);
    first.connect().await.unwrap();
    let plain = SealingKeys::new(text(1)).danger_plain_names();
    let plain = SealedStore::new(inner.clone(), plain).unwrap();
    for other in [store(&inner, 1, 98), plain] {
        for _ in 0..2 {
            let error = other.connect().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.field(), Some("name_key"));
            let told = error.to_string();
            assert!(told.contains("another prefix or directory"), "{told}");
        }
    }
    // Processes with the right key continue, in any order.
    store(&inner, 2, NAMES).connect().await.unwrap();
    first.connect().await.unwrap();
    // And in the reverse order.
    let inner = MemoryStore::new();
    let plain = SealingKeys::new(text(1)).danger_plain_names();
    let plain = SealedStore::new(inner.clone(), plain).unwrap();
    plain.connect().await.unwrap();
    let error = store(&inner, 1, NAMES).connect().await.unwrap_err();
    assert_eq!(error.field(), Some("name_key"));
}

#[tokio::test]
async fn a_name_key_is_required() {
    let without = SealingKeys::new(text(1));
    let error = SealedStore::new(MemoryStore::new(), without.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.field(), Some("name_key"));
    assert!(
        error.to_string().contains("openssl rand -base64 32"),
        "{error}"
    );
    assert_eq!(without.check().await.unwrap_err().field(), Some("name_key"));
    let wrong = SealingKeys::new(text(1)).name_key(Secret::new("fake-secret-1"));
    for error in [
        SealedStore::new(MemoryStore::new(), wrong.clone()).unwrap_err(),
        wrong.check().await.unwrap_err(),
    ] {
        assert_eq!(error.field(), Some("name_key"));
        assert!(!format!("{error} {error:?}").contains("fake"), "{error:?}");
    }
}

#[tokio::test]
async fn without_its_name_key_the_store_is_not_called() {
    let inner = MemoryStore::new();
    let missing = SealingKeys::new(text(1)).name_key(SecretFile::new("/nowhere/name-key"));
    let store = SealedStore::new(inner.clone(), missing).unwrap();
    let errors = [
        store.connect().await.unwrap_err(),
        store.load(&key()).await.unwrap_err(),
        store.replace(&key(), None, entry(1)).await.unwrap_err(),
        store.lease(&key(), "owner", HOUR).await.unwrap_err(),
        store.release(&key(), "owner").await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("/nowhere/name-key"), "{error}");
    }
    assert!(inner.lease(&key(), "other", HOUR).await.unwrap());
}

/// A version under which the inner store presents an entry, however high, proves nothing.
#[tokio::test]
async fn a_version_is_authentic_or_comes_with_an_error() {
    let inner = MemoryStore::new();
    let names = SealingKeys::new(text(1)).danger_plain_names();
    let store = SealedStore::new(inner.clone(), names).unwrap();
    let key = Key::builder("example").build();
    assert!(store.replace(&key, None, entry(1)).await.unwrap());
    let sealed = inner.load(&key).await.unwrap().unwrap().content.unwrap();
    for version in [2, 1 << 64, u128::MAX] {
        crate::support::plant(&inner, &key, version, &sealed).await;
        assert_miss(store.load(&key).await.unwrap(), version);
    }
    crate::support::plant(&inner, &key, 1, &sealed).await;
    let there = store.load(&key).await.unwrap().unwrap();
    assert_eq!(there.version, EntryVersion::new(1));
    assert_eq!(there.content.unwrap(), CONTENT);
}
