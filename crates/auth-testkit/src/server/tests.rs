use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};

use crate::{
    Gate, Reply, Side, TestServer,
    testing::{Sockets, api_request, token_request},
};

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
    client.ask(api_request(&server, "", "")).await;
    let seen = server.counters();
    assert_eq!(
        (seen.max_token_in_flight, seen.max_api_in_flight),
        (3, 1),
        "a maximum stays"
    );
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
