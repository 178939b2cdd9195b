use std::fmt;

use auth_core::{Error, SecretSource, SharedSecretSource};

use crate::key::SealingKey;

/// The keys of a [`SealedStore`](crate::SealedStore): one that seals and opens, and at most one
/// more that opens.
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
/// 3. When the longest-lived token that was sealed with the old key has ended, drop that one:
///    `new(new)`. Earlier is safe as well, and costs an exchange for each key of the store.
///
/// Two files that cannot be exchanged at one stroke may hold the same key for a moment, which costs
/// an exchange at most.
///
/// Without the first step the processes are apart until all have the new key: each side takes the
/// other's entries for nothing, and makes exchanges of its own.
///
/// A key that somebody else has come by is dropped at once, in one step, everywhere; the tokens
/// that it sealed are as good as theirs until they end or the vendor revokes them.
///
/// # Example
///
/// ```
/// use auth_core::SecretFile;
/// use auth_store_seal::SealingKeys;
///
/// let keys = SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
///     .also_opens(SecretFile::new("/run/secrets/sealing-key-previous"));
/// ```
#[derive(Clone)]
#[must_use]
pub struct SealingKeys {
    sealing: SharedSecretSource,
    other: Option<SharedSecretSource>,
}

impl SealingKeys {
    /// Seals, and opens, with the key that a source gives.
    pub fn new(sealing_key: impl SecretSource) -> Self {
        Self {
            sealing: SharedSecretSource::new(sealing_key),
            other: None,
        }
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
    /// [`Config`](auth_core::ErrorKind::Config) on field `sealing_key` or `also_opens` for a text
    /// that is no key; what the source says if there is none to be had.
    pub async fn check(&self) -> Result<(), Error> {
        self.sealing().await?;
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
        self.other
            .as_ref()
            .map_or(Ok(()), |other| fixed(other, OTHER))
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

const SEALING: &str = "sealing_key";
const OTHER: &str = "also_opens";
