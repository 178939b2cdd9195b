use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{EntryVersion, LONGEST_LEASE, NewEntry, StoredEntry, TokenStore};
use crate::{Error, Key, SharedClock};

/// A [`TokenStore`] in the memory of this process, for tests. Clones share their entries.
///
/// Time is measured by tokio's clock. An entry's age also counts the time that the machine was
/// suspended: if the wall clock advanced by 5 s more than tokio's clock, the age is measured by the
/// wall clock. Setting the wall clock back changes nothing. The time to live of entries and leases
/// is measured by tokio's clock.
///
/// # Example
///
/// ```
/// use auth_core::{Authenticator, AuthenticatorOptions, Error, Key, MemoryStore, Origins, TokenSource};
///
/// # fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
/// let store = MemoryStore::new();
/// let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///     .key(Key::builder("example").client("my-client").build())
///     .options(AuthenticatorOptions::new().store(store.clone()))
///     .build()?;
/// # Ok(authenticator)
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: SharedClock,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Kept>,
    leases: HashMap<Key, (String, Instant)>,
}

struct Kept {
    entry: NewEntry,
    since: Reading,
    until: Instant,
}

/// Two clocks: one that stands still while the machine is suspended, and one that can be set.
#[derive(Clone, Copy)]
struct Reading {
    timer: Instant,
    /// Time since the Unix epoch.
    wall: Duration,
}

impl Reading {
    fn since(self, earlier: Self) -> Duration {
        let timer = self.timer - earlier.timer;
        let wall = self.wall.saturating_sub(earlier.wall);
        if wall > timer.saturating_add(SLEPT) {
            wall
        } else {
            timer
        }
    }
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the clock whose wall time shows that the machine was suspended. Default:
    /// [`SystemClock`](crate::SystemClock).
    #[must_use]
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    fn now(&self) -> Reading {
        Reading {
            timer: Instant::now(),
            wall: self.clock.now().since_unix_epoch(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let now = self.now();
        let state = self.state();
        let kept = state.entries.get(key).filter(|kept| now.timer < kept.until);
        Ok(kept.map(|Kept { entry, since, .. }| {
            StoredEntry::new(entry.version, entry.bytes.clone(), now.since(*since))
        }))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let since = self.now();
        let mut state = self.state();
        state.entries.retain(|_, kept| since.timer < kept.until);
        if state.entries.get(key).map(|kept| kept.entry.version) != expected {
            return Ok(false);
        }
        let until = since.timer.checked_add(entry.time_to_live);
        let until = until.unwrap_or(since.timer + FAR);
        let kept = Kept {
            entry,
            since,
            until,
        };
        state.entries.insert(key.clone(), kept);
        Ok(true)
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let now = Instant::now();
        let mut state = self.state();
        state.leases.retain(|_, (_, until)| now < *until);
        if state
            .leases
            .get(key)
            .is_some_and(|(other, _)| other != owner)
        {
            return Ok(false);
        }
        let until = now + time.min(LONGEST_LEASE);
        state.leases.insert(key.clone(), (owner.to_owned(), until));
        Ok(true)
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        let mut state = self.state();
        if state
            .leases
            .get(key)
            .is_some_and(|(other, _)| other == owner)
        {
            state.leases.remove(key);
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// A smaller difference between the two clocks is taken as a correction of the wall clock.
const SLEPT: Duration = Duration::from_secs(5);
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests;
