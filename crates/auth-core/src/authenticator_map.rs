use std::{cell::RefCell, fmt, hash::BuildHasherDefault, sync::Arc, time::Duration};

use quick_cache::{
    Lifecycle, OptionsBuilder, UnitWeighter,
    sync::{Cache, EntryAction, EntryResult},
};

use self::{
    recent::{Missed, Recent},
    residues::Residues,
};
use crate::{
    Authenticator, Error, Key, MapHealth, Moment, SharedClock,
    key::PreHashed,
    observer::EventKind,
    sync::{
        Counted,
        atomic::{AtomicU64, Ordering},
        is_shared,
    },
};

mod recent;
mod residues;

pub use recent::LocalAuthenticator;

/// One authenticator for each key, for example for each tenant, user or scope.
///
/// The map makes an authenticator when its key is first asked for. Holds at most
/// [`max_entries`](AuthenticatorMapBuilder::max_entries) authenticators; one that is in use is
/// never evicted. An authenticator is in use while a caller holds a handle or a token request is in
/// progress, so no key ever has two authenticators. Clones share everything.
///
/// # Residues
///
/// Some knowledge must survive an eviction: rejected credentials, a back-off (`Retry-After`), used
/// quota slots, and a refresh token that is stored nowhere else. An evicted authenticator that has
/// such knowledge leaves a residue. The next authenticator of the same key starts with the residue,
/// so an eviction never causes a token request that the vendor asked not to send. The cached token
/// is not part of a residue.
///
/// A residue takes about 0.8 KB, plus the key's text and the refresh token; an authenticator takes
/// about 2.1 KB. The map keeps at most 4 residues for each of `max_entries`. When an authenticator
/// is made, the map drops residues whose back-off or quota window is over. Above the bound, the map
/// drops the oldest residue and logs a warning. With 10,000 entries and refresh tokens of 300
/// bytes, all residues take 45 MB at most. Where many users have refresh tokens, give the
/// authenticators a [store](crate::AuthenticatorOptions::store).
///
/// # Example
///
/// The requests of each user are signed with that user's token:
///
/// ```
/// use auth_core::{
///     ApiKey, Authenticator, AuthenticatorOptions, AuthenticatorMap, Error, Key, Origins, KeyPart, Secret,
/// };
///
/// # fn main() -> Result<(), Error> {
/// let authenticators = AuthenticatorMap::builder(|key: &Key| {
///     let user = key.get(KeyPart::Subject).unwrap_or_default();
///     // In place of a token request:
///     let source = ApiKey::new(Secret::new(format!("fake-token-for-{user}")));
///     Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///         .options(AuthenticatorOptions::new().shards(1))
///         .build()
/// })
/// .max_entries(100_000)
/// .build()?;
///
/// let alice = Key::builder("example").subject(&Secret::new("alice")).build();
/// let bob = Key::builder("example").subject(&Secret::new("bob")).build();
/// let authenticator = authenticators.get(&alice)?;
/// authenticators.get(&bob)?;
/// assert_eq!(authenticators.len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// The whole key decides which token a request gets. Put everything into the key that the closure
/// reads.
#[derive(Clone)]
pub struct AuthenticatorMap(Arc<Map>);

struct Map {
    make: Make,
    cache: Cache<Key, Counted<Entry>, UnitWeighter, BuildHasherDefault<PreHashed>, Eviction>,
    residues: Arc<Residues>,
    recent: Arc<Recent>,
    idle_after: Duration,
    clock: SharedClock,
    start: Moment,
    last_sweep: AtomicU64,
}

type Make = Box<dyn Fn(&Key) -> Result<Authenticator, Error> + Send + Sync>;

struct Entry {
    authenticator: Authenticator,
    /// Milliseconds since the map was made.
    last_used: AtomicU64,
}

impl AuthenticatorMap {
    /// Starts a map with the closure that makes the authenticator of a key. The map calls the
    /// closure when a key has no authenticator. The closure must not block, must not call the map,
    /// and must not use the authenticator.
    pub fn builder(
        make: impl Fn(&Key) -> Result<Authenticator, Error> + Send + Sync + 'static,
    ) -> AuthenticatorMapBuilder {
        AuthenticatorMapBuilder {
            make: Box::new(make),
            max_entries: 10_000,
            idle_after: Duration::from_secs(60 * 60),
            clock: SharedClock::default(),
        }
    }

    /// Returns the authenticator of a key. Makes the authenticator if the map has none. Starts no
    /// token request.
    ///
    /// # Errors
    ///
    /// The error that the closure returned. The next call for the key calls the closure again.
    pub fn get(&self, key: &Key) -> Result<Authenticator, Error> {
        let map = &*self.0;
        let now = map.now();
        let mut made = false;
        let entry = map.cache.get_or_insert_with(key, || {
            made = true;
            map.make(key, now).map(Counted::new)
        })?;
        let authenticator = Entry::handle_for_caller(entry, now);
        if made {
            map.recent.added();
            map.sweep(now);
            map.report_lost();
        }
        Ok(authenticator)
    }

