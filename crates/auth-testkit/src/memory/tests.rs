use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use auth_core::{ErrorKind, Transport};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Gate, MemoryError, Reply, TestServer, VirtualClock, body_hash,
    testing::{api_request, ask, call_api, new_token, token_request, try_ask},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn only_known_origins_can_be_reached() {
    let server = TestServer::builder().two_origins().in_memory();
    assert_eq!(server.token_url(), "https://auth.server.test/token");
    assert_eq!(server.api_url(), "https://api.server.test/api");
    let get = |uri: &str| Request::get(uri).body(Bytes::new()).unwrap();
    for uri in [
        "https://other.test/api",
        "http://api.server.test/api",
        "/api",
    ] {
        assert_eq!(
            try_ask(&server, get(uri)).await.unwrap_err(),
            MemoryError::Unreachable
        );
    }
    let token = new_token(&server).await;
    assert_eq!(call_api(&server, "/x", &token).await.status, 200);
    // Each side has its own origin, and no other.
    for uri in [
        "https://auth.server.test/api",
        "https://api.server.test/token",
    ] {
        assert_eq!(try_ask(&server, get(uri)).await.unwrap().status, 404);
    }
    let seen = server.counters();
    assert_eq!(
        (seen.token_requests, seen.api_requests, seen.stray_requests),
        (1, 1, 2)
    );
}

