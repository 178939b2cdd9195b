//! Streams that a real client sends over a loopback connection.

use std::{net::Ipv4Addr, time::Duration};

use auth_core::{Authenticator, AuthenticatorOptions, Origins};
use auth_testkit::{ScriptedSource, VirtualClock};
use auth_tower::{Auth, AuthLayer, AuthOutcome, ReplayBody, ReplayBodyLayer, ReplayBodyService};
use bytes::Bytes;
use http::{Request, Response};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time,
};
use tower::{Layer, ServiceExt};

use super::feed::{Feed, Item, data, give, trailers};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

type Http = Client<HttpConnector, ReplayBody<Feed>>;
type Stack = ReplayBodyService<Auth<Http>>;

/// A listening socket, and a client that has a token for it.
pub(super) struct Wire {
    listener: TcpListener,
    url: String,
    client: Stack,
}

impl Wire {
    async fn new(max_bytes: usize) -> Self {
        Self::with(
            max_bytes,
            Client::builder(TokioExecutor::new()).build_http(),
        )
        .await
    }

    pub(super) async fn over_h2(max_bytes: usize) -> Self {
        let mut http = Client::builder(TokioExecutor::new());
        Self::with(max_bytes, http.http2_only(true).build_http()).await
    }

    async fn with(max_bytes: usize, http: Http) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = VirtualClock::new();
        let origins = Origins::danger_allow_http([&url]).unwrap();
        let authenticator = Authenticator::builder(ScriptedSource::new(), origins)
            .options(AuthenticatorOptions::new().clock(clock.clone()))
            .build()
            .unwrap();
        let token = authenticator.token().await.unwrap();
        authenticator.report_accepted(token.generation());
        // Tokens are requested under virtual time. Sockets need a running clock.
        time::pause();
        clock.advance(Duration::from_secs(2)).await;
        time::resume();
        let client =
            ReplayBodyLayer::new(max_bytes).layer(AuthLayer::new(authenticator).layer(http));
        Self {
            listener,
            url,
            client,
        }
    }

    /// Sends an upload in another task.
    pub(super) fn put(&self, body: Feed) -> JoinHandle<Response<()>> {
        let request = Request::put(format!("{}/things/17", self.url))
            .header("trailer", "x-checksum")
            .body(body)
            .unwrap();
        let client = self.client.clone();
        tokio::spawn(async move { client.oneshot(request).await.unwrap().map(drop) })
    }

    pub(super) async fn accept(&self) -> TcpStream {
        soon(self.listener.accept()).await.unwrap().0
    }
}

/// A real connection has no virtual time, so a time-out stops a test that hangs.
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    let result = time::timeout(Duration::from_secs(60), future).await;
    result.expect("no answer from the other side")
}

/// Reads until the text ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let more = soon(stream.read_buf(&mut read)).await.unwrap();
        assert_ne!(more, 0, "closed after {:?}", Bytes::from(read));
    }
    read
}

/// Reads until the client closes the connection in any way.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = soon(stream.read_to_end(&mut read)).await;
    read
}

/// Returns a request as it was sent, without its token.
fn but_the_token(request: Vec<u8>, token: &str) -> String {
    let request = String::from_utf8(request).unwrap();
    assert!(request.contains(token));
    request.replace(token, "")
}

pub(super) fn assert_sent_twice(response: &Response<()>) {
    assert_eq!(response.status(), 200);
    assert_eq!(AuthOutcome::of(response).sends(), 2);
}

#[tokio::test]
async fn both_sends_are_equal_byte_for_byte() {
    let frames = || vec![data("one "), data("two "), data("end")];
    let chunked = || {
        let items = frames().into_iter().chain([trailers("x-checksum", "42")]);
        Feed::of(items)
    };
    let sized = || Feed::whole(frames(), Some(11), true);
    for (feed, framing, end) in [
        (
            chunked(),
            "transfer-encoding: chunked",
            "x-checksum: 42\r\n\r\n",
        ),
        (sized(), "content-length: 11", "\r\n\r\none two end"),
    ] {
        let wire = Wire::new(64).await;
        let call = wire.put(feed);
        let mut stream = wire.accept().await;
        let first = read_until(&mut stream, end.as_bytes()).await;
        stream.write_all(REFUSED).await.unwrap();
        // On the same connection, which contains nothing more of the first send.
        let second = read_until(&mut stream, end.as_bytes()).await;
        stream.write_all(OK).await.unwrap();
        assert_sent_twice(&soon(call).await.unwrap());
        let first = but_the_token(first, "fake-token-1");
        assert!(first.contains(framing), "{first}");
        assert_eq!(but_the_token(second, "fake-token-2"), first);
    }
}

