//! The contract of all stores, in the machine's own time and in virtual time.

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
    }

    auth_testkit::store_contract!(Directory);
}

mod sealed {
    use auth_core::Secret;
    use auth_store_file::FileStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    use auth_testkit::{VirtualClock, store_contract::Place};

    use crate::temporary::Temporary;

    struct Directory(Temporary, VirtualClock);

    impl Place for Directory {
        type Store = SealedStore<FileStore>;

        async fn new() -> Self {
            Self(Temporary::new(), VirtualClock::new())
        }

        async fn open(&self) -> Self::Store {
            let keys = SealingKeys::new(Secret::new("5e".repeat(32)));
            SealedStore::new(self.0.store().clock(self.1.clone()), keys).unwrap()
        }
    }

    auth_testkit::store_contract!(Directory);
}
