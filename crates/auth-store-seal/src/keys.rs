use std::fmt;

use auth_core::{Error, SecretSource, SharedSecretSource};

use crate::{key::SealingKey, names::Names};

/// The keys of a [`SealedStore`](crate::SealedStore): one that seals and opens, at most one more
/// that opens, and one that names are made with.
///
/// A key is 32 random bytes, written as base64 (standard or URL-safe, with or without padding) or
/// hexadecimal, such as `openssl rand -base64 32` prints. It is read whenever the store is used, so
/// that a file that was replaced is noticed without a restart. A source that takes long makes the
/// store slow, and an authenticator goes on without a slow store. Clones read the same sources.
///
/// # Replacing a key
///
/// Three steps, each of them finished in all processes before the next one begins:
///
/// 1. Make a new key, and have it open everywhere: `new(old).also_opens(new)`. Nothing is sealed
///    with it yet.
/// 2. Have it seal everywhere: `new(new).also_opens(old)`. While that goes on some processes seal
///    with one key and some with the other, and all of them open both.
/// 3. When no entry is left that was sealed with the old key, drop that one: `new(new)`. An access
///    token's entry is sealed anew with each renewal, and ends with the token. A refresh token's
///    entry is sealed anew whenever the vendor answers.
///
/// If the old key is dropped too early, the entries that it sealed are still there and cannot be
/// opened: an access token costs one token request; a source that keeps refresh tokens fails with
/// an error that names the key which is missing, and goes on when that key is given to
/// [`also_opens`](Self::also_opens) again.
///
/// Two files that cannot be exchanged at one stroke may hold the same key for a moment, which costs
/// a token request at most.
///
/// Without the first step the processes are apart until all have the new key: each side cannot open
/// the other's entries, and makes token requests of its own.
///
/// A key that somebody else has come by is dropped at once, in one step, everywhere; the tokens
/// that it sealed are as good as theirs until they end or the vendor revokes them.
///
/// # The name key
///
/// Names of entries are made with a key of their own, so that they stay when the sealing key is
/// replaced. Do not replace the name key: without it all entries are still there and are never
/// found again. [`SealedStore`](crate::SealedStore) notices that when it connects, and fails with
/// an error that says so. To change the name key on purpose, use another prefix or directory, which
/// is an empty store. Nobody who has the name key only can open an entry.
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
    /// Seals, and opens, with the key that a source gives.
    pub fn new(sealing_key: impl SecretSource) -> Self {
        Self {
            sealing: SharedSecretSource::new(sealing_key),
            other: None,
            names: None,
        }
    }

    /// Sets the key that names of entries are made with. Required, unless
    /// [`danger_plain_names`](Self::danger_plain_names) is called. It is not replaced when the
    /// sealing key is: see [above](Self#the-name-key).
    pub fn name_key(mut self, key: impl SecretSource) -> Self {
        self.names = Some(NameKey::Source(SharedSecretSource::new(key)));
        self
    }

    /// Makes the names of entries without a key: each is a SHA-256 hash. Who sees the names can
    /// find out by trying which vendors, clients, scopes and users have an entry, as long as they
    /// can be guessed.
    pub fn danger_plain_names(mut self) -> Self {
        self.names = Some(NameKey::Nothing);
        self
    }

    /// Opens with another key as well: the one before, or the one to come. There is one at most:
    /// the last that is set.
    pub fn also_opens(mut self, key: impl SecretSource) -> Self {
        self.other = Some(SharedSecretSource::new(key));
        self
    }

    /// Reads the keys and finds out whether they are fit, for the start of a program.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key`, `also_opens` or `name_key`
    /// for a text that is no key, and on `name_key` if it was not set; what the source says if
    /// there is none to be had.
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
        "is missing: give it a second key (`openssl rand -base64 32` makes one), which stays when \
         the sealing key is replaced; or call `danger_plain_names` if whoever sees the store may \
         find out by trying for whom it has tokens",
    )
}

const SEALING: &str = "sealing_key";
const OTHER: &str = "also_opens";
const NAME: &str = "name_key";
