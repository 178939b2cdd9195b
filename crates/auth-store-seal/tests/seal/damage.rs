//! Entries that the inner store changed, cut, moved or invented: never a value, never an error,
//! never a panic, and always replaceable.

use auth_core::{EntryVersion, Key, MemoryStore, TokenStore as _};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;

use crate::support::{CONTENT, assert_miss, entry, kept, key, plant, sealed};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// A sealed entry of version 1, and its bytes in the store.
async fn one_entry() -> (MemoryStore, Vec<u8>) {
    let inner = MemoryStore::new();
    let put = sealed(&inner, 1).replace(&key(), None, entry(1)).await;
    assert!(put.unwrap());
    let bytes = kept(&inner, &key()).await.content.unwrap().to_vec();
    (inner, bytes)
}

#[tokio::test]
async fn t29_an_entry_with_any_bit_changed_is_a_miss() {
    let (inner, whole) = one_entry().await;
    let store = sealed(&inner, 1);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            plant(&inner, &key(), 1, changed).await;
            assert_miss(store.load(&key()).await.unwrap(), 1);
        }
    }
    plant(&inner, &key(), 1, whole).await;
    let entry = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&entry.content.unwrap()[..], CONTENT);
}

#[tokio::test]
async fn t29_an_entry_that_is_cut_or_longer_is_a_miss() {
    let (inner, whole) = one_entry().await;
    let store = sealed(&inner, 1);
    for length in 0..whole.len() {
        for part in [&whole[..length], &whole[whole.len() - length..]] {
            plant(&inner, &key(), 1, part).await;
            assert_miss(store.load(&key()).await.unwrap(), 1);
        }
    }
    for longer in [[&whole[..], b"\0"].concat(), whole.repeat(2)] {
        plant(&inner, &key(), 1, longer).await;
        assert_miss(store.load(&key()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn t28_entries_that_were_swapped_between_keys_are_misses() {
    let (inner, mine) = one_entry().await;
    let store = sealed(&inner, 1);
    for other in [
        Key::builder("example").build(),
        Key::builder("example")
            .client("fake-token-of-a-user")
            .build(),
        Key::builder("exampl").build(),
    ] {
        assert!(store.replace(&other, None, entry(1)).await.unwrap());
        let of_other = kept(&inner, &other).await.content.unwrap();
        plant(&inner, &other, 1, &mine).await;
        plant(&inner, &key(), 1, &of_other).await;
        assert_miss(store.load(&other).await.unwrap(), 1);
        assert_miss(store.load(&key()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn t29_an_entry_under_another_version_is_a_miss() {
    let (inner, bytes) = one_entry().await;
    let store = sealed(&inner, 1);
    // Only the last bit, only the epoch, and both halves exchanged.
    for version in [0, 2, 1 << 64 | 1, 1 << 64, u128::MAX] {
        plant(&inner, &key(), version, &bytes).await;
        assert_miss(store.load(&key()).await.unwrap(), version);
    }
}

#[tokio::test(start_paused = true)]
async fn g16_an_unreadable_entry_keeps_its_age_and_can_be_replaced_by_its_version() {
    let (inner, whole) = one_entry().await;
    let later = [b"auth-store-seal 2\n", &whole[18..]].concat();
    let store = sealed(&inner, 1);
    for unreadable in [&later[..], CONTENT, b"", &whole[1..], &[0; 200]] {
        plant(&inner, &key(), 7, unreadable).await;
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        let miss = store.load(&key()).await.unwrap();
        assert_eq!(miss.as_ref().unwrap().age.as_secs(), 5);
        assert_miss(miss, 7);
        assert!(!store.replace(&key(), None, entry(8)).await.unwrap());
        let version = Some(EntryVersion::new(7));
        assert!(store.replace(&key(), version, entry(8)).await.unwrap());
        let entry = store.load(&key()).await.unwrap().unwrap();
        assert_eq!(&entry.content.unwrap()[..], CONTENT);
    }
}

#[tokio::test]
async fn another_fleets_entry_is_a_miss_that_can_be_replaced() {
    let inner = MemoryStore::new();
    let (ours, theirs) = (sealed(&inner, 1), sealed(&inner, 2));
    assert!(theirs.replace(&key(), None, entry(1)).await.unwrap());
    assert_miss(ours.load(&key()).await.unwrap(), 1);
    let version = Some(EntryVersion::new(1));
    assert!(ours.replace(&key(), version, entry(2)).await.unwrap());
    assert_miss(theirs.load(&key()).await.unwrap(), 2);
    let entry = ours.load(&key()).await.unwrap().unwrap();
    assert_eq!(&entry.content.unwrap()[..], CONTENT);
}

#[test]
fn g16_random_bytes_neither_open_nor_panic() {
    let runtime = runtime();
    let (inner, whole) = runtime.block_on(one_entry());
    let store = sealed(&inner, 1);
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let begin = 0..=whole.len();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(512));
    // After as many bytes of a real entry as are needed to reach the next check.
    let ran = runner.run(&(begin, bytes), |(begin, bytes)| {
        let bytes = [&whole[..begin], &bytes].concat();
        prop_assume!(bytes != whole);
        let loaded = runtime.block_on(async {
            plant(&inner, &key(), 1, bytes).await;
            store.load(&key()).await
        });
        assert_miss(loaded.unwrap(), 1);
        Ok(())
    });
    ran.unwrap();
}
