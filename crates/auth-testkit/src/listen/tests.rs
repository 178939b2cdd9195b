use std::{error::Error, io, time::Duration};

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Gate, Reply, TestServer,
    testing::{Sockets, token_request},
};

async fn connect(server: &TestServer) -> io::Result<TcpStream> {
    TcpStream::connect(server.origin().trim_start_matches("http://")).await
}

/// Returns the result of the operating system, or of the code that counts bytes.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => error.source().and_then(io_kind),
    }
}

#[tokio::test]
async fn a_server_that_was_shut_down_or_dropped_has_no_port() {
    let server = TestServer::start().await;
    let address = server.origin().trim_start_matches("http://").to_owned();
    let mut open = connect(&server).await.unwrap();
    server.shutdown().await;
    assert_eq!(
        open.read(&mut [0; 8]).await.unwrap_or(0),
        0,
        "open connections are closed"
    );
    TcpStream::connect(address).await.unwrap_err();

    let server = TestServer::start().await;
    let mut open = connect(&server).await.unwrap();
    drop(server);
    assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_no_request_in_progress() {
    let server = TestServer::start().await;
    server.token().then(Reply::never());
    let request = token_request(&server);
    let call = tokio::spawn(async move { Sockets::new().head(request).await.map(drop) });
    server.token_requests_reached(1).await;
    assert_eq!(server.counters().token_in_flight, 1);
    call.abort();
    server
        .counters_reached(|seen| seen.token_in_flight == 0)
        .await;
}

#[tokio::test]
async fn a_cut_connection_is_reset() {
    let server = TestServer::start().await;
    server.token().then(Reply::cut());
    let error = Sockets::new()
        .head(token_request(&server))
        .await
        .unwrap_err();
    assert_eq!(
        io_kind(&error),
        Some(io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test]
async fn a_connection_may_be_reset_behind_the_head() {
    let server = TestServer::start().await;
    let gate = Gate::new();
    server
        .token()
        .then(Reply::html().body_after(&gate).reset_after(0));
    let response = Sockets::new().head(token_request(&server)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    gate.open();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(
        io_kind(&error),
        Some(io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_may_be_no_http() {
    let server = TestServer::start().await;
    let raw = "SSH-2.0-not-what-you-wanted\r\n";
    server.token().then(Reply::raw(raw)).then(Reply::raw(raw));
    Sockets::new()
        .head(token_request(&server))
        .await
        .unwrap_err();
    let mut stream = connect(&server).await.unwrap();
    stream
        .write_all(b"GET /token HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, raw);
    assert!(crate::find_secrets(format!("{:?}", Reply::raw(raw)), &[raw]).is_empty());
}

#[tokio::test]
async fn a_truncated_body_begins_and_does_not_end() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    server
        .token()
        .times(2, Reply::oversize(100).cut_after(7))
        .then(Reply::html().cut_after(0));
    for first in ["{\"acces", "{\"acces", ""] {
        let response = client.head(token_request(&server)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_ne!(response.headers()["content-length"], "0");
        let mut body = response.into_body();
        if !first.is_empty() {
            assert_eq!(
                body.frame().await.unwrap().unwrap().into_data().unwrap(),
                first
            );
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(
            io_kind(&error),
            Some(io::ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_trickle_is_whole_in_the_end_and_an_endless_body_is_not() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    server
        .token()
        .then(Reply::oversize(64).trickle(Duration::from_micros(1)));
    assert_eq!(client.ask(token_request(&server)).await.body.len(), 64);
    server.token().then(Reply::html().endless(Duration::ZERO));
    let mut body = client
        .head(token_request(&server))
        .await
        .unwrap()
        .into_body();
    let mut read = 0;
    while read < 1 << 20 {
        read += body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
    }
    drop(body);
    server
        .counters_reached(|seen| seen.token_in_flight == 0)
        .await;
}

#[tokio::test]
async fn a_body_may_wait_behind_its_head() {
    let server = TestServer::start().await;
    let gate = Gate::new();
    server.token().then(Reply::normal().body_after(&gate));
    let response = Sockets::new().head(token_request(&server)).await.unwrap();
    let body = tokio::spawn(response.into_body().collect());
    gate.reached(1).await;
    assert!(!body.is_finished());
    gate.open();
    assert!(!body.await.unwrap().unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn an_upload_may_be_refused_before_it_is_read() {
    let server = TestServer::start().await;
    server.api().then(Reply::refuse().early());
    let mut stream = connect(&server).await.unwrap();
    // A body is announced and never sent.
    let head = "POST /api/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert_eq!(server.recorded()[0].body_len(), 0);
    assert!(!server.recorded()[0].body_complete());
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_on_record() {
    let server = TestServer::start().await;
    let mut stream = connect(&server).await.unwrap();
    let head = "POST /api/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.unwrap();
    server.api_requests_reached(1).await;
    stream.shutdown().await.unwrap();
    server
        .counters_reached(|seen| seen.api_in_flight == 0)
        .await;
    let recorded = &server.recorded()[0];
    assert_eq!(
        (recorded.path(), &recorded.expose_body()[..]),
        ("/api/upload", &b"half"[..])
    );
    assert!(!recorded.body_complete());
}
