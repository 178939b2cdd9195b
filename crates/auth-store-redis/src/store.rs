use std::{fmt, time::Duration};

use auth_core::{EntryVersion, Error, Key, NewEntry, StoredEntry, TokenStore};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::plain::Plain;

/// A [`TokenStore`] in Redis, for all processes that can reach it.
///
/// Each key has two hashed names in Redis: one for its entry and one for its lease. Redis removes
/// both at their expiry. Clones, and stores with the same servers and prefix, share the entries.
/// Clones also share one connection, which is made when it is needed and again after it breaks.
///
/// # Example
///
/// See [the crate](crate).
///
/// # Cancel safety
///
/// Commands are sent by a separate task, which a cancelled caller does not end and which ends at
/// the [timeout](crate::RedisStoreBuilder::timeout). A command that was sent is done or not done,
/// and no answer is left for the next caller.
///
/// # Security
///
/// Entries are encrypted with the keys of
/// [`RedisStoreBuilder::sealing`](crate::RedisStoreBuilder::sealing). See
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
