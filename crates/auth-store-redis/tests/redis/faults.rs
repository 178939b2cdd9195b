//! Servers that are down, silent, cut off or replaced.

use std::time::Duration;

use auth_core::{EntryVersion, NewEntry, TokenStore as _};
use auth_store_redis::RedisStore;
use bytes::Bytes;
use libtest_mimic::Trial;
use redis_process::{FaultProxy, RedisServer, free_port};
use tokio::task::JoinSet;

use crate::stand::{LONG, all_fail, build, comes_back, content, get, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "faults::building_a_store_does_not_connect",
            building_a_store_does_not_connect,
        ),
        trial(
            "faults::t30_a_server_that_is_down",
            t30_a_server_that_is_down,
        ),
        trial(
            "faults::t30_a_server_that_is_killed",
            t30_a_server_that_is_killed,
        ),
        trial("faults::t30_a_server_that_hangs", t30_a_server_that_hangs),
        trial("faults::t30_a_network_that_hangs", t30_a_network_that_hangs),
        trial(
            "faults::t30_a_name_that_leads_to_another_server",
            t30_a_name_that_leads_to_another_server,
        ),
        trial(
            "faults::t30_a_connection_that_is_cut",
            t30_a_connection_that_is_cut,
        ),
        trial("faults::an_answer_that_is_lost", an_answer_that_is_lost),
        trial(
            "faults::a_repeated_write_does_not_win_twice",
            a_repeated_write_does_not_win_twice,
        ),
        trial(
            "faults::many_callers_make_one_connection",
            many_callers_make_one_connection,
        ),
        trial("faults::a_runtime_that_has_ended", a_runtime_that_has_ended),
    ]
}

/// Building a store does no input or output: no server is reachable, and there is no runtime.
async fn building_a_store_does_not_connect() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = std::thread::spawn(move || {
        let store = build(RedisStore::builder(url));
        let mut load = std::pin::pin!(async { store.load(&key("a")).await.map(drop) });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match load.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => {
                crate::stand::fails(answer, "outside a tokio runtime")
            }
            std::task::Poll::Pending => panic!("the call waits"),
        }
    });
    store.join().unwrap();
}

async fn t30_a_server_that_is_down() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = build(RedisStore::builder(url));
    all_fail(&store, "the connection was refused").await;
}

async fn t30_a_server_that_is_killed() {
    let mut server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    put(&store, &key("a"), None, "first").await;
    server.kill();
    all_fail(&store, "the connection was refused").await;
    server.restart();
    assert_eq!(content(&store, &key("a")).await, None);
    put(&store, &key("a"), None, "second").await;
    // Without an error: the first call afterwards succeeds.
    server.restart();
    put(&store, &key("a"), None, "third").await;
    server.stop();
    server.restart();
    assert!(store.lease(&key("a"), "owner", LONG).await.unwrap());
}

async fn t30_a_server_that_hangs() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    put(&store, &key("a"), None, "kept").await;
    server.pause();
    for _ in 0..2 {
        all_fail(&store, "no answer in time").await;
    }
    let fresh = build(RedisStore::builder(server.url()));
    all_fail(&fresh, "no answer in time").await;
    server.resume();
    for store in [store, fresh] {
        comes_back(&store).await;
        assert_eq!(content(&store, &key("a")).await.unwrap(), "kept");
    }
}

/// A peer that vanished silently: the old connection is replaced, not waited for.
async fn t30_a_network_that_hangs() {
    let server = RedisServer::start(&[]);
    let proxy = FaultProxy::start(server.address()).await;
    let store = build(RedisStore::builder(proxy.url()));
    put(&store, &key("a"), None, "kept").await;
    proxy.hang();
    all_fail(&store, "no answer in time").await;
    proxy.pass();
    // Although the previous connection hangs until it is closed.
    assert_eq!(content(&store, &key("a")).await.unwrap(), "kept");
    proxy.refuse();
    all_fail(&store, "the connection").await;
    proxy.pass();
    assert_eq!(content(&store, &key("a")).await.unwrap(), "kept");
}

