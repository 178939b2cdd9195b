//! The vendor's deviations from OAuth, shown by handwritten requests.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use auth_testkit::{
    TestServer,
    by_hand::{FORM, JSON, Received, basic, call_api, form, object, post},
};
use http::StatusCode;

use super::server;

const AUDIENCE: (&str, &str) = ("audience", "https://api.verdigris.co/");

fn pairs(server: &TestServer) -> Vec<(String, String)> {
    vec![
        ("grant_type".into(), "client_credentials".into()),
        ("client_id".into(), server.client_id().into()),
        ("client_secret".into(), server.client_secret()),
    ]
}

async fn with(server: &TestServer, audiences: &[(&str, &str)]) -> Received {
    let pairs = pairs(server);
    let mut all: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    all.extend(audiences);
    post(server, FORM, &[], &form(&all)).await
}

#[tokio::test(start_paused = true)]
async fn a_form_and_a_json_body_get_a_token() {
    let server = server().in_memory();
    assert_eq!(
        server.token_url(),
        "https://auth.verdigris.test/oauth/token"
    );
    assert_eq!(server.api_url(), "https://api.verdigris.test");
    let answer = with(&server, &[AUDIENCE]).await;
    let reply = answer.json();
    assert_eq!(reply["expires_in"], 3600);
    assert_eq!(reply["token_type"], "Bearer");
    assert!(reply["scope"].as_str().unwrap().contains("\r\n\t"));
    let pairs = pairs(&server);
    let mut all: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    all.push(AUDIENCE);
    let token = post(&server, JSON, &[], &object(&all)).await.token();
    assert_eq!(
        call_api(&server, "/core/v1/buildings/", &token)
            .await
            .status,
        200
    );
    assert_eq!(
        call_api(&server, "/core/v1/missing", &token).await.status,
        404
    );
    assert_eq!(server.counters().stray_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn the_audience_is_exactly_the_api() {
    let server = server().in_memory();
    for audiences in [
        &[][..],
        &[("audience", "https://api.verdigris.co")],
        &[AUDIENCE, AUDIENCE],
    ] {
        assert_eq!(with(&server, audiences).await.error(), "invalid_request");
    }
    assert_eq!(server.counters().failed_logins, 0);
}

#[tokio::test(start_paused = true)]
async fn basic_and_wrong_secrets_are_refused() {
    let server = server().in_memory();
    let basic = basic(server.client_id(), &server.client_secret());
    let body = form(&[("grant_type", "client_credentials"), AUDIENCE]);
    let refused = post(&server, FORM, &[("authorization", &basic)], &body).await;
    assert_eq!(refused.status, 401);
    let before = server.counters().failed_logins;
    server.change_client_secret("fake-secret-2");
    let wrong = pairs(&super::server().in_memory());
    let mut wrong: Vec<_> = wrong
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    wrong.push(AUDIENCE);
    let refused = post(&server, FORM, &[], &form(&wrong)).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    assert_eq!(server.counters().failed_logins, before + 1);
}

#[tokio::test(start_paused = true)]
async fn the_current_and_the_older_api_refuse_differently() {
    let server = server().in_memory();
    assert_eq!(
        call_api(&server, "/core/v1/buildings/", "fake")
            .await
            .status,
        401
    );
    let old = call_api(&server, "/data/v1/circuits", "fake").await;
    assert_eq!(old.status, 404);
    assert_eq!(old.error(), "Couldn't find ApiKey with access_token = fake");
}

#[tokio::test(start_paused = true)]
async fn five_at_0745_and_fifteen_at_0800_leave_five_at_0845() {
    let server = server().in_memory();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for _ in 0..5 {
        with(&server, &[AUDIENCE]).await.token();
    }
    server.clock().advance(minutes(15)).await;
    for _ in 0..15 {
        with(&server, &[AUDIENCE]).await.token();
    }
    let over = with(&server, &[AUDIENCE]).await;
    assert_eq!((over.status.as_u16(), over.error().as_str()), (429, ""));
    server.clock().advance(minutes(45)).await;
    for _ in 0..5 {
        with(&server, &[AUDIENCE]).await.token();
    }
    assert_eq!(with(&server, &[AUDIENCE]).await.status, 429);
    assert_eq!(server.counters().quota_refusals, 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_not_counted() {
    let server = server()
        .token_lifetime(Duration::from_secs(60))
        .quota(2, Duration::from_secs(3600))
        .quota_status(StatusCode::BAD_REQUEST)
        .in_memory();
    with(&server, &[AUDIENCE]).await.token();
    assert_eq!(
        with(&server, &[]).await.error(),
        "invalid_request",
        "is counted for an hour"
    );
    let over = with(&server, &[AUDIENCE]).await;
    assert_eq!((over.status.as_u16(), over.error().as_str()), (400, ""));
    server.clock().advance(Duration::from_secs(60)).await;
    with(&server, &[AUDIENCE]).await.token();
    assert_eq!(with(&server, &[AUDIENCE]).await.status, 400);
}
