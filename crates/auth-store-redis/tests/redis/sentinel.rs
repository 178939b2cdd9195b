//! Servers behind sentinels.

use auth_core::{Secret, TokenStore as _};
use auth_store_redis::RedisStore;
use libtest_mimic::Trial;
use redis_process::{FaultProxy, RedisServer, free_port};

use crate::stand::{LONG, all_fail, build, content, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("sentinel::the_master_is_found", the_master_is_found),
        trial(
            "sentinel::t30_the_new_master_is_found",
            t30_the_new_master_is_found,
        ),
    ]
}

async fn the_master_is_found() {
    // With a user that has exactly the documented permissions.
    let words = "--requirepass fake-secret-1 --user auth on >fake-secret-3 resetchannels ~auth:* \
                 -@all +eval +evalsha +get +pttl +set +del +role";
    let server = RedisServer::start(&words.split_whitespace().collect::<Vec<_>>());
    let sentinel = RedisServer::start_sentinel("main", &server);
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let hanging = FaultProxy::start(sentinel.address()).await;
    hanging.hang();
    // Sentinels that are down or hang delay nothing.
    let urls = [nobody, hanging.url(), sentinel.url()];
    let password = || Secret::new("fake-secret-1");
    let store = build(RedisStore::sentinel(&urls, "main").password(password()));
    put(&store, &key("a"), None, "there").await;
    assert_eq!(content(&store, &key("a")).await.unwrap(), "there");

    let least = RedisStore::sentinel(&urls, "main")
        .username("auth")
        .password(Secret::new("fake-secret-3"));
    assert!(content(&build(least), &key("a")).await.is_some());

    let unknown = RedisStore::sentinel([sentinel.url()], "other").password(password());
    all_fail(&build(unknown), "the sentinel knows no master of that name").await;
    let wrong =
        RedisStore::sentinel([sentinel.url()], "main").password(Secret::new("fake-secret-2"));
    all_fail(&build(wrong), "refused user name or password").await;
    let gone = build(RedisStore::sentinel(&urls[..1], "main"));
    all_fail(&gone, "ask a sentinel: the connection was refused").await;
}

async fn t30_the_new_master_is_found() {
    let one = RedisServer::start(&[]);
    let two = RedisServer::start(&[]);
    let port = one.port().to_string();
    assert_eq!(two.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    two.wait_until(&["INFO", "replication"], |info| {
        info.contains("master_link_status:up")
    });
    let sentinel = RedisServer::start_sentinel("main", &one);
    let store = build(RedisStore::sentinel([sentinel.url()], "main"));
    put(&store, &key("a"), None, "there").await;
    sentinel.wait_until(&["SENTINEL", "REPLICAS", "main"], |replicas| {
        replicas.contains("role-reported $5 slave")
            && !replicas.contains("master-link-status $3 err")
    });
    sentinel.wait_until(&["SENTINEL", "FAILOVER", "main"], |answer| answer == "+OK");
    let port = two.port().to_string();
    sentinel.wait_until(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"], |answer| {
        answer.ends_with(&port)
    });
    one.wait_until(&["ROLE"], |role| role.contains("slave"));
    assert!(store.lease(&key("a"), "owner", LONG).await.unwrap());
    assert!(two.command(&["KEYS", "*"]).contains(":lease"));
}
