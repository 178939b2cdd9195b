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
/// process has the lease. Clones, and stores that are made for the same
/// directory, share all of it. An entry that has ended is removed when its key is looked for;
/// others stay until somebody removes them, which is safe while no process uses the directory.
///
/// The directory has to be on a local disk or in memory.
///
/// # Time
///
/// On Linux time is `CLOCK_BOOTTIME` from one start of the machine to the next: it goes on while
/// the machine sleeps, and setting the wall clock changes neither lives nor leases. The age of an
/// entry is the longer one of this clock's and the wall clock's. Across a restart, and on other
/// systems, time is the wall clock's. An entry whose time of writing is more than 5 s in the future
/// is of unknown age ([`StoredEntry::UNKNOWN_AGE`]) and stays; a lease that was taken in the future
/// ends within its time from when it is looked at.
///
/// # Leases
///
/// A process that holds a lease also holds a lock on a file, which the system ends with the
/// process: the lease of a process that ended or was killed is free at once. The lease of a process
/// that was stopped is free when its time is over.
///
/// # Example
///
/// See [the crate](crate).
///
/// # Cancel safety
///
/// Files are read and written on a thread for blocking work. What was given up before it began
/// does not begin; what had begun is finished.
///
/// # Security
///
/// Entries are readable by their owner, the superuser and whoever has the disk or a backup of it:
/// put the directory where backups do not go, such as `~/.cache`, or `$XDG_RUNTIME_DIR`, which is
/// in memory.
#[derive(Clone)]
pub struct FileStore {
    dir: Arc<Path>,
    /// In place of the machine's.
    clock: Option<SharedClock>,
    guards: Arc<Guards>,
}

impl FileStore {
    /// Opens the store in a directory, which is made if it is not there: for its owner alone.
    ///
    /// Blocks for as long as the disk takes to answer; make it while the program starts.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `dir` if that is no directory, cannot be made or
    /// written to, belongs to another user or may be written to by others, or if it is below a
    /// directory that others may write to and that has no sticky bit. A directory below `/tmp` is
    /// taken: there the sticky bit keeps others from replacing it.
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
    /// `CLOCK_BOOTTIME`. All processes have to read the same wall clock; the monotonic reading of a
    /// clock that is set here counts within this process only.
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
                let message = "file store: the runtime shut down meanwhile";
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

    /// One second: writing waits for the disk.
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

/// Says when it is dropped that nobody waits any more.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
