use std::fmt;

use auth_core::{Error, SecretSource, SharedSecretSource};

use crate::{key::SealingKey, names::Names};

/// The keys of a [`SealedStore`](crate::SealedStore): the sealing key, which encrypts and decrypts;
/// at most one more key that only decrypts; and the name key, which hashes names.
///
/// A key is 32 random bytes, written as base64 (standard or URL-safe, with or without padding) or
/// hexadecimal. `openssl rand -base64 32` prints one. Keys are read at each use of the store, so a
/// replaced file is noticed without a restart. A slow source makes the store slow, and an
/// authenticator continues without a slow store. Clones read the same sources.
/// # Replacing a key
///
/// Three steps. Finish each in all processes before the next:
///
/// 1. Create a new key and let all processes open entries with it: `new(old).also_opens(new)`.
///    Nothing is sealed with it yet.
/// 2. Let all processes seal with it: `new(new).also_opens(old)`. During this step some processes
///    seal with the old key and some with the new; all of them open both.
/// 3. When no entry is left that was sealed with the old key, remove the old key: `new(new)`. An
///    access token's entry is sealed again with each renewal, and expires with the token. A refresh
///    token's entry is sealed again with each answer of the vendor.
///
/// If the old key is removed too early, its entries still exist and cannot be opened. An access
/// token then costs one token request. A source that keeps refresh tokens fails with an error that
/// names the missing key, and continues when that key is passed to [`also_opens`](Self::also_opens)
/// again.
///
/// Two files that cannot be replaced together may hold the same key for a moment, which costs at
/// most one token request.
///
/// Without step 1, processes with different keys cannot open each other's entries and send their
/// own token requests until all have the new key.
///
/// If another person may know a key, remove it at once, in one step, in all processes. The tokens
/// that it sealed must be treated as known to that person until they expire or the vendor revokes
/// them.
///
/// # The name key
///
/// Names of entries are made with a separate key, so that they stay when the sealing key is
/// replaced. Do not replace the name key: without it all entries still exist and are never found.
/// [`SealedStore`](crate::SealedStore) notices that when it connects, and fails with an error that
/// says so. To change the name key on purpose, use another prefix or directory, which is an empty
/// store. The name key opens no entry.
///
/// # Example
///
/// ```
/// use auth_core::SecretFile;
/// use auth_store_seal::SealingKeys;
///
/// let keys = SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
///     .name_key(SecretFile::new("/run/secrets/name-key"))
///     .also_opens(SecretFile::new("/run/secrets/sealing-key-previous"));
/// ```
#[derive(Clone)]
#[must_use]
pub struct SealingKeys {
    sealing: SharedSecretSource,
    other: Option<SharedSecretSource>,
    names: Option<NameKey>,
}

#[derive(Clone)]
enum NameKey {
    Source(SharedSecretSource),
    Nothing,
}

impl SealingKeys {
    /// Seals and opens with the key of a source.
    pub fn new(sealing_key: impl SecretSource) -> Self {
        Self {
            sealing: SharedSecretSource::new(sealing_key),
            other: None,
            names: None,
        }
    }

    /// Sets the key that makes the names of entries. Required, unless
    /// [`danger_plain_names`](Self::danger_plain_names) is called. The name key stays when the
    /// sealing key is replaced: see [above](Self#the-name-key).
    pub fn name_key(mut self, key: impl SecretSource) -> Self {
        self.names = Some(NameKey::Source(SharedSecretSource::new(key)));
        self
    }

    /// Makes the names of entries without a key: each is a SHA-256 hash. A reader of the names can
    /// test by guessing which vendors, clients, scopes and users have an entry.
    pub fn danger_plain_names(mut self) -> Self {
        self.names = Some(NameKey::Nothing);
        self
    }

    /// Opens entries with a second key: the previous one or the next one. Only the last call
    /// counts. Default: no second key.
    pub fn also_opens(mut self, key: impl SecretSource) -> Self {
        self.other = Some(SharedSecretSource::new(key));
        self
    }

    /// Reads the keys and checks them; for the start of a program.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key`, `also_opens` or `name_key`
    /// for an invalid key, and on `name_key` if it was not set; the source's error if it returns no
    /// key.
    pub async fn check(&self) -> Result<(), Error> {
        self.sealing().await?;
        self.names().await?;
        match self.other().await {
            Some(other) => other.map(drop),
            None => Ok(()),
        }
    }

    /// As [`check`](Self::check), for the keys that never change.
    pub(crate) fn check_fixed(&self) -> Result<(), Error> {
        let fixed = |source: &SharedSecretSource, field| match source.fixed() {
            Some(text) => SealingKey::parse(field, text).map(drop),
            None => Ok(()),
        };
        fixed(&self.sealing, SEALING)?;
        if let Some(other) = &self.other {
            fixed(other, OTHER)?;
        }
        match &self.names {
            Some(NameKey::Source(key)) => fixed(key, NAME),
            Some(NameKey::Nothing) => Ok(()),
            None => Err(no_name_key()),
        }
    }

    pub(crate) async fn names(&self) -> Result<Names, Error> {
        match &self.names {
            Some(NameKey::Source(key)) => {
                let key = SealingKey::parse(NAME, &key.read().await?)?;
                Ok(Names::Keyed(key))
            }
            Some(NameKey::Nothing) => Ok(Names::Plain),
            None => Err(no_name_key()),
        }
    }

    pub(crate) async fn sealing(&self) -> Result<SealingKey, Error> {
        SealingKey::parse(SEALING, &self.sealing.read().await?)
    }

    pub(crate) async fn other(&self) -> Option<Result<SealingKey, Error>> {
        let text = self.other.as_ref()?.read().await;
        Some(text.and_then(|text| SealingKey::parse(OTHER, &text)))
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys").finish_non_exhaustive()
    }
}

fn no_name_key() -> Error {
    Error::config(
        NAME,
        "is missing: pass a second key (`openssl rand -base64 32` prints one), which stays when \
         the sealing key is replaced; or call `danger_plain_names` if readers of the store may \
         find out by trying for whom it has tokens",
    )
}

const SEALING: &str = "sealing_key";
const OTHER: &str = "also_opens";
const NAME: &str = "name_key";
