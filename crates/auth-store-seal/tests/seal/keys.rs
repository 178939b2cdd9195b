//! Missing or invalid keys: an error that names the key, and no entry in the store.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    EntryVersion, Error, ErrorKind, Key, MemoryStore, NewEntry, Secret, SecretEnv, SecretFile,
    SecretFn, SecretSource, StoredEntry, TokenStore,
};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::support::{CONTENT, HOUR, assert_miss, entry, key, sealed, text, with_key};

/// A store that must not be called.
#[derive(Debug)]
struct Untouched;

impl TokenStore for Untouched {
    async fn load(&self, _: &Key) -> Result<Option<StoredEntry>, Error> {
        panic!("loaded");
    }

    async fn replace(&self, _: &Key, _: Option<EntryVersion>, _: NewEntry) -> Result<bool, Error> {
        panic!("replaced");
    }

    async fn lease(&self, _: &Key, _: &str, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn release(&self, _: &Key, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// A source with a value that the test can change.
pub(crate) fn told(answer: &Arc<Mutex<Result<Secret, Error>>>) -> impl SecretSource + use<> {
    let answer = Arc::clone(answer);
    SecretFn::new(move || std::future::ready(answer.lock().unwrap().clone()))
}

const WRONG: [&str; 4] = [
    "",
    "fake-secret",
    // 31 and 33 bytes.
    "ZmFrZS1zZWNyZXQtZmFrZS1zZWNyZXQtZmFrZS1zZQ==",
    "ZmFrZS1zZWNyZXQtZmFrZS1zZWNyZXQtZmFrZS1zZWNy",
];

#[track_caller]
fn assert_names(error: &Error, field: &str, text: &str) {
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.field(), Some(field));
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("openssl rand -base64 32"), "{shown}");
    assert!(text.is_empty() || !shown.contains(&text[..8]), "{shown}");
}

#[tokio::test]
async fn g18_an_invalid_key_is_named_and_not_repeated() {
    for text in WRONG {
        let answer = Arc::new(Mutex::new(Ok(Secret::new(text))));
        let keys = SealingKeys::new(told(&answer)).danger_plain_names();
        assert_names(&keys.check().await.unwrap_err(), "sealing_key", text);
        let store = SealedStore::new(Untouched, keys).unwrap();
        let error = store.load(&key()).await.unwrap_err();
        assert_names(&error, "sealing_key", text);
        let error = store.replace(&key(), None, entry(1)).await.unwrap_err();
        assert_names(&error, "sealing_key", text);
        let keys = with_key(1).also_opens(told(&answer));
        assert_names(&keys.check().await.unwrap_err(), "also_opens", text);
    }
}

#[tokio::test]
async fn a_key_that_never_changes_is_checked_before_the_first_use() {
    for wrong in WRONG {
        let keys = SealingKeys::new(Secret::new(wrong)).danger_plain_names();
        let error = SealedStore::new(Untouched, keys).unwrap_err();
        assert_names(&error, "sealing_key", wrong);
        let keys = with_key(1).also_opens(Secret::new(wrong));
        let error = SealedStore::new(Untouched, keys).unwrap_err();
        assert_names(&error, "also_opens", wrong);
    }
    with_key(1).also_opens(text(2)).check().await.unwrap();
}

#[tokio::test]
async fn a_missing_key_is_the_error_of_its_source() {
    let file = SealingKeys::new(SecretFile::new("/nowhere/sealing-key")).danger_plain_names();
    let env = SealingKeys::new(SecretEnv::new("AUTH_STORE_SEAL_TEST_NOT_SET")).danger_plain_names();
    for (keys, kind, said) in [
        (file, ErrorKind::Unavailable, "/nowhere/sealing-key"),
        (env, ErrorKind::Config, "AUTH_STORE_SEAL_TEST_NOT_SET"),
    ] {
        let store = SealedStore::new(Untouched, keys.clone()).unwrap();
        for error in [
            keys.check().await.unwrap_err(),
            store.load(&key()).await.unwrap_err(),
            store.replace(&key(), None, entry(1)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(said), "{error}");
        }
        // Leases need no key.
        assert!(store.lease(&key(), "me", HOUR).await.unwrap());
        store.release(&key(), "me").await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_second_key_does_not_block_the_first() {
    let inner = MemoryStore::new();
    let answer = Err(Error::new(ErrorKind::Unavailable, "vault: no answer"));
    let answer = Arc::new(Mutex::new(answer));
    let keys = with_key(1).also_opens(told(&answer));
    let error = keys.check().await.unwrap_err();
    assert_eq!(error.to_string(), "vault: no answer");
    let store = SealedStore::new(inner.clone(), keys).unwrap();
    assert!(store.replace(&key(), None, entry(1)).await.unwrap());
    let mine = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&mine.content.unwrap()[..], CONTENT);

    let version = Some(mine.version);
    let replace = sealed(&inner, 2).replace(&key(), version, entry(2)).await;
    assert!(replace.unwrap());
    let told = assert_miss(store.load(&key()).await.unwrap(), 2);
    assert!(
        told.ends_with("; the second key: vault: no answer"),
        "{told}"
    );
    *answer.lock().unwrap() = Ok(text(2));
    let other = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&other.content.unwrap()[..], CONTENT);
}
