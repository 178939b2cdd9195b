//! G14 and G15: requests that are not sent again, and requests that are not sent at all.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use auth_core::ErrorKind;
use auth_testkit::{Reply, TestServer, body_hash};
use auth_tower::{AuthLayer, AuthOutcome, MissingToken, NotReplayed};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::{Layer, ServiceExt};

use crate::support::{Answer, MINUTE, SECOND, Stack, elapse, soon};

type OneShot = UnsyncBoxBody<Bytes, Infallible>;

#[tokio::test(start_paused = true)]
async fn g14_a_body_that_cannot_be_kept_is_sent_once_and_the_refusal_returned() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.revoke_all();
    let client = AuthLayer::new(stack.authenticator.clone()).layer(stack.server.service());
    let response = client.oneshot(upload(&stack, "upload")).await.unwrap();
    assert!(matches!(
        AuthOutcome::of(&response).not_replayed(),
        Some(NotReplayed::Body)
    ));
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!(response.status(), 401);

    // The renewal runs in the background, so the next request has a valid token.
    soon(stack.server.token_requests_reached(2)).await;
    elapse(SECOND).await;
    assert_eq!(
        stack.authenticator.try_token().unwrap().generation().get(),
        2
    );
    assert_eq!(stack.get_well().await.outcome.sends(), 1);
    let posts: Vec<_> = stack
        .server
        .recorded()
        .into_iter()
        .filter(|request| request.method() == Method::POST)
        .collect();
    assert_eq!(
        posts.iter().filter(|post| post.path() != "/token").count(),
        1
    );
    let post = posts.iter().find(|post| post.path() != "/token").unwrap();
    assert_eq!(
        (&**post.expose_body(), post.body_complete()),
        (&b"upload"[..], true)
    );
}

