//! Servers that refuse commands.

use auth_core::{Error, Secret, SecretFn, TokenStore as _};
use auth_store_redis::RedisStore;
use libtest_mimic::Trial;
use redis_process::{RedisCluster, RedisServer};

use crate::stand::{LONG, all_fail, build, content, fails, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "refusals::a_user_with_the_documented_permissions",
            a_user_with_the_documented_permissions,
        ),
        trial(
            "refusals::a_user_with_the_documented_permissions_of_a_cluster",
            a_user_with_the_documented_permissions_of_a_cluster,
        ),
        trial("refusals::a_user_without_rights", a_user_without_rights),
        trial("refusals::a_wrong_password", a_wrong_password),
        trial("refusals::a_password_that_changes", a_password_that_changes),
        trial("refusals::t30_a_replica", t30_a_replica),
        trial(
            "refusals::t30_a_server_that_is_full",
            t30_a_server_that_is_full,
        ),
    ]
}

/// Exactly what the crate's documentation says.
const ACL: &str = "user auth on >fake-secret-1 resetchannels ~auth:* -@all \
                   +eval +evalsha +get +pttl +set +del +script|load";

/// The documentation's additions for nodes of a cluster.
const CLUSTER: [&str; 2] = ["+cluster|slots", "+readonly"];

fn acl(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn server_with_user() -> RedisServer {
    let mut words = acl(ACL);
    words[0] = "--user";
    RedisServer::start(&words)
}

async fn a_user_with_the_documented_permissions() {
    let docs = include_str!("../../src/lib.rs").replace("//!", "");
    let documented: Vec<_> = docs.split_whitespace().collect();
    let documented = documented.join(" ");
    let ours = acl(ACL).join(" ").replace("fake-secret-1", "PASSWORD");
    assert!(documented.contains(&ours), "{ours}");

    let server = server_with_user();
    let by_url = RedisStore::builder(server.url_for("auth", "fake-secret-1"));
    let by_setter = RedisStore::builder(server.url())
        .username("auth")
        .password(Secret::new("fake-secret-1"));
    let mut version = None;
    for store in [build(by_url), build(by_setter)] {
        // Twice, because the second time the server knows the scripts.
        for _ in 0..2 {
            version = Some(put(&store, &key("a"), version, "content").await);
            assert!(content(&store, &key("a")).await.is_some());
            assert!(store.lease(&key("a"), "owner", LONG).await.unwrap());
            store.release(&key("a"), "owner").await.unwrap();
        }
    }
}

async fn a_user_with_the_documented_permissions_of_a_cluster() {
    let mut words = acl(ACL);
    words[0] = "--user";
    let cluster = RedisCluster::start(&[words, CLUSTER.to_vec()].concat());
    let store = RedisStore::cluster(cluster.urls())
        .username("auth")
        .password(Secret::new("fake-secret-1"));
    let store = build(store);
    for number in 0..20 {
        let key = key(&number.to_string());
        put(&store, &key, None, "content").await;
        assert!(store.lease(&key, "owner", LONG).await.unwrap());
    }
    let wrong = RedisStore::cluster(cluster.urls())
        .username("auth")
        .password(Secret::new("fake-secret-2"));
    all_fail(&build(wrong), "connect to the cluster").await;
}

async fn a_user_without_rights() {
    let server = server_with_user();
    let url = server.url_for("auth", "fake-secret-1");
    let store = build(RedisStore::builder(&url).prefix("other:"));
    all_fail(&store, "NOPERM").await;
    assert_eq!(server.command(&["ACL", "SETUSER", "auth", "-get"]), "+OK");
    let store = build(RedisStore::builder(&url));
    // Before Redis 7.2 the error of a script has another name.
    all_fail(&store, "").await;
}

async fn a_wrong_password() {
    let server = RedisServer::start(&["--requirepass", "fake-secret-1"]);
    let wrong = build(RedisStore::builder(
        server.url_for("default", "fake-secret-2"),
    ));
    all_fail(&wrong, "refused user name or password").await;
    let none = build(RedisStore::builder(server.url()));
    all_fail(&none, "NOAUTH").await;
    let right = build(RedisStore::builder(server.url_for("", "fake-secret-1")));
    assert!(content(&right, &key("a")).await.is_none());
}

/// The password is read for each connection, so that it can be changed while the process runs.
async fn a_password_that_changes() {
    let mut server = RedisServer::start(&["--requirepass", "fake-secret-1"]);
    let passwords = ["fake-secret-2", "fake-secret-1", "fake-secret-1"];
    let passwords = std::sync::Mutex::new(passwords.into_iter());
    let passwords = std::sync::Arc::new(passwords);
    let source = SecretFn::new(move || {
        let next = passwords.lock().unwrap().next();
        async move {
            let none = || Error::config("password", "the test has no further password");
            next.map(Secret::new).ok_or_else(none)
        }
    });
    let store = build(RedisStore::builder(server.url()).password(source));
    fails(
        store.load(&key("a")).await.map(drop),
        "refused user name or password",
    );
    for _ in 0..3 {
        assert!(content(&store, &key("a")).await.is_none());
    }
    server.restart();
    assert!(content(&store, &key("a")).await.is_none());
    server.restart();
    fails(
        store.load(&key("a")).await.map(drop),
        "the password could not be read",
    );
}

async fn t30_a_replica() {
    let master = RedisServer::start(&[]);
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    let port = master.port().to_string();
    assert_eq!(server.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    server.wait_until(&["INFO", "replication"], |info| {
        info.contains("master_link_status:up")
    });
    let version = put(
        &build(RedisStore::builder(master.url())),
        &key("a"),
        None,
        "there",
    )
    .await;
    // The replica has it too, soon.
    let mut tries = 0;
    while content(&store, &key("a")).await.is_none() {
        tries += 1;
        assert!(tries < 10_000, "the entry is not replicated");
    }
    for _ in 0..2 {
        let next = crate::stand::entry(Some(version), "next");
        fails(
            store
                .replace(&key("a"), Some(version), next)
                .await
                .map(drop),
            "READONLY",
        );
        fails(
            store.lease(&key("a"), "owner", LONG).await.map(drop),
            "READONLY",
        );
    }
    // The replica becomes the master, and existing connections are usable.
    assert_eq!(server.command(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert!(store.lease(&key("a"), "owner", LONG).await.unwrap());
}

async fn t30_a_server_that_is_full() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let store = build(RedisStore::builder(server.url()));
    let version = put(&store, &key("a"), None, "kept").await;
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    let next = || crate::stand::entry(Some(version), "next");
    fails(
        store
            .replace(&key("a"), Some(version), next())
            .await
            .map(drop),
        "OOM",
    );
    fails(store.lease(&key("a"), "owner", LONG).await.map(drop), "OOM");
    assert_eq!(content(&store, &key("a")).await.unwrap(), "kept");
    store.release(&key("a"), "owner").await.unwrap();
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    assert!(
        store
            .replace(&key("a"), Some(version), next())
            .await
            .unwrap()
    );
}
