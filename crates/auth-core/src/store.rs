use std::{
    fmt,
    future::{self, Future},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::{Error, Key};

mod memory;

pub use memory::MemoryStore;

/// Keeps tokens where other processes, and the next start of this process, find them.
///
/// A store keeps bytes and knows nothing of tokens. The [`Authenticator`](crate::Authenticator)
/// decides what the bytes mean and whether a token is valid (see
/// [`AuthenticatorOptions::store`](crate::AuthenticatorOptions::store)). Test a store that you
/// write with `auth_testkit::store_contract!`.
///
/// # Contract
///
/// - **Versions.** The writer gives an entry its version, and the store keeps entry and version
///   together. Of several calls of [`replace`](Self::replace) that expect the same version, one
///   succeeds. A version proves that an entry is later than another one only if the entry's content
///   was read and understood. The version of an entry with unreadable content identifies that entry
///   for `replace` and proves nothing else, because any process may have written the entry.
/// - **Time.** The store's clock is the clock that all its users share. It determines the age of an
///   entry, when an entry is deleted, and when a lease ends. If the clock was set back, the time of
///   writing of an entry may lie in the future. Such an entry has the age
///   [`StoredEntry::UNKNOWN_AGE`]: the entry stays, and every duration in it is over. A store that
///   has a clock which cannot be set uses that clock. A store that has none, for example Redis,
///   reports an age that is too small by the amount that the clock was set back. For this reason a
///   reader remembers the tokens, back-offs, quota slots and rejected logins that it has seen or
///   written. By the reader's own clock, none lasts longer than it had left then. A process that has
///   just started remembers nothing and believes the store.
/// - **Leases.** At most one owner holds a key's lease. A lease ends when it is released or when
///   its time is over, even if its owner was killed or the clock was set. No lease lasts longer
///   than [`LONGEST_LEASE`]. A stored lease without an end, or with a later end, has no owner.
/// - **Content.** If an entry exists and this process cannot read it, but another process or
///   another key may, the store returns the entry with an error as its content. The store never
///   reports such an entry as missing.
/// - **Failure.** An entry that is damaged or was written by a foreign program is an error or
///   missing. The store never returns the entry of another key. No error contains text of an entry.
/// - **Cancellation.** The futures may be dropped at any time. The operation is then done
///   completely or not at all.
pub trait TokenStore: Send + Sync + 'static {
    /// Waits until the store is ready: connects, authenticates, and loads what its calls need, so
    /// that [`latency_budget`](Self::latency_budget) covers round trips only. Returns at once if
    /// the store is connected. An [`Authenticator`](crate::Authenticator) calls it before the first
    /// use of the store and after a failure. Default: returns `Ok` at once.
    ///
    /// The store limits the time itself. For example: `RedisStore` gives up after 2 s.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store cannot be reached or denies the connection.
    /// [`Config`](crate::ErrorKind::Config) if its settings do not match the server.
    fn connect(&self) -> impl Future<Output = Result<(), Error>> + Send {
        future::ready(Ok(()))
    }

    /// Returns the entry of a key, or `None` if the key has none.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer. An entry that exists and
    /// cannot be read is not an error of this call: see [`StoredEntry::content`].
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<StoredEntry>, Error>> + Send;

    /// Writes an entry if the key's entry still has the version `expected` (compare-and-set);
    /// `None` expects that the key has no entry. Returns true if the entry was written, and false
    /// if another process wrote first.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer or cannot keep the entry.
    fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Takes or extends the lease of a key for an owner. The lease lasts `time` from now, at most
    /// [`LONGEST_LEASE`]. Returns whether the owner holds the lease.
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

    /// Releases a lease if this owner still holds it.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer.
    fn release(&self, key: &Key, owner: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns the total time that a request waits for answers of this store before the request
    /// continues without the store. Default: 50 ms. [`connect`](Self::connect) and the wait for
    /// another process's token request are not part of this time.
    fn latency_budget(&self) -> Duration {
        Duration::from_millis(50)
    }
}

/// The longest time that a lease lasts: 10 minutes. A store grants no longer lease, and a stored
/// lease with a later end has no owner.
pub const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// The entry of a key, as a store returns it.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Identifies the entry for [`TokenStore::replace`]. Proves that the entry is later than
    /// another one only if `content` is `Ok` and was understood.
    pub version: EntryVersion,
    /// The bytes that were written; or why this process cannot read them, although another one may.
    ///
    /// The error says what is missing, for example the identifier of a sealing key. A caller may
    /// replace an unreadable entry by its version only if nothing is lost by it. If refresh tokens
    /// are stored, do not replace the entry: it may hold the only valid one.
    pub content: Result<Bytes, Error>,
    /// The time since the entry was written, by the store's clock.
    /// [`UNKNOWN_AGE`](Self::UNKNOWN_AGE) if the time of writing lies in the future.
    pub age: Duration,
}

