//! The contract holds for the store in memory.

use std::time::Duration;

use auth_core::MemoryStore;
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