    /// As [`get`](Self::get), for threads that use a few keys repeatedly: the handle shares no
    /// reference count with other threads. For the layers of this workspace.
    #[doc(hidden)]
    #[inline]
    pub fn local(&self, key: &Key) -> Result<LocalAuthenticator, Error> {
        let now = self.0.clock.now();
        match self.0.recent.find(key, now) {
            Ok(authenticator) => Ok(LocalAuthenticator::Local(authenticator)),
            Err(missed) => self.look_up(key, &missed, now),
        }
    }

    #[inline(never)]
    fn look_up(
        &self,
        key: &Key,
        missed: &Missed,
        now: Moment,
    ) -> Result<LocalAuthenticator, Error> {
        let map = &*self.0;
        let authenticator = self.get(key)?;
        let until = now + Duration::from_millis(GRAIN);
        Ok(map.recent.keep(missed, key, authenticator, until))
    }

    /// Removes the authenticator of a key and its residue, also while a caller holds a handle. For
    /// a user who has signed out. Rejected logins are still counted for the account. Waits for a
    /// [`get`](Self::get) of the same key that is making the authenticator.
    pub fn remove(&self, key: &Key) {
        let Map {
            cache,
            residues,
            recent,
            ..
        } = &*self.0;
        // The entry is locked in both cases, so no other thread makes an authenticator from the
        // residue.
        let removed = cache.entry(key, None, |_, _| {
            residues.take(key);
            EntryAction::<()>::Remove
        });
        if let EntryResult::Vacant(guard) = removed {
            residues.take(key);
            drop(guard);
        }
        recent.removed(key);
    }

    /// Returns the state of all authenticators: counts, and the `worst` ones, with failing requests
    /// first. Starts nothing. Reads every authenticator, which takes about 1 µs each. For a health
    /// page.
    #[must_use]
    pub fn health(&self, worst: usize) -> MapHealth {
        let entries = self.0.cache.iter();
        MapHealth::of(
            entries.map(|(_, entry)| entry.authenticator.health()),
            worst,
        )
    }

    /// Returns the number of authenticators in the map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// Returns whether the map has no authenticator.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.cache.is_empty()
    }
}

impl Map {
    /// The monotonic clock: setting the wall clock must not change which authenticators are idle.
    fn now(&self) -> u64 {
        let passed = self.clock.now().wait_since(self.start);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs while the key is locked, so no other thread makes an authenticator for it. The residue
    /// is taken last: a failure keeps it.
    fn make(&self, key: &Key, now: u64) -> Result<Entry, Error> {
        let authenticator = (self.make)(key)?;
        if let Some(residue) = self.residues.take(key) {
            authenticator.restore(residue);
        }
        Ok(Entry {
            authenticator,
            last_used: AtomicU64::new(now),
        })
    }

    /// Evicts idle authenticators. Runs only when an authenticator is added, and not often: a map
    /// that does not grow needs no sweep.
    fn sweep(&self, now: u64) {
        let idle = u64::try_from(self.idle_after.as_millis()).unwrap_or(u64::MAX);
        let last = self.last_sweep.load(Ordering::Relaxed);
        if now.saturating_sub(last) < (idle / 4).max(1) {
            return;
        }
        // Of several threads, one sweeps.
        let (relaxed, swept) = (Ordering::Relaxed, &self.last_sweep);
        if swept.compare_exchange(last, now, relaxed, relaxed).is_err() {
            return;
        }
        // Dropped when no shard is locked.
        let gone = RefCell::new(Evicted::default());
        self.cache.retain(|key, entry| {
            let unused = now.saturating_sub(entry.last_used.load(Ordering::Relaxed));
            if unused < idle || self.recent.is_in_use(key, entry) {
                return true;
            }
            entry.leave_residue(key, &self.residues);
            gone.borrow_mut().0.push(Counted::clone(entry));
            false
        });
        drop(gone);
        self.residues.drop_over(self.clock.now());
    }

    fn report_lost(&self) {
        let lost = self.residues.take_lost();
        if lost > 0 {
            tracing::warn!(
                lost,
                "no room for the residues of evicted authenticators: back-off, quota slots and \
                 refresh tokens of {lost} keys are forgotten; raise `max_entries` of AuthenticatorMap"
            );
        }
    }
}

impl Entry {
    /// Returns a handle for a caller. From the look-up to the return the entry is in use: the
    /// caller's thread holds the entry until the authenticator is cloned.
    fn handle_for_caller(entry: Counted<Self>, now: u64) -> Authenticator {
        // Written rarely, because many threads may use one key.
        if now.saturating_sub(entry.last_used.load(Ordering::Relaxed)) >= GRAIN {
            entry.last_used.store(now, Ordering::Relaxed);
        }
        entry.authenticator.clone()
    }

