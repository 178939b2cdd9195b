//! The vendor's deviations from OAuth, shown by handwritten requests.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use auth_testkit::{
    TestServer,
    by_hand::{FORM, JSON, Received, call_api, form, object, post},
};

use super::{central, east, legacy};

async fn with(server: &TestServer, from: &TestServer, more: &[(&str, &str)]) -> Received {
    let secret = from.client_secret();
    let mut pairs = vec![
        ("grant_type", "client_credentials"),
        ("client_id", from.client_id()),
        ("client_secret", &secret),
    ];
    pairs.extend(more);
    post(server, FORM, &[], &form(&pairs)).await
}

#[tokio::test(start_paused = true)]
async fn tokens_are_valid_for_thirty_days() {
    let server = central().in_memory();
    assert_eq!(
        server.token_url(),
        "https://auth.kaizen-central.test/oauth2/token"
    );
    let answer = with(&server, &server, &[]).await;
    assert_eq!(answer.json()["expires_in"], 30 * 24 * 3600);
    let call = async || {
        call_api(&server, "/api/v3/buildings?page=1", &answer.token())
            .await
            .status
    };
    server
        .clock()
        .advance(Duration::from_secs(30 * 24 * 3600 - 1))
        .await;
    assert_eq!(call().await, 200);
    server.clock().advance(Duration::from_secs(1)).await;
    assert_eq!(call().await, 401);
}

#[tokio::test(start_paused = true)]
async fn the_regions_share_nothing() {
    let (central, east) = (central().in_memory(), east().in_memory());
    assert_eq!(with(&central, &east, &[]).await.error(), "invalid_client");
    assert_eq!(with(&east, &central, &[]).await.error(), "invalid_client");
    let token = with(&east, &east, &[]).await.token();
    with(&central, &central, &[]).await.token();
    assert_eq!(
        call_api(&east, "/api/v3/buildings", &token).await.status,
        200
    );
    assert_eq!(
        call_api(&central, "/api/v3/buildings", &token).await.status,
        401
    );
}

#[tokio::test(start_paused = true)]
async fn only_legacy_endpoints_accept_an_audience() {
    let organize = &[("audience", "organize")];
    let current = east().in_memory();
    assert_eq!(
        with(&current, &current, organize).await.error(),
        "invalid_request"
    );
    let legacy = legacy().in_memory();
    assert_eq!(
        legacy.token_url(),
        "https://auth.kaizen-legacy.test/oauth/token"
    );
    with(&legacy, &legacy, organize).await.token();
    assert_eq!(with(&legacy, &legacy, &[]).await.error(), "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn json_is_refused() {
    let server = central().in_memory();
    let secret = server.client_secret();
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", server.client_id()),
        ("client_secret", &secret),
    ];
    assert_eq!(post(&server, JSON, &[], &object(&pairs)).await.status, 400);
}
