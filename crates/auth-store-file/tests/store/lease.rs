//! Leases after a change of the clock.

use std::{fs, time::Duration};

use auth_core::TokenStore as _;
use auth_testkit::VirtualClock;
use sha2::{Digest as _, Sha256};

use crate::temporary::{Temporary, key};

const TIME: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let directory = Temporary::new();
    let clock = VirtualClock::new();
    let store = directory.store().clock(clock.clone());
    assert!(store.lease(&key(), "a", TIME).await.unwrap());
    clock.jump_wall_back(Duration::from_secs(24 * 3600));
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
    clock.advance(TIME).await;
    assert!(
        store.lease(&key(), "b", TIME).await.unwrap(),
        "the lease never ends"
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_request_does_not_shorten_another_owners_lease() {
    let directory = Temporary::new();
    let clock = VirtualClock::new();
    let store = directory.store().clock(clock.clone());
    assert!(store.lease(&key(), "a", 10 * TIME).await.unwrap());
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
    clock.advance(5 * TIME).await;
    assert!(!store.lease(&key(), "b", TIME).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_lease_is_free() {
    let directory = Temporary::new();
    let store = directory.store();
    for damage in [&b""[..], b"a", &[0; 100]] {
        assert!(store.lease(&key(), "a", TIME).await.unwrap());
        fs::write(directory.file(".lease"), damage).unwrap();
        store.release(&key(), "a").await.unwrap();
        assert!(store.lease(&key(), "b", TIME).await.unwrap());
        store.release(&key(), "b").await.unwrap();
    }
}

/// With a valid checksum, as a later release or a person may write it.
#[tokio::test(start_paused = true)]
async fn a_lease_longer_than_the_longest_is_free() {
    let directory = Temporary::new();
    let store = directory.store();
    for (time, is_free) in [(600_000_u64, false), (600_001, true), (u64::MAX, true)] {
        assert!(store.lease(&key(), "a", TIME).await.unwrap());
        let path = directory.file(".lease");
        let mut file = fs::read(&path).unwrap();
        let (magic, since) = (b"auth-store-file lease 1\n".len(), 32);
        let at = magic + since;
        file[at..at + 8].copy_from_slice(&time.to_be_bytes());
        let (head, sum, owner) = (at + 8 + 8, 8, b"a");
        let name = path.file_stem().unwrap().to_str().unwrap();
        let name = u256(name);
        let mut hash = Sha256::new_with_prefix(name);
        let mut begin = 0;
        for length in [magic, since, 8, 8] {
            hash.update((length as u64).to_be_bytes());
            hash.update(&file[begin..begin + length]);
            begin += length;
        }
        hash.update(1_u64.to_be_bytes());
        hash.update(owner);
        file[head..head + sum].copy_from_slice(&hash.finalize()[..sum]);
        fs::write(&path, file).unwrap();
        assert_eq!(
            store.lease(&key(), "b", TIME).await.unwrap(),
            is_free,
            "{time}"
        );
        store.release(&key(), "a").await.unwrap();
        store.release(&key(), "b").await.unwrap();
    }
}

fn u256(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dropped_store_releases_its_leases() {
    let directory = Temporary::new();
    let store = directory.store();
    assert!(store.lease(&key(), "a", TIME).await.unwrap());
    assert!(store.clone().lease(&key(), "a", TIME).await.unwrap());
    let next = directory.store();
    assert!(!next.lease(&key(), "b", TIME).await.unwrap());
    drop(store);
    assert!(next.lease(&key(), "b", TIME).await.unwrap());
}
