//! Discovery (RFC 8414, OpenID Connect Discovery) against a scripted server.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod hostile;
mod lazy;
mod server;

use std::time::Duration;

use auth_core::{ErrorKind, TokenRequestOutcome};
use auth_oauth2::Discovery;
use auth_testkit::VirtualClock;
use tokio::runtime::{Builder, Runtime};

use server::{
    Answer, ISSUER, OAUTH, OPENID, Server, TOKEN_URL, json, metadata, metadata_of, response, status,
};

fn discovery(server: &Server) -> (Discovery, VirtualClock) {
    let clock = VirtualClock::new();
    let discovery = Discovery::builder(server.clone()).clock(clock.clone());
    (discovery.build().unwrap(), clock)
}

fn asked(urls: &[&str]) -> Vec<String> {
    urls.iter().map(|url| format!("GET {url}")).collect()
}

#[tokio::test(start_paused = true)]
async fn s38_the_openid_form_is_requested_first_and_once() {
    let server = Server::new();
    let (discovery, _) = discovery(&server);
    for _ in 0..3 {
        let metadata = discovery.metadata(ISSUER).await.unwrap();
        assert_eq!(metadata.issuer(), ISSUER);
        assert_eq!(metadata.token_endpoint(), TOKEN_URL);
        let methods = metadata.token_endpoint_auth_methods_supported();
        assert!(methods.eq(["client_secret_basic", "private_key_jwt"]));
        let algorithms = metadata.token_endpoint_auth_signing_alg_values_supported();
        assert!(algorithms.eq(["ES256"]));
    }
    assert_eq!(server.seen(), asked(&[OPENID]));
}

#[tokio::test(start_paused = true)]
async fn s38_the_rfc_8414_form_is_requested_if_the_first_has_no_metadata() {
    for first in [
        status(404),
        status(400),
        status(401),
        status(403),
        status(405),
        status(302),
        status(204),
        Answer::Reply(response(200, "text/html", "<html>")),
        Answer::Reply(response(200, "application/json", "[]")),
        Answer::Reply(response(200, "application/json", "")),
    ] {
        let server = Server::new();
        server.answer(OPENID, first);
        server.answer(OAUTH, json(&metadata()));
        let (discovery, _) = discovery(&server);
        discovery.metadata(ISSUER).await.unwrap();
        assert_eq!(server.seen(), asked(&[OPENID, OAUTH]));
    }
}

#[tokio::test(start_paused = true)]
async fn s38_a_server_that_cannot_answer_now_gets_one_request() {
    for (answer, kind, cause) in [
        (
            Answer::Down,
            ErrorKind::Unavailable,
            "discovery: connection refused",
        ),
        (
            status(500),
            ErrorKind::Unavailable,
            "discovery: the server answered 500",
        ),
        (
            status(429),
            ErrorKind::Unavailable,
            "discovery: the server answered 429",
        ),
        (
            Answer::Never,
            ErrorKind::TimedOut,
            "discovery: no metadata within 5s",
        ),
    ] {
        let server = Server::new();
        server.answer(OPENID, answer);
        let (discovery, _) = discovery(&server);
        let error = discovery.metadata(ISSUER).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.to_string(), format!("login.example.com: {cause}"));
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
        assert_eq!(error.step(), Some("discovery"));
        assert_eq!(error.host(), Some("login.example.com"));
        assert_eq!(server.seen(), asked(&[OPENID]));
    }
}

