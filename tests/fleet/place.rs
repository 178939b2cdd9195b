//! The stores that a fleet can share.

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use auth_core::{Secret, SharedTokenStore};
use auth_store_file::FileStore;
use auth_store_redis::{RedisStore, SealingKeys};
use redis_process::RedisServer;

/// Returns whether a real Redis is installed.
pub(crate) fn has_redis() -> bool {
    env::var_os("AUTH_REDIS").is_some_and(|value| value == "1")
}

/// Opens the store with this [`Place::name`]. `latency_budget` is Redis' one. Default: 50 ms.
pub(crate) fn open(name: &str, latency_budget: Option<Duration>) -> SharedTokenStore {
    if name.starts_with("redis:") {
        let keys = SealingKeys::new(Secret::new("5e".repeat(32)));
        let keys = keys.name_key(Secret::new("4a".repeat(32)));
        let mut store = RedisStore::builder(name).sealing(keys);
        if let Some(latency_budget) = latency_budget {
            store = store.latency_budget(latency_budget);
        }
        return SharedTokenStore::new(store.build().unwrap());
    }
    SharedTokenStore::new(FileStore::new(name).unwrap())
}

/// The place of a fleet's store. Removed when it is dropped.
pub(crate) enum Place {
    Files(PathBuf),
    Redis(RedisServer),
}

impl Place {
    pub(crate) fn files() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("auth-fleet-{}-{count}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self::Files(path)
    }

    pub(crate) fn redis() -> Self {
        Self::Redis(RedisServer::start(&[]))
    }

    /// Returns the name for the table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "file",
            Self::Redis(_) => "redis",
        }
    }

    /// Returns the name for a worker.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Files(path) => path.join("tokens").to_str().unwrap().to_owned(),
            Self::Redis(server) => server.url(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Files(path) = self {
            let _ = fs::remove_dir_all(path);
        }
    }
}
