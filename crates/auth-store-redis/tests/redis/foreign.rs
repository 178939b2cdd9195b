//! Values of other programs under the names of entries and leases.

use std::time::Duration;

use auth_core::TokenStore as _;
use auth_store_redis::RedisStore;
use bytes::Bytes;
use libtest_mimic::Trial;
use redis_process::RedisServer;

use crate::stand::{LONG, build, content, fails, get, key, names, put, sealed, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("foreign::t30_a_flushed_server", t30_a_flushed_server),
        trial(
            "foreign::a_foreign_value_is_not_an_entry",
            a_foreign_value_is_not_an_entry,
        ),
        trial(
            "foreign::t27_another_keys_entry_is_a_miss",
            t27_another_keys_entry_is_a_miss,
        ),
        trial(
            "foreign::a_foreign_value_is_not_a_lease",
            a_foreign_value_is_not_a_lease,
        ),
        trial(
            "foreign::a_lease_counts_up_to_the_longest",
            a_lease_counts_up_to_the_longest,
        ),
        trial(
            "foreign::g20_an_entry_whose_end_was_put_off_is_of_unknown_age",
            g20_an_entry_whose_end_was_put_off_is_of_unknown_age,
        ),
        trial(
            "foreign::names_of_sealed_entries_are_keyed",
            names_of_sealed_entries_are_keyed,
        ),
        trial(
            "foreign::everything_ends_by_itself",
            everything_ends_by_itself,
        ),
        trial(
            "foreign::an_entry_that_is_too_long",
            an_entry_that_is_too_long,
        ),
        trial(
            "foreign::names_do_not_show_their_keys",
            names_do_not_show_their_keys,
        ),
        trial(
            "foreign::prefixes_do_not_touch_each_other",
            prefixes_do_not_touch_each_other,
        ),
    ]
}

async fn t30_a_flushed_server() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let version = put(&store, &key("a"), None, "gone").await;
    assert!(store.lease(&key("a"), "one", LONG).await.unwrap());
    assert_eq!(server.command(&["FLUSHALL"]), "+OK");
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    assert_eq!(content(&store, &key("a")).await, None);
    let late = crate::stand::entry(Some(version), "late");
    assert!(!store.replace(&key("a"), Some(version), late).await.unwrap());
    put(&store, &key("a"), None, "new").await;
    assert!(store.lease(&key("a"), "other", LONG).await.unwrap());
}

/// A function that puts a value under a name.
type Put = fn(&RedisServer, &str);

fn done(server: &RedisServer, words: &[&str]) {
    let answer = server.command(words);
    assert!(!answer.starts_with('-'), "{answer}");
}

const OTHER_TYPES: [Put; 5] = [
    |server, name| done(server, &["LPUSH", name, "fake-secret-1"]),
    |server, name| done(server, &["HSET", name, "version", "1"]),
    |server, name| done(server, &["SADD", name, "a"]),
    |server, name| done(server, &["ZADD", name, "1", "a"]),
    |server, name| done(server, &["XADD", name, "*", "a", "b"]),
];

async fn a_foreign_value_is_not_an_entry() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let name = names(&server, &key("a")).await.entry;
    let texts: [Put; 6] = [
        |server, name| done(server, &["SET", name, "", "PX", "1000000"]),
        |server, name| done(server, &["SET", name, "7", "PX", "1000000"]),
        |server, name| done(server, &["SET", name, &"x".repeat(64), "PX", "1000000"]),
        |server, name| {
            done(
                server,
                &["SET", name, &"x".repeat(2_000_000), "PX", "1000000"],
            )
        },
        // Cut short, or without an expiry.
        |server, name| {
            let script = "local v = redis.call('GET', KEYS[1]) \
                          redis.call('SET', KEYS[1], string.sub(v, 1, 63), 'PX', 1000000)";
            done(server, &["EVAL", script, "1", name]);
        },
        |server, name| done(server, &["PERSIST", name]),
    ];
    for (number, make) in OTHER_TYPES.into_iter().chain(texts).enumerate() {
        let version = put(&store, &key("a"), None, "good").await;
        if number < OTHER_TYPES.len() {
            done(&server, &["DEL", &name]);
        }
        make(&server, &name);
        assert_eq!(content(&store, &key("a")).await, None, "{number}");
        // No caller has seen a version, so none can replace it, but it does not block new entries.
        let next = crate::stand::entry(Some(version), "next");
        assert!(!store.replace(&key("a"), Some(version), next).await.unwrap());
        put(&store, &key("a"), None, "next").await;
        assert_eq!(content(&store, &key("a")).await.unwrap(), "next");
        done(&server, &["DEL", &name]);
    }
}

