use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::{
    EntryVersion, Error, ErrorKind, Key, NewEntry, SharedClock, StoredEntry, TokenStore,
};
use tokio::runtime::Handle;

use crate::{dir, guard::Guards, name::Name, stamp::Stamp};

mod files;

use files::Files;

/// A [`TokenStore`] in a directory, for the processes of one user on one machine.
///
/// Each key has its own files, named by a hash: the entry, `.lease`, `.lock`, and `.held` while a
/// process holds the lease. Clones, and stores of the same directory, share these files. An expired
/// entry is removed when its key is loaded. Other expired entries stay until you remove them, which
/// is safe while no process uses the directory.
///
/// The directory must be on a local disk or in memory.
///
/// # Time
///
/// On Linux time is `CLOCK_BOOTTIME` from one start of the machine to the next: the clock counts
/// while the machine sleeps, and setting the wall clock changes neither an entry's time to live nor
/// a lease. The age of an entry is the longer age by this clock and by the wall clock. Across a
/// restart, and on other systems, time is the wall clock. An entry that was written more than 5 s
/// in the future has an unknown age ([`StoredEntry::UNKNOWN_AGE`]) and is kept. A lease from the
/// future ends at most its time to live after it is first read.
///
/// # Leases
///
/// A process with a lease also holds a lock on a file, which the operating system ends with the
/// process: the lease of a process that ended or was killed is free at once. The lease of a stopped
/// process is free after its time to live.
///
/// # Example
///
/// See [the crate](crate).
///
/// # Cancel safety
///
/// Files are read and written on a thread for blocking work. A call that is dropped before it
/// started does nothing; a call that has started is completed.
///
/// # Security
///
/// The owner, the superuser and anyone with access to the disk or a backup of it can read entries.
/// Choose a directory that is not in backups, such as `~/.cache`, or `$XDG_RUNTIME_DIR`, which is
/// in memory.
#[derive(Clone)]
pub struct FileStore {
    dir: Arc<Path>,
    /// In place of the machine's clocks.
    clock: Option<SharedClock>,
    guards: Arc<Guards>,
}

impl FileStore {
    /// Opens the store in a directory, and creates the directory, readable by its owner only, if it
    /// does not exist.
    ///
    /// Blocks until the disk answers; call it while the program starts.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `dir` if the path is not a directory, cannot be
    /// created or written to, belongs to another user, can be written to by others, or is below a
    /// directory that others can write to and that has no sticky bit. A directory below `/tmp` is
    /// accepted: its sticky bit keeps others from replacing the directory.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let store = Self {
            dir: dir.into().into(),
            clock: None,
            guards: Arc::default(),
        };
        dir::prepare(&store.dir, Stamp::now(None).wall())?;
        Ok(store)
    }

    /// Sets the clock, for tests. Default: the machine's wall clock, and on Linux also
    /// `CLOCK_BOOTTIME`. All processes must read the same wall clock. The monotonic reading of a
    /// clock that is set here is used within this process only.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &Key,
        work: impl FnOnce(&Files<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let caller = Caller(Arc::new(AtomicBool::new(true)));
        let is_wanted = Arc::clone(&caller.0);
        let dir = Arc::clone(&self.dir);
        let clock = self.clock.clone();
        let guards = Arc::clone(&self.guards);
        let name = Name::of(key);
        let work = move || {
            let clock = clock.as_ref();
            work(&Files::new(&dir, name, clock, &guards, &is_wanted))
        };
        let Ok(runtime) = Handle::try_current() else {
            return work();
        };
        match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(_) => {
                let message = "file store: the tokio runtime shut down during the call";
                Err(Error::new(ErrorKind::Store, message))
            }
        }
    }
}

impl TokenStore for FileStore {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.run(key, |files| files.load()).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let work = move |files: &Files<'_>| files.replace(expected, entry);
        self.run(key, work).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let owner = owner.to_owned();
        self.run(key, move |files| files.lease(&owner, time)).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        let owner = owner.to_owned();
        self.run(key, move |files| files.release(&owner)).await
    }

    /// One second: a write waits for the disk.
    fn latency_budget(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Reports, when dropped, that the caller no longer waits.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
