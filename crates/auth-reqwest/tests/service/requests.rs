//! Requests and responses arrive complete.

use std::time::Duration;

use auth_testkit::{ForeignServer, Reply};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use crate::support::{SECRET, get, send, service};

#[tokio::test]
async fn a_request_and_its_response_arrive_complete() {
    let server = ForeignServer::start().await;
    let reply = Reply::status(418).header("x-reply", "yes").body("short");
    server.script().then(reply);
    let url = format!("{}/a/path?query=1", server.origin());
    let request = Request::put(url).header("x-request", "yes");
    let request = request.body(Full::from("some body")).unwrap();
    let response = send(&service(), request).await.unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-reply"], "yes");
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "short"
    );

    let request = server.recorded().remove(0);
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.expose_uri(), "/a/path?query=1");
    assert_eq!(request.expose_header("x-request"), Some("yes"));
    assert_eq!(request.expose_header("content-length"), Some("9"));
    assert_eq!(request.expose_body(), "some body");
}

#[tokio::test]
async fn any_body_that_reqwest_can_wrap_is_sent() {
    let server = ForeignServer::start().await;
    let request = || Request::post(server.url());
    let service = service();
    let text = request().body(String::from("text")).unwrap();
    service.clone().oneshot(text).await.unwrap();
    let own = request().body(reqwest::Body::from("own")).unwrap();
    service.clone().oneshot(own).await.unwrap();
    let mapped = Full::new(Bytes::from("mapped")).map_err(std::io::Error::other);
    service
        .oneshot(request().body(mapped).unwrap())
        .await
        .unwrap();
    let bodies: Vec<_> = server
        .recorded()
        .iter()
        .map(|request| request.expose_body().clone())
        .collect();
    assert_eq!(bodies, ["text", "own", "mapped"]);
}

#[tokio::test]
async fn requests_and_responses_of_reqwest_can_be_converted() {
    let server = ForeignServer::start().await;
    server.script().then(Reply::redirect(307, "/second"));
    server.script().then(Reply::status(201).body("made"));
    let service = service();
    let builder = service.get_ref().post(server.url()).body("a body");
    let request = http::Request::try_from(builder.build().unwrap()).unwrap();
    let response = reqwest::Response::from(service.oneshot(request).await.unwrap());
    assert_eq!(response.status(), 201);
    let url = format!("{}/second", server.origin());
    assert_eq!(response.url().as_str(), url);
    assert!(response.remote_addr().is_some());
    assert_eq!(response.text().await.unwrap(), "made");
    let sent = server.recorded();
    assert!(sent.iter().all(|request| request.expose_body() == "a body"));
}

#[tokio::test]
async fn a_converted_request_of_reqwest_keeps_its_timeout() {
    let server = ForeignServer::start().await;
    server.script().then(Reply::never());
    let service = service();
    let builder = service.get_ref().get(server.url());
    let builder = builder.timeout(Duration::from_millis(1));
    let request = http::Request::try_from(builder.build().unwrap()).unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(10), service.oneshot(request));
    let error = sent.await.expect("a timeout of reqwest").unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn the_service_is_ready_during_a_request() {
    let server = ForeignServer::start().await;
    server.script().then(Reply::never());
    let mut service = service();
    let request = get(&server.url());
    let out = Service::call(&mut service, request);
    let done = async {
        server.requests_reached(1).await;
        send(&service, get(&server.url())).await.unwrap()
    };
    tokio::select! {
        _ = out => panic!("answered"),
        response = done => assert_eq!(response.status(), 200),
    }
}

#[test]
fn debug_shows_nothing_of_the_client() {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-api-key", SECRET.parse().unwrap());
    let builder = crate::support::settings().default_headers(headers);
    let service = crate::support::following(builder);
    assert!(
        format!("{:?}", service.get_ref()).contains(SECRET),
        "no test"
    );
    assert_eq!(format!("{service:?}"), "ReqwestService { .. }");
}
