//! The errors of failures, and what they must not contain.

use auth_core::{Error, ErrorKind, Transport};
use tokio::io::AsyncWriteExt;

use crate::server::{CAP, Server, call, request, transport};

/// Returns all texts of an error, including those of its causes.
fn all_texts(error: &Error) -> String {
    let mut texts = format!("{error} {error:?} {error:#?}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        texts.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    texts
}

fn assert_unavailable(error: &Error, message: &str) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().ends_with(message), "{error}");
    assert!(std::error::Error::source(error).is_some());
}

#[tokio::test]
async fn g18_a_broken_connection_is_unavailable_and_shows_no_secret() {
    for (reply, message) in [
        ("", ": no reply after the request was sent"),
        (
            "HTTP/1.1 200 fake-secret-in-reply\r\nx: fake-secret-in-reply",
            ": no reply after the request was sent",
        ),
        (
            "fake-secret-in-reply\r\n\r\n",
            ": no reply after the request was sent",
        ),
        (
            "HTTP/1.1 200 OK\r\nfake-secret-in-reply\r\n\r\n",
            ": no reply after the request was sent",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: fake-secret\r\n\r\n",
            ": no reply after the request was sent",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\nfake-secret-in-reply",
            ": the reply broke off",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfake-secret-in-reply",
            ": the reply broke off",
        ),
    ] {
        let server = Server::start().await;
        let (outcome, _) = call(&transport(), &server.url(), server.answer(reply)).await;
        let error = outcome.unwrap_err();
        assert_unavailable(&error, message);
        let texts = all_texts(&error);
        assert!(!texts.contains("fake-secret"), "{texts}");
    }
}

#[tokio::test]
async fn a_request_is_sent_once() {
    let server = Server::start().await;
    let (reply, ()) = call(&transport(), &server.url(), async {
        drop(server.request().await);
        // The second connection is kept open, so that a retry would be noticed here.
        assert!(server.is_alone().await);
    })
    .await;
    reply.unwrap_err();
    assert!(server.is_alone().await);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let server = Server::start().await;
    let url = server.url();
    drop(server);
    let error = transport().send(request(&url), CAP).await.unwrap_err();
    assert_unavailable(&error, ": connection refused");
    assert!(!all_texts(&error).contains("fake-secret"), "{error:?}");
}

#[tokio::test]
async fn g18_a_reply_that_is_too_large_is_not_shown() {
    let server = Server::start().await;
    let reply = format!(
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "fake-secret-in-reply".repeat(CAP)
    );
    let (outcome, _) = call(&transport(), &server.url(), server.answer(reply)).await;
    let texts = all_texts(&outcome.unwrap_err());
    assert!(!texts.contains("fake-secret"), "{texts}");
}

#[tokio::test]
async fn s51_plain_http_is_sent_to_loopback_addresses_only() {
    let server = Server::start().await;
    let port = server.port();
    for host in [
        "localhost",
        "localhost.",
        "127.0.0.1.example",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let url = format!("http://{host}:{port}/?q=fake-secret-in-url");
        let error = transport().send(request(&url), CAP).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Origin, "{host}");
        assert!(!all_texts(&error).contains("fake-secret"), "{error:?}");
    }
    let url = format!("http://127.0.0.1@localhost:{port}/");
    let error = transport().send(request(&url), CAP).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Origin);
    let error = transport().send(request("/token"), CAP).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("url"))
    );
    assert!(server.is_alone().await);
    let (reply, _) = call(&transport(), &format!("http://127.0.0.1:{port}"), async {
        let (mut peer, _) = server.request().await;
        peer.write_all(b"HTTP/1.1 204 Fine\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(reply.unwrap().status(), 204);
}
