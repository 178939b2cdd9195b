//! Calls with one message and one answer.

use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::{ServingStatus as Set, pb::health_check_response::ServingStatus};

use crate::{
    client::{MAX_MESSAGE, assert_counts, authenticator, check, health, unary},
    server::GrpcServer,
};

#[tokio::test]
async fn calls_are_signed_and_sent_once_more_after_a_revocation() {
    let server = GrpcServer::start().await;
    server
        .health
        .set_service_status("idle", Set::NotServing)
        .await;
    let mut client = health(&server, unary(&server, authenticator(&server)));
    let status = check(&mut client, "").await.unwrap().status();
    assert_eq!(status, ServingStatus::Serving);
    assert_counts(&server, 1, 1);

    server.tokens.revoke_all();
    // The answer depends on the message, so the message was sent too.
    let status = check(&mut client, "idle").await.unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
    assert_counts(&server, 2, 3);
}

#[tokio::test]
async fn a_long_message_is_sent_once_more_completely() {
    // More than HTTP/2 sends before the server raises its window.
    let name = "x".repeat(200_000);
    let server = GrpcServer::start().await;
    server
        .health
        .set_service_status(&name, Set::NotServing)
        .await;
    let mut client = health(&server, unary(&server, authenticator(&server)));
    check(&mut client, "").await.unwrap();
    server.tokens.revoke_all();
    let status = check(&mut client, &name).await.unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
    assert_counts(&server, 2, 3);
}

#[tokio::test]
async fn a_message_that_is_too_long_to_keep_is_sent_once_and_the_token_renewed() {
    let name = "x".repeat(MAX_MESSAGE);
    let server = GrpcServer::start().await;
    let status = Set::NotServing;
    server.health.set_service_status(&name, status).await;
    let mut client = health(&server, unary(&server, authenticator(&server)));
    check(&mut client, "").await.unwrap();
    server.tokens.revoke_all();
    let status = check(&mut client, &name).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    // Waits for the renewal.
    let status = check(&mut client, &name).await.unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
    assert_counts(&server, 2, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cold_calls_cost_one_token_request() {
    let server = GrpcServer::start().await;
    let client = health(&server, unary(&server, authenticator(&server)));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let mut client = client.clone();
        calls.spawn(async move { check(&mut client, "").await });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap().status(), ServingStatus::Serving);
    }
    assert_counts(&server, 1, 100);
}

#[tokio::test]
async fn a_second_refusal_is_the_servers_status() {
    let server = GrpcServer::start().await;
    server.tokens.always_refuse(true);
    let authenticator = authenticator(&server);
    // The API has accepted the first token before.
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    let mut client = health(&server, unary(&server, authenticator));
    let status = check(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "the token is not valid");
    assert_counts(&server, 2, 2);
}

#[tokio::test]
async fn any_other_status_is_returned_at_once() {
    let server = GrpcServer::start().await;
    let mut client = health(&server, unary(&server, authenticator(&server)));
    let status = check(&mut client, "nobody").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_counts(&server, 1, 1);
}
