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
async fn the_credentials_are_lockable_and_change_with_the_password() {
    let server = fakes::kayzen().in_memory();
    let id = async |password| {
        let source = source(&server, Secret::new(password));
        let credentials = source.credentials().await.unwrap();
        assert!(credentials.is_lockable());
        credentials.id().unwrap()
    };
    let own = id("fake-password-1").await;
    assert_eq!(id("fake-password-1").await, own);
    let other = id("fake-password-2").await;
    assert_ne!(other, own);
    assert_eq!(other.account(), own.account());
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
    let credentials = source.credentials().await.unwrap();
    let exchange = exchange.credentials(credentials);
    let token = source.fetch(exchange).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
}