impl StoredEntry {
    /// The age of an entry whose time of writing lies in the future, because a clock was set back.
    /// Longer than any duration: each lifetime, back-off and quota slot in the entry is over, while
    /// content without an end (a refresh token, rejected credentials) stays.
    pub const UNKNOWN_AGE: Duration = Duration::MAX;

    /// Makes an entry with readable content.
    #[must_use]
    pub fn new(version: EntryVersion, bytes: Bytes, age: Duration) -> Self {
        Self {
            version,
            content: Ok(bytes),
            age,
        }
    }

    /// Makes an entry that exists and cannot be read. The error, of kind
    /// [`Store`](crate::ErrorKind::Store), says why and what to do.
    #[must_use]
    pub fn unreadable(version: EntryVersion, why: Error, age: Duration) -> Self {
        Self {
            version,
            content: Err(why),
            age,
        }
    }
}

impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEntry")
            .field("version", &self.version)
            .field("age", &self.age)
            .field("unreadable", &self.content.as_ref().err())
            .finish_non_exhaustive()
    }
}

/// An entry to write into a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEntry {
    /// The version, different from that of each earlier entry of the key.
    pub version: EntryVersion,
    /// The content.
    pub bytes: Bytes,
    /// How long the store keeps the entry.
    pub time_to_live: Duration,
}

impl NewEntry {
    /// Makes an entry to write.
    #[must_use]
    pub fn new(version: EntryVersion, bytes: Bytes, time_to_live: Duration) -> Self {
        Self {
            version,
            bytes,
            time_to_live,
        }
    }
}

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEntry")
            .field("version", &self.version)
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}

/// Identifies an entry of a key, and tells which of two entries is later.
///
/// Consists of an epoch that only increases, and a random number that makes two writers of the same
/// epoch differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryVersion(u128);

impl EntryVersion {
    /// Makes the version after `previous`, or the first version. `wall` is the time since the Unix
    /// epoch: with it, the first version in an emptied store is later than the deleted ones.
    #[must_use]
    pub fn after(last: Option<Self>, wall: Duration) -> Self {
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let epoch = last.map_or(0, |last| last.epoch().saturating_add(1));
        Self(u128::from(epoch.max(wall)) << 64 | u128::from(fastrand::u64(..)))
    }

    /// Makes a version from the number that [`get`](Self::get) returned.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Returns the version as a number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Returns the epoch, which increases from each version to the next.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// A [`TokenStore`] behind a shared pointer, for types that are not generic over the store.
#[derive(Clone)]
pub struct SharedTokenStore(Arc<dyn DynStore>);

impl SharedTokenStore {
    /// Wraps a store.
    pub fn new(store: impl TokenStore) -> Self {
        Self(Arc::new(store))
    }
}

impl TokenStore for SharedTokenStore {
    async fn connect(&self) -> Result<(), Error> {
        self.0.connect().await
    }

    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.0.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
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

    fn latency_budget(&self) -> Duration {
        self.0.latency_budget()
    }
}

impl fmt::Debug for SharedTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokenStore").finish_non_exhaustive()
    }
}

trait DynStore: Send + Sync {
    fn connect(&self) -> BoxFuture<'_, ()>;
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Option<StoredEntry>>;
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> BoxFuture<'a, bool>;
    fn lease<'a>(&'a self, key: &'a Key, owner: &'a str, time: Duration) -> BoxFuture<'a, bool>;
    fn release<'a>(&'a self, key: &'a Key, owner: &'a str) -> BoxFuture<'a, ()>;
    fn latency_budget(&self) -> Duration;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl<S: TokenStore> DynStore for S {
    fn connect(&self) -> BoxFuture<'_, ()> {
        Box::pin(TokenStore::connect(self))
    }

    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Option<StoredEntry>> {
        Box::pin(TokenStore::load(self, key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<EntryVersion>,
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

    fn latency_budget(&self) -> Duration {
        TokenStore::latency_budget(self)
    }
}

#[cfg(test)]
mod tests;
