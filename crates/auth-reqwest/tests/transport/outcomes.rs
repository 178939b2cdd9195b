//! Every error says whether the request was sent, to which host, and why it failed.

use std::{future::pending, net::SocketAddr, time::Duration};

use auth_core::{Error, ErrorKind, TokenRequestOutcome, Transport};
use auth_reqwest::{ReqwestTransport, ReqwestTransportBuilder};
use bytes::Bytes;
use http::Request;
use reqwest::{
    Proxy,
    dns::{Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::server::{CAP, Server, builder, call, request, transport};

#[track_caller]
fn assert_failed(error: &Error, outcome: TokenRequestOutcome, message: &str) {
    let told = (error.outcome(), error.to_string());
    assert_eq!(told, (outcome, message.to_owned()), "{error:?}");
}

fn host(server: &Server) -> String {
    format!("token endpoint 127.0.0.1:{}", server.port())
}

fn https(server: &Server) -> String {
    server.url().replace("http:", "https:")
}

async fn fail(transport: &ReqwestTransport, url: &str) -> Error {
    transport.send(request(url), CAP).await.unwrap_err()
}

#[tokio::test]
async fn a_request_to_a_refused_connection_is_not_sent() {
    let server = Server::start().await;
    let (url, host) = (server.url(), host(&server));
    drop(server);
    for url in [url.clone(), url.replace("http:", "https:")] {
        let error = fail(&transport(), &url).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = format!("{host}: connection refused");
        assert_failed(&error, TokenRequestOutcome::NotSent, &message);
    }
}

#[tokio::test]
async fn a_request_to_an_unknown_name_is_not_sent() {
    let error = fail(&transport(), "https://nowhere.invalid/fake-secret-in-url").await;
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent, "{error:?}");
    let text = error.to_string();
    let message = "token endpoint nowhere.invalid: DNS lookup failed: ";
    assert!(text.starts_with(message), "{text}");
    assert!(!text.contains("fake-secret"), "{text}");
}

#[tokio::test]
async fn a_request_that_was_sent_has_an_unknown_outcome() {
    for (reply, cause) in [
        ("", "no reply after the request was sent"),
        ("HTTP/1.1 200 O", "no reply after the request was sent"),
        ("<html>", "no reply after the request was sent"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"access_token\"",
            "the reply broke off",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
            "the reply broke off",
        ),
    ] {
        let server = Server::start().await;
        let (error, _) = call(&transport(), &server.url(), server.answer(reply)).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = format!("{}: {cause}", host(&server));
        assert_failed(&error, TokenRequestOutcome::Unknown, &message);
    }
}

/// Whether the client has begun to write when the server closes is a race. The error says which
/// happened.
#[tokio::test]
async fn an_error_about_a_closed_connection_says_whether_the_request_was_sent() {
    for _ in 0..20 {
        let server = Server::start().await;
        let (error, ()) = call(&transport(), &server.url(), async {
            drop(server.accept().await);
        })
        .await;
        let error = error.unwrap_err();
        let cause = match error.outcome() {
            TokenRequestOutcome::NotSent => "the connection closed before the request was sent",
            _ => "no reply after the request was sent",
        };
        let message = format!("{}: {cause}", host(&server));
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test]
async fn a_half_read_request_has_an_unknown_outcome() {
    let server = Server::start().await;
    let (error, ()) = call(&transport(), &server.url(), async {
        let mut peer = server.accept().await;
        assert_ne!(peer.read(&mut [0; 10]).await.unwrap(), 0);
    })
    .await;
    assert_eq!(error.unwrap_err().outcome(), TokenRequestOutcome::Unknown);
}

#[tokio::test]
async fn a_request_with_a_failed_tls_handshake_is_not_sent() {
    // A server without TLS, one that closes, and one that resets the connection.
    for reply in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = Server::start().await;
        let (transport, url) = (transport(), https(&server));
        let (error, ()) = tokio::join!(fail(&transport, &url), async {
            let mut peer = server.accept().await;
            assert_ne!(peer.read(&mut [0; 1]).await.unwrap(), 0);
            peer.write_all(reply.as_bytes()).await.unwrap();
        });
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent, "{error:?}");
        let message = format!("{}: TLS handshake failed: ", host(&server));
        let text = error.to_string();
        assert!(
            text.starts_with(&message) && text.len() > message.len(),
            "{text}"
        );
    }
}

