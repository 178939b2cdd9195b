use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    thread,
    time::Duration,
};

use fs4::{FileExt, TryLockError};

/// Keeps others from changing a key's files. The system ends it when the process ends, however that
/// comes about.
pub(crate) struct Lock {
    /// The lock goes when it is closed.
    _file: File,
}

impl Lock {
    /// Waits until nobody else has it, within bounds. Returns `None` once it is not wanted any
    /// more.
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
            "somebody else has the lock",
        ))
    }

    /// Does not wait: `None` if somebody else has it.
    pub(crate) fn at_once(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        Ok(lock(&file)?.then_some(Self { _file: file }))
    }

    /// As [`at_once`](Self::at_once), and makes no file.
    pub(crate) fn of_existing(path: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(lock(&file)?.then_some(Self { _file: file }))
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Never removed: who holds a lock on a file that is gone holds nothing.
    let mut options = for_its_owner();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Starts to open a file that only its owner may read, if it has to be made.
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
    // Named in full: later versions of Rust have a method of this name that is not ours to use yet.
    match FileExt::try_lock(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// About a second; it is held for a few milliseconds.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);
