use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{NewEntry, StoredEntry, TokenStore, Version};
use crate::{Error, Key};

/// A [`TokenStore`] in this process's memory: for tests, and for authenticators of one key that must
/// not know of each other. Clones share their entries.
///
/// # Example
///
/// ```
/// use auth_core::{Authenticator, Error, Key, MemoryStore, Origins, TokenSource};
///
/// # fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
/// let store = MemoryStore::new();
/// let authenticator = Authenticator::builder(source)
///     .store(store.clone(), Key::builder("example").client("my-client").build())
///     .origins(Origins::new(["https://api.example.com"])?)
///     .build()?;
/// # Ok(authenticator)
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: HashMap<Key, Kept>,
    leases: HashMap<Key, (String, Instant)>,
}

struct Kept {
    entry: NewEntry,
    since: Instant,
    until: Instant,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let now = Instant::now();
        let state = self.state();
        let kept = state.entries.get(key).filter(|kept| now < kept.until);
        Ok(kept.map(|Kept { entry, since, .. }| {
            StoredEntry::new(entry.version, entry.bytes.clone(), now - *since)
        }))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let since = Instant::now();
        let mut state = self.state();
        state.entries.retain(|_, kept| since < kept.until);
        if state.entries.get(key).map(|kept| kept.entry.version) != expected {
            return Ok(false);
        }
        let until = since.checked_add(entry.lives).unwrap_or(since + FAR);
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
        let until = now.checked_add(time).unwrap_or(now + FAR);
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

const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