#[tokio::test(start_paused = true)]
async fn s38_both_requests_share_one_deadline() {
    let server = Server::new();
    server.answer(OPENID, status(404));
    server.answer(OAUTH, Answer::Never);
    let (discovery, clock) = discovery(&server);
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(clock.world_elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn s38_callers_share_one_discovery_and_the_first_may_be_dropped() {
    let server = Server::new();
    let (discovery, _) = discovery(&server);
    let first = tokio::spawn({
        let discovery = discovery.clone();
        async move { discovery.metadata(ISSUER).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    let calls = (0..1_000).map(|_| {
        let discovery = discovery.clone();
        tokio::spawn(async move { discovery.metadata(ISSUER).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().token_endpoint(), TOKEN_URL);
    }
    assert_eq!(server.seen(), asked(&[OPENID]));
}

#[tokio::test(start_paused = true)]
async fn s38_metadata_are_read_again_after_their_lifetime() {
    let server = Server::new();
    let (discovery, clock) = discovery(&server);
    discovery.metadata(ISSUER).await.unwrap();
    server.answer(
        OPENID,
        json(&metadata_of(ISSUER, "https://moved.example.net/")),
    );
    server.seen();

    clock.advance(Duration::from_secs(3_599)).await;
    let metadata = discovery.metadata(ISSUER).await.unwrap();
    assert_eq!(metadata.token_endpoint(), TOKEN_URL);
    assert_eq!(server.seen(), asked(&[]));

    clock.advance(Duration::from_secs(1)).await;
    let metadata = discovery.metadata(ISSUER).await.unwrap();
    assert_eq!(metadata.token_endpoint(), "https://moved.example.net/");
    assert_eq!(server.seen(), asked(&[OPENID]));
}

#[tokio::test(start_paused = true)]
async fn s38_old_metadata_are_used_for_a_day_while_the_server_fails() {
    for answer in [
        Answer::Down,
        status(500),
        status(404),
        json("{}"),
        json("{"),
    ] {
        let server = Server::new();
        let (discovery, clock) = discovery(&server);
        discovery.metadata(ISSUER).await.unwrap();
        server.answer(OPENID, answer.clone());
        clock.advance(Duration::from_secs(3_600)).await;
        server.seen();
        // One request per minute.
        for second in 0..60 {
            let metadata = discovery.metadata(ISSUER).await.unwrap();
            assert_eq!(metadata.token_endpoint(), TOKEN_URL);
            let gets = server
                .seen()
                .iter()
                .filter(|url| url.ends_with(OPENID))
                .count();
            assert_eq!(gets, usize::from(second == 0), "{second}");
            clock.advance(Duration::from_secs(1)).await;
        }
        discovery.metadata(ISSUER).await.unwrap();
        assert_eq!(server.seen()[0], format!("GET {OPENID}"));

        clock.advance(Duration::from_secs(23 * 3_600 - 61)).await;
        discovery.metadata(ISSUER).await.unwrap();
        clock.advance(Duration::from_secs(1)).await;
        discovery.metadata(ISSUER).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn s38_a_failure_is_cached_for_a_second_or_for_retry_after() {
    let server = Server::new();
    server.answer(OPENID, Answer::Down);
    let (discovery, clock) = discovery(&server);
    for _ in 0..100 {
        discovery.metadata(ISSUER).await.unwrap_err();
    }
    assert_eq!(server.seen(), asked(&[OPENID]));

    let mut busy = response(503, "text/plain", "fake-page");
    busy.headers_mut()
        .insert("retry-after", "30".parse().unwrap());
    server.answer(OPENID, Answer::Reply(busy));
    clock.advance(Duration::from_secs(1)).await;
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    clock.advance(Duration::from_secs(29)).await;
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(server.seen(), asked(&[OPENID]));

    server.answer(OPENID, json(&metadata()));
    clock.advance(Duration::from_secs(1)).await;
    discovery.metadata(ISSUER).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t23_the_cache_holds_at_most_max_entries_issuers() {
    let server = Server::new();
    let discovery = Discovery::builder(server.clone()).max_entries(2);
    let discovery = discovery.build().unwrap();
    let issuers = ["a", "b", "c"].map(|name| format!("https://{name}.example.com"));
    let document = |issuer| format!("{issuer}/.well-known/openid-configuration");
    for issuer in &issuers {
        server.answer(&document(issuer), json(&metadata_of(issuer, TOKEN_URL)));
    }
    let [a, b, c] = &issuers;
    for (issuer, is_asked) in [
        (a, true),
        (b, true),
        (a, false),
        // Evicts b.
        (c, true),
        (a, false),
        (b, true),
        (c, true),
    ] {
        discovery.metadata(issuer).await.unwrap();
        assert_eq!(server.seen().len(), usize::from(is_asked), "{issuer}");
    }
}

#[tokio::test(start_paused = true)]
async fn s38_limits_of_zero_are_config_errors() {
    let builder = || Discovery::builder(Server::new());
    for (builder, field) in [
        (builder().lifetime(Duration::ZERO), "lifetime"),
        (builder().max_entries(0), "max_entries"),
        (builder().max_reply(0), "max_reply"),
        (builder().deadline(Duration::ZERO), "deadline"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
}

#[test]
fn t16_a_discovery_whose_runtime_was_dropped_is_started_again() {
    let (server, discovery, first) = in_a_stopped_runtime();
    drop(first);
    let found = runtime().block_on(async { discovery.metadata(ISSUER).await });
    found.unwrap();
    assert_eq!(server.seen(), asked(&[OPENID]));
}

#[test]
fn t16_a_discovery_whose_runtime_stopped_ends_at_its_deadline() {
    let (server, discovery, _first) = in_a_stopped_runtime();
    runtime().block_on(async {
        let error = discovery.metadata(ISSUER).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(server.seen(), asked(&[]));
        discovery.metadata(ISSUER).await.unwrap();
        assert_eq!(server.seen(), asked(&[OPENID]));
    });
}

/// Starts a discovery without an answer, in a runtime that then stops. From then on the server
/// would answer.
fn in_a_stopped_runtime() -> (Server, Discovery, Runtime) {
    let server = Server::new();
    server.answer(OPENID, Answer::Never);
    let discovery = Discovery::builder(server.clone()).build().unwrap();
    let first = runtime();
    first.spawn({
        let discovery = discovery.clone();
        async move { discovery.metadata(ISSUER).await }
    });
    first.block_on(async {
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    server.answer(OPENID, json(&metadata()));
    (server, discovery, first)
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}
