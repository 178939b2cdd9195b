use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use auth_core::{Key, Token};
use auth_store_file::FileStore;
use http::{HeaderMap, header};

/// A directory that is removed with its test.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("auth-store-file-{}-{count}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Does not exist yet.
    pub(crate) fn store_dir(&self) -> PathBuf {
        self.0.join("above/tokens")
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::new(self.store_dir()).unwrap()
    }

    /// The sorted names of the store's files.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.store_dir()).unwrap();
        let name = |file: fs::DirEntry| file.file_name().into_string().unwrap();
        let mut names: Vec<_> = files.map(|file| name(file.unwrap())).collect();
        names.sort();
        names
    }

    /// The one file whose name ends with this.
    pub(crate) fn file(&self, extension: &str) -> PathBuf {
        let mut names = self.names();
        match extension {
            "" => names.retain(|name| !name.contains('.')),
            _ => names.retain(|name| name.ends_with(extension)),
        }
        assert_eq!(names.len(), 1, "{names:?}");
        self.store_dir().join(&names[0])
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn key() -> Key {
    Key::builder("example").client("fake-client").build()
}

/// The value that the token puts into requests.
pub(crate) fn shown(token: &Token) -> String {
    let mut headers = HeaderMap::new();
    token.sign(&mut headers);
    headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
}
