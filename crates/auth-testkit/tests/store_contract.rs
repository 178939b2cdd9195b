//! The contract holds for the store in memory.

use std::time::Duration;

use auth_core::{
    EntryVersion, Error, ErrorKind, Key, MemoryStore, NewEntry, SharedTokenStore, StoredEntry,
    TokenStore,
};
use auth_testkit::{VirtualClock, store_contract::Place};

struct Memory(MemoryStore, VirtualClock);

impl Place for Memory {
    type Store = MemoryStore;

    async fn new() -> Self {
        let clock = VirtualClock::new();
        Self(MemoryStore::new().clock(clock.clone()), clock)
    }

    async fn open(&self) -> MemoryStore {
        self.0.clone()
    }

    fn set_clock_back(&self, by: Duration) -> bool {
        self.1.jump_wall_back(by);
        true
    }

    fn sleep(&self, time: Duration) -> bool {
        self.1.suspend(time);
        true
    }
}

auth_testkit::store_contract!(Memory);

#[test]
fn the_list_has_the_same_clauses() {
    let clauses = auth_testkit::store_contract!(Memory => list);
    assert_eq!(clauses.len(), 21);
    for (name, clause) in clauses {
        assert!(!name.is_empty());
        clause();
    }
}

/// A store that cannot be reached.
struct Unreachable;

impl TokenStore for Unreachable {
    async fn connect(&self) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Store, "no route"))
    }

    async fn load(&self, _: &Key) -> Result<Option<StoredEntry>, Error> {
        panic!("asked before it was connected");
    }

    async fn replace(&self, _: &Key, _: Option<EntryVersion>, _: NewEntry) -> Result<bool, Error> {
        panic!("asked before it was connected");
    }

    async fn lease(&self, _: &Key, _: &str, _: Duration) -> Result<bool, Error> {
        panic!("asked before it was connected");
    }

    async fn release(&self, _: &Key, _: &str) -> Result<(), Error> {
        panic!("asked before it was connected");
    }
}

#[tokio::test]
async fn a_shared_store_connects_the_store_that_it_shares() {
    let error = SharedTokenStore::new(Unreachable).connect().await;
    assert_eq!(error.unwrap_err().to_string(), "no route");
    SharedTokenStore::new(MemoryStore::new())
        .connect()
        .await
        .unwrap();
}
