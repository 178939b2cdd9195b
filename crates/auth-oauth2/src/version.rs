use std::{
    hash::{BuildHasher as _, Hash, Hasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::Secret;

/// Tells one version of a credential from another without keeping either: a keyed 64-bit
/// fingerprint of all that belongs to it.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    keys: RandomState,
    last: Mutex<Option<Version>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

impl Versions {
    pub(crate) fn of(&self, parts: &[&Secret]) -> Version {
        let mut hasher = self.keys.build_hasher();
        // With its length each, so that no two lists run into one.
        parts
            .iter()
            .for_each(|part| part.expose().hash(&mut hasher));
        Version(hasher.finish())
    }

    /// Notes what an exchange is made with.
    pub(crate) fn use_up(&self, version: Version) {
        *self.last() = Some(version);
    }

    /// Tells whether this is another version than the last exchange's.
    pub(crate) fn is_new(&self, version: Version) -> bool {
        self.last().is_some_and(|last| last != version)
    }

    fn last(&self) -> MutexGuard<'_, Option<Version>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