/// A host name that always leads to the master: connections to the former master are replaced.
async fn t30_a_name_that_leads_to_another_server() {
    let one = RedisServer::start(&[]);
    let other = RedisServer::start(&[]);
    let proxy = FaultProxy::start(one.address()).await;
    let store = build(RedisStore::builder(proxy.url()));
    put(&store, &key("a"), None, "one").await;
    proxy.lead_to(other.address());
    let port = other.port().to_string();
    assert_eq!(one.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    // With its data, before the store uses it.
    one.wait_until(&["INFO", "replication"], |info| {
        info.contains("master_link_status:up")
    });
    put(&store, &key("a"), None, "other").await;
    assert!(other.command(&["KEYS", "*"]).contains(":entry"));
}

async fn t30_a_connection_that_is_cut() {
    let server = RedisServer::start(&[]);
    let proxy = FaultProxy::start(server.address()).await;
    // Two connections are made for each answer: on a busy machine that may take more than 50 ms.
    let builder = RedisStore::builder(proxy.url()).latency_budget(Duration::from_secs(1));
    let store = build(builder);
    let mut version = None;
    for number in 0..20 {
        let next = put(&store, &key("a"), version, number.to_string()).await;
        version = Some(next);
        proxy.cut();
        assert_eq!(get(&store, &key("a")).await.unwrap().version, next);
        assert!(
            server
                .command(&["CLIENT", "KILL", "TYPE", "normal"])
                .starts_with(':')
        );
    }
}

/// A write without confirmation is recognized as done.
async fn an_answer_that_is_lost() {
    let server = RedisServer::start(&[]);
    let proxy = FaultProxy::start(server.address()).await;
    let store = build(RedisStore::builder(proxy.url()));
    let first = put(&store, &key("a"), None, "first").await;
    proxy.lose_answers();
    let entry = NewEntry::new(EntryVersion::new(7), Bytes::from_static(b"second"), LONG);
    let lost = store.replace(&key("a"), Some(first), entry.clone()).await;
    crate::stand::fails(lost.map(drop), "no answer in time");
    proxy.pass();
    // With or without a new connection: a repeated write has won once.
    assert!(
        store
            .replace(&key("a"), Some(first), entry.clone())
            .await
            .unwrap()
    );
    assert!(store.replace(&key("a"), Some(first), entry).await.unwrap());
    assert_eq!(content(&store, &key("a")).await.unwrap(), "second");
}

/// Only exactly the same bytes count as the caller's own write.
async fn a_repeated_write_does_not_win_twice() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let entry =
        |bytes: &'static [u8]| NewEntry::new(EntryVersion::new(7), Bytes::from_static(bytes), LONG);
    assert!(store.replace(&key("a"), None, entry(b"one")).await.unwrap());
    assert!(
        !store
            .replace(&key("a"), None, entry(b"other"))
            .await
            .unwrap()
    );
    assert_eq!(content(&store, &key("a")).await.unwrap(), "one");
}

async fn many_callers_make_one_connection() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let connections = || {
        let stats = server.command(&["INFO", "stats"]);
        let count = stats.split("total_connections_received:").nth(1).unwrap();
        let count = count.split_whitespace().next().unwrap();
        count.parse::<u64>().unwrap()
    };
    let before = connections();
    let mut crowd = JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        crowd.spawn(async move {
            store
                .load(&key(&number.to_string()))
                .await
                .unwrap()
                .is_none()
        });
    }
    assert!(crowd.join_all().await.into_iter().all(|missing| missing));
    assert_eq!(
        connections() - before,
        2,
        "the store's and the one of this command"
    );

    // They do not all try to connect to a server that refuses them: callers that wait for a try
    // share its error.
    let store = build(RedisStore::builder(
        server.url_for("nobody", "fake-secret-1"),
    ));
    let before = connections();
    let calls = (0..100).map(|_| {
        let store = store.clone();
        async move { store.load(&key("a")).await.is_err() }
    });
    let refused = calls.collect::<JoinSet<_>>().join_all().await;
    assert!(refused.into_iter().all(|is_refused| is_refused));
    let tries = connections() - before;
    assert!(tries < 50, "{tries}");
}

/// The connection's task ends with its runtime; the next runtime makes another.
async fn a_runtime_that_has_ended() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let first = store.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .unwrap()
            .block_on(put(&first, &key("a"), None, "kept"));
    });
    thread.join().unwrap();
    assert_eq!(content(&store, &key("a")).await.unwrap(), "kept");
}
