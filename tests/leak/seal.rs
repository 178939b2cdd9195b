//! The errors and logs of a sealed store, and the contents of the store behind it.

use std::{future::ready, time::Duration};

use auth_core::{
    EntryVersion, Key, MemoryStore, NewEntry, Secret, SecretFn, SharedTokenStore, TokenStore,
};
use auth_store_seal::{SealedStore, SealingKeys};
use auth_testkit::LogCapture;
use bytes::Bytes;

use crate::planted::{CLIENT_SECRET, PASSWORD, TOKEN, assert_clean, told};

const HOUR: Duration = Duration::from_secs(3600);
/// Exactly this text, in base64 and in hexadecimal, is the key.
const SEALING_KEY: &str = "Sk6Hd-fake-sealing-key-32-bytes.";

fn key() -> Key {
    Key::builder("example")
        .subject(&Secret::new(PASSWORD))
        .build()
}

fn entry(version: u128) -> NewEntry {
    let bytes = Bytes::from_static(TOKEN.as_bytes());
    NewEntry::new(EntryVersion::new(version), bytes, HOUR)
}

fn keys() -> SealingKeys {
    let hex = SEALING_KEY.bytes().map(|byte| format!("{byte:02x}"));
    SealingKeys::new(Secret::new(hex.collect::<String>())).danger_plain_names()
}

#[track_caller]
fn assert_all_clean(text: impl AsRef<[u8]>) {
    assert_clean(text, &[SEALING_KEY.to_owned()]);
}

#[tokio::test]
async fn g18_a_sealed_store_shows_no_secret_in_logs_or_entries() {
    let log = LogCapture::new();
    let _installed = log.install();
    let inner = MemoryStore::new();
    let store = SealedStore::new(inner.clone(), keys()).unwrap();
    assert!(store.replace(&key(), None, entry(1)).await.unwrap());
    let kept = inner.load(&key()).await.unwrap().unwrap();
    let sealed = kept.content.unwrap();
    assert_all_clean(&sealed);
    let opened = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&opened.content.clone().unwrap()[..], TOKEN.as_bytes());
    let shared = SharedTokenStore::new(store.clone());
    assert_all_clean(format!("{store:?}\n{store:#?}\n{shared:?}\n{opened:?}"));
    assert_all_clean(format!("{:?}\n{:#?}", keys(), keys()));

    // Plain text, and an entry of another version; each causes a warning.
    for bytes in [entry(1).bytes, sealed] {
        let version = inner.load(&key()).await.unwrap().unwrap().version;
        let next = EntryVersion::after(Some(version), HOUR);
        let planted = NewEntry::new(next, bytes, HOUR);
        let put = inner.replace(&key(), Some(version), planted).await;
        assert!(put.unwrap());
        let miss = store.load(&key()).await.unwrap().unwrap();
        assert_all_clean(told(&miss.content.unwrap_err()));
    }
    let log = log.text();
    assert_eq!(log.matches("WARN").count(), 2, "{log}");
    assert_all_clean(log);
}

#[tokio::test]
async fn g18_errors_about_wrong_keys_do_not_contain_the_key() {
    // The key without encoding, which is not a valid form, and secrets in its place.
    for wrong in [SEALING_KEY, CLIENT_SECRET, PASSWORD] {
        let fixed = SealingKeys::new(Secret::new(wrong)).danger_plain_names();
        let fixed = SealedStore::new(MemoryStore::new(), fixed);
        assert_all_clean(told(&fixed.unwrap_err()));
        let read = SecretFn::new(move || ready(Ok(Secret::new(wrong))));
        let keys = SealingKeys::new(read).danger_plain_names();
        assert_all_clean(told(&keys.check().await.unwrap_err()));
        let store = SealedStore::new(MemoryStore::new(), keys).unwrap();
        assert_all_clean(told(&store.load(&key()).await.unwrap_err()));
        let error = store.replace(&key(), None, entry(1)).await.unwrap_err();
        assert_all_clean(told(&error));
    }
}
