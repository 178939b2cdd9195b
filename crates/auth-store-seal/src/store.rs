use std::{
    error::Error as _,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::{EntryVersion, Error, Key, KeyPart, NewEntry, StoredEntry, TokenStore};
use bytes::Bytes;

use crate::{
    SealingKeys,
    entry::{self, Place, Reason, Sealed},
    key::SealingKey,
    names::Names,
    warned::Warned,
};

/// A [`TokenStore`] that encrypts the entries of another store.
///
/// Versions, ages, times to live and leases are the inner store's. The version of an entry that was
/// opened is authentic, because it is covered by the encryption. An entry does not open if it was
/// sealed with a key that this process does not have, was changed or cut, belongs to another key or
/// version, is in plain text, or is in a layout of a later release. [`load`](TokenStore::load)
/// returns such an entry with its version, its age and an error that states the reason as its
/// [content](StoredEntry::content). A version that comes with an error names the entry for
/// [`replace`](TokenStore::replace) and proves nothing. Each such entry is logged once, as a
/// warning with the reason.
///
/// The inner store knows entries and leases by names that are made with [`SealingKeys::name_key`].
/// [`connect`](TokenStore::connect) writes an entry that identifies the name key, and fails if it
/// finds the entry of another one.
///
/// Clones share the record of logged entries, and their store and keys if those are shared by
/// clones.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Error, Key, MemoryStore, NewEntry, Secret, TokenStore, EntryVersion};
/// use auth_store_seal::{SealedStore, SealingKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let inner = MemoryStore::new();
/// let key = Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
/// let name_key = Secret::new("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
/// let store = SealedStore::new(inner.clone(), SealingKeys::new(key).name_key(name_key))?;
///
/// let key = Key::builder("example").build();
/// let entry = NewEntry::new(EntryVersion::new(1), "fake-token".into(), Duration::from_secs(60));
/// assert!(store.replace(&key, None, entry).await?);
/// let opened = store.load(&key).await?.and_then(|entry| entry.content.ok());
/// assert_eq!(opened.as_deref(), Some(&b"fake-token"[..]));
/// // The inner store knows it by another name.
/// assert!(inner.load(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Without its sealing key the store does not call the inner store: `load` and `replace` return
/// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key` for an invalid key, or the
/// source's error if it returns no key. An authenticator then continues without the store, as after
/// any other error of a store, and takes no lease. Without the name key this applies to all four
/// calls. If the second key is invalid or missing, entries that only it opens are unreadable.
///
/// # Cancel safety
///
/// As the inner store: a future that is dropped while a key is read has done nothing.
///
/// # Security
///
/// See [the crate](crate) for what the inner store can see and do.
pub struct SealedStore<S> {
    store: S,
    keys: SealingKeys,
    warned: Arc<Warned>,
    /// Whether the names in the store are known to be made with our key.
    names_fit: Arc<AtomicBool>,
}

impl<S: TokenStore> SealedStore<S> {
    /// Encrypts the entries of a store.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key`, `also_opens` or `name_key`
    /// for an invalid key that never changes, and on `name_key` if it was not set. Other keys are
    /// read when they are needed: see [`SealingKeys::check`].
    pub fn new(store: S, keys: SealingKeys) -> Result<Self, Error> {
        keys.check_fixed()?;
        Ok(Self {
            store,
            keys,
            warned: Arc::default(),
            names_fit: Arc::default(),
        })
    }

    /// Checks which key made the names in the store, and records that in an empty store.
    async fn check_names(&self) -> Result<(), Error> {
        if self.names_fit.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (names, key) = (self.keys.names().await?, Names::marker_key());
        let marker = match self.store.load(&key).await? {
            Some(marker) => Some(marker),
            None => {
                let marker = NewEntry::new(EntryVersion::new(1), names.marker(), Duration::MAX);
                if self.store.replace(&key, None, marker).await? {
                    None
                } else {
                    // Another process was faster.
                    self.store.load(&key).await?
                }
            }
        };
        if let Some(marker) = marker {
            names.check(marker)?;
        }
        self.names_fit.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Opens an entry, or returns the reason why that is not possible.
    async fn open(
        &self,
        sealing: &SealingKey,
        place: &Place,
        bytes: &[u8],
    ) -> Result<Bytes, Unopened> {
        let sealed = Sealed::parse(bytes).map_err(Unopened::from)?;
        if sealed.id == sealing.id() {
            return sealed.open(sealing, place).map_err(Unopened::from);
        }
        let (reason, source, other) = match self.keys.other().await {
            Some(Ok(other)) if other.id() == sealed.id => {
                return sealed.open(&other, place).map_err(Unopened::from);
            }
            Some(Ok(other)) => (Reason::UnknownKey(sealed.id), None, Some(other.id())),
            Some(Err(error)) => (Reason::NoOtherKey(sealed.id), Some(error), None),
            None => (Reason::UnknownKey(sealed.id), None, None),
        };
        let had: Vec<_> = [Some(sealing.id()), other].into_iter().flatten().collect();
        let error = reason.error(&had);
        let error = match source {
            Some(source) => {
                let cause = format!("the second key: {source}");
                error.with_advice(&cause).with_source(source)
            }
            None => error,
        };
        Err(Unopened { reason, error })
    }
}

/// The reason why an entry was not opened.
struct Unopened {
    reason: Reason,
    error: Error,
}

impl From<Reason> for Unopened {
    fn from(reason: Reason) -> Self {
        let error = reason.error(&[]);
        Self { reason, error }
    }
}

impl<S: TokenStore> TokenStore for SealedStore<S> {
    async fn connect(&self) -> Result<(), Error> {
        self.store.connect().await?;
        self.check_names().await
    }

    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let sealing = self.keys.sealing().await?;
        let name = self.keys.names().await?.inner(key);
        let Some(mut entry) = self.store.load(&name).await? else {
            return Ok(None);
        };
        let Ok(bytes) = entry.content else {
            return Ok(Some(entry));
        };
        let place = Place::new(key, entry.version);
        entry.content = match self.open(&sealing, &place, &bytes).await {
            Ok(bytes) => {
                self.warned.forget(&place);
                Ok(bytes)
            }
            Err(Unopened { reason, error }) => {
                if self.warned.is_new(&place, reason) {
                    let vendor = key.get(KeyPart::Vendor);
                    let cause = error.source().map(tracing::field::display);
                    tracing::warn!(target: "auth::store", vendor, %error, cause, "an entry in the token store cannot be opened");
                }
                Err(error)
            }
        };
        Ok(Some(entry))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let sealing = self.keys.sealing().await?;
        let place = Place::new(key, entry.version);
        let bytes = entry::seal(&sealing, &place, &entry.bytes)?;
        drop(sealing);
        let sealed = NewEntry::new(entry.version, bytes, entry.time_to_live);
        let name = self.keys.names().await?.inner(key);
        self.store.replace(&name, expected, sealed).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let name = self.keys.names().await?.inner(key);
        self.store.lease(&name, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        let name = self.keys.names().await?.inner(key);
        self.store.release(&name, owner).await
    }

    fn latency_budget(&self) -> Duration {
        self.store.latency_budget()
    }
}

impl<S: Clone> Clone for SealedStore<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            keys: self.keys.clone(),
            warned: Arc::clone(&self.warned),
            names_fit: Arc::clone(&self.names_fit),
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
