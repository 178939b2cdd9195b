//! G12 and G13: the destination of a credential, and credentials that the caller set.

use std::{convert::Infallible, future::ready, sync::Arc, sync::Mutex};

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Scheme};
use auth_testkit::{ForeignServer, Reply, ScriptedSource, TestServer, VirtualClock};
use auth_tower::{AuthLayer, ExistingCredential};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::support::{API, Stack, machine};

#[tokio::test(start_paused = true)]
async fn g12_other_destinations_get_no_secret_and_cost_no_token_request() {
    for url in [
        "https://evil.example/",
        "http://api.example.test/",
        "http://api.example.test:443/",
        "https://api.example.test:8443/",
        "https://sub.api.example.test/",
        "https://api.example.test.evil.example/",
        "https://evil.example/https://api.example.test/",
        "https://api.example.test@evil.example/",
        "https://user@api.example.test/",
        "https://user:word@api.example.test/",
        "wss://api.example.test/",
        "/only/a/path",
        "api.example.test:443",
    ] {
        let source = ScriptedSource::new();
        let sent = send(secrets(source.clone()), url, &[]).await;
        assert!(sent.is_empty(), "{url} got {sent:?}");
        assert_eq!(source.fetches(), 0, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn g12_every_spelling_of_a_permitted_origin_is_signed() {
    for url in [
        "https://api.example.test",
        "https://api.example.test/deep/path?query=1",
        "https://API.Example.TEST/",
        "https://api.example.test:443/",
    ] {
        let source = ScriptedSource::new();
        let sent = send(secrets(source.clone()), url, &[]).await;
        assert_eq!(sent["authorization"], "Bearer fake-token-1");
        assert_eq!(sent["x-app-id"], "fake-app-id");
        assert!(sent.values().all(http::HeaderValue::is_sensitive));
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_host_header_does_not_permit_a_destination() {
    let source = ScriptedSource::new();
    let host = [("host", "api.example.test")];
    let sent = send(machine(source.clone()), "https://evil.example/", &host).await;
    assert!(!sent.contains_key("authorization"));
    let host = [("host", "evil.example")];
    let sent = send(machine(source.clone()), API, &host).await;
    assert!(!sent.contains_key("authorization"));
    let host = [("host", "api.example.test")];
    let sent = send(machine(source.clone()), API, &host).await;
    assert!(sent.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn g12_redirects_forward_no_secret_in_any_header() {
    let header = HeaderName::from_static("x-login-token");
    for status in [301, 302, 303, 307, 308] {
        for name in [None, Some(header.clone())] {
            let scheme = match name.clone() {
                Some(name) => Scheme::header(name).unwrap(),
                None => Scheme::bearer(),
            };
            let app = HeaderName::from_static("x-app-id");
            let scheme = scheme.and_header(app, "fake-app-id").unwrap();
            let server = match name {
                None => TestServer::builder(),
                Some(name) => TestServer::builder().token_header(name),
            };
            let stack = Stack::signing(server, scheme);
            let foreign = ForeignServer::in_memory("foreign");
            stack
                .server
                .api()
                .then(Reply::redirect(status, &foreign.url()));
            let client = ServiceBuilder::new()
                .layer(FollowRedirectLayer::new())
                .layer(AuthLayer::new(stack.authenticator.clone()))
                .service(stack.server.service().with_foreign(&foreign));
            let response = client.oneshot(stack.request()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(foreign.requests(), 1);
            let token = stack.server.expose_tokens().remove(0);
            let secrets = [token.as_str(), "fake-app-id"];
            assert_eq!(foreign.secrets_seen(&secrets), []);
            assert_eq!(stack.server.recorded().len(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_redirect_away_and_back_is_signed_at_the_permitted_origin_only() {
    let stack = Stack::new();
    let foreign = ForeignServer::in_memory("foreign");
    let home = format!("{}/again", stack.server.api_url());
    stack
        .server
        .api()
        .then(Reply::redirect(307, &foreign.url()));
    foreign.script().then(Reply::redirect(307, &home));
    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(AuthLayer::new(stack.authenticator.clone()))
        .service(stack.server.service().with_foreign(&foreign));
    let response = client.oneshot(stack.request()).await.unwrap();
    assert_eq!(response.status(), 200);
    let token = stack.server.expose_tokens().remove(0);
    assert_eq!(foreign.secrets_seen(&[&token]), []);
    assert_eq!(stack.server.counters().api_status(200), 1);
}

#[tokio::test(start_paused = true)]
async fn g13_a_callers_credential_is_kept_and_no_token_is_requested() {
    let source = ScriptedSource::new();
    let own = [("authorization", "Basic fake-own")];
    let sent = send(machine(source.clone()), API, &own).await;
    assert_eq!(sent["authorization"], "Basic fake-own");
    test_report::figure!(
        "G13: {} token requests for a request with its own credential, sent with {} header",
        source.fetches() => 0,
        sent.get_all("authorization").iter().count() => 1,
    );
}

#[tokio::test(start_paused = true)]
async fn g13_a_refusal_of_a_callers_credential_is_returned() {
    let stack = Stack::new();
    stack.get_well().await;
    let mut request = stack.request();
    let own = "Bearer fake-own".parse().unwrap();
    request.headers_mut().insert("authorization", own);
    let response = stack.client().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (1, 2));
    stack.get_well().await;
}

#[tokio::test(start_paused = true)]
async fn g13_any_header_of_the_scheme_counts_as_a_callers_credential() {
    let source = ScriptedSource::new();
    let own = [("x-app-id", "fake-own-app")];
    let authenticator = secrets(source.clone());
    let sent = send(authenticator.clone(), API, &own).await;
    assert_eq!(sent["x-app-id"], "fake-own-app");
    assert!(!sent.contains_key("authorization"));
    assert_eq!(source.fetches(), 0);
    // Also with a cached token.
    authenticator.token().await.unwrap();
    let sent = send(authenticator, API, &own).await;
    assert_eq!(sent["x-app-id"], "fake-own-app");
    assert!(!sent.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn g13_a_callers_credential_can_be_replaced_or_rejected() {
    let own = [("authorization", "Basic fake-own")];
    for warm in [false, true] {
        let source = ScriptedSource::new();
        let authenticator = machine(source.clone());
        if warm {
            authenticator.token().await.unwrap();
        }
        let layer = AuthLayer::new(authenticator);
        let replace = layer.clone().existing(ExistingCredential::Replace);
        let sent = send_through(replace, API, &own).await.unwrap();
        assert_eq!(sent["authorization"], "Bearer fake-token-1");
        assert_eq!(sent.get_all("authorization").iter().count(), 1);
        let reject = layer.existing(ExistingCredential::Reject);
        let error = send_through(reject, API, &own).await.unwrap_err();
        assert!(matches!(error, auth_tower::Error::Auth(_)));
    }
}

/// An authenticator whose scheme has two headers.
fn secrets(source: ScriptedSource) -> Authenticator {
    let app = HeaderName::from_static("x-app-id");
    let scheme = Scheme::bearer().and_header(app, "fake-app-id").unwrap();
    Authenticator::builder(source, Origins::new([API]).unwrap())
        .vendor("example")
        .scheme(scheme)
        .options(AuthenticatorOptions::new().clock(VirtualClock::new()))
        .build()
        .unwrap()
}

async fn send(authenticator: Authenticator, url: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let layer = AuthLayer::new(authenticator);
    send_through(layer, url, headers).await.unwrap()
}

/// Sends a request and returns the headers with which it was sent.
async fn send_through(
    layer: AuthLayer,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<HeaderMap, auth_tower::Error<Infallible>> {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let client = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
        let before = keep.lock().unwrap().replace(request.headers().clone());
        assert!(before.is_none(), "sent twice");
        ready(Ok(Response::new(())))
    }));
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url.parse().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    client.oneshot(request).await?;
    let sent = seen.lock().unwrap().take();
    Ok(sent.unwrap())
}

#[test]
fn g12_invalid_origins_are_a_config_error() {
    assert_eq!(Origins::new([""; 0]).unwrap_err().field(), Some("origins"));
    for url in [
        "http://api.example.test",
        "http://127.0.0.1:8080",
        "https://u@a.test",
    ] {
        assert_eq!(Origins::new([url]).unwrap_err().field(), Some("origins"));
    }
    for url in ["http://localhost:8080", "http://payments:8080"] {
        assert!(Origins::new([url]).is_err());
        assert!(Origins::danger_allow_http([url]).is_ok());
    }
}
