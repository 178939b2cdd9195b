//! The store contract, in the machine's time and in virtual time.

mod real {
    use auth_store_file::FileStore;
    use auth_testkit::store_contract::Place;

    use crate::temporary::Temporary;

    struct Directory(Temporary);

    impl Place for Directory {
        type Store = FileStore;
        const PAUSED: bool = false;

        async fn new() -> Self {
            Self(Temporary::new())
        }

        async fn open(&self) -> FileStore {
            self.0.store()
        }
    }

    auth_testkit::store_contract!(Directory);
}

mod paused {
    use std::time::Duration;

    use auth_store_file::FileStore;
    use auth_testkit::{VirtualClock, store_contract::Place};

    use crate::temporary::Temporary;

    struct Directory(Temporary, VirtualClock);

    impl Place for Directory {
        type Store = FileStore;

        async fn new() -> Self {
            Self(Temporary::new(), VirtualClock::new())
        }

        async fn open(&self) -> FileStore {
            self.0.store().clock(self.1.clone())
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

    auth_testkit::store_contract!(Directory);
}

mod sealed {
    use std::time::Duration;

    use auth_core::Secret;
    use auth_store_file::FileStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    use auth_testkit::{VirtualClock, store_contract::Place};

    use crate::temporary::Temporary;

    struct Directory(Temporary, VirtualClock);

    impl Directory {
        fn sealed(&self, key: &str) -> SealedStore<FileStore> {
            let keys = SealingKeys::new(Secret::new(key.repeat(32)))
                .name_key(Secret::new("4a".repeat(32)));
            SealedStore::new(self.0.store().clock(self.1.clone()), keys).unwrap()
        }
    }

    impl Place for Directory {
        type Store = SealedStore<FileStore>;

        async fn new() -> Self {
            Self(Temporary::new(), VirtualClock::new())
        }

        async fn open(&self) -> Self::Store {
            self.sealed("5e")
        }

        async fn open_blind(&self) -> Option<Self::Store> {
            Some(self.sealed("b1"))
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

    auth_testkit::store_contract!(Directory);
}
