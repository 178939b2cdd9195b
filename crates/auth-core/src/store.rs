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

/// Keeps tokens where other processes, and the next start of this one, find them.
///
/// A store keeps bytes and knows nothing of tokens: what they mean, and when they are good, is the
/// [`Authenticator`](crate::Authenticator)'s business (see
/// [`AuthenticatorOptions::store`](crate::AuthenticatorOptions::store)). Hold your own to
/// `auth_testkit::store_contract!`.
///
/// # Contract
///
/// - **Versions.** The writer gives an entry its version, and the store keeps both together. Of
///   several calls of [`replace`](Self::replace) that expect the same version, one succeeds. A
///   version proves that an entry is later than another one only if the entry's content was read
///   and understood. The version of an entry with unreadable content names that entry for `replace`
///   and proves nothing: anybody may have written it.
/// - **Time.** The store's own clock is the one that all its users share: it says how old an entry
///   is, ends its life, and ends leases. An entry whose time of writing lies in the future by that
///   clock, because the clock was set back, has the age [`StoredEntry::UNKNOWN_AGE`]. Such an entry
///   stays, and everything timed in it is over. A store that has a clock which nobody can set goes
///   by it. A store that has none, such as Redis, reports an entry younger by as much as the clock
///   was set back since; so a reader remembers what it has seen or written (tokens, back-offs,
///   quota slots, rejected logins), and by its own clock none lasts longer than it had left then. A
///   process that has just started knows nothing yet, and believes the store.
/// - **Leases.** At most one owner holds a key's lease. A lease ends when it is released or its
///   time is over, whatever happens to its owner or to the clock, and no lease lasts longer than
///   [`LONGEST_LEASE`]. What looks like a lease and has no end, or a later one, is nobody's.
/// - **Content.** An entry that is there and cannot be read by this process, but may be by another
///   one or with another key, is returned with an error as its content, and never as nothing.
/// - **Failure.** Whatever was damaged or put there by somebody else is an error or nothing, never
///   another key's entry. No error shows an entry.
/// - The futures may be dropped at any time; what they were doing is then done, or not, but never
///   half.
pub trait TokenStore: Send + Sync + 'static {
    /// Waits until the store can be asked: connects, authenticates, and loads what its calls need,
    /// so that [`latency_budget`](Self::latency_budget) covers round trips only. Returns at once if the store
    /// is connected. An [`Authenticator`](crate::Authenticator) calls it before the first use of
    /// the store and after a failure. Default: returns `Ok` at once.
    ///
    /// The store bounds the time itself. For example: `RedisStore` gives up after 2 s.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store cannot be reached or refuses the connection,
    /// and [`Config`](crate::ErrorKind::Config) if its settings do not fit what is there.
    fn connect(&self) -> impl Future<Output = Result<(), Error>> + Send {
        future::ready(Ok(()))
    }

    /// Returns a key's entry, if there is one.
    ///
    /// # Errors
    ///
    /// [`Store`](crate::ErrorKind::Store) if the store does not answer. An entry that is there and
    /// cannot be read is no error of this call: see [`StoredEntry::content`].
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
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Takes or keeps a key's lease for an owner, for `time` from now on and at most for
    /// [`LONGEST_LEASE`]. Returns whether the lease is the owner's.
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
    /// goes on without the store. Default: 50 ms. Neither [`connect`](Self::connect) nor waiting
    /// for another process's token request is part of it.
    fn latency_budget(&self) -> Duration {
        Duration::from_millis(50)
    }
}

/// The longest time that a lease lasts: 10 minutes. A store grants no lease for longer, and what
/// looks like a longer one is nobody's.
pub const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// What a store has for a key.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Names the entry for [`TokenStore::replace`]. It proves that the entry is later than another
    /// one only if `content` is `Ok` and was understood.
    pub version: EntryVersion,
    /// What was put there; or why this process cannot read it, although another one may.
    ///
    /// The error says what is missing, for example the identifier of a sealing key. Who keeps
    /// nothing there that cannot be had again may replace the entry by its version. Who keeps
    /// refresh tokens there must not: the entry may hold the only valid one.
    pub content: Result<Bytes, Error>,
    /// How long ago the entry was written, by the store's clock;
    /// [`UNKNOWN_AGE`](Self::UNKNOWN_AGE) if that lies in the future.
    pub age: Duration,
}

impl StoredEntry {
    /// The age of an entry whose time of writing is in the future, because a clock was set back.
    /// Longer than any time: every lifetime, back-off and quota slot in the entry is over, while
    /// what has no end (a refresh token, rejected credentials) is still there.
    pub const UNKNOWN_AGE: Duration = Duration::MAX;

    /// Makes an entry that was read.
    #[must_use]
    pub fn new(version: EntryVersion, bytes: Bytes, age: Duration) -> Self {
        Self {
            version,
            content: Ok(bytes),
            age,
        }
    }

    /// Makes an entry that is there and cannot be read. The error, of kind
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

/// What is put into a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEntry {
    /// Tells it from every other entry that the key ever had.
    pub version: EntryVersion,
    /// What is to be kept.
    pub bytes: Bytes,
    /// For how long.
    pub time_to_live: Duration,
}

impl NewEntry {
    /// Makes an entry.
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

/// Tells one entry of a key from the next, and which of two is the later one.
///
/// An epoch that only ever rises, and a random number that keeps two writers of one epoch apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryVersion(u128);

impl EntryVersion {
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
