//! A sealing key is replaced while two processes run.

use std::sync::{Arc, Mutex};

use auth_core::{EntryVersion, Error, MemoryStore, Secret, TokenStore as _};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::{
    keys::told,
    support::{CONTENT, assert_miss, entry, key, sealed, text},
};

type Answer = Arc<Mutex<Result<Secret, Error>>>;

/// A process that reads its keys from places that a test can change.
struct Process {
    store: SealedStore<MemoryStore>,
    sealing: Answer,
    other: Answer,
}

impl Process {
    fn new(inner: &MemoryStore, sealing: u8, other: u8) -> Self {
        let answer = |number| Arc::new(Mutex::new(Ok(text(number))));
        let (sealing, other) = (answer(sealing), answer(other));
        let keys = SealingKeys::new(told(&sealing))
            .also_opens(told(&other))
            .danger_plain_names();
        let store = SealedStore::new(inner.clone(), keys).unwrap();
        Self {
            store,
            sealing,
            other,
        }
    }

    fn keys(&self, sealing: u8, other: u8) {
        *self.sealing.lock().unwrap() = Ok(text(sealing));
        *self.other.lock().unwrap() = Ok(text(other));
    }
}

/// Each process opens what either of them seals.
async fn assert_together(processes: &[Process; 2], version: &mut u128) {
    for writer in processes {
        let last = writer.store.load(&key()).await.unwrap();
        let last = last.map(|entry| entry.version);
        *version += 1;
        let put = writer.store.replace(&key(), last, entry(*version)).await;
        assert!(put.unwrap());
        for reader in processes {
            let entry = reader.store.load(&key()).await.unwrap().unwrap();
            assert_eq!(entry.version, EntryVersion::new(*version));
            assert_eq!(&entry.content.unwrap()[..], CONTENT, "a miss");
        }
    }
}

#[tokio::test]
async fn a_key_is_replaced_in_three_steps_without_a_miss() {
    let inner = MemoryStore::new();
    let (old, new) = (1, 2);
    let processes = [(); 2].map(|()| Process::new(&inner, old, old));
    let version = &mut 0;
    for (sealing, other) in [(old, new), (new, old), (new, new)] {
        for process in &processes {
            process.keys(sealing, other);
            // The other process has not taken this step yet.
            assert_together(&processes, version).await;
        }
    }
    // Now no entry is left that the old key could open.
    assert_miss(sealed(&inner, old).load(&key()).await.unwrap(), *version);
}

#[tokio::test]
async fn the_last_entry_opens_until_the_last_step() {
    let inner = MemoryStore::new();
    let old = sealed(&inner, 1);
    assert!(old.replace(&key(), None, entry(1)).await.unwrap());
    let process = Process::new(&inner, 1, 2);
    process.keys(2, 1);
    let there = process.store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&there.content.unwrap()[..], CONTENT);
    process.keys(2, 2);
    assert_miss(process.store.load(&key()).await.unwrap(), 1);
}

#[tokio::test]
async fn without_the_first_step_entries_are_misses_only() {
    let inner = MemoryStore::new();
    let ahead = Process::new(&inner, 2, 1);
    let behind = Process::new(&inner, 1, 1);
    assert!(ahead.store.replace(&key(), None, entry(1)).await.unwrap());
    assert_miss(behind.store.load(&key()).await.unwrap(), 1);
    let version = Some(EntryVersion::new(1));
    assert!(
        behind
            .store
            .replace(&key(), version, entry(2))
            .await
            .unwrap()
    );
    let there = ahead.store.load(&key()).await.unwrap().unwrap();
    assert_eq!(&there.content.unwrap()[..], CONTENT);
}