/// As if two connections had received each other's answers.
async fn t27_another_keys_entry_is_a_miss() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let one = names(&server, &key("one")).await.entry;
    let other = names(&server, &key("other")).await.entry;
    put(&store, &key("one"), None, "one's").await;
    assert_eq!(server.command(&["COPY", &one, &other]), ":1");
    assert_eq!(content(&store, &key("other")).await, None);
    put(&store, &key("other"), None, "other's").await;
    assert_eq!(content(&store, &key("one")).await.unwrap(), "one's");
    assert_eq!(content(&store, &key("other")).await.unwrap(), "other's");
}

async fn a_foreign_value_is_not_a_lease() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let name = names(&server, &key("a")).await.lease;
    let others: [Put; 6] = [
        |server, name| done(server, &["SET", name, "another"]),
        |server, name| done(server, &["SET", name, "another", "PX", "20000"]),
        |server, name| done(server, &["SET", name, "", "PX", "20000"]),
        |server, name| done(server, &["SET", name, &"x".repeat(64), "EX", "4000000000"]),
        // A lease without an expiry, or with a longer one than any lease.
        |server, name| {
            a_lease(server);
            done(server, &["PERSIST", name]);
        },
        |server, name| {
            a_lease(server);
            done(server, &["PEXPIRE", name, "700000"]);
        },
    ];
    for (number, make) in OTHER_TYPES.into_iter().chain(others).enumerate() {
        make(&server, &name);
        store.release(&key("a"), "one").await.unwrap();
        let is_held = store.lease(&key("a"), "one", LONG).await.unwrap();
        assert!(is_held, "{number}");
        assert!(!store.lease(&key("a"), "other", LONG).await.unwrap());
        store.release(&key("a"), "one").await.unwrap();
        assert_eq!(server.command(&["EXISTS", &name]), ":0");
    }
}

fn a_lease(server: &RedisServer) {
    let url = server.url();
    let taken = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let store = build(RedisStore::builder(url));
        runtime.block_on(store.lease(&key("a"), "another", LONG))
    });
    assert!(taken.join().unwrap().unwrap());
}

/// A value in the exact layout of a lease counts for as long as the longest lease.
async fn a_lease_counts_up_to_the_longest() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let name = names(&server, &key("a")).await.lease;
    a_lease(&server);
    assert!(!store.lease(&key("a"), "one", LONG).await.unwrap());
    done(&server, &["PEXPIRE", &name, "600000"]);
    assert!(!store.lease(&key("a"), "one", LONG).await.unwrap());
    // Another key's lease, as if two connections had received each other's answers, does not count.
    let other = names(&server, &key("other")).await.lease;
    assert_eq!(server.command(&["COPY", &name, &other]), ":1");
    assert!(store.lease(&key("other"), "one", LONG).await.unwrap());
}

/// Redis has an expiry for every value of the store, for any time to live.
async fn everything_ends_by_itself() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let names = names(&server, &key("a")).await;
    let left = |name: &str| {
        let left = server.command(&["PTTL", name]);
        left.trim_start_matches(':').parse::<i64>().unwrap()
    };
    let mut entry = crate::stand::entry(None, "ever");
    entry.time_to_live = Duration::MAX;
    assert!(store.replace(&key("a"), None, entry.clone()).await.unwrap());
    assert!(store.lease(&key("a"), "one", Duration::MAX).await.unwrap());
    assert!(left(&names.entry) > 1_000_000_000_000);
    assert!((500_000..=600_000).contains(&left(&names.lease)));
    assert!(get(&store, &key("a")).await.unwrap().age < Duration::from_secs(60));
    // Its owner makes it shorter.
    assert!(
        store
            .lease(&key("a"), "one", Duration::from_secs(10))
            .await
            .unwrap()
    );
    assert!((1..=10_000).contains(&left(&names.lease)));
    // A time to live of zero ends at once.
    assert!(store.lease(&key("a"), "one", Duration::ZERO).await.unwrap());
    assert!(store.lease(&key("a"), "other", LONG).await.unwrap());
    let version = Some(entry.version);
    let mut gone = crate::stand::entry(version, "gone");
    gone.time_to_live = Duration::from_micros(999);
    assert!(store.replace(&key("a"), version, gone).await.unwrap());
    assert_eq!(server.command(&["EXISTS", &names.entry]), ":0");
}

