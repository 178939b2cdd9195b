use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{Error, Key};

mod memory;

pub use memory::MemoryStore;

/// Keeps tokens where other processes, and the next start of this one, find them.
///
/// A store keeps bytes and knows nothing of tokens: what they mean, and when they are good, is the
/// [`Authenticator`](crate::Authenticator)'s business (see
/// [`AuthenticatorBuilder::store`](crate::AuthenticatorBuilder::store)). Hold your own to
/// `auth_testkit::store_contract!`.
///
/// # Contract
///
/// - **Versions.** Whoever writes an entry gives it a version, which the store keeps with it. Of
///   several who replace the same version, one succeeds.
/// - **Time.** The store's own clock is the one that all its users share: it says how old an entry
///   is, ends its life, and ends leases.
/// - **Leases.** At most one owner holds a key's lease. It ends when it is released or its time is
///   over, so that a holder that died holds it no longer than that.
/// - **Failure.** Whatever cannot be read or understood is an error or nothing, never another key's
///   entry. No error shows an entry.
/// - The futures may be dropped at any time; what they were doing is then done, or not, but never
///   half.
pub trait TokenStore: Send + Sync + 'static {
    /// Returns a key's entry, if there is one.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<StoredEntry>, Error>> + Send;

    /// Puts an entry in place of the one with this version, or of none. Returns whether it did:
    /// `false` if somebody else was faster.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer, or cannot keep it.
    fn replace(
        &self,
        key: &Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Takes or keeps a key's lease for an owner, and for so long from now on. Returns whether it is
    /// the owner's.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer.
    fn lease(
        &self,
        key: &Key,
        owner: &str,
        time: Duration,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Gives a lease back, if it still is this owner's.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer.
    fn release(&self, key: &Key, owner: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns how long a request waits for this store's answers, all of them together, before it
    /// goes on without it; default 50 ms. Waiting for another process's exchange is not among it.
    fn patience(&self) -> Duration {
        Duration::from_millis(50)
    }
}

/// What a store has for a key.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Which entry it is.
    pub version: Version,
    /// What was put there.
    pub bytes: Bytes,
    /// How long ago that was, by the store's clock.
    pub age: Duration,
}

impl StoredEntry {
    /// Makes an entry.
    #[must_use]
    pub fn new(version: Version, bytes: Bytes, age: Duration) -> Self {
        Self {
            version,
            bytes,
            age,
        }
    }
}

impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEntry")
            .field("version", &self.version)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}

/// What is put into a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEntry {
    /// Tells it from every other entry that the key ever had.
    pub version: Version,
    /// What is to be kept.
    pub bytes: Bytes,
    /// For how long.
    pub lives: Duration,
}

impl NewEntry {
    /// Makes an entry.
    #[must_use]
    pub fn new(version: Version, bytes: Bytes, lives: Duration) -> Self {
        Self {
            version,
            bytes,
            lives,
        }
    }
}

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEntry")
            .field("version", &self.version)
            .field("lives", &self.lives)
            .finish_non_exhaustive()
    }
}

/// Tells one entry of a key from the next, and which of two is the later one.
///
/// An epoch that only ever rises, and a random number that keeps two writers of one epoch apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u128);

impl Version {
    /// Makes the version that comes after another one, or the first one. `wall` is the time since
    /// the Unix epoch: it makes a first one later than those of a store that has been emptied.
    #[must_use]
    pub fn after(last: Option<Self>, wall: Duration) -> Self {
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let epoch = last.map_or(0, |last| last.epoch().saturating_add(1));
        Self(u128::from(epoch.max(wall)) << 64 | u128::from(fastrand::u64(..)))
    }

    /// Makes a version of the number that [`get`](Self::get) returned.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Returns what rises from each version to the next.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// A [`TokenStore`] behind a shared pointer, for types that should not be generic over it.
#[derive(Clone)]
pub struct SharedTokenStore(Arc<dyn DynStore>);

impl SharedTokenStore {
    /// Shares a store.
    pub fn new(store: impl TokenStore) -> Self {
        Self(Arc::new(store))
    }
}

impl TokenStore for SharedTokenStore {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.0.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.0.replace(key, expected, entry).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.0.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.0.release(key, owner).await
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }
}

impl fmt::Debug for SharedTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokenStore").finish_non_exhaustive()
    }
}

trait DynStore: Send + Sync {
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Option<StoredEntry>>;
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> BoxFuture<'a, bool>;
    fn lease<'a>(&'a self, key: &'a Key, owner: &'a str, time: Duration) -> BoxFuture<'a, bool>;
    fn release<'a>(&'a self, key: &'a Key, owner: &'a str) -> BoxFuture<'a, ()>;
    fn patience(&self) -> Duration;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl<S: TokenStore> DynStore for S {
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Option<StoredEntry>> {
        Box::pin(TokenStore::load(self, key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> BoxFuture<'a, bool> {
        Box::pin(TokenStore::replace(self, key, expected, entry))
    }

    fn lease<'a>(&'a self, key: &'a Key, owner: &'a str, time: Duration) -> BoxFuture<'a, bool> {
        Box::pin(TokenStore::lease(self, key, owner, time))
    }

    fn release<'a>(&'a self, key: &'a Key, owner: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(TokenStore::release(self, key, owner))
    }

    fn patience(&self) -> Duration {
        TokenStore::patience(self)
    }
}
