use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    thread,
    time::Duration,
};

use fs4::{FileExt, TryLockError};

/// Keeps other processes from changing a key's files. The operating system ends the lock with the
/// process.
pub(crate) struct Lock {
    /// Closing the file ends the lock.
    _file: File,
}

impl Lock {
    /// Waits until no other process has the lock, for a limited time. Returns `None` if the caller
    /// no longer needs it.
    pub(crate) fn wait(path: &Path, is_wanted: impl Fn() -> bool) -> io::Result<Option<Self>> {
        let file = open(path)?;
        for _ in 0..TRIES {
            if !is_wanted() {
                return Ok(None);
            }
            if lock(&file)? {
                return Ok(Some(Self { _file: file }));
            }
            thread::sleep(PAUSE);
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "another process holds the lock",
        ))
    }

    /// Does not wait: `None` if another process has the lock.
    pub(crate) fn at_once(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        Ok(lock(&file)?.then_some(Self { _file: file }))
    }

    /// As [`at_once`](Self::at_once), but creates no file.
    pub(crate) fn of_existing(path: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(lock(&file)?.then_some(Self { _file: file }))
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Never removed: a lock on a removed file excludes no other process.
    let mut options = for_its_owner();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Sets up the opening of a file that, if created, only its owner can read.
#[cfg(unix)]
fn for_its_owner() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn for_its_owner() -> OpenOptions {
    OpenOptions::new()
}

fn lock(file: &File) -> io::Result<bool> {
    // The full path, because later versions of Rust have a method of this name.
    match FileExt::try_lock(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// About a second; the lock is held for a few milliseconds.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);
