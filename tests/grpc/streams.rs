//! Streams: not sent twice, and a refused token is renewed.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Empty};
use tokio::time::timeout;
use tonic::{Code, Status, body::Body};
use tonic_health::{ServingStatus as Set, pb::health_check_response::ServingStatus};
use tower::{Layer, service_fn};

use crate::{
    client::{about, assert_counts, authenticator, boxed, check, health, streaming, unary},
    server::GrpcServer,
};

#[tokio::test]
async fn a_refused_stream_is_returned_and_the_next_one_has_a_new_token() {
    let server = GrpcServer::start().await;
    let mut client = health(&server, streaming(&server, authenticator(&server)));
    let mut first = client.watch(about("")).await.unwrap().into_inner();
    let message = first.message().await.unwrap().unwrap();
    assert_eq!(message.status(), ServingStatus::Serving);
    assert_counts(&server, 1, 1);

    server.tokens.revoke_all();
    let refusal = client.watch(about("")).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated);
    let renewed = server
        .tokens
        .counters_reached(|seen| seen.tokens_issued == 2);
    timeout(Duration::from_secs(10), renewed).await.unwrap();
    assert_counts(&server, 2, 2);

    let mut next = client.watch(about("")).await.unwrap().into_inner();
    assert_counts(&server, 2, 3);
    // Both streams work, also the one with the old token.
    server.health.set_service_status("", Set::NotServing).await;
    let last = async |stream: &mut tonic::Streaming<_>| loop {
        let message: tonic_health::pb::HealthCheckResponse =
            stream.message().await.unwrap().unwrap();
        if message.status() == ServingStatus::NotServing {
            break;
        }
    };
    last(&mut first).await;
    last(&mut next).await;
    assert_counts(&server, 2, 3);
}

#[tokio::test]
async fn streams_and_calls_share_a_token_and_its_renewal() {
    let server = GrpcServer::start().await;
    let authenticator = authenticator(&server);
    let mut streams = health(&server, streaming(&server, authenticator.clone()));
    let mut calls = health(&server, unary(&server, authenticator));
    check(&mut calls, "").await.unwrap();
    server.tokens.revoke_all();
    streams.watch(about("")).await.unwrap_err();
    // Waits for the renewal that the stream started.
    check(&mut calls, "").await.unwrap();
    assert_eq!(server.tokens.counters().token_requests, 2);
}

/// A status after the messages does not cause a replay, because the caller already has the
/// messages.
#[tokio::test]
async fn a_status_in_the_trailers_is_returned() {
    let server = GrpcServer::start().await;
    let authenticator = authenticator(&server);
    let late = service_fn(async |_: Request<Body>| {
        let trailers = HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("16"),
        )]);
        let body = Empty::<Bytes>::new().with_trailers(async { Some(Ok(trailers)) });
        let mut response = Response::new(Body::new(body));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        Ok::<_, Status>(response)
    });
    let layer = auth_tower::AuthLayer::new(authenticator)
        .grpc(true)
        .replay_off();
    let mut client = health(&server, boxed(layer.layer(late)));
    let mut stream = client.watch(about("")).await.unwrap().into_inner();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_counts(&server, 1, 0);
}
