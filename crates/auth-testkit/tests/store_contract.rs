//! The contract holds for the store in memory.

use auth_core::MemoryStore;
use auth_testkit::store_contract::Place;

struct Memory(MemoryStore);

impl Place for Memory {
    type Store = MemoryStore;

    async fn new() -> Self {
        Self(MemoryStore::new())
    }

    async fn open(&self) -> MemoryStore {
        self.0.clone()
    }
}

auth_testkit::store_contract!(Memory);

#[test]
fn the_list_has_the_same_clauses() {
    let clauses = auth_testkit::store_contract!(Memory => list);
    assert_eq!(clauses.len(), 15);
    for (name, clause) in clauses {
        assert!(!name.is_empty());
        clause();
    }
}
