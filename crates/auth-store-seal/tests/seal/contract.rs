//! The contract of all stores: with one key, and in the middle of a rotation.

mod one_key {
    use std::time::Duration;

    use auth_core::MemoryStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    use auth_testkit::{VirtualClock, store_contract::Place};

    use crate::support::{NAMES, text};

    struct Memory(MemoryStore, VirtualClock);

    impl Memory {
        fn sealed(&self, number: u8) -> SealedStore<MemoryStore> {
            let keys = SealingKeys::new(text(number)).name_key(text(NAMES));
            SealedStore::new(self.0.clone(), keys).unwrap()
        }
    }

    impl Place for Memory {
        type Store = SealedStore<MemoryStore>;

        async fn new() -> Self {
            let clock = VirtualClock::new();
            Self(MemoryStore::new().clock(clock.clone()), clock)
        }

        async fn open(&self) -> Self::Store {
            self.sealed(1)
        }

        async fn open_blind(&self) -> Option<Self::Store> {
            Some(self.sealed(3))
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
}

mod rotation {
    use std::sync::atomic::{AtomicBool, Ordering};

    use auth_core::MemoryStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    use auth_testkit::store_contract::Place;

    use crate::support::{NAMES, text};

    /// Every other process has the new key seal already.
    #[derive(Default)]
    struct Memory(MemoryStore, AtomicBool);

    impl Place for Memory {
        type Store = SealedStore<MemoryStore>;

        async fn new() -> Self {
            Self::default()
        }

        async fn open(&self) -> Self::Store {
            let keys = if self.1.fetch_xor(true, Ordering::Relaxed) {
                SealingKeys::new(text(2)).also_opens(text(1))
            } else {
                SealingKeys::new(text(1)).also_opens(text(2))
            };
            SealedStore::new(self.0.clone(), keys.name_key(text(NAMES))).unwrap()
        }

        async fn open_blind(&self) -> Option<Self::Store> {
            let keys = SealingKeys::new(text(3)).also_opens(text(4));
            let keys = keys.name_key(text(NAMES));
            Some(SealedStore::new(self.0.clone(), keys).unwrap())
        }
    }

    auth_testkit::store_contract!(Memory);
}
