use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use auth_core::{
    EntryVersion, Error, ErrorKind, LONGEST_LEASE, NewEntry, SharedClock, StoredEntry,
};

use crate::{
    entry::{Entry, Found, MAX},
    guard::{self, Guard, Guards},
    lease::Lease,
    lock::Lock,
    name::{Kind, Name},
    stamp::{Stamp, millis},
    write::{self, Temporary},
};

/// The files of one key. All methods block.
pub(super) struct Files<'a> {
    dir: &'a Path,
    name: Name,
    clock: Option<&'a SharedClock>,
    guards: &'a Guards,
    is_wanted: &'a AtomicBool,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        dir: &'a Path,
        name: Name,
        clock: Option<&'a SharedClock>,
        guards: &'a Guards,
        is_wanted: &'a AtomicBool,
    ) -> Self {
        Self {
            dir,
            name,
            clock,
            guards,
            is_wanted,
        }
    }

    pub(super) fn load(&self) -> Result<Option<StoredEntry>, Error> {
        let entry = match self.read()? {
            Found::Nothing => return Ok(None),
            Found::Good(entry) if self.is_alive(&entry) => entry,
            Found::Good(_) | Found::Foreign => {
                // Not worth waiting: the process with the lock is about to replace the entry.
                if let Ok(Some(_lock)) = Lock::at_once(&self.path(Kind::Lock)) {
                    self.tidy()?;
                }
                return Ok(None);
            }
        };
        let age = entry.age(&self.now());
        Ok(Some(StoredEntry::new(entry.version, entry.bytes, age)))
    }

    pub(super) fn replace(
        &self,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        if entry.bytes.len() > MAX {
            let message = "file store: the entry is longer than 1 MiB";
            return Err(Error::new(ErrorKind::Store, message));
        }
        // Checked once before, because many late writers would keep the disk busy for no result.
        if self.version(self.read()?) != expected {
            return Ok(false);
        }
        let entry = Entry {
            version: entry.version,
            written: self.now(),
            time_to_live: millis(entry.time_to_live),
            bytes: entry.bytes,
        };
        let path = self.path(Kind::Entry);
        // Written before the lock is taken: other processes must not wait for the disk.
        let content = entry.encode(self.name);
        let written = Temporary::write(&path, &content, true);
        let written = written.map_err(|error| failed("writing", &path, error))?;
        {
            let Some(_lock) = self.lock()? else {
                return Err(given_up());
            };
            let found = self.read()?;
            let is_foreign = matches!(found, Found::Foreign);
            if self.version(found) != expected {
                return Ok(false);
            }
            if is_foreign {
                self.tidy()?;
            }
            let put = written.rename(&path);
            put.map_err(|error| failed("writing", &path, error))?;
        }
        write::sync(self.dir);
        Ok(true)
    }

    pub(super) fn lease(&self, owner: &str, time: Duration) -> Result<bool, Error> {
        let path = self.path(Kind::Lease);
        let Some(_lock) = self.lock()? else {
            return Err(given_up());
        };
        let now = self.now();
        let time = millis(time.min(LONGEST_LEASE));
        let found = self.read_lease(&path)?;
        let left = found.as_ref().and_then(|lease| lease.left(&now));
        // On one machine a lease ends with its process.
        let left = match left {
            Some(left) if !self.is_abandoned(&left)? => Some(left),
            _ => None,
        };
        match left {
            Some(left) if left.owner != owner => {
                // Written again with a start now, so that the lease ends although the clock was set
                // back.
                if found.as_ref() != Some(&left) {
                    self.write_lease(&path, &left)?;
                }
                Ok(false)
            }
            Some(left) => {
                let guard = left.guard;
                self.write_lease(
                    &path,
                    &Lease {
                        since: now,
                        time,
                        ..left
                    },
                )?;
                self.guards.renew(self.name, guard, now, time);
                Ok(true)
            }
            None => {
                let guard = Guard::new(self.dir, self.name, now, time);
                let guard = guard.map_err(|error| failed("locking", &path, error))?;
                let lease = Lease {
                    owner: owner.to_owned(),
                    since: now,
                    time,
                    guard: guard.id,
                };
                if let Err(error) = self.write_lease(&path, &lease) {
                    guard.remove();
                    return Err(error);
                }
                self.guards.keep(self.name, guard, &now);
                if let Some(found) = found {
                    let _ = fs::remove_file(self.path(Kind::Guard(found.guard)));
                }
                Ok(true)
            }
        }
    }

    pub(super) fn release(&self, owner: &str) -> Result<(), Error> {
        let path = self.path(Kind::Lease);
        // The lease belongs to another owner or to none; waiting does not change that.
        if self.lease_of(&path, owner)?.is_none() {
            return Ok(());
        }
        let Some(_lock) = self.lock()? else {
            return Err(given_up());
        };
        if let Some(lease) = self.lease_of(&path, owner)? {
            remove(&path)?;
            self.guards.forget(self.name, lease.guard);
            remove(&self.path(Kind::Guard(lease.guard)))?;
        }
        Ok(())
    }

    fn read(&self) -> Result<Found<Entry>, Error> {
        let path = self.path(Kind::Entry);
        Entry::read(self.name, &path).map_err(|error| failed("reading", &path, error))
    }

    fn read_lease(&self, path: &Path) -> Result<Option<Lease>, Error> {
        Lease::read(self.name, path).map_err(|error| failed("reading", path, error))
    }

    fn lease_of(&self, path: &Path, owner: &str) -> Result<Option<Lease>, Error> {
        let lease = self.read_lease(path)?;
        Ok(lease.filter(|lease| lease.owner == owner))
    }

    /// Not synced: no owner survives a power cut either.
    fn write_lease(&self, path: &Path, lease: &Lease) -> Result<(), Error> {
        let written = Temporary::write(path, &lease.encode(self.name), false);
        let put = written.and_then(|written| written.rename(path));
        put.map_err(|error| failed("writing", path, error))
    }

    fn is_abandoned(&self, lease: &Lease) -> Result<bool, Error> {
        guard::is_abandoned(self.dir, self.name, lease.guard)
            .map_err(|error| failed("locking", &self.path(Kind::Guard(lease.guard)), error))
    }

    fn version(&self, found: Found<Entry>) -> Option<EntryVersion> {
        match found {
            Found::Good(entry) => self.is_alive(&entry).then_some(entry.version),
            Found::Nothing | Found::Foreign => None,
        }
    }

    fn is_alive(&self, entry: &Entry) -> bool {
        entry.is_alive(&self.now())
    }

    /// Removes files that are not entries, or expired ones. Needs the lock, because the entry may
    /// have been replaced.
    fn tidy(&self) -> Result<(), Error> {
        let path = self.path(Kind::Entry);
        match self.read()? {
            Found::Nothing => Ok(()),
            Found::Good(entry) if self.is_alive(&entry) => Ok(()),
            Found::Good(_) => remove(&path),
            Found::Foreign => {
                let aside = self.path(Kind::Corrupt);
                let moved = fs::rename(&path, &aside);
                moved.map_err(|error| failed("moving aside", &path, error))?;
                let path = path.display();
                tracing::warn!(target: "auth::store", %path, "moved a file aside that is not an entry of this store");
                Ok(())
            }
        }
    }

    fn lock(&self) -> Result<Option<Lock>, Error> {
        let path = self.path(Kind::Lock);
        let is_wanted = || self.is_wanted.load(Ordering::Relaxed);
        Lock::wait(&path, is_wanted).map_err(|error| failed("locking", &path, error))
    }

    fn path(&self, kind: Kind) -> PathBuf {
        self.name.path(self.dir, kind)
    }

    fn now(&self) -> Stamp {
        Stamp::now(self.clock)
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", path, error))
        }
        _ => Ok(()),
    }
}

fn failed(step: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("file store: {step} `{}` failed: {error}", path.display());
    Error::new(ErrorKind::Store, message).with_source(error)
}

/// No caller sees this error.
fn given_up() -> Error {
    Error::new(ErrorKind::Store, "file store: the caller no longer waits")
}
