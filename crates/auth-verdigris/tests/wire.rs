//! Compares the bytes on the wire with reviewed texts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{AuthenticatorOptions, Secret};
use auth_oauth2::BodyFormat;
use auth_testkit::TestServer;
use auth_tower::AuthLayer;
use auth_verdigris::{Verdigris, fake};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt};

/// The token request and one signed request.
async fn wire(format: BodyFormat) -> String {
    let server: TestServer = fake::server().in_memory();
    let secret = Secret::new(server.client_secret());
    let authenticator = Verdigris::builder(server.client_id(), secret, server.transport())
        .options(AuthenticatorOptions::new().clock(server.clock().clone()))
        .token_url(server.token_url())
        .base_url(server.origin())
        .body_format(format)
        .build()
        .unwrap();
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(server.service());
    let request = Request::get(format!("{}/core/v1/buildings/", server.origin()));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    server.wire()
}

#[tokio::test(start_paused = true)]
async fn with_a_form() {
    assert_eq!(wire(BodyFormat::Form).await, include_str!("wire/form.txt"));
}

#[tokio::test(start_paused = true)]
async fn with_json() {
    assert_eq!(wire(BodyFormat::Json).await, include_str!("wire/json.txt"));
}
