//! The contract of all stores: with one key, and in the middle of a rotation.

mod one_key {
    use auth_core::MemoryStore;
    use auth_store_seal::SealedStore;
    use auth_testkit::store_contract::Place;

    use crate::support::sealed;

    struct Memory(MemoryStore);

    impl Place for Memory {
        type Store = SealedStore<MemoryStore>;

        async fn new() -> Self {
            Self(MemoryStore::new())
        }

        async fn open(&self) -> Self::Store {
            sealed(&self.0, 1)
        }
    }

    auth_testkit::store_contract!(Memory);
}

mod rotation {
    use std::sync::atomic::{AtomicBool, Ordering};

    use auth_core::MemoryStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    use auth_testkit::store_contract::Place;

    use crate::support::text;

    /// Every other process has the new key seal already.
    #[derive(Default)]
    struct Memory(MemoryStore, AtomicBool);

    impl Place for Memory {
        type Store = SealedStore<MemoryStore>;

        async fn new() -> Self {
            Self::default()
        }

        async fn open(&self) -> Self::Store {
            let keys = match self.1.fetch_xor(true, Ordering::Relaxed) {
                true => SealingKeys::new(text(2)).also_opens(text(1)),
                false => SealingKeys::new(text(1)).also_opens(text(2)),
            };
            SealedStore::new(self.0.clone(), keys).unwrap()
        }
    }

    auth_testkit::store_contract!(Memory);
}
