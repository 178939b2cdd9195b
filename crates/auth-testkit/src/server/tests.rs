use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Gate, Reply, Side, TestServer,
    testing::{Sockets, api_request, token_request},
};

async fn connect(server: &TestServer) -> io::Result<TcpStream> {
    TcpStream::connect(server.origin().trim_start_matches("http://")).await
}

/// Returns what the operating system, or whoever counted bytes, said.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => error.source().and_then(io_kind),
    }
}

#[tokio::test]
async fn real_requests_are_answered_counted_and_recorded() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    let token = client.ask(token_request(&server)).await.token();
    let mut request = api_request(&server, "/things?page=2", &token);
    *request.body_mut() = Bytes::from("hello");
    let answer = client.ask(request).await;
    assert_eq!(
        (answer.status, answer.json()["body_len"].as_u64()),
        (StatusCode::OK, Some(5))
    );
    assert_eq!(client.ask(api_request(&server, "", "")).await.status, 401);
    let stray = Request::get(format!("{}/other", server.origin()))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(client.ask(stray).await.status, 404);
    let seen = server.counters();
    assert_eq!(
        (seen.token_requests, seen.tokens_issued, seen.token_errors),
        (1, 1, 0)
    );
    assert_eq!(
        (
            seen.api_requests,
            seen.api_status(200),
            seen.api_status(401)
        ),
        (2, 1, 1)
    );
    assert_eq!(
        (
            seen.stray_requests,
            seen.max_token_in_flight,
            seen.token_in_flight
        ),
        (1, 1, 0)
    );
    let recorded = server.recorded();
    let sides: Vec<_> = recorded.iter().map(|request| request.side()).collect();
    assert_eq!(sides, [Side::Token, Side::Api, Side::Api, Side::Stray]);
    assert_eq!(recorded[1].expose_uri(), "/api/things?page=2");
    assert_eq!(recorded[1].expose_body(), "hello");
    let signed = recorded[1].expose_header("authorization").unwrap();
    assert_eq!(signed, format!("Bearer {token}"));
    server.reset();
    assert_eq!(server.counters(), crate::Counters::default());
    assert_eq!(server.recorded().len(), 0);
    assert_eq!(
        client.ask(api_request(&server, "", &token)).await.status,
        200,
        "still valid"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_secret() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    server
        .token()
        .then(Reply::status(200).body(server.client_secret()));
    let shown = format!("{:?}", server.token());
    client.ask(token_request(&server)).await;
    let token = client.ask(token_request(&server)).await.token();
    let path = format!("/x?access_token={token}");
    client.ask(api_request(&server, &path, &token)).await;
    let all = format!(
        "{shown} {server:?} {:?} {:?}",
        server.recorded(),
        server.token_uses()
    );
    crate::assert_no_secret(all, &[token, server.client_secret()]);
}

#[tokio::test]
async fn two_origins_are_two_ports() {
    let server = TestServer::builder().two_origins().start().await;
    let client = Sockets::new();
    assert!(!server.token_url().starts_with(server.origin()));
    let token = client.ask(token_request(&server)).await.token();
    assert_eq!(
        client.ask(api_request(&server, "", &token)).await.status,
        200
    );
    for url in [
        server.token_url().replace("/token", "/api"),
        format!("{}/token", server.origin()),
    ] {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        assert_eq!(client.ask(request).await.status, 404);
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
async fn events_can_be_awaited() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    let gate = Gate::new();
    server.token().always(Reply::normal().answer_after(&gate));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (client, request) = (client.clone(), token_request(&server));
            tokio::spawn(async move { client.ask(request).await.token() })
        })
        .collect();
    server.token_requests_reached(3).await;
    gate.reached(3).await;
    assert_eq!(server.counters().token_in_flight, 3);
    gate.open();
    for call in calls {
        let token = call.await.unwrap();
        client.ask(api_request(&server, "", &token)).await;
    }
    server.api_requests_reached(3).await;
    server
        .counters_reached(|seen| seen.token_in_flight == 0)
        .await;
    assert_eq!(server.counters().max_token_in_flight, 3);
    server.token().clear();
    assert_eq!(client.ask(token_request(&server)).await.status, 200);
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_nothing_under_way() {
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
async fn scripted_statuses_and_bodies_come_as_planned() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    server
        .token()
        .then(Reply::status(503).header("retry-after", "30"))
        .then(Reply::oauth_error(400, "invalid_grant"))
        .then(Reply::html())
        .then(Reply::garbage())
        .then(Reply::redirect(307, "https://other.test/token"))
        .then(Reply::oversize(200_000))
        .then(Reply::normal());
    let next = async || client.ask(token_request(&server)).await;
    let down = next().await;
    assert_eq!(
        (down.status.as_u16(), down.header("retry-after")),
        (503, "30")
    );
    let refused = next().await;
    assert_eq!(
        (refused.status.as_u16(), refused.error().as_str()),
        (400, "invalid_grant")
    );
    let html = next().await;
    assert_eq!(
        (html.status.as_u16(), &html.header("content-type")[..9]),
        (200, "text/html")
    );
    let garbage = next().await;
    assert_eq!(
        (garbage.status.as_u16(), garbage.header("content-type")),
        (200, "application/json")
    );
    serde_json::from_slice::<serde_json::Value>(&garbage.body).unwrap_err();
    let redirect = next().await;
    assert_eq!(redirect.status, 307);
    assert_eq!(redirect.header("location"), "https://other.test/token");
    assert_eq!(next().await.body.len(), 200_000);
    next().await.token();
    let seen = server.counters();
    assert_eq!(
        (seen.token_requests, seen.token_errors, seen.tokens_issued),
        (7, 3, 1)
    );
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

#[tokio::test]
async fn records_are_bounded_in_number_and_size() {
    let server = TestServer::start().await;
    let client = Sockets::new();
    let mut request = api_request(&server, "/big", "");
    *request.body_mut() = Bytes::from(vec![b'x'; 200_000]);
    client.ask(request).await;
    let big = &server.recorded()[0];
    assert_eq!((big.body_len(), big.expose_body().len()), (200_000, 65_536));
    for _ in 0..1_024 {
        client.ask(api_request(&server, "/small", "")).await;
    }
    let recorded = server.recorded();
    assert_eq!((recorded.len(), recorded[0].path()), (1_024, "/api/small"));
    assert_eq!(server.counters().api_requests, 1_025);
}

#[tokio::test]
async fn a_date_says_the_real_time() {
    let server = TestServer::start().await;
    let answer = Sockets::new().ask(api_request(&server, "", "")).await;
    let date = httpdate::parse_http_date(answer.header("date")).unwrap();
    let date = date.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(server.clock().world_wall().abs_diff(date) < Duration::from_secs(60));
}

#[tokio::test]
async fn a_script_may_add_to_a_normal_answer() {
    let server = TestServer::start().await;
    server.api().then(
        Reply::normal()
            .header("x-one", "1")
            .header("set-cookie", b"\xe9"),
    );
    let answer = Sockets::new().ask(api_request(&server, "", "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-one")), (401, "1"));
    assert_eq!(
        answer.headers["set-cookie"],
        HeaderValue::from_bytes(b"\xe9").unwrap()
    );
}
