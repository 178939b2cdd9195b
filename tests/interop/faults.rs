use std::time::Duration;

use auth_core::{Error, ErrorKind, RefreshPolicy};
use serde_json::{Value, json};
use tokio::time;

use crate::{
    server::Server,
    stack::{Api, login, login_with},
};

pub(crate) async fn server_error() {
    let error = assert_recovers(json!({"status": 503})).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
}

pub(crate) async fn connection_reset() {
    let error = assert_recovers(json!({"reset": true})).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

pub(crate) async fn html_in_place_of_json() {
    let page = "<!doctype html><title>Sign in</title>";
    let fault = json!({"status": 200, "content_type": "text/html", "body": page});
    let error = assert_recovers(fault).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(!format!("{error} {error:?}").contains("Sign in"));
}

pub(crate) async fn html_with_an_error_status() {
    let fault = json!({"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"});
    let error = assert_recovers(fault).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

pub(crate) async fn an_answer_after_the_deadline() {
    let server = Server::start(&[]).await;
    let policy = RefreshPolicy::default()
        .deadline(Duration::from_millis(500))
        .expect("longer than zero");
    let api = Api::with_policy(&server, login(&server, "cc-basic"), policy);
    server.control(json!({"token": {"delay_ms": 8_000}})).await;

    let error = time::timeout(Duration::from_secs(4), api.get())
        .await
        .expect("long before it");
    assert_eq!(
        error.err().map(|error| error.kind()),
        Some(ErrorKind::TimedOut)
    );

    api.get_until_answered().await;
    assert_eq!(server.stats().await.token_requests(), 2);
}

pub(crate) async fn wrong_secret() {
    let server = Server::start(&[]).await;
    let secret = "fake-secret-that-is-wrong";
    let api = Api::new(&server, login_with(&server, "cc-basic", secret));
    let error = assert_gives_up(&server, &api, "invalid_client").await;
    assert!(!format!("{error} {error:?}").contains(secret));
}

pub(crate) async fn scope_that_the_client_may_not_have() {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, login(&server, "cc-limited").scope("api:write"));
    assert_gives_up(&server, &api, "invalid_scope").await;
}

pub(crate) async fn unknown_resource() {
    let server = Server::start(&[]).await;
    let api = Api::new(
        &server,
        login(&server, "cc-basic").resource("urn:interop:none"),
    );
    assert_gives_up(&server, &api, "invalid_target").await;
}

/// One token request fails: its callers get the error, later callers fail at once until the next
/// try, and then requests succeed.
async fn assert_recovers(fault: Value) -> Error {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, login(&server, "cc-basic"));
    server.control(json!({"token": fault})).await;

    let error = api.get().await.err().expect("no token");
    assert_eq!(server.stats().await.token_requests(), 1);
    assert!(error.is_transient(), "{error:?}");

    let failed = api.get_until_answered().await;
    assert!(failed > 0, "the next try comes after a pause");
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_success()), (2, 1));
    assert_eq!(
        stats.resource_requests(),
        1,
        "nothing is sent without a token"
    );
    error
}

/// The vendor's rejection is final: all callers receive it, and no token request follows.
async fn assert_gives_up(server: &Server, api: &Api, code: &str) -> Error {
    for _ in 0..50 {
        let error = api.get().await.err().expect("no token");
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Rejected, Some(code))
        );
        assert!(!error.is_transient());
    }
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_error(code)), (1, 1));
    assert_eq!(
        stats.resource_requests(),
        0,
        "nothing is sent without a token"
    );
    api.get().await.err().expect("no token")
}
