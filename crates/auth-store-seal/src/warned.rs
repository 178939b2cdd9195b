use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::EntryVersion;

use crate::entry::{Place, Reason};

/// The entries that were logged already: a process that waits for a lease loads the same entry many
/// times.
#[derive(Default)]
pub(crate) struct Warned(Mutex<HashMap<[u8; 32], Said>>);

/// What was said of an entry last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Said {
    version: EntryVersion,
    reason: Reason,
}

impl Warned {
    /// Whether this entry was not logged before.
    pub(crate) fn is_new(&self, place: &Place, reason: Reason) -> bool {
        let mut said = self.said();
        if said.len() >= MAX && !said.contains_key(&place.key) {
            said.clear();
        }
        let this = Said {
            version: place.version,
            reason,
        };
        said.insert(place.key, this) != Some(this)
    }

    pub(crate) fn forget(&self, place: &Place) {
        self.said().remove(&place.key);
    }

    fn said(&self) -> MutexGuard<'_, HashMap<[u8; 32], Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of keys that are remembered.
const MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: usize, version: u128) -> Place {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&key.to_be_bytes());
        Place {
            key: hash,
            version: EntryVersion::new(version),
        }
    }

    #[test]
    fn another_version_or_reason_is_news() {
        let warned = Warned::default();
        assert!(warned.is_new(&place(1, 1), Reason::Cut));
        assert!(!warned.is_new(&place(1, 1), Reason::Cut));
        assert!(warned.is_new(&place(2, 1), Reason::Cut));
        assert!(!warned.is_new(&place(1, 1), Reason::Cut));
        assert!(warned.is_new(&place(1, 2), Reason::Cut));
        assert!(warned.is_new(&place(1, 2), Reason::Changed));
        warned.forget(&place(1, 3));
        assert!(warned.is_new(&place(1, 2), Reason::Changed));
    }

    #[test]
    fn g19_what_is_remembered_is_bounded() {
        let warned = Warned::default();
        for key in 0..3 * MAX {
            assert!(warned.is_new(&place(key, 1), Reason::Cut));
            assert!(!warned.is_new(&place(key, 1), Reason::Cut));
        }
        assert!(warned.said().len() <= MAX);
    }
}
