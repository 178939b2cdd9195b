//! Entries of stores: any bytes in place of what was put there. Input: those bytes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, EntryVersion, Error, ErrorKind, Key,
    MemoryStore, NewEntry, Origins, Secret, StoredEntry, TokenRequest, TokenSource, TokenStore,
};
use auth_store_file::FileStore;
use auth_store_seal::{SealedStore, SealingKeys};
use bytes::Bytes;

pub(crate) fn judge(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        judge_sealed(input).await;
        judge_file(input).await;
        judge_record(input).await;
    });
}

/// An entry that no key opens is reported as unreadable, and can be replaced.
async fn judge_sealed(input: &[u8]) {
    let inner = MemoryStore::new();
    put(&inner, None, 1, input).await;
    let store = SealedStore::new(inner, sealing_keys()).unwrap();
    let entry = store.load(&key()).await.unwrap().unwrap();
    assert!(entry.content.is_err(), "opened");
    put(&store, Some(entry.version), 2, b"fake-entry").await;
    let entry = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(entry.content.unwrap(), &b"fake-entry"[..]);
}

/// Of a file that holds anything: an entry, nothing or an error, and then room for another.
async fn judge_file(input: &[u8]) {
    let dir = Folder::new();
    let store = FileStore::new(&dir.0).unwrap();
    put(&store, None, 1, b"fake-entry").await;
    assert!(store.lease(&key(), "one", HOUR).await.unwrap());
    for file in fs::read_dir(&dir.0).unwrap() {
        let path = file.unwrap().path();
        if is_content(&path) {
            fs::write(path, input).unwrap();
        }
    }
    let found = store.load(&key()).await.unwrap();
    put(&store, found.map(|entry| entry.version), 3, b"fake-entry-2").await;
    let entry = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(entry.content.unwrap(), &b"fake-entry-2"[..]);
    if let Err(error) = store.lease(&key(), "two", HOUR).await {
        assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    }
}

/// What is no record costs a token request, and nothing else.
async fn judge_record(input: &[u8]) {
    let store = MemoryStore::new();
    put(&store, None, 1, input).await;
    if let Err(error) = authenticator(store).token().await {
        assert_ne!(error.kind(), ErrorKind::Closed, "a panic: {error}");
    }
}

fn authenticator(store: MemoryStore) -> Authenticator {
    Authenticator::builder(Fresh, Origins::new(["https://api.example.com"]).unwrap())
        .key(key())
        .options(AuthenticatorOptions::new().store(store).shards(1))
        .build()
        .unwrap()
}

struct Fresh;

impl TokenSource for Fresh {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let token = AccessToken::new("fake-token").expires_in(HOUR);
        Ok(token.scope("read write"))
    }
}

async fn put(store: &impl TokenStore, expected: Option<EntryVersion>, version: u128, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let entry = NewEntry::new(EntryVersion::new(version), bytes, HOUR);
    assert!(store.replace(&key(), expected, entry).await.unwrap());
}

/// An entry as it is sealed, for a test that changes it.
#[allow(dead_code, reason = "the fuzz target does without")]
pub(crate) async fn sealed_entry() -> StoredEntry {
    let inner = MemoryStore::new();
    let store = SealedStore::new(inner.clone(), sealing_keys()).unwrap();
    put(&store, None, 1, b"fake-entry").await;
    inner.load(&key()).await.unwrap().unwrap()
}

/// An entry as a token request leaves it behind, for a test that changes it.
#[allow(dead_code, reason = "the fuzz target does without")]
pub(crate) async fn record_entry() -> StoredEntry {
    let store = MemoryStore::new();
    let authenticator = authenticator(store.clone());
    authenticator.token().await.unwrap();
    store.load(&key()).await.unwrap().unwrap()
}

fn sealing_keys() -> SealingKeys {
    SealingKeys::new(Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
        .danger_plain_names()
}

fn key() -> Key {
    Key::builder("example").client("fake-client").build()
}

/// Entries and leases; the content of lock files does not matter.
fn is_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("auth-corpus-{}-{number}", process::id());
        Self(env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const HOUR: Duration = Duration::from_secs(3600);
