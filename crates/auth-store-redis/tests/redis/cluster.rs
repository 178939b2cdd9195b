//! Behaviour of a cluster that one server does not have.

use std::sync::{Mutex, PoisonError};

use auth_core::TokenStore as _;
use auth_store_redis::RedisStore;
use libtest_mimic::Trial;
use redis_process::RedisCluster;

use crate::stand::{LONG, all_fail, build, content, fails, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("cluster::keys_are_on_all_nodes", keys_are_on_all_nodes),
        trial(
            "cluster::a_client_of_one_server_does_not_work_with_a_cluster",
            a_client_of_one_server_does_not_work_with_a_cluster,
        ),
        trial(
            "cluster::t30_a_slot_that_moves_is_followed",
            t30_a_slot_that_moves_is_followed,
        ),
        trial(
            "cluster::t30_a_node_that_dies_does_not_affect_the_others",
            t30_a_node_that_dies_does_not_affect_the_others,
        ),
        trial(
            "cluster::t30_a_node_that_hangs_does_not_affect_the_others",
            t30_a_node_that_hangs_does_not_affect_the_others,
        ),
    ]
}

/// URLs of the shared cluster, for tests that do not change it, and a prefix for each test.
pub(crate) fn shared() -> (Vec<String>, String) {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let (cluster, count) = shared.get_or_insert_with(|| (RedisCluster::start(&[]), 0));
    *count += 1;
    (cluster.urls(), format!("story-{count}:"))
}

/// Ends the shared cluster.
pub(crate) fn end() {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    *shared = None;
}

static SHARED: Mutex<Option<(RedisCluster, u64)>> = Mutex::new(None);

async fn keys_are_on_all_nodes() {
    let (urls, prefix) = shared();
    // One node knows the others.
    let store = build(RedisStore::cluster(&urls[..1]).prefix(prefix));
    for number in 0..50 {
        let key = key(&number.to_string());
        put(&store, &key, None, number.to_string()).await;
        assert!(store.lease(&key, "owner", LONG).await.unwrap());
        let there = content(&store, &key).await.unwrap();
        assert_eq!(there, number.to_string());
    }
}

/// A client of one server gets an error that names the problem.
async fn a_client_of_one_server_does_not_work_with_a_cluster() {
    let (urls, prefix) = shared();
    let store = build(RedisStore::builder(&urls[0]).prefix(prefix));
    let mut moved = 0;
    for number in 0..20 {
        if let Err(error) = store.load(&key(&number.to_string())).await {
            fails(Err(error), "MOVED");
            moved += 1;
        }
    }
    assert!(moved > 5, "{moved}");
}

async fn t30_a_slot_that_moves_is_followed() {
    let cluster = RedisCluster::start(&[]);
    let store = build(RedisStore::cluster(cluster.urls()));
    let version = put(&store, &key("moves"), None, "here").await;
    let place = names_in(&cluster);
    let (from, name) = place.first().unwrap();
    assert_eq!(cluster.nodes()[*from].command(&["DEL", name]), ":1");
    let to = (from + 1) % 3;
    cluster.move_slot_of(name, to);
    assert_eq!(content(&store, &key("moves")).await, None);
    let late = crate::stand::entry(Some(version), "late");
    assert!(
        !store
            .replace(&key("moves"), Some(version), late)
            .await
            .unwrap()
    );
    put(&store, &key("moves"), None, "there").await;
    assert_eq!(content(&store, &key("moves")).await.unwrap(), "there");
    assert_eq!(names_in(&cluster), [(to, name.clone())]);
}

async fn t30_a_node_that_dies_does_not_affect_the_others() {
    let mut cluster = RedisCluster::start(&TOLERANT);
    let store = build(RedisStore::cluster(cluster.urls()));
    let keys = one_key_for_each_node(&cluster, &store).await;
    cluster.nodes_mut()[1].kill();
    for _ in 0..3 {
        assert!(store.load(&key(&keys[1])).await.is_err());
        for number in [0, 2] {
            let there = content(&store, &key(&keys[number])).await.unwrap();
            assert_eq!(there, keys[number]);
        }
    }
}

async fn t30_a_node_that_hangs_does_not_affect_the_others() {
    let cluster = RedisCluster::start(&TOLERANT);
    let store = build(RedisStore::cluster(cluster.urls()));
    let keys = one_key_for_each_node(&cluster, &store).await;
    cluster.nodes()[1].pause();
    for _ in 0..3 {
        fails(store.load(&key(&keys[1])).await.map(drop), "");
        for number in [0, 2] {
            let there = content(&store, &key(&keys[number])).await.unwrap();
            assert_eq!(there, keys[number]);
        }
    }
    cluster.nodes()[1].resume();
    cluster.wait_until_complete();
    let there = content(&store, &key(&keys[1])).await.unwrap();
    assert_eq!(there, keys[1]);
    for node in cluster.nodes() {
        node.pause();
    }
    all_fail(&store, "").await;
}

/// Continues with the remaining slots, and detects lost slots late.
const TOLERANT: [&str; 4] = [
    "--cluster-require-full-coverage",
    "no",
    "--cluster-node-timeout",
    "60000",
];

/// Entries, by the number of their node.
fn names_in(cluster: &RedisCluster) -> Vec<(usize, String)> {
    let nodes = cluster.nodes().iter().enumerate();
    let names = nodes.flat_map(|(number, node)| {
        let found = node.command(&["KEYS", "auth:*"]);
        let names = found.split(' ').filter(|word| word.starts_with("auth:"));
        names
            .map(|name| (number, name.to_owned()))
            .collect::<Vec<_>>()
    });
    names.collect()
}

async fn one_key_for_each_node(cluster: &RedisCluster, store: &RedisStore) -> [String; 3] {
    let mut found: [Option<String>; 3] = [const { None }; 3];
    for number in 0..1000 {
        let name = number.to_string();
        let before = names_in(cluster);
        put(store, &key(&name), None, name.clone()).await;
        let new = names_in(cluster)
            .into_iter()
            .find(|name| !before.contains(name));
        let (node, _) = new.unwrap();
        found[node].get_or_insert(name);
        if let [Some(one), Some(two), Some(three)] = &found {
            return [one.clone(), two.clone(), three.clone()];
        }
    }
    panic!("a node has no key");
}
