#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::Reason;
use auth_testkit::{Reply, TestServer, fakes};

use super::*;
use crate::Kayzen;

fn source(server: &TestServer, password: impl SecretSource) -> KayzenSource {
    let secret = Secret::new(server.client_secret());
    let settings = Kayzen::builder(server.client_id(), secret, server.user_name(), password)
        .token_url(server.token_url());
    new(settings, SharedTransport::new(server.transport())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn t26_logins_stop_for_what_the_fleet_saw() {
    let server = fakes::kayzen().in_memory();
    let source = source(&server, Secret::new(server.user_password()));
    let after = |times| Exchange::new(Reason::Needed).failed_logins(times);
    assert!(source.fetch(after(1)).await.is_ok());
    let error = source.fetch(after(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let text = error.to_string();
    assert!(text.starts_with("kayzen: not tried again"), "{text}");
    assert!(text.contains("check API key and secret"), "{text}");
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn the_mark_is_one_of_the_password() {
    let server = fakes::kayzen().in_memory();
    let mark = async |password| source(&server, Secret::new(password)).credential().await;
    let own = mark("fake-password-1").await;
    assert!(own.is_some());
    assert_eq!(mark("fake-password-1").await, own);
    assert_ne!(mark("fake-password-2").await, own);
}

/// The vendor documents none; one that comes all the same is dropped.
#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_neither_kept_nor_spent() {
    let server = fakes::kayzen().in_memory();
    let unasked = Reply::normal().with("refresh_token", "\"fake-refresh-1\"");
    server.token().then(unasked);
    let source = source(&server, Secret::new(server.user_password()));
    assert!(!source.keeps_refresh_tokens());
    let exchange = Exchange::new(Reason::Needed).refresh_token("fake-refresh-0");
    let token = source.fetch(exchange).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
}
