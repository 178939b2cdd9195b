//! What the inner store, a log and `Debug` show.

use auth_core::{EntryVersion, Key, MemoryStore, NewEntry, Secret, TokenStore as _};
use auth_store_seal::{SealedStore, SealingKeys};
use auth_testkit::{LogCapture, assert_no_secret, find_secrets};
use bytes::Bytes;

use crate::support::{CONTENT, HOUR, NAMES, entry, kept, key, plant, sealed, text};

#[tokio::test]
async fn t29_no_part_of_an_entry_or_a_key_is_in_the_store() {
    let inner = MemoryStore::new();
    let store = sealed(&inner, 1);
    let sentinel = "Xq7fake-sentinel";
    let subject = Secret::new("Pw3fake-token-of-a-user");
    let key = Key::builder("example").subject(&subject).build();
    let secrets = [
        sentinel,
        subject.expose(),
        text(1).expose(),
        &"\u{1}".repeat(8),
    ]
    .map(String::from);
    let mut last = None;
    for (version, length) in (1..).zip([1, 2, 3, 5, 8, 100, 10_000]) {
        let bytes = Bytes::from(sentinel.repeat(length));
        let entry = NewEntry::new(EntryVersion::new(version), bytes.clone(), HOUR);
        assert!(!find_secrets(&bytes, &secrets).is_empty());
        assert!(store.replace(&key, last, entry).await.unwrap());
        assert_no_secret(kept(&inner, &key).await.content.unwrap(), &secrets);
        let there = store.load(&key).await.unwrap().unwrap();
        assert!(there.content.unwrap() == bytes);
        last = Some(there.version);
    }
}

#[tokio::test]
async fn t29_the_same_entry_twice_has_nothing_in_common() {
    let inners = [(); 2].map(|()| MemoryStore::new());
    let mut sealed_bytes = Vec::new();
    for inner in &inners {
        let store = sealed(inner, 1);
        assert!(store.replace(&key(), None, entry(1)).await.unwrap());
        sealed_bytes.push(kept(inner, &key()).await.content.unwrap());
    }
    let [one, other] = &sealed_bytes[..] else {
        panic!("there are not two entries");
    };
    // The layout and the key's id are equal; the nonce and all that follows are not.
    let (begin, nonce, text) = (..26, 26..50, 50..);
    assert_eq!(one[begin], other[begin]);
    assert_ne!(one[nonce.clone()], other[nonce]);
    let same = one[text.clone()].iter().zip(&other[text]);
    let same = same.filter(|(one, other)| one == other).count();
    assert!(same < CONTENT.len() / 2, "{same} bytes");
}

#[test]
fn g18_debug_shows_nothing() {
    let keys = SealingKeys::new(text(1))
        .also_opens(text(2))
        .name_key(text(NAMES));
    let store = SealedStore::new(MemoryStore::new(), keys.clone()).unwrap();
    let shown = format!("{keys:?}\n{keys:#?}\n{store:?}\n{store:#?}");
    assert!(shown.contains("SealedStore") && shown.contains("MemoryStore"));
    assert_no_secret(shown, &[1, 2, NAMES].map(|n| text(n).expose().to_owned()));
}

#[tokio::test]
async fn g18_an_unreadable_entry_is_logged_once_with_its_reason() {
    let inner = MemoryStore::new();
    let store = sealed(&inner, 1);
    assert!(store.replace(&key(), None, entry(1)).await.unwrap());
    let whole = kept(&inner, &key()).await.content.unwrap();
    let other = MemoryStore::new();
    let replace = sealed(&other, 2).replace(&key(), None, entry(1)).await;
    assert!(replace.unwrap());
    let foreign = kept(&other, &key()).await.content.unwrap();
    let changed = [&whole[..60], &whole[59..]].concat();
    let later = [b"auth-store-seal 2\n", &whole[18..]].concat();

    let log = LogCapture::new();
    let _installed = log.install();
    for (version, (bytes, reason)) in (2..).zip([
        (CONTENT, "not sealed"),
        (&later[..], "later release"),
        (&whole[..60], "cut short"),
        (&foreign, "a key that this process does not have"),
        (&changed, "was changed"),
        (&whole, "another key or version"),
    ]) {
        plant(&inner, &key(), version, bytes).await;
        log.clear();
        for store in [&store, &store.clone()] {
            store.load(&key()).await.unwrap();
            store.load(&key()).await.unwrap();
        }
        let text = log.text();
        assert_eq!(text.matches("WARN").count(), 1, "{text}");
        assert!(text.contains(reason) && text.contains("example"), "{text}");
        log.assert_no_secret(&["fake-secret-1", "fake-token-of-a-user"]);
    }
    log.clear();
    plant(&inner, &key(), 1, &whole).await;
    store.load(&key()).await.unwrap();
    assert_eq!(log.text(), "");
}
