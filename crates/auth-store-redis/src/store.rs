use std::{fmt, time::Duration};

use auth_core::{EntryVersion, Error, Key, NewEntry, StoredEntry, TokenStore};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::plain::Plain;

/// A [`TokenStore`] in Redis, for all processes that reach it.
///
/// Each key has two names there, made of a hash: its entry's and its lease's. Redis ends both by
/// itself. Clones, and stores of the same servers and the same prefix, share all of it; clones
/// share one connection as well, which is made when it is needed and again when it broke.
///
/// # Example
///
/// See [the crate](crate).
///
/// # Cancel safety
///
/// What is sent to Redis is sent by a task of its own, which outlives a caller that goes away and
/// ends by the [timeout](crate::RedisStoreBuilder::timeout): what was begun is done or not, and no
/// answer is left for the next one.
///
/// # Security
///
/// Entries are sealed with the keys that
/// [`RedisStoreBuilder::sealing`](crate::RedisStoreBuilder::sealing) was given. See
/// [the crate](crate#security).
#[derive(Clone)]
pub struct RedisStore {
    kind: Kind,
    latency_budget: Duration,
}

#[derive(Clone)]
enum Kind {
    Sealed(SealedStore<Plain>),
    Unsealed(Plain),
}

impl RedisStore {
    pub(crate) fn sealed(
        plain: Plain,
        keys: SealingKeys,
        latency_budget: Duration,
    ) -> Result<Self, Error> {
        let kind = Kind::Sealed(SealedStore::new(plain, keys)?);
        Ok(Self {
            kind,
            latency_budget,
        })
    }

    pub(crate) fn unsealed(plain: Plain, latency_budget: Duration) -> Self {
        let kind = Kind::Unsealed(plain);
        Self {
            kind,
            latency_budget,
        }
    }
}

impl TokenStore for RedisStore {
    async fn connect(&self) -> Result<(), Error> {
        match &self.kind {
            Kind::Sealed(store) => store.connect().await,
            Kind::Unsealed(store) => store.connect().await,
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        match &self.kind {
            Kind::Sealed(store) => store.load(key).await,
            Kind::Unsealed(store) => store.load(key).await,
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        match &self.kind {
            Kind::Sealed(store) => store.replace(key, expected, entry).await,
            Kind::Unsealed(store) => store.replace(key, expected, entry).await,
        }
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        match &self.kind {
            Kind::Sealed(store) => store.lease(key, owner, time).await,
            Kind::Unsealed(store) => store.lease(key, owner, time).await,
        }
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        match &self.kind {
            Kind::Sealed(store) => store.release(key, owner).await,
            Kind::Unsealed(store) => store.release(key, owner).await,
        }
    }

    fn latency_budget(&self) -> Duration {
        self.latency_budget
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Sealed(store) => store.fmt(f),
            Kind::Unsealed(store) => store.fmt(f),
        }
    }
}
