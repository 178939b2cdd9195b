use std::{
    fmt,
    hash::RandomState,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter, sync::Cache};

use crate::{Authenticator, Error, Key, SharedClock};

/// Many keys, each with an authenticator of its own: for tenants, users, scopes.
///
/// An authenticator is made when its key is first asked for, and kept while it is used. There are
/// never more than so many, but for those that are in use: beyond that the ones that nobody has asked
/// for in a while go first. One that somebody holds, or whose exchange is under way, stays, so that
/// no key ever has two. Clones share everything.
///
/// # Example
///
/// Each user's requests with a token of that user's own:
///
/// ```
/// use auth_core::{ApiKey, Authenticator, Authenticators, Error, Key, Origins, Part, Secret};
///
/// # fn main() -> Result<(), Error> {
/// let authenticators = Authenticators::builder(|key: &Key| {
///     let user = key.get(Part::Subject).unwrap_or_default();
///     // In place of an exchange:
///     let source = ApiKey::new(Secret::new(format!("fake-token-for-{user}")));
///     Authenticator::builder(source)
///         .shards(1)
///         .origins(Origins::new(["https://api.example.com"])?)
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
/// Which token a request gets depends on its whole key and nothing else. Put everything into the key
/// that the closure looks at.
#[derive(Clone)]
pub struct Authenticators(Arc<Map>);

struct Map {
    make: Make,
    cache: Cache<Key, Arc<Entry>, UnitWeighter, RandomState, InUse>,
    idle_after: Duration,
    clock: SharedClock,
    start: crate::Moment,
    last_sweep: AtomicU64,
}

type Make = Box<dyn Fn(&Key) -> Result<Authenticator, Error> + Send + Sync>;

struct Entry {
    authenticator: Authenticator,
    /// In milliseconds since the map was made.
    last_used: AtomicU64,
}

impl Authenticators {
    /// Starts with what makes the authenticator of a key. It is called once for each key, must not
    /// block, and must not ask the map.
    pub fn builder(
        make: impl Fn(&Key) -> Result<Authenticator, Error> + Send + Sync + 'static,
    ) -> AuthenticatorsBuilder {
        AuthenticatorsBuilder {
            make: Box::new(make),
            max_entries: 10_000,
            idle_after: Duration::from_secs(60 * 60),
            clock: SharedClock::default(),
        }
    }

    /// Returns the authenticator of a key, which is made if there is none. Starts no exchange.
    ///
    /// # Errors
    ///
    /// What the closure returned; it is asked again the next time.
    pub fn get(&self, key: &Key) -> Result<Authenticator, Error> {
        let map = &*self.0;
        let now = map.now();
        let mut made = false;
        let entry = map.cache.get_or_insert_with(key, || {
            made = true;
            let authenticator = (map.make)(key)?;
            let last_used = AtomicU64::new(now);
            Ok::<_, Error>(Arc::new(Entry {
                authenticator,
                last_used,
            }))
        })?;
        // Written seldom: many threads may use one key.
        if now.saturating_sub(entry.last_used.load(Ordering::Relaxed)) >= GRAIN {
            entry.last_used.store(now, Ordering::Relaxed);
        }
        let authenticator = entry.authenticator.clone();
        drop(entry);
        if made {
            map.sweep(now);
        }
        Ok(authenticator)
    }

    /// Forgets a key, whoever holds its authenticator: for a user who has signed out.
    pub fn remove(&self, key: &Key) {
        self.0.cache.remove(key);
    }

    /// Returns how many authenticators are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// Tells whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.cache.is_empty()
    }
}

impl Map {
    fn now(&self) -> u64 {
        let passed = self.start.until(self.clock.now());
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets those go that are idle. Only when there is one more, and not often: what does not grow
    /// needs no sweeping.
    fn sweep(&self, now: u64) {
        let idle = u64::try_from(self.idle_after.as_millis()).unwrap_or(u64::MAX);
        let last = self.last_sweep.load(Ordering::Relaxed);
        if now.saturating_sub(last) < (idle / 4).max(1) {
            return;
        }
        // One thread of those that come here sweeps.
        let (relaxed, swept) = (Ordering::Relaxed, &self.last_sweep);
        if swept.compare_exchange(last, now, relaxed, relaxed).is_err() {
            return;
        }
        self.cache.retain(|_, entry| {
            let unused = now.saturating_sub(entry.last_used.load(Ordering::Relaxed));
            unused < idle || entry.is_in_use()
        });
    }
}

impl Entry {
    /// A flight's task holds its authenticator, too.
    fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || self.authenticator.is_shared()
    }
}

/// Keeps what is in use from being evicted.
#[derive(Clone, Copy)]
struct InUse;

impl Lifecycle<Key, Arc<Entry>> for InUse {
    type RequestState = ();

    fn is_pinned(&self, _: &Key, entry: &Arc<Entry>) -> bool {
        entry.is_in_use()
    }

    fn on_evict(&self, (): &mut (), _: Key, _: Arc<Entry>) {}
}

impl fmt::Debug for Authenticators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticators")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Settings of [`Authenticators`]; made by [`Authenticators::builder`].
#[must_use]
pub struct AuthenticatorsBuilder {
    make: Make,
    max_entries: usize,
    idle_after: Duration,
    clock: SharedClock,
}

impl AuthenticatorsBuilder {
    /// Sets how many are kept; default 10,000. Each takes about 5 KB with a token of 1 KiB and one
    /// shard (see [`AuthenticatorBuilder::shards`](crate::AuthenticatorBuilder::shards)).
    pub fn max_entries(mut self, count: usize) -> Self {
        self.max_entries = count;
        self
    }

    /// Sets after what time one that nobody has asked for may go; default an hour. It goes when a
    /// new one comes; nothing runs meanwhile.
    pub fn idle_after(mut self, time: Duration) -> Self {
        self.idle_after = time;
        self
    }

    /// Sets the clock; default [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Makes the map.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `max_entries` for zero.
    pub fn build(self) -> Result<Authenticators, Error> {
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
            _ => return Err(Error::config("max_entries", "must be more than none")),
        };
        let cache = Cache::with_options(options, UnitWeighter, RandomState::new(), InUse);
        Ok(Authenticators(Arc::new(Map {
            make,
            cache,
            idle_after,
            start: clock.now(),
            clock,
            last_sweep: AtomicU64::new(0),
        })))
    }
}

impl fmt::Debug for AuthenticatorsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorsBuilder")
            .field("max_entries", &self.max_entries)
            .field("idle_after", &self.idle_after)
            .finish_non_exhaustive()
    }
}

/// How exactly the time of the last use is kept, in milliseconds.
const GRAIN: u64 = 1_000;
/// For so many there is room from the start; the map grows beyond.
const FIRST_ROOM: usize = 256;

#[cfg(test)]
mod tests;
