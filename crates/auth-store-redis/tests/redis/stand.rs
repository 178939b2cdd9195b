//! Helpers of all tests.

use std::{future::Future, time::Duration};

use auth_core::{EntryVersion, Error, ErrorKind, Key, NewEntry, Secret, StoredEntry, TokenStore};
use auth_store_redis::{RedisStore, RedisStoreBuilder, SealingKeys};
use bytes::Bytes;
use libtest_mimic::Trial;
use tokio::{runtime, time};

/// Runs one test in its own runtime.
pub(crate) fn trial<F>(name: &str, story: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let story = async { time::timeout(STORY, story()).await };
        runtime
            .block_on(story)
            .map_err(|_| format!("not done after {STORY:?}").into())
    })
}

pub(crate) fn key(client: &str) -> Key {
    Key::builder("example").client(client).build()
}

/// The names of a key in Redis.
pub(crate) struct Names {
    pub(crate) entry: String,
    pub(crate) lease: String,
}

/// Finds a key's names, on a server that no other test uses.
pub(crate) async fn names(server: &redis_process::RedisServer, key: &Key) -> Names {
    let store = build(RedisStore::builder(server.url()).prefix("names:"));
    put(&store, key, None, "names").await;
    assert!(store.lease(key, "names", LONG).await.unwrap());
    let found = server.command(&["KEYS", "names:*"]);
    let name = |end: &str| {
        let mut words = found.split(' ').filter(|word| word.ends_with(end));
        let name = words.next().expect("the store writes the name");
        name.replacen("names:", "auth:", 1)
    };
    let names = Names {
        entry: name(":entry"),
        lease: name(":lease"),
    };
    for name in [&names.entry, &names.lease] {
        let name = name.replacen("auth:", "names:", 1);
        assert_eq!(server.command(&["DEL", &name]), ":1");
    }
    names
}

/// Unsealed, because the tests look at the server's data.
#[track_caller]
pub(crate) fn build(builder: RedisStoreBuilder) -> RedisStore {
    builder.danger_unsealed().build().unwrap()
}

/// As programs use it.
#[track_caller]
pub(crate) fn sealed(builder: RedisStoreBuilder) -> RedisStore {
    sealed_with("5e", builder)
}

/// Sealed with this key, and named with the name key of all tests.
#[track_caller]
pub(crate) fn sealed_with(key: &str, builder: RedisStoreBuilder) -> RedisStore {
    let keys = SealingKeys::new(Secret::new(key.repeat(32)));
    let keys = keys.name_key(Secret::new("4a".repeat(32)));
    builder.sealing(keys).build().unwrap()
}

pub(crate) fn entry(after: Option<EntryVersion>, bytes: impl Into<Bytes>) -> NewEntry {
    NewEntry::new(
        EntryVersion::after(after, Duration::ZERO),
        bytes.into(),
        LONG,
    )
}

/// Puts an entry and returns its version.
pub(crate) async fn put(
    store: &RedisStore,
    key: &Key,
    expected: Option<EntryVersion>,
    bytes: impl Into<Bytes>,
) -> EntryVersion {
    let entry = entry(expected, bytes);
    let version = entry.version;
    let is_put = store.replace(key, expected, entry).await.unwrap();
    assert!(is_put, "another writer was faster");
    version
}

pub(crate) async fn get(store: &RedisStore, key: &Key) -> Option<StoredEntry> {
    store.load(key).await.unwrap()
}

pub(crate) async fn content(store: &RedisStore, key: &Key) -> Option<Bytes> {
    let entry = get(store, key).await;
    entry.map(|entry| entry.content.unwrap())
}

/// All four calls end with an error that contains this text, within the timeout, and shows no
/// secret.
#[track_caller]
pub(crate) fn all_fail(store: &RedisStore, text: &'static str) -> impl Future<Output = ()> + use<> {
    let store = store.clone();
    async move {
        let key = key("fails");
        let begun = time::Instant::now();
        let answers = tokio::join!(
            store.load(&key),
            store.replace(&key, None, entry(None, "fake-secret-1")),
            store.lease(&key, "owner", LONG),
            store.release(&key, "owner"),
        );
        let took = begun.elapsed();
        assert!(took < TIMEOUT + Duration::from_secs(2), "{took:?}");
        fails(answers.0.map(drop), text);
        fails(answers.1.map(drop), text);
        fails(answers.2.map(drop), text);
        fails(answers.3, text);
    }
}

#[track_caller]
pub(crate) fn fails(answer: Result<(), Error>, text: &str) {
    let error = answer.expect_err("the call succeeds");
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().starts_with("redis store: "), "{error}");
    assert!(error.to_string().contains(text), "{error} is not: {text}");
    assert!(!format!("{error} {error:?}").contains("fake"), "{error:?}");
}

/// Repeats a call until it succeeds: a server needs a moment after a restart.
pub(crate) async fn comes_back(store: &RedisStore) {
    let mut last = None;
    for _ in 0..600 {
        match store.load(&key("comes back")).await {
            Ok(_) => return,
            Err(error) => last = Some(error),
        }
        time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store never recovered: {last:?}");
}

pub(crate) const LONG: Duration = Duration::from_secs(3600);
/// The store's own default.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);
const STORY: Duration = Duration::from_secs(90);
