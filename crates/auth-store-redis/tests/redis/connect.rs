//! Connecting before the first call, so that a call is one round trip.

use std::{collections::BTreeMap, time::Duration};

use auth_core::{ErrorKind, TokenStore as _};
use auth_store_redis::RedisStore;
use libtest_mimic::Trial;
use redis_process::{FaultProxy, RedisServer};
use tokio::time::Instant;

use crate::stand::{LONG, build, entry, fails, key, put, sealed, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "connect::g16_each_call_is_one_round_trip",
            g16_each_call_is_one_round_trip,
        ),
        trial(
            "connect::a_slow_link_is_not_a_failure",
            a_slow_link_is_not_a_failure,
        ),
        trial(
            "connect::connecting_has_its_own_limit",
            connecting_has_its_own_limit,
        ),
        trial(
            "connect::many_callers_connect_once",
            many_callers_connect_once,
        ),
        trial(
            "connect::the_store_connects_again_after_a_failure",
            the_store_connects_again_after_a_failure,
        ),
        trial(
            "connect::a_user_without_script_load_works",
            a_user_without_script_load_works,
        ),
    ]
}

/// Long enough that a second round trip is visible, and within the time that a request waits.
const EACH_WAY: Duration = Duration::from_millis(10);
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// How often the server executed each command since the last reset.
fn commands(server: &RedisServer) -> BTreeMap<String, u64> {
    let stats = server.command(&["INFO", "commandstats"]);
    let stats = stats.split_whitespace().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        Some((name.to_owned(), calls))
    });
    stats.collect()
}

fn forget_commands(server: &RedisServer) {
    assert_eq!(server.command(&["CONFIG", "RESETSTAT"]), "+OK");
}

async fn g16_each_call_is_one_round_trip() {
    let server = RedisServer::start(&[]);
    let proxy = FaultProxy::start(server.address()).await;
    proxy.delay(EACH_WAY);
    // The shortest of a few calls: the machine may be busy.
    let mut least = [Duration::MAX; 4];
    for turn in 0..5 {
        // The scripts are not loaded yet.
        assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
        // One round trip selects the database, one loads the scripts.
        let store = build(RedisStore::builder(proxy.url() + "/1"));
        let begun = Instant::now();
        store.connect().await.unwrap();
        let connecting = begun.elapsed();
        assert!(2 * ROUND_TRIP <= connecting, "{connecting:?}");
        // No further command is sent.
        let begun = Instant::now();
        store.connect().await.unwrap();
        let again = begun.elapsed();
        assert!(again < ROUND_TRIP, "{again:?}");
        forget_commands(&server);

        let key = key(&turn.to_string());
        let mut took = Vec::new();
        let mut begun = Instant::now();
        let mut lap = || {
            took.push(begun.elapsed());
            begun = Instant::now();
        };
        store.load(&key).await.unwrap();
        lap();
        assert!(store.lease(&key, "owner", LONG).await.unwrap());
        lap();
        assert!(
            store
                .replace(&key, None, entry(None, "content"))
                .await
                .unwrap()
        );
        lap();
        store.release(&key, "owner").await.unwrap();
        lap();
        let commands = commands(&server);
        assert_eq!(commands.get("evalsha"), Some(&4), "{commands:?}");
        for other in ["eval", "script|load", "select", "hello"] {
            assert_eq!(commands.get(other), None, "{other}: {commands:?}");
        }
        for (least, took) in least.iter_mut().zip(took) {
            assert!(ROUND_TRIP <= took, "{took:?}: the link is not slow");
            *least = took.min(*least);
        }
    }
    for least in least {
        assert!(least < 2 * ROUND_TRIP, "{least:?}");
    }
}

async fn a_slow_link_is_not_a_failure() {
    let server = RedisServer::start(&[]);
    let proxy = FaultProxy::start(server.address()).await;
    // Connecting takes longer than the limit of a call: name, database and scripts.
    proxy.delay(Duration::from_millis(100));
    let limit = Duration::from_millis(350);
    let store = build(RedisStore::builder(proxy.url() + "/1").timeout(limit));
    fails(store.load(&key("a")).await.map(drop), "no answer in time");
    store.connect().await.unwrap();
    put(&store, &key("a"), None, "there").await;
}

async fn connecting_has_its_own_limit() {
    let server = RedisServer::start(&[]);
    server.pause();
    let limit = Duration::from_millis(300);
    let store = build(RedisStore::builder(server.url()).connect_timeout(limit));
    let begun = Instant::now();
    fails(store.connect().await, "no answer in time");
    let took = begun.elapsed();
    assert!(limit <= took && took < limit * 4, "{took:?}");
    server.resume();
    store.connect().await.unwrap();
    let nobody = redis_process::free_port();
    let store = build(RedisStore::builder(format!("redis://127.0.0.1:{nobody}")));
    let error = store.connect().await.unwrap_err();
    assert_eq!(error.host(), Some(&*format!("127.0.0.1:{nobody}")));
    fails(Err(error), "the connection was refused");
    for limit in [Duration::ZERO, Duration::from_secs(61)] {
        let store = RedisStore::builder(server.url()).connect_timeout(limit);
        let error = store.danger_unsealed().build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.field(), Some("connect_timeout"));
    }
}

async fn many_callers_connect_once() {
    let server = RedisServer::start(&[]);
    let store = sealed(RedisStore::builder(server.url()));
    forget_commands(&server);
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        crowd.spawn(async move {
            store.connect().await.unwrap();
            store.load(&key(&number.to_string())).await.unwrap();
        });
    }
    crowd.join_all().await;
    let clients = server.command(&["INFO", "clients"]);
    // The store's and the one of this command.
    assert!(clients.contains("connected_clients:2"), "{clients}");
    let commands = commands(&server);
    assert_eq!(commands.get("eval"), None, "{commands:?}");
}

async fn the_store_connects_again_after_a_failure() {
    let mut server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    store.connect().await.unwrap();
    server.kill();
    fails(store.load(&key("a")).await.map(drop), "the connection");
    fails(store.connect().await, "the connection was refused");
    server.restart();
    store.connect().await.unwrap();
    forget_commands(&server);
    put(&store, &key("a"), None, "there").await;
    let commands = commands(&server);
    assert_eq!(commands.get("evalsha"), Some(&1), "{commands:?}");
    assert_eq!(commands.get("eval"), None, "{commands:?}");
}

async fn a_user_without_script_load_works() {
    let words = "--user auth on >fake-secret-1 resetchannels ~auth:* -@all \
                 +eval +evalsha +get +pttl +set +del";
    let server = RedisServer::start(&words.split_whitespace().collect::<Vec<_>>());
    let store = build(RedisStore::builder(server.url_for("auth", "fake-secret-1")));
    store.connect().await.unwrap();
    put(&store, &key("a"), None, "there").await;
}
