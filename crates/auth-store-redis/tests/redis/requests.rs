//! Effects of the store on requests: fewer token requests, and no failures.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Secret};
use auth_oauth2::Client;
use auth_store_redis::RedisStore;
use auth_testkit::{LogCapture, TestServer, assert_no_secret};
use libtest_mimic::Trial;
use redis_process::RedisServer;

use crate::stand::{key, sealed, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "requests::t30_requests_continue_without_redis",
            t30_requests_continue_without_redis,
        ),
        trial(
            "requests::a_fleet_makes_one_token_request",
            a_fleet_makes_one_token_request,
        ),
    ]
}

fn authenticator(server: &TestServer, store: RedisStore) -> Authenticator {
    let client = Client::builder(server.token_url(), server.client_id(), server.transport())
        .secret(Secret::new(server.client_secret()));
    let origins = Origins::new([server.api_url()]).unwrap();
    Authenticator::builder(client.build().unwrap().client_credentials(), origins)
        .key(key("a"))
        .options(
            AuthenticatorOptions::new()
                .store(store)
                .clock(server.clock().clone()),
        )
        .build()
        .unwrap()
}

/// Fifty processes, from the store's point of view, that start together.
async fn a_fleet_makes_one_token_request() {
    let redis = RedisServer::start(&[]);
    let server = TestServer::builder().in_memory();
    let mut fleet = tokio::task::JoinSet::new();
    for _ in 0..50 {
        // Fifty connections at the same time may take a busy machine longer than a request waits.
        let store = RedisStore::builder(redis.url())
            .latency_budget(AMPLE)
            .timeout(AMPLE);
        let process = authenticator(&server, sealed(store));
        fleet.spawn(async move { process.token().await.map(drop) });
    }
    for ended in fleet.join_all().await {
        ended.unwrap();
    }
    assert_eq!(server.counters().token_requests, 1);
}

async fn t30_requests_continue_without_redis() {
    let mut redis = RedisServer::start(&[]);
    let server = TestServer::builder().in_memory();
    let log = LogCapture::new();
    let _installed = log.install();
    let url = redis.url_for("default", "fake-secret-1");
    for (before, fault) in (0..).zip(["refused", "paused", "killed"]) {
        match fault {
            "paused" => redis.pause(),
            "killed" => redis.kill(),
            _ => assert_eq!(
                redis.command(&["CONFIG", "SET", "requirepass", "fake-secret-2"]),
                "+OK"
            ),
        }
        let process = authenticator(&server, sealed(RedisStore::builder(&url)));
        process.token().await.unwrap();
        assert_eq!(server.counters().token_requests, before + 1, "{fault}");
    }
    let log = log.text();
    let mut secrets = server.expose_secrets();
    secrets.push(String::from("fake-secret-1"));
    assert_no_secret(&log, &secrets);
}

const AMPLE: Duration = Duration::from_secs(10);