    /// Returns whether a caller holds the authenticator, or is about to. The task of a token
    /// request holds its authenticator too. The entry is checked first, because `handle_for_caller` drops it
    /// last.
    fn is_in_use(entry: &Counted<Self>) -> bool {
        is_shared(entry) || entry.authenticator.is_shared()
    }

    fn leave_residue(&self, key: &Key, residues: &Residues) {
        if let Some(residue) = self.authenticator.residue() {
            residues.keep(key, residue);
        }
    }
}

/// Prevents the eviction of an authenticator in use, and keeps the residue of an evicted one.
#[derive(Clone)]
struct Eviction {
    residues: Arc<Residues>,
    recent: Arc<Recent>,
}

impl Lifecycle<Key, Counted<Entry>> for Eviction {
    /// The evicted authenticators. Dropped when the shard is no longer locked.
    type RequestState = Evicted;

    fn is_pinned(&self, key: &Key, entry: &Counted<Entry>) -> bool {
        self.recent.is_in_use(key, entry)
    }

    /// Called while the shard is locked, so a thread that finds no entry for the key finds the
    /// residue.
    fn on_evict(&self, evicted: &mut Evicted, key: Key, entry: Counted<Entry>) {
        entry.leave_residue(&key, &self.residues);
        evicted.0.push(entry);
    }
}

/// Evicted authenticators. Observers are told when this value is dropped: no shard is locked then.
#[derive(Default)]
struct Evicted(Vec<Counted<Entry>>);

impl Drop for Evicted {
    fn drop(&mut self) {
        for entry in &self.0 {
            let shared = entry.authenticator.shared();
            shared.tell(EventKind::AuthenticatorEvicted);
        }
    }
}

impl fmt::Debug for AuthenticatorMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorMap")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Settings of [`AuthenticatorMap`]. Made by [`AuthenticatorMap::builder`].
#[must_use]
pub struct AuthenticatorMapBuilder {
    make: Make,
    max_entries: usize,
    idle_after: Duration,
    clock: SharedClock,
}

impl AuthenticatorMapBuilder {
    /// Sets the largest number of authenticators. Default: 10,000. Holds at most `max_entries`
    /// authenticators; one that is in use is never evicted. Each takes about 2.1 KB with a token of
    /// 1 KiB and one shard (see
    /// [`AuthenticatorOptions::shards`](crate::AuthenticatorOptions::shards)), if the authenticators
    /// share their options, origins and scheme: clone each of them instead of making it for each
    /// key. An evicted authenticator may leave a [residue](AuthenticatorMap#residues).
    pub fn max_entries(mut self, count: usize) -> Self {
        self.max_entries = count;
        self
    }

    /// Sets how long an unused authenticator is kept. Default: 1 hour. The map evicts it when a new
    /// authenticator is made; nothing runs in the background.
    pub fn idle_after(mut self, time: Duration) -> Self {
        self.idle_after = time;
        self
    }

    /// Sets the clock. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Makes the map.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `max_entries` for zero.
    pub fn build(self) -> Result<AuthenticatorMap, Error> {
        let Self {
            make,
            max_entries,
            idle_after,
            clock,
        } = self;
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(max_entries.min(FIRST_ROOM))
            .weight_capacity(max_entries as u64);
        let options = match options.build() {
            Ok(options) if max_entries > 0 => options,
            _ => return Err(Error::config("max_entries", "must be at least 1")),
        };
        let most = max_entries.saturating_mul(RESIDUES_PER_ENTRY);
        let residues = Arc::new(Residues::new(most));
        let recent = Arc::new(Recent::new());
        let eviction = Eviction {
            residues: Arc::clone(&residues),
            recent: Arc::clone(&recent),
        };
        let hasher = BuildHasherDefault::default();
        let cache = Cache::with_options(options, UnitWeighter, hasher, eviction);
        Ok(AuthenticatorMap(Arc::new(Map {
            make,
            cache,
            residues,
            recent,
            idle_after,
            start: clock.now(),
            clock,
            last_sweep: AtomicU64::new(0),
        })))
    }
}

impl fmt::Debug for AuthenticatorMapBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorMapBuilder")
            .field("max_entries", &self.max_entries)
            .field("idle_after", &self.idle_after)
            .finish_non_exhaustive()
    }
}

/// Precision of the time of the last use, in milliseconds.
const GRAIN: u64 = 1_000;
/// A residue is small compared with an authenticator.
const RESIDUES_PER_ENTRY: usize = 4;
/// The map starts with room for this number of entries and grows.
const FIRST_ROOM: usize = 256;

#[cfg(all(test, model))]
mod model;
#[cfg(test)]
mod tests;
