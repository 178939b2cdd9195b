//! Cancelled callers.

use std::{future, pin::pin, sync::Arc, task::Poll};

use auth_core::TokenStore as _;
use auth_store_redis::RedisStore;
use libtest_mimic::Trial;
use redis_process::RedisServer;
use tokio::task::JoinSet;

use crate::stand::{LONG, build, entry, get, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "cancel::t28_no_call_gets_the_answer_of_another",
            t28_no_call_gets_the_answer_of_another,
        ),
        trial(
            "cancel::a_cancelled_call_is_completed",
            a_cancelled_call_is_completed,
        ),
    ]
}

/// A thousand calls, cancelled at any point, between loads of other callers on the same connection.
async fn t28_no_call_gets_the_answer_of_another() {
    let server = RedisServer::start(&[]);
    let store = Arc::new(build(RedisStore::builder(server.url())));
    let keys: Vec<_> = (0..8).map(|number| key(&number.to_string())).collect();
    for (number, key) in keys.iter().enumerate() {
        put(&store, key, None, number.to_string().repeat(100)).await;
    }
    let keys = Arc::new(keys);
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (store, keys) = (Arc::clone(&store), Arc::clone(&keys));
        tasks.spawn(async move {
            for turn in 0..125 {
                let given_up = &keys[(task + turn) % keys.len()];
                drop_after(turn % 5, store.load(given_up)).await;
                drop_after(turn % 5, store.lease(given_up, "gone", LONG)).await;
                let wanted = (task * 3 + turn) % keys.len();
                let entry = get(&store, &keys[wanted]).await.expect("the entry exists");
                let its = wanted.to_string().repeat(100);
                assert_eq!(entry.content.unwrap(), its, "another key's entry");
            }
        });
    }
    tasks.join_all().await;
}

/// A lease request that is cancelled while it runs takes the lease or not, and changes nothing
/// else.
async fn a_cancelled_call_is_completed() {
    let server = RedisServer::start(&[]);
    let store = build(RedisStore::builder(server.url()));
    for polls in 0..5 {
        let key = key(&polls.to_string());
        drop_after(polls, store.replace(&key, None, entry(None, "whole"))).await;
        if let Some(entry) = get(&store, &key).await {
            assert_eq!(entry.content.unwrap(), "whole");
        }
    }
    // After the first poll the call continues without its caller, starting with the connection.
    let key = key("goes on");
    let new = build(RedisStore::builder(server.url()));
    drop_after(1, new.replace(&key, None, entry(None, "whole"))).await;
    let mut tries = 0;
    while get(&store, &key).await.is_none() {
        tries += 1;
        assert!(tries < 10_000, "the lease was never taken");
    }
}

async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let now = future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if now.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
