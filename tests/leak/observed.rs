//! The events of observers, and spans and lines of all targets at TRACE.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Scheme, Secret};
use auth_oauth2::Client;
use auth_testkit::{RecordingObserver, Reply, TestServer};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::time;
use tower::{Layer, ServiceExt};

use crate::{
    logs,
    planted::{APP_HEADER, APP_KEY, CLIENT_ID, CLIENT_SECRET, TOKEN, assert_clean},
};

#[tokio::test(start_paused = true)]
async fn g18_no_event_shows_a_secret() {
    let logs = logs::capture();
    let events = RecordingObserver::new();
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .in_memory();
    let client = Client::builder(server.token_url(), CLIENT_ID, server.transport())
        .secret(Secret::new(CLIENT_SECRET))
        .clock(server.clock().clone());
    let origins = Origins::new([server.origin()]).unwrap();
    let options = AuthenticatorOptions::new()
        .observer(events.clone())
        .label("tenant-7")
        .clock(server.clock().clone());
    let source = client.build().unwrap().client_credentials();
    let authenticator = Authenticator::builder(source, origins)
        .scheme(Scheme::bearer().and_header(APP_HEADER, APP_KEY).unwrap())
        .options(options)
        .build()
        .unwrap();
    let client = AuthLayer::new(authenticator.clone()).layer(server.service());
    let echo = json!({"error": "invalid_client", "error_description": CLIENT_SECRET});
    server
        .token()
        .then(Reply::status(400).json(echo))
        .then(Reply::normal());
    for round in 0..8 {
        let url = match round {
            6 => format!("https://elsewhere.example.test/{TOKEN}?key={TOKEN}"),
            _ => format!("{}/{TOKEN}?key={TOKEN}", server.api_url()),
        };
        let Ok(request) = Request::get(url).body(Full::<Bytes>::default()) else {
            panic!("the planted token fits into a URI");
        };
        let _ = client.clone().oneshot(request).await;
        if round > 2 {
            server.revoke_all();
        }
        time::sleep(Duration::from_secs(600)).await;
    }
    let told = events.events();
    for name in [
        "no_token",
        "token_published",
        "token_refused",
        "request_replayed",
    ] {
        assert!(events.count(name) > 0, "{name} in {:?}", events.names());
    }
    let tokens = server.expose_tokens();
    assert_clean(format!("{told:?}\n{told:#?}"), &tokens);
    let health = authenticator.health();
    assert_clean(serde_json::to_string(&health).unwrap(), &tokens);
    let text = logs.text();
    assert!(text.contains("token_request{") && text.contains("token_wait{"));
    assert_clean(text, &tokens);
}
