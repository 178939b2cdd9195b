//! `Debug` and errors of stores, keys and entries, and the names of files.

use std::{env, fs, process, time::Duration};

use auth_core::{
    EntryVersion, Key, MemoryStore, NewEntry, Secret, SharedTokenStore, StoredEntry, TokenStore,
};
use auth_store_file::FileStore;
use auth_testkit::LogCapture;
use bytes::Bytes;

use crate::planted::{PASSWORD, TOKEN, assert_clean, told};

const HOUR: Duration = Duration::from_secs(3600);

fn key() -> Key {
    Key::builder("example")
        .subject(&Secret::new(PASSWORD))
        .build()
}

fn new_entry() -> NewEntry {
    let bytes = Bytes::from_static(TOKEN.as_bytes());
    NewEntry::new(EntryVersion::new(1), bytes, HOUR)
}

async fn assert_shows_nothing(store: impl TokenStore + std::fmt::Debug) {
    let entry = new_entry();
    let put = store.replace(&key(), None, entry.clone()).await.unwrap();
    assert!(put);
    assert_clean(format!("{entry:?}\n{entry:#?}"), &[]);
    store.lease(&key(), "owner", HOUR).await.unwrap();
    let entry = store.load(&key()).await.unwrap();
    assert!(entry.is_some());
    assert_clean(format!("{store:?}\n{store:#?}\n{entry:?}\n{entry:#?}"), &[]);
}

#[tokio::test]
async fn g18_debug_of_stores_shows_no_entry() {
    let entry = StoredEntry::new(
        EntryVersion::new(1),
        Bytes::from_static(TOKEN.as_bytes()),
        HOUR,
    );
    assert_clean(format!("{entry:?}\n{:?}", key()), &[]);
    assert_shows_nothing(MemoryStore::new()).await;
    assert_shows_nothing(SharedTokenStore::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn g18_only_the_content_of_a_file_contains_the_token() {
    let dir = env::temp_dir().join(format!("auth-leak-store-{}", process::id()));
    let log = LogCapture::new();
    let _installed = log.install();
    let store = FileStore::new(&dir).unwrap();
    assert_shows_nothing(store.clone()).await;
    let mut shown = String::new();
    for file in fs::read_dir(&dir).unwrap() {
        shown += &format!("{:?}\n", file.unwrap().file_name());
    }
    assert_clean(&shown, &[]);
    fs::remove_dir_all(&dir).unwrap();
    let error = store.replace(&key(), None, new_entry()).await.unwrap_err();
    assert_clean(told(&error), &[]);
    assert_clean(told(&FileStore::new("/dev/null").unwrap_err()), &[]);
    assert_clean(log.text(), &[]);
}
