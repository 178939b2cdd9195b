use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AuthenticatorOptions, EntryVersion, Error, ErrorKind, Key, MemoryStore, NewEntry,
    RefreshPolicy, StoredEntry, TokenRequestLimit, TokenRequestOutcome, TokenStore,
};

use super::{
    Vendor,
    stand::{Stand, unavailable},
};

/// A store in the options is used, with a key of the vendor: the second process takes the token of
/// the first from the store. Static credentials are not stored.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_store_in_the_options_is_shared<V: Vendor>() {
    let store = Counting::default();
    let shared = store.clone();
    let stand = Stand::set::<V>(move |options| options.store(shared));
    stand.get_at_once().await;
    let entries = store.entries_written();
    assert!(
        store.0.loads.load(Ordering::Relaxed) > 0,
        "the store is not used"
    );
    assert_eq!(entries > 0, V::FETCHES, "{entries} entries were written");
    let second = stand.beside::<V>(|options| options.store(store.clone()));
    if let Err(error) = second.token().await {
        panic!("the second process: {error}");
    }
    stand
        .expect_token_requests::<V>(1, "one token request serves both processes")
        .await;
}

/// A limit in the options delays token requests, and the other options are used as well: policy and
/// shards.
///
/// # Panics
///
/// If the promise is broken.
pub async fn the_other_options_are_kept<V: Vendor>() {
    let limit = TokenRequestLimit::new(1).and_then(|limit| limit.per_second(1));
    let limit = match limit {
        Ok(limit) => limit.max_wait(Duration::from_millis(1)),
        Err(error) => panic!("{error}"),
    };
    let with = |options: AuthenticatorOptions| options.limit(limit.clone()).shards(SHARDS);
    let stand = Stand::set::<V>(with);
    assert_eq!(stand.authenticator.shards(), SHARDS);
    stand.get_at_once().await;
    match stand.beside::<V>(with).token().await {
        Ok(_) => panic!("two starts within a second"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
            assert_eq!(error.outcome(), TokenRequestOutcome::NotSent, "{error}");
        }
    }
    stand
        .expect_token_requests::<V>(1, "nothing passes the limit")
        .await;

    let policy = RefreshPolicy::default().backoff(BACKOFF, BACKOFF);
    let policy = match policy {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    };
    let stand = Stand::of::<V>(|_| Err(unavailable()), |options| options.policy(policy));
    let error = stand.get_nothing().await;
    let wait = error.retry_after().unwrap_or_default();
    assert!(
        wait >= BACKOFF / 2 && wait <= BACKOFF,
        "the policy's back-off: {wait:?}"
    );
}

/// Not the default on any machine.
const SHARDS: usize = 32;
/// Longer than the default policy's.
const BACKOFF: Duration = Duration::from_secs(3600);

/// Counts the calls of a store.
#[derive(Clone, Default)]
struct Counting(Arc<Counts>);

#[derive(Default)]
struct Counts {
    store: MemoryStore,
    loads: AtomicUsize,
    written: AtomicUsize,
}

impl Counting {
    fn entries_written(&self) -> usize {
        self.0.written.load(Ordering::Relaxed)
    }
}

impl TokenStore for Counting {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        self.0.store.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.0.written.fetch_add(1, Ordering::Relaxed);
        self.0.store.replace(key, expected, entry).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.0.store.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.0.store.release(key, owner).await
    }
}
