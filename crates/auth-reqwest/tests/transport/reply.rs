//! A reply up to the size limit is returned unchanged.

use std::time::Duration;

use auth_core::{ErrorKind, SharedTransport, Transport};
use http::{StatusCode, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::server::{BODY, CAP, Server, call, request, transport};

#[tokio::test]
async fn request_and_reply_arrive_complete() {
    let server = Server::start().await;
    let reply = "HTTP/1.0 401 Nope\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 4\r\n\r\nbody";
    let (reply, sent) = call(&transport(), &server.url(), server.answer(reply)).await;
    let reply = reply.unwrap();
    assert_eq!(
        (reply.status(), reply.version()),
        (StatusCode::UNAUTHORIZED, Version::HTTP_10)
    );
    assert_eq!(
        reply.headers().get_all("x-a").iter().collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(reply.body(), "body");
    assert!(
        sent.starts_with("POST /token?q=fake-secret-in-url HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(
        sent.contains("\r\nauthorization: Basic fake-secret-in-header\r\n"),
        "{sent}"
    );
    assert!(sent.ends_with(BODY));
}

#[tokio::test]
async fn the_size_limit_is_exact() {
    let exact = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(CAP));
    let server = Server::start().await;
    let (reply, _) = call(&transport(), &server.url(), server.answer(&exact)).await;
    assert_eq!(reply.unwrap().body().len(), CAP);

    let (reply, _) = call(
        &transport(),
        &server.url(),
        server.answer(format!("{exact}x")),
    )
    .await;
    let error = reply.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.to_string(),
        format!(
            "token endpoint 127.0.0.1:{}: the reply is larger than 1000 bytes",
            server.port()
        )
    );
    assert_eq!(error.status(), Some(StatusCode::OK));
}

#[tokio::test]
async fn t9_an_endless_reply_ends_at_the_size_limit() {
    let server = Server::start().await;
    let (reply, ()) = call(&transport(), &server.url(), async {
        let (mut peer, _) = server.request().await;
        let mut piece: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        while peer.write_all(piece).await.is_ok() {
            piece = b"5\r\nhello\r\n";
        }
    })
    .await;
    assert_eq!(reply.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn an_announced_length_above_the_limit_is_an_error_before_the_body_is_read() {
    let server = Server::start().await;
    let (reply, ()) = call(&transport(), &server.url(), async {
        let (mut peer, _) = server.request().await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "waits for the body");
    })
    .await;
    assert_eq!(reply.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn t9_no_compression_is_requested_and_no_reply_is_decompressed() {
    // gzip of "bomb".
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\xca\xcf\x4d\x02\x00\x6c\xf5\x0d\x52\x04\x00\x00\x00";
    let reply = [
        format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            packed.len()
        )
        .as_bytes(),
        packed,
    ]
    .concat();
    let server = Server::start().await;
    let (reply, sent) = call(&transport(), &server.url(), server.answer(reply)).await;
    assert_eq!(reply.unwrap().body(), &packed[..]);
    assert!(!sent.contains("accept-encoding"), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn g19_nothing_stays_open_after_a_call() {
    let start = Instant::now();
    let server = Server::start().await;
    let transport = SharedTransport::new(transport());
    let url = server.url();
    let (reply, ()) = tokio::join!(transport.send(request(&url), CAP), async {
        let (mut peer, _) = server.request().await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "connection kept");
    });
    assert_eq!(reply.unwrap().body(), "ok");
    // If the connection were kept open, virtual time would advance to the idle time-out.
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn g19_a_dropped_call_closes_its_connection() {
    let server = Server::start().await;
    let url = server.url();
    let call = tokio::spawn(async move { transport().send(request(&url), CAP).await });
    let (mut peer, _) = server.request().await;
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
        .await
        .unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "connection kept");
}
