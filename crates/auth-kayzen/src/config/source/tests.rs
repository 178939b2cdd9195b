#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{TokenRequestOutcome, TokenRequestReason};
use auth_testkit::{Reply, TestServer};

use super::*;
use crate::Kayzen;
use crate::fake;

fn source(server: &TestServer, password: impl SecretSource) -> KayzenSource {
    let secret = Secret::new(server.client_secret());
    let settings = Kayzen::builder(
        server.client_id(),
        secret,
        server.user_name(),
        password,
        server.transport(),
    )
    .token_url(server.token_url());
    new(settings).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_account_is_one_that_the_vendor_may_lock() {
    let server = fake::server().in_memory();
    let of = async |password| {
        let source = source(&server, Secret::new(password));
        source.credentials().await.unwrap()
    };
    let own = of("fake-password-1").await;
    assert!(own.is_lockable());
    assert_eq!(of("fake-password-1").await, own);
    assert_ne!(of("fake-password-2").await, own);
}

#[tokio::test(start_paused = true)]
async fn added_advice_does_not_change_the_kind_of_an_error() {
    let server = fake::server().in_memory();
    let source = source(&server, Secret::new("fake-password-1"));
    let credentials = source.credentials().await.unwrap();
    let token_request = TokenRequest::new(TokenRequestReason::Needed).credentials(credentials);
    let error = source.fetch(token_request).await.unwrap_err();
    assert!(error.to_string().contains("check API key and secret"));
    let verdict = (error.outcome(), error.rejected_part());
    let rejected = (
        TokenRequestOutcome::Rejected,
        Some(RejectedPart::Credentials),
    );
    assert_eq!(verdict, rejected);
    assert_eq!(error.status().unwrap(), 401);
}

/// The vendor documents no refresh token; one in a reply is ignored.
#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_neither_stored_nor_sent() {
    let server = fake::server().in_memory();
    let unasked = Reply::normal().with("refresh_token", "\"fake-refresh-1\"");
    server.token().then(unasked);
    let source = source(&server, Secret::new(server.user_password()));
    assert!(!source.keeps_refresh_tokens());
    let credentials = source.credentials().await.unwrap();
    let token_request = TokenRequest::new(TokenRequestReason::Needed).credentials(credentials);
    let token_request = token_request.refresh_token("fake-refresh-0");
    let token = source.fetch(token_request).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
}