async fn an_entry_that_is_too_long() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let longest = Bytes::from(vec![7; 1024 * 1024]);
    let version = put(&store, &key("a"), None, longest.clone()).await;
    assert_eq!(content(&store, &key("a")).await, Some(longest));
    let longer = crate::stand::entry(Some(version), vec![7; 1024 * 1024 + 1]);
    let answer = store.replace(&key("a"), Some(version), longer).await;
    fails(answer.map(drop), "longer than 1 MiB");
}

async fn names_do_not_show_their_keys() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let user = auth_core::Secret::new("fake-token-of-a-user");
    let key = auth_core::Key::builder("example")
        .client("fake-client")
        .subject(&user)
        .build();
    put(&store, &key, None, "content").await;
    assert!(store.lease(&key, "owner", LONG).await.unwrap());
    let names = server.command(&["KEYS", "*"]);
    assert!(
        names.starts_with("*2 ") && !names.contains("fake"),
        "{names}"
    );
}

/// As on a server whose clock is set back.
async fn g20_an_entry_whose_end_was_put_off_is_of_unknown_age() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let name = names(&server, &key("a")).await.entry;
    put(&store, &key("a"), None, "kept").await;
    // Its time to live is one hour.
    done(&server, &["PEXPIRE", &name, "3700000"]);
    let seen = get(&store, &key("a")).await.unwrap();
    assert_eq!(seen.age, auth_core::StoredEntry::UNKNOWN_AGE);
    assert_eq!(seen.content.unwrap(), "kept");
    done(&server, &["PEXPIRE", &name, "3600000"]);
    let seen = get(&store, &key("a")).await.unwrap();
    assert!(seen.age < Duration::from_secs(60), "{:?}", seen.age);
}

/// Without the name key, a guessed key does not lead to its names.
async fn names_of_sealed_entries_are_keyed() {
    let server = RedisServer::start(&[]);
    let guessed = names(&server, &key("a")).await;
    let store = sealed(RedisStore::builder(server.url()));
    store.connect().await.unwrap();
    put(&store, &key("a"), None, "content").await;
    assert!(store.lease(&key("a"), "owner", LONG).await.unwrap());
    for name in [&guessed.entry, &guessed.lease] {
        assert_eq!(server.command(&["EXISTS", name]), ":0");
    }
    // The entry, its lease, and the entry that says which key made the names.
    assert_eq!(server.command(&["DBSIZE"]), ":3");
    let keys = auth_store_redis::SealingKeys::new(auth_core::Secret::new("5e".repeat(32)));
    let keys = keys.name_key(auth_core::Secret::new("4b".repeat(32)));
    let other = RedisStore::builder(server.url()).sealing(keys).build();
    let error = other.unwrap().connect().await.unwrap_err();
    assert_eq!(error.field(), Some("name_key"));
}

async fn prefixes_do_not_touch_each_other() {
    let server = RedisServer::start(&[]);
    let one = build(RedisStore::builder(server.url()).prefix("one:"));
    let other = build(RedisStore::builder(server.url()).prefix("other:"));
    put(&one, &key("a"), None, "one's").await;
    assert!(one.lease(&key("a"), "one", LONG).await.unwrap());
    assert_eq!(content(&other, &key("a")).await, None);
    assert!(other.lease(&key("a"), "other", LONG).await.unwrap());
    let database = build(RedisStore::builder(server.url() + "/1").prefix("one:"));
    assert_eq!(content(&database, &key("a")).await, None);
}