#[tokio::test]
async fn the_first_connection_is_closed_early_if_the_upload_is_refused() {
    let wire = Wire::new(64).await;
    let (sender, feed) = Feed::new(None, true);
    let call = wire.put(feed);
    give(&sender, data("one "));
    let mut first = wire.accept().await;
    let mut seen = read_until(&mut first, b"4\r\none \r\n").await;
    first.write_all(REFUSED).await.unwrap();

    let mut second = wire.accept().await;
    read_until(&mut second, b"4\r\none \r\n").await;
    give(&sender, data("two "));
    give(&sender, trailers("x-checksum", "42"));
    drop(sender);
    let later = read_until(&mut second, b"x-checksum: 42\r\n\r\n").await;
    assert!(later.starts_with(b"4\r\ntwo \r\n0\r\n"));
    second.write_all(OK).await.unwrap();
    assert_sent_twice(&soon(call).await.unwrap());

    seen.extend(rest(&mut first).await);
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.ends_with("4\r\none \r\n"), "{seen}");
}

#[tokio::test]
async fn the_second_send_does_not_wait_for_an_api_that_stops_reading() {
    // More than fits between client and API, so that the client waits to write.
    const FRAMES: usize = 512;
    const LENGTH: usize = 64 * 1024;
    let items = || (0..FRAMES).map(|number| -> Item { data(vec![number as u8; LENGTH]) });
    let wire = Wire::new(FRAMES * LENGTH).await;
    let call = wire.put(Feed::whole(items(), Some((FRAMES * LENGTH) as u64), true));
    let mut first = wire.accept().await;
    let mut head = vec![0; 64];
    soon(first.read_exact(&mut head)).await.unwrap();
    first.write_all(REFUSED).await.unwrap();

    let mut second = wire.accept().await;
    let mut seen = Vec::new();
    let body = loop {
        soon(second.read_buf(&mut seen)).await.unwrap();
        let start = seen.windows(4).position(|window| window == b"\r\n\r\n");
        match start.map(|start| start + 4) {
            Some(start) if seen.len() - start >= FRAMES * LENGTH => break seen.split_off(start),
            _ => {}
        }
    };
    second.write_all(OK).await.unwrap();
    assert_sent_twice(&soon(call).await.unwrap());
    let mut expected = items().map(|item| item.unwrap().into_data().unwrap());
    assert!(
        body.chunks(LENGTH)
            .all(|chunk| expected.next().unwrap() == chunk)
    );
    assert_eq!(body.len(), FRAMES * LENGTH);
    assert!(rest(&mut first).await.len() < FRAMES * LENGTH);
}

#[tokio::test]
async fn a_body_that_fails_ends_the_request() {
    let wire = Wire::new(64).await;
    let request = Request::put(&wire.url);
    let request = request
        .body(Feed::of([data("one "), Err(super::feed::Oops(1))]))
        .unwrap();
    let call = tokio::spawn(wire.client.clone().oneshot(request));
    let mut stream = wire.accept().await;
    let seen = rest(&mut stream).await;
    assert!(seen.is_empty() || seen.ends_with(b"4\r\none \r\n"));
    let error = soon(call).await.unwrap().unwrap_err();
    let mut source = Some(&error as &(dyn std::error::Error + 'static));
    let found = std::iter::from_fn(|| {
        let this = source?;
        source = this.source();
        Some(this)
    });
    // The same error as without this crate.
    assert!(
        found
            .into_iter()
            .any(|error| error.is::<super::feed::Oops>())
    );
}