/// A resolver that never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_times_out_is_not_sent() {
    let silent =
        |builder: ReqwestTransportBuilder| builder.configure(|client| client.dns_resolver(Silent));
    let url = "https://auth.example.com/token";
    let start = Instant::now();
    let error = fail(&silent(builder()).build().unwrap(), url).await;
    let message = "token endpoint auth.example.com: connecting timed out";
    assert_failed(&error, TokenRequestOutcome::NotSent, message);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Well below the deadline of a token request, 10 seconds.
    assert_eq!(start.elapsed().as_secs(), 4);

    // The deadline ends the connection attempt, and the error also says that nothing was sent.
    let slow = silent(builder()).connect_timeout(Duration::from_secs(60));
    let error = fail(&slow.build().unwrap(), url).await;
    let message = "token endpoint auth.example.com: no connection within 10s";
    assert_failed(&error, TokenRequestOutcome::NotSent, message);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_tls_handshake_gets_no_answer_is_not_sent() {
    let server = Server::start().await;
    let (transport, url) = (transport(), https(&server));
    let (error, _peer) = tokio::join!(fail(&transport, &url), server.accept());
    let message = format!("{}: connecting timed out", host(&server));
    assert_failed(&error, TokenRequestOutcome::NotSent, &message);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_has_an_unknown_outcome() {
    let server = Server::start().await;
    let (error, _peer) = call(&transport(), &server.url(), server.request()).await;
    let error = error.unwrap_err();
    let message = format!("{}: no complete reply within 10s", host(&server));
    assert_failed(&error, TokenRequestOutcome::Unknown, &message);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn without_a_body_the_connection_decides_the_outcome() {
    let empty = |url: &str| Request::get(url).body(Bytes::new()).unwrap();
    let server = Server::start().await;
    let url = server.url();
    let transport = transport();
    let (error, ()) = tokio::join!(transport.send(empty(&url), CAP), async {
        drop(server.accept().await);
    });
    assert_eq!(error.unwrap_err().outcome(), TokenRequestOutcome::Unknown);
    drop(server);
    let error = transport.send(empty(&url), CAP).await.unwrap_err();
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
}

/// Sends through a proxy and returns the error about an `https` host.
async fn through_proxy(proxy: &Server, reply: Option<&str>) -> Error {
    let address = format!("http://user:fake-word@127.0.0.1:{}", proxy.port());
    let transport = builder()
        .configure(|client| client.proxy(Proxy::all(address).unwrap()))
        .build()
        .unwrap();
    let url = "https://auth.example.com/fake-path?fake-query";
    let (error, ()) = tokio::join!(fail(&transport, url), async {
        let mut peer = proxy.accept().await;
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            assert_ne!(peer.read_buf(&mut text).await.unwrap(), 0);
        }
        if let Some(reply) = reply {
            peer.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("fake-"), "{text}");
    }
    error
}

#[tokio::test]
async fn a_request_through_a_proxy_without_a_tunnel_is_not_sent() {
    for (reply, cause) in [
        (
            Some("HTTP/1.1 407 Who are you?\r\nx: fake-header\r\n\r\n"),
            "proxy refused the tunnel (407): check the proxy's user name and password",
        ),
        (
            Some("HTTP/1.1 403 fake-reason\r\n\r\nfake-page"),
            "proxy refused the tunnel",
        ),
        (Some("HTTP/1.1 502 x\r\n\r\n"), "proxy refused the tunnel"),
        (None, "proxy closed the connection"),
    ] {
        let error = through_proxy(&Server::start().await, reply).await;
        let message = format!("token endpoint auth.example.com: {cause}");
        assert_failed(&error, TokenRequestOutcome::NotSent, &message);
    }
}

#[tokio::test]
async fn an_error_names_an_unreachable_proxy_as_the_cause() {
    let proxy = Server::start().await;
    let address = format!("http://127.0.0.1:{}", proxy.port());
    drop(proxy);
    let transport = builder()
        .configure(|client| client.proxy(Proxy::all(address).unwrap()))
        .build()
        .unwrap();
    let error = fail(&transport, "https://auth.example.com/token").await;
    let message = "token endpoint auth.example.com: no connection to the proxy: connection refused";
    assert_failed(&error, TokenRequestOutcome::NotSent, message);
}

#[tokio::test]
async fn a_request_that_the_transport_forbids_is_not_sent() {
    let error = fail(
        &transport(),
        "http://user:fake-word@auth.example.com/fake-path",
    )
    .await;
    let message = "token endpoint auth.example.com: plain http is sent to loopback addresses only, \
                   for example http://127.0.0.1:8080; use https";
    assert_failed(&error, TokenRequestOutcome::NotSent, message);
    let error = fail(&transport(), "/token").await;
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
}

/// The first request was sent, and the redirect leads to an unreachable host.
#[tokio::test]
async fn a_request_with_a_followed_redirect_counts_as_sent() {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let client = client.redirect(Policy::limited(5)).build().unwrap();
    let transport = ReqwestTransport::danger_from_client(client, Duration::from_secs(10));
    let (server, gone) = (Server::start().await, Server::start().await);
    let target = gone.url();
    drop(gone);
    for status in [302, 303] {
        let reply = format!("HTTP/1.1 {status} Go\r\nlocation: {target}\r\n\r\n");
        let (error, _) = call(&transport, &server.url(), server.answer(reply)).await;
        assert_eq!(error.unwrap_err().outcome(), TokenRequestOutcome::Unknown);
    }
}

/// All addresses of a name refuse the connection.
#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let server = Server::start().await;
    let gone = SocketAddr::from(([127, 0, 0, 1], server.port()));
    drop(server);
    let transport = builder()
        .configure(move |client| client.resolve_to_addrs("auth.example.com", &[gone, gone]))
        .build()
        .unwrap();
    let url = format!("https://auth.example.com:{}/", gone.port());
    let error = fail(&transport, &url).await;
    let message = format!(
        "token endpoint auth.example.com:{}: connection refused",
        gone.port()
    );
    assert_failed(&error, TokenRequestOutcome::NotSent, &message);
}
