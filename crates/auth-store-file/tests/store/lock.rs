//! Behaviour while another process holds the lock, for example a stopped one.

use std::{
    fs::File,
    future::{self, Future as _},
    pin::pin,
    task::Poll,
    time::Duration,
};

use auth_core::{EntryVersion, ErrorKind, NewEntry, TokenStore as _};
use auth_store_file::FileStore;
use bytes::Bytes;
use fs4::FileExt;

use crate::temporary::{Temporary, key};

const TIME: Duration = Duration::from_secs(10);

/// Holds the lock until dropped.
async fn lock(directory: &Temporary, store: &FileStore) -> File {
    store.lease(&key(), "first", TIME).await.unwrap();
    store.release(&key(), "first").await.unwrap();
    let lock = File::open(directory.file(".lock")).unwrap();
    FileExt::try_lock(&lock).unwrap();
    lock
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_an_error_and_changes_nothing() {
    let directory = Temporary::new();
    let store = directory.store();
    let _lock = lock(&directory, &store).await;
    let bytes = Bytes::from_static(b"fake-secret-1");
    let replaced = store
        .replace(
            &key(),
            None,
            NewEntry::new(EntryVersion::new(1), bytes, TIME),
        )
        .await;
    let leased = store.lease(&key(), "a", TIME).await;
    for error in [replaced.unwrap_err(), leased.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Store);
        let path = directory.file(".lock");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    // Reading needs no lock.
    assert!(store.load(&key()).await.unwrap().is_none());
    assert_eq!(directory.names().len(), 1, "{:?}", directory.names());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stopped_waiting_takes_no_lease() {
    let directory = Temporary::new();
    let store = directory.store();
    let lock = lock(&directory, &store).await;
    let key = key();
    for _ in 0..10 {
        let mut waits = pin!(store.lease(&key, "gone", TIME));
        let now = future::poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx))).await;
        assert!(now.is_pending(), "{now:?}");
    }
    drop(lock);
    assert!(store.lease(&key, "next", TIME).await.unwrap());
    assert!(!store.lease(&key, "gone", TIME).await.unwrap());
}
