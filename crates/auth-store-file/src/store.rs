use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::{Error, ErrorKind, Key, NewEntry, SharedClock, StoredEntry, TokenStore, Version};
use tokio::runtime::Handle;

use crate::{dir, name::Name};

mod files;

use files::Files;

/// A [`TokenStore`] in a directory, for the processes of one user on one machine.
///
/// Each key has its own files, named by a hash. Clones, and stores that are made for the same
/// directory, share all of it. An entry that has ended is removed when its key is looked for; others
/// stay until somebody removes them, which is safe while no process uses the directory.
///
/// The directory has to be on a local disk or in memory. Time is the wall clock's, which all
/// processes of a machine share: a clock that is set forward ends leases early, and then two
/// processes may make an exchange each; one that is set back makes no lease longer.
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
/// Entries are readable by their owner, the superuser and whoever has the disk or a backup of it: put
/// the directory where backups do not go, such as `~/.cache`, or `$XDG_RUNTIME_DIR`, which is in
/// memory.
#[derive(Clone)]
pub struct FileStore {
    dir: Arc<Path>,
    clock: SharedClock,
}

impl FileStore {
    /// Opens the store in a directory, which is made if it is not there: for its owner alone.
    ///
    /// Blocks for as long as the disk takes to answer; make it while the program starts.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `dir` if that is no directory, cannot be made or
    /// written to, belongs to another user or may be written to by others.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let store = Self {
            dir: dir.into().into(),
            clock: SharedClock::default(),
        };
        dir::prepare(&store.dir, store.clock.now().since_unix_epoch())?;
        Ok(store)
    }

    /// Sets the clock; default [`SystemClock`](auth_core::SystemClock). All processes have to read the same wall clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
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
        let name = Name::of(key);
        let work = move || work(&Files::new(&dir, name, &clock, &is_wanted));
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
        expected: Option<Version>,
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
    fn patience(&self) -> Duration {
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