#[tokio::test(start_paused = true)]
async fn g14_every_refusal_of_an_upload_renews_the_token() {
    let stack = Stack::new();
    let client = AuthLayer::new(stack.authenticator.clone()).layer(stack.server.service());
    for round in 1..=30 {
        let request = upload(&stack, "upload");
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "round {round}");
        stack.server.revoke_all();
        let request = upload(&stack, "upload");
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 401, "round {round}");
        elapse(2 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g14_both_sends_are_equal_byte_for_byte() {
    let stack = Stack::new();
    stack.get_well().await;
    for (number, length) in [0, 1, 1_000, 60_000].into_iter().enumerate() {
        stack.server.revoke_all();
        stack.server.reset();
        let body: Bytes = (0..length).map(|byte| byte as u8).collect();
        let request = Request::patch(format!("{}/things?number={number}", stack.server.api_url()))
            .header("x-note", "first")
            .header("x-note", "second")
            .body(Full::new(body.clone()))
            .unwrap();
        let response = stack.client().oneshot(request).await.unwrap();
        let answer = Answer::read(response).await;
        assert_eq!((answer.status, answer.outcome.sends()), (200, 2));
        let echo: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(echo["body_hash"], body_hash(&body));
        assert_same_twice(&stack, &body);
        elapse(2 * SECOND).await;
    }
}

/// Asserts that both sends of the one accepted request were equal except for the token.
fn assert_same_twice(stack: &Stack, body: &Bytes) {
    let mut sends = stack.server.recorded();
    sends.retain(|request| request.path() != "/token");
    assert_eq!(sends.len(), 2);
    for send in &sends {
        assert_eq!((send.expose_body(), send.body_complete()), (body, true));
        assert_eq!(send.method(), sends[0].method());
        assert_eq!(send.expose_uri(), sends[0].expose_uri());
        let without_token = |headers: &HeaderMap| {
            let mut headers = headers.clone();
            headers.remove("authorization").unwrap();
            headers
        };
        assert_eq!(
            without_token(send.expose_headers()),
            without_token(sends[0].expose_headers())
        );
    }
    let [first, second] = [0, 1].map(|send: usize| sends[send].expose_header("authorization"));
    assert_ne!(first, second);
}

#[tokio::test(start_paused = true)]
async fn g14_frames_and_trailers_of_a_cloned_body_are_exact() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.revoke_all();
    let clone = |body: &Chunks| Some(body.clone());
    let client = AuthLayer::new(stack.authenticator.clone())
        .replay_with(clone)
        .layer(stack.server.service());
    let request = Request::post(format!("{}/things", stack.server.api_url()));
    let response = client
        .oneshot(request.body(chunks()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let sends = stack.server.recorded();
    let sends: Vec<_> = sends.iter().filter(|send| send.body_len() == 6).collect();
    assert_eq!(sends.len(), 2);
    for send in sends {
        assert_eq!(&**send.expose_body(), b"onetwo");
        assert_eq!(send.expose_trailers().unwrap()["x-sum"], "6");
    }
}

#[tokio::test(start_paused = true)]
async fn g14_after_an_early_refusal_the_second_send_of_an_upload_is_complete() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.api().then(Reply::refuse().early());
    let body = Bytes::from(vec![7; 50_000]);
    let request = Request::post(stack.server.api_url())
        .body(Full::new(body.clone()))
        .unwrap();
    let response = stack.client().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let sends = stack.server.recorded();
    assert_eq!(sends.last().unwrap().expose_body(), &body);
}

#[tokio::test(start_paused = true)]
async fn g15_without_a_token_the_request_is_not_sent_and_the_error_says_why() {
    let failures = [
        (Reply::status(503), ErrorKind::Unavailable),
        (Reply::status(429), ErrorKind::Throttled),
        (Reply::cut(), ErrorKind::Unavailable),
        (Reply::never(), ErrorKind::TimedOut),
        (Reply::garbage(), ErrorKind::Protocol),
        (Reply::html(), ErrorKind::Protocol),
        (Reply::oversize(1_000_000), ErrorKind::Protocol),
        (
            Reply::redirect(307, "https://evil.example/"),
            ErrorKind::Unavailable,
        ),
        (
            Reply::oauth_error(400, "invalid_scope"),
            ErrorKind::Rejected,
        ),
    ];
    let (mut kinds, mut sent) = (0, 0);
    for (reply, kind) in failures {
        let stack = Stack::new();
        stack.server.token().always(reply);
        let Err(auth_tower::Error::Auth(error)) = stack.get().await else {
            panic!("the request went through without a token");
        };
        assert_eq!(error.kind(), kind);
        assert!(error.retry_after().is_some());
        kinds += 1;
        sent += stack.server.counters().api_requests;
    }
    test_report::figure!(
        "G15: {} requests sent after {} ways in which a token endpoint fails",
        sent => 0,
        kinds => 9,
    );
}

#[tokio::test(start_paused = true)]
async fn g15_sending_without_credentials_needs_an_explicit_setting() {
    let stack = Stack::with(TestServer::builder(), |options| options);
    stack.server.token().always(Reply::status(503));
    let client = AuthLayer::new(stack.authenticator.clone())
        .without_token(MissingToken::SendUnsigned)
        .layer(stack.server.service());
    let response = client.oneshot(stack.request()).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(AuthOutcome::of(&response).generation(), None);
    let sends = stack.server.recorded();
    assert_eq!(sends.last().unwrap().expose_header("authorization"), None);
    // The 401 is not treated as the refusal of a token.
    assert_eq!(stack.server.counters().token_requests, 1);
}

fn upload(stack: &Stack, text: &'static str) -> Request<OneShot> {
    let url = format!("{}/things", stack.server.api_url());
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    Request::post(url).body(body.boxed_unsync()).unwrap()
}

/// A body of several frames with trailers that can be cloned.
#[derive(Clone)]
struct Chunks(VecDeque<&'static str>);

fn chunks() -> Chunks {
    Chunks(["one", "two", "x-sum: 6"].into())
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.0.pop_front().map(|text| match text.split_once(": ") {
            None => Frame::data(Bytes::from_static(text.as_bytes())),
            Some((name, value)) => {
                let name = HeaderName::from_static(name);
                Frame::trailers(HeaderMap::from_iter([(
                    name,
                    HeaderValue::from_static(value),
                )]))
            }
        });
        Poll::Ready(frame.map(Ok))
    }
}
