use std::{ops::Deref, sync::PoisonError};

use super::Entry;
use crate::{
    Authenticator, Key, Local, Moment, Sharded,
    authenticator::options::default_shards,
    sync::{
        Counted, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// The authenticators that each thread used last, so that a thread which uses a key again writes
/// nothing that another thread reads: neither the lock of the map's shard nor a reference count.
///
/// Each handle here is a reference, so its authenticator counts as in use. Before an authenticator
/// is evicted, the handles here are dropped while the map's shard is locked. A thread that took a
/// handle before is seen by the reference count, and a thread that comes later waits for the shard.
pub(super) struct Recent {
    /// The number of authenticators that were added or removed. After each change, a thread looks a
    /// key up in the map twice before it uses its table again: each look-up marks the key as used,
    /// and the map counts two marks at most. So the map evicts the same keys as without tables.
    changes: AtomicU64,
    tables: Sharded<Mutex<Table>>,
}

type Table = [Place; PLACES];

/// The keys whose hash has the same last bits share a place.
struct Place {
    /// The hash of the key that was looked up last.
    hash: u64,
    /// The number of changes before that look-up.
    changes: u64,
    known: Option<Known>,
}

struct Known {
    key: Key,
    authenticator: Local<Authenticator>,
    /// When the key is looked up in the map again, which notes the time of its last use.
    until: Moment,
}

/// A look-up without a handle in the thread's table. A look-up in the map follows.
pub(super) struct Missed {
    changes: u64,
    /// Whether the last look-up at this place was for the same key. If not, the table keeps no
    /// handle: most keys of a thread that uses many keys would be replaced before their next use.
    is_repeated: bool,
}

impl Recent {
    pub(super) fn new() -> Self {
        let table = || Mutex::new([const { Place::UNUSED }; PLACES]);
        Self {
            changes: AtomicU64::new(0),
            tables: Sharded::new(default_shards().into(), table),
        }
    }

    /// Returns the handle in the current thread's table.
    #[inline]
    pub(super) fn find(&self, key: &Key, now: Moment) -> Result<Local<Authenticator>, Missed> {
        let changes = self.changes.load(Ordering::Acquire);
        let mut missed = Missed {
            changes,
            is_repeated: false,
        };
        // Dropped when the table is unlocked: a source may use the map when it is dropped.
        let _replaced;
        // Threads that share a table do not wait for each other: the map has the key too.
        let Ok(mut table) = self.tables.local().try_lock() else {
            return Err(missed);
        };
        let place = &mut table[place(key)];
        if place.hash != key.hash_value() || place.changes != changes {
            _replaced = place.known.take();
            place.hash = key.hash_value();
            place.changes = changes;
            return Err(missed);
        }
        match &place.known {
            Some(known) if known.key != *key => {}
            Some(known) if !now.waited_for(known.until) => return Ok(known.authenticator.clone()),
            _ => missed.is_repeated = true,
        }
        Err(missed)
    }

    /// Keeps what the map returned, if the key is used repeatedly. Returns the caller's handle.
    pub(super) fn keep(
        &self,
        missed: &Missed,
        key: &Key,
        authenticator: Authenticator,
        until: Moment,
    ) -> LocalAuthenticator {
        if !missed.is_repeated {
            return LocalAuthenticator::Shared(authenticator);
        }
        let authenticator = Local::new(authenticator);
        // Dropped when the table is unlocked.
        let _replaced;
        if let Ok(mut table) = self.tables.local().try_lock() {
            let place = &mut table[place(key)];
            // Checked with the table locked: `remove` counts the change before it locks the table.
            let is_unchanged = self.changes.load(Ordering::Acquire) == missed.changes;
            let is_own = place.hash == key.hash_value() && place.changes == missed.changes;
            if is_unchanged && is_own {
                authenticator.shared().enter_table();
                _replaced = place.known.replace(Known {
                    key: key.clone(),
                    authenticator: authenticator.clone(),
                    until,
                });
            }
        }
        LocalAuthenticator::Local(authenticator)
    }

    /// Records that an authenticator was added to the map.
    pub(super) fn added(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Records that an authenticator was removed from the map.
    pub(super) fn removed(&self, key: &Key) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.forget(key);
    }

    /// Returns whether an authenticator is in use, and drops the handles here. The caller has locked
    /// the key's shard.
    pub(super) fn is_in_use(&self, key: &Key, entry: &Counted<Entry>) -> bool {
        if !Entry::is_in_use(entry) {
            return false;
        }
        if !entry.authenticator.shared().leave_tables() {
            return true;
        }
        self.forget(key);
        Entry::is_in_use(entry)
    }

    fn forget(&self, key: &Key) {
        for table in self.tables.iter() {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            let known = &mut table[place(key)].known;
            let forgotten = known.take_if(|known| known.key == *key);
            drop(table);
            drop(forgotten);
        }
    }
}

impl Place {
    const UNUSED: Self = Self {
        hash: 0,
        changes: u64::MAX,
        known: None,
    };
}

/// A handle on an authenticator of an [`AuthenticatorMap`](crate::AuthenticatorMap). For the layers
/// of this workspace.
#[doc(hidden)]
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "for the crates of this workspace")]
pub enum LocalAuthenticator {
    /// Of the current thread.
    Local(Local<Authenticator>),
    Shared(Authenticator),
}

impl Deref for LocalAuthenticator {
    type Target = Authenticator;

    #[inline]
    fn deref(&self) -> &Authenticator {
        match self {
            Self::Local(authenticator) => authenticator,
            Self::Shared(authenticator) => authenticator,
        }
    }
}

fn place(key: &Key) -> usize {
    // Other bits than those that choose the map's shard and the place in its table.
    (key.hash_value() >> 40) as usize % PLACES
}

/// The number of keys that a thread remembers. Fewer than 4 KiB in each table.
const PLACES: usize = 64;

#[cfg(all(test, model = "loom"))]
mod model;
#[cfg(test)]
mod tests;
