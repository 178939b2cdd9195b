//! Protections that no setting can remove.

use std::time::Duration;

use auth_core::{ErrorKind, TokenRequestOutcome};
use auth_reqwest::ReqwestTransport;
use reqwest::{Client, redirect::Policy, retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Server, builder, call, transport};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

#[tokio::test]
async fn t2_a_redirect_is_returned_and_not_followed() {
    let elsewhere = Server::start().await;
    let target = elsewhere.url();
    for status in REDIRECTS {
        for location in [
            &target, "//x", "/again", "mailto:x", "foo:80", "http://", "", "\u{e9}",
        ] {
            let server = Server::start().await;
            let reply = format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\n\r\nbody");
            let (reply, _) = call(&transport(), &server.url(), server.answer(reply)).await;
            let reply = reply.unwrap();
            assert_eq!(reply.status(), status);
            assert_eq!(reply.headers()["location"].as_bytes(), location.as_bytes());
            assert_eq!(reply.body(), "body");
            assert!(server.is_alone().await);
        }
    }
    assert!(elsewhere.is_alone().await);
}

#[tokio::test]
async fn configure_cannot_undo_the_contract() {
    let always = retry::for_host("127.0.0.1")
        .no_budget()
        .classify_fn(|tried| tried.retryable());
    let loose = builder()
        .configure(|client| {
            client
                .redirect(Policy::limited(5))
                .referer(true)
                .retry(always)
        })
        .build()
        .unwrap();
    let elsewhere = Server::start().await;
    for status in REDIRECTS {
        let server = Server::start().await;
        let reply = format!(
            "HTTP/1.1 {status} Go\r\nlocation: {}\r\n\r\n",
            elsewhere.url()
        );
        let (reply, sent) = call(&loose, &server.url(), server.answer(reply)).await;
        assert_eq!(reply.unwrap().status(), status);
        assert!(!sent.contains("referer"), "{sent}");
        assert!(server.is_alone().await);
    }
    assert!(elsewhere.is_alone().await);

    let server = Server::start().await;
    let (reply, ()) = call(&loose, &server.url(), async {
        drop(server.request().await);
        assert!(server.is_alone().await, "sent again");
    })
    .await;
    assert_eq!(reply.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn several_calls_of_configure_all_apply() {
    let transport = builder()
        .configure(|client| client.user_agent("first").http1_title_case_headers())
        .configure(|client| client.user_agent("second"))
        .build()
        .unwrap();
    let server = Server::start().await;
    let reply = "HTTP/1.1 204 Fine\r\n\r\n";
    let (_, sent) = call(&transport, &server.url(), server.answer(reply)).await;
    assert!(sent.contains("\r\nUser-Agent: second\r\n"), "{sent}");
}

#[tokio::test]
async fn a_followed_redirect_of_a_finished_client_is_an_error() {
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let transport = ReqwestTransport::danger_from_client(client, Duration::from_secs(10));
    let server = Server::start().await;
    let elsewhere = Server::start().await;
    let reply = format!("HTTP/1.1 303 Go\r\nlocation: {}\r\n\r\n", elsewhere.url());
    let (reply, (_, sent)) = call(&transport, &server.url(), async {
        let sent = server.answer(reply).await;
        let mut peer = elsewhere.accept().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(peer.read_buf(&mut head).await.unwrap(), 0);
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nbody")
            .await
            .unwrap();
        (sent, String::from_utf8(head).unwrap())
    })
    .await;
    assert!(!sent.contains("fake-secret-in-body"), "{sent}");
    let error = reply.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
    assert!(error.to_string().contains("redirect"), "{error}");
    assert!(!format!("{error:?}").contains("fake-secret"), "{error:?}");

    // The body is not sent elsewhere, so these redirects are the reply.
    for status in [307, 308] {
        let elsewhere = Server::start().await;
        let server = Server::start().await;
        let target = elsewhere.url();
        let reply = format!("HTTP/1.1 {status} Go\r\nlocation: {target}\r\n\r\n");
        let (reply, _) = call(&transport, &server.url(), server.answer(reply)).await;
        assert_eq!(reply.unwrap().status(), status);
        assert!(elsewhere.is_alone().await);
    }
}
