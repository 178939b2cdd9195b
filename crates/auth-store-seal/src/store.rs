use std::{fmt, sync::Arc, time::Duration};

use auth_core::{Error, Key, NewEntry, Part, StoredEntry, TokenStore, Version};
use bytes::Bytes;

use crate::{
    SealingKeys,
    entry::{self, Place, Reason, Sealed},
    key::SealingKey,
    warned::Warned,
};

/// A [`TokenStore`] that keeps everything in another one, sealed.
///
/// Versions, ages, lives and leases are the other store's. What it has and no key opens is a miss:
/// it was sealed with a key that is not at hand, was changed or cut, belongs to another key or
/// version, is in plain text, or in a layout of a later release. Then [`load`](TokenStore::load)
/// returns an entry with its version and age and **without bytes**, which means nothing to an
/// authenticator and which it can replace by that version. Each such entry is logged once, as a
/// warning with the reason.
///
/// Clones share what they have logged, and their store and keys if those do.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Error, Key, MemoryStore, NewEntry, Secret, TokenStore, Version};
/// use auth_store_seal::{SealedStore, SealingKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let inner = MemoryStore::new();
/// let key = Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
/// let store = SealedStore::new(inner.clone(), SealingKeys::new(key))?;
///
/// let key = Key::builder("example").build();
/// let entry = NewEntry::new(Version::new(1), "fake-token".into(), Duration::from_secs(60));
/// assert!(store.replace(&key, None, entry).await?);
/// let opened = store.load(&key).await?.map(|entry| entry.bytes);
/// assert_eq!(opened.as_deref(), Some(&b"fake-token"[..]));
/// let sealed = inner.load(&key).await?.map(|entry| entry.bytes);
/// assert!(sealed.is_some_and(|sealed| sealed.starts_with(b"auth-store-seal 1\n")));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Without its sealing key the store does not ask the other one at all: `load` and `replace` return
/// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key` for a text that is no key, and
/// what the source says if there is none to be had. An authenticator goes on without the store, as
/// after any other error of it: it takes no lease, then, that it could do nothing with. A second
/// key that is wrong or missing makes what it would have opened a miss.
///
/// # Cancel safety
///
/// As the other store's: a future that is dropped while a key is read has done nothing.
///
/// # Security
///
/// See [the crate](crate) for what the other store still sees, and can do.
pub struct SealedStore<S> {
    store: S,
    keys: SealingKeys,
    warned: Arc<Warned>,
}

impl<S: TokenStore> SealedStore<S> {
    /// Seals what is kept in a store.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key` or `also_opens` for a key
    /// that never changes and is none. Others are read when they are needed: see
    /// [`SealingKeys::check`].
    pub fn new(store: S, keys: SealingKeys) -> Result<Self, Error> {
        keys.check_fixed()?;
        Ok(Self {
            store,
            keys,
            warned: Arc::default(),
        })
    }

    /// Opens an entry, or says why it counts as nothing.
    async fn open(
        &self,
        sealing: &SealingKey,
        place: &Place,
        bytes: &[u8],
    ) -> Result<Bytes, (Reason, Option<Error>)> {
        let because = |reason| (reason, None);
        let sealed = Sealed::parse(bytes).map_err(because)?;
        if sealed.id == sealing.id() {
            return sealed.open(sealing, place).map_err(because);
        }
        match self.keys.other().await {
            Some(Ok(other)) if other.id() == sealed.id => {
                sealed.open(&other, place).map_err(because)
            }
            Some(Err(error)) => Err((Reason::NoOtherKey, Some(error))),
            Some(Ok(_)) | None => Err(because(Reason::UnknownKey)),
        }
    }
}

impl<S: TokenStore> TokenStore for SealedStore<S> {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let sealing = self.keys.sealing().await?;
        let Some(mut entry) = self.store.load(key).await? else {
            return Ok(None);
        };
        let place = Place::new(key, entry.version);
        entry.bytes = match self.open(&sealing, &place, &entry.bytes).await {
            Ok(bytes) => {
                self.warned.forget(&place);
                bytes
            }
            Err((reason, error)) => {
                if self.warned.is_new(&place, reason) {
                    let vendor = key.get(Part::Vendor);
                    let error = error.as_ref().map(tracing::field::display);
                    tracing::warn!(vendor, %reason, error, "an entry in the token store counts as nothing");
                }
                Bytes::new()
            }
        };
        Ok(Some(entry))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let sealing = self.keys.sealing().await?;
        let place = Place::new(key, entry.version);
        let bytes = entry::seal(&sealing, &place, &entry.bytes)?;
        drop(sealing);
        let sealed = NewEntry::new(entry.version, bytes, entry.lives);
        self.store.replace(key, expected, sealed).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.store.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.store.release(key, owner).await
    }

    fn patience(&self) -> Duration {
        self.store.patience()
    }
}

impl<S: Clone> Clone for SealedStore<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            keys: self.keys.clone(),
            warned: Arc::clone(&self.warned),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for SealedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