#[tokio::test]
async fn a_transport_reads_no_more_than_it_may() {
    let server = TestServer::builder().in_memory();
    server.token().times(2, Reply::oversize(1_000));
    let transport = server.transport();
    let whole = transport.send(token_request(&server), 1_000).await.unwrap();
    assert_eq!(whole.body().len(), 1_000);
    assert!(serde_json::from_slice::<serde_json::Value>(whole.body()).is_ok());
    let error = transport
        .send(token_request(&server), 999)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.status().unwrap().as_u16()),
        (ErrorKind::Protocol, 200)
    );
    server.token().then(Reply::html().endless(Duration::ZERO));
    let error = transport
        .send(token_request(&server), 999)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_cut_connection_is_no_answer() {
    let server = TestServer::builder().in_memory();
    server
        .token()
        .then(Reply::cut())
        .then(Reply::garbage().cut_after(3))
        .then(Reply::cut());
    let cut = try_ask(&server, token_request(&server)).await;
    assert_eq!(cut.unwrap_err(), MemoryError::Cut);
    let mut service = server.service();
    let response = service
        .call(token_request(&server).map(Full::new))
        .await
        .unwrap();
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "{\"a"
    );
    assert_eq!(body.frame().await.unwrap().unwrap_err(), MemoryError::Cut);
    let error = server
        .transport()
        .send(token_request(&server), 999)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        server.counters().token_errors,
        0,
        "no answer is no error answer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_cut_late() {
    let server = TestServer::builder().in_memory();
    server.token().then(Reply::cut().delay(SECOND));
    let start = Instant::now();
    let cut = try_ask(&server, token_request(&server)).await;
    assert_eq!(
        (cut.unwrap_err(), start.elapsed()),
        (MemoryError::Cut, SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_virtual_time() {
    let server = TestServer::builder().in_memory();
    server.token().then(Reply::normal().delay(30 * SECOND));
    server
        .token()
        .then(Reply::status(200).body("1234").trickle(SECOND));
    let start = Instant::now();
    new_token(&server).await;
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(ask(&server, token_request(&server)).await.body, "1234");
    assert_eq!(start.elapsed(), 34 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_reset_keeps_requests_in_progress() {
    let server = TestServer::builder().in_memory();
    server.token().then(Reply::never());
    server.api().then(Reply::never());
    let mut service = server.service();
    let token = tokio::spawn(service.call(token_request(&server).map(Full::new)));
    let api = tokio::spawn(service.call(api_request(&server, "", "").map(Full::new)));
    server
        .counters_reached(|seen| seen.token_in_flight == 1 && seen.api_in_flight == 1)
        .await;
    server.reset();
    let seen = server.counters();
    assert_eq!(
        (
            seen.token_requests,
            seen.token_in_flight,
            seen.max_token_in_flight
        ),
        (0, 1, 1)
    );
    assert_eq!(
        (
            seen.api_requests,
            seen.api_in_flight,
            seen.max_api_in_flight
        ),
        (0, 1, 1)
    );
    token.abort();
    api.abort();
    server
        .counters_reached(|seen| seen.token_in_flight == 0 && seen.api_in_flight == 0)
        .await;
    assert_eq!(server.max_token_requests_within(SECOND), 0);
    assert_eq!(server.recorded().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_pause_takes_no_time() {
    let server = TestServer::builder().in_memory();
    server
        .api()
        .then(Reply::status(200).body("1234").trickle(Duration::ZERO));
    let start = Instant::now();
    assert_eq!(call_api(&server, "", "").await.body, "1234");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_body_may_never_end() {
    let server = TestServer::builder().in_memory();
    server
        .api()
        .then(Reply::status(200).body("tick").endless(SECOND));
    let request = api_request(&server, "", "").map(Full::new);
    let mut body = server.service().call(request).await.unwrap().into_body();
    let start = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "tick"
        );
    }
    assert_eq!(start.elapsed(), 1_000 * SECOND);
    assert_eq!(server.counters().api_in_flight, 1);
    drop(body);
    assert_eq!(server.counters().api_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_with_the_callers_patience() {
    let server = TestServer::builder().in_memory();
    server.token().then(Reply::never());
    let silent = tokio::time::timeout(10 * SECOND, ask(&server, token_request(&server))).await;
    assert!(silent.is_err());
    let seen = server.counters();
    assert_eq!(
        (
            seen.token_requests,
            seen.token_in_flight,
            seen.max_token_in_flight
        ),
        (1, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn work_is_done_before_or_after_the_gate() {
    let clock = VirtualClock::new();
    let server = TestServer::builder().clock(&clock).in_memory();
    let (token, gate) = (new_token(&server).await, Gate::new());
    server.api().then(Reply::normal().process_after(&gate));
    server.api().then(Reply::normal().answer_after(&gate));
    server.api().then(Reply::normal().body_after(&gate));
    let mut service = server.service();
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(tokio::spawn(
            service.call(api_request(&server, "", &token).map(Full::new)),
        ));
    }
    gate.reached(2).await;
    let early = calls.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(early.status(), 200, "the head is not held back");
    server.revoke_all();
    gate.open();
    let answered = calls.pop().unwrap().await.unwrap().unwrap();
    let processed = calls.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(
        (processed.status().as_u16(), answered.status().as_u16()),
        (401, 200)
    );
    assert!(
        !early
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

#[tokio::test]
async fn streamed_bodies_and_trailers_arrive_whole() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let trailers = HeaderMap::from_iter([(
        HeaderName::from_static("x-sum"),
        HeaderValue::from_static("7"),
    )]);
    // Chunks that are not `Bytes`.
    let body = Chunks(VecDeque::from([
        Ok(Frame::data(VecDeque::from(*b"first "))),
        Ok(Frame::data(VecDeque::from(*b"second"))),
        Ok(Frame::trailers(trailers.clone())),
    ]));
    let request = api_request(&server, "/upload", &token).map(|_| body);
    let response = server.service().call(request).await.unwrap();
    let echo = response.into_body().collect().await.unwrap().to_bytes();
    let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
    assert_eq!(echo["body_hash"], body_hash(b"first second"));
    let recorded = server.recorded().pop().unwrap();
    assert_eq!(recorded.expose_body(), "first second");
    assert_eq!(recorded.expose_trailers(), Some(&trailers));
    assert!(recorded.body_complete());
}

#[tokio::test]
async fn a_broken_upload_is_seen_as_such() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let half = Frame::data(Bytes::from("half"));
    let body = Chunks(VecDeque::from([Ok(half), Err(io::Error::other("gone"))]));
    let request = api_request(&server, "/upload", &token).map(|_| body);
    server.service().call(request).await.unwrap();
    let recorded = server.recorded().pop().unwrap();
    assert_eq!((recorded.body_len(), recorded.body_complete()), (4, false));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let server = TestServer::builder().in_memory();
    let mut request = api_request(&server, "", &new_token(&server).await);
    *request.method_mut() = Method::HEAD;
    let answer = ask(&server, request).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}

/// A body of these frames.
struct Chunks<D>(VecDeque<Result<Frame<D>, io::Error>>);

impl<D: Buf + Unpin> Body for Chunks<D> {
    type Data = D;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<D>, io::Error>>> {
        Poll::Ready(self.0.pop_front())
    }
}
