use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    lock::Lock,
    name::{Kind, Name},
    stamp::Stamp,
};

/// The guards of the leases that this process has taken.
#[derive(Default)]
pub(crate) struct Guards(Mutex<HashMap<Name, Guard>>);

/// A locked file that shows that the process which took a lease is alive. The system ends the lock
/// with the process. Each lease has a file of its own, so that a process that was stopped while it
/// held one is in nobody's way once the lease's time is over.
///
/// Dropping the guard unlocks the file, which then shows that the lease is free.
pub(crate) struct Guard {
    pub(crate) id: u64,
    path: PathBuf,
    since: Stamp,
    /// In milliseconds.
    time: u64,
    _lock: Lock,
}

impl Guard {
    pub(crate) fn new(dir: &Path, name: Name, since: Stamp, time: u64) -> io::Result<Self> {
        loop {
            let id = fastrand::u64(..);
            let path = name.path(dir, Kind::Guard(id));
            // Somebody else looks at it just now: possible, and no reason to fail.
            if let Some(lock) = Lock::at_once(&path)? {
                return Ok(Self {
                    id,
                    path,
                    since,
                    time,
                    _lock: lock,
                });
            }
        }
    }

    /// Removes the file of a lease that is no more.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn is_over(&self, now: &Stamp) -> bool {
        now.used_since(&self.since)
            .is_none_or(|used| self.time <= used)
    }
}

impl Guards {
    /// Keeps a guard until its lease is released or over.
    pub(crate) fn keep(&self, name: Name, guard: Guard, now: &Stamp) {
        let mut guards = self.guards();
        let over: Vec<_> = guards
            .iter()
            .filter(|(_, guard)| guard.is_over(now))
            .map(|(name, _)| *name)
            .chain([name])
            .collect();
        for name in over {
            if let Some(guard) = guards.remove(&name) {
                guard.remove();
            }
        }
        guards.insert(name, guard);
    }

    /// The lease lasts longer, or less long, if its guard is here.
    pub(crate) fn renew(&self, name: Name, id: u64, since: Stamp, time: u64) {
        if let Some(guard) = self.guards().get_mut(&name).filter(|guard| guard.id == id) {
            guard.since = since;
            guard.time = time;
        }
    }

    /// The lease is released.
    pub(crate) fn forget(&self, name: Name, id: u64) {
        let mut guards = self.guards();
        if guards.get(&name).is_some_and(|guard| guard.id == id) {
            guards.remove(&name);
        }
    }

    fn guards(&self) -> MutexGuard<'_, HashMap<Name, Guard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether the process that took a lease has ended. A file that is gone proves nothing:
/// then the lease's time counts.
pub(crate) fn is_abandoned(dir: &Path, name: Name, id: u64) -> io::Result<bool> {
    let lock = Lock::of_existing(&name.path(dir, Kind::Guard(id)));
    match lock {
        Ok(lock) => Ok(lock.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
