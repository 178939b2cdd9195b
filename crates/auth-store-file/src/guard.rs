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

/// The guards of the leases that this process holds.
#[derive(Default)]
pub(crate) struct Guards(Mutex<HashMap<Name, Guard>>);

/// A locked file that shows that the process with the lease is alive. The operating system unlocks
/// the file when the process ends. Each lease has its own file, so that a stopped process blocks no
/// other process after the lease's time to live.
///
/// Dropping the guard unlocks the file, which shows that the lease is free.
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
            // Another process reads the file at this moment; this is not an error.
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

    /// Removes the file of a lease that has ended.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn is_over(&self, now: &Stamp) -> bool {
        now.used_since(&self.since)
            .is_none_or(|used| self.time <= used)
    }
}

impl Guards {
    /// Keeps a guard until its lease is released or has ended.
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

    /// Changes the end of the lease, if its guard is here.
    pub(crate) fn renew(&self, name: Name, id: u64, since: Stamp, time: u64) {
        if let Some(guard) = self.guards().get_mut(&name).filter(|guard| guard.id == id) {
            guard.since = since;
            guard.time = time;
        }
    }

    /// Releases the lease's guard.
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

/// Whether the process that took a lease has ended. A missing file proves nothing: then the lease's
/// time to live decides.
pub(crate) fn is_abandoned(dir: &Path, name: Name, id: u64) -> io::Result<bool> {
    let lock = Lock::of_existing(&name.path(dir, Kind::Guard(id)));
    match lock {
        Ok(lock) => Ok(lock.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
