//! Invalid settings, and the field that each error names.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use std::time::Duration;

use auth_core::{AuthenticatorOptions, ErrorKind, Secret};
use auth_kayzen::{Kayzen, KayzenBuilder, fake};
use auth_oauth2::ClientAuth;
use auth_testkit::{Reply, TestServer, VirtualClock, assert_no_secret};

use crate::vendor::{Vault, Vendor};

const SECRETS: [&str; 3] = ["fake-secret-1", "fake-password-1", "fake-user"];

fn with(key: &str, secret: &str, email: &str, password: &str) -> KayzenBuilder {
    Kayzen::builder(
        key,
        Secret::new(secret),
        email,
        Secret::new(password),
        fake::server().in_memory().transport(),
    )
}

fn good() -> KayzenBuilder {
    with(
        "fake-key",
        "fake-secret-1",
        "me@kayzen.io",
        "fake-password-1",
    )
}

#[track_caller]
fn assert_refused(field: &str, settings: KayzenBuilder) {
    let error = settings.build().unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some(field)),
        "{error}"
    );
    assert_no_secret(format!("{error} {error:?}"), &SECRETS);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_right_name_this_crates_fields() {
    assert!(good().build().is_ok());
    let (secret, email, password) = ("fake-secret-1", "me@kayzen.io", "fake-password-1");
    assert_refused("api_key", with("", secret, email, password));
    assert_refused("api_secret", with("fake-key", "", email, password));
    assert_refused("email", with("fake-key", secret, "", password));
    assert_refused(
        "email",
        with("fake-key", secret, "a@example.com\n", password),
    );
    assert_refused(
        "api_key",
        with("fake-key\n", secret, "a@example.com", password),
    );
    assert_refused("password", with("fake-key", secret, email, ""));
    // A colon would end the key, unless it is encoded.
    let colon = || with("fake:key", secret, email, password);
    assert_refused("api_key", colon());
    assert!(colon().client_auth(ClientAuth::Basic).build().is_ok());
    // A reading of the vendor's page: the e-mail form-encoded by the caller.
    let encoded = with("fake-key", secret, "fake-user%40kayzen.io", password);
    assert_refused("email", encoded);
    let odd = with("fake-key", secret, "me%40@kayzen.io", password);
    assert!(odd.build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_client_authenticates_by_basic_only() {
    assert_refused("client_auth", good().client_auth(ClientAuth::Post));
    assert!(good().client_auth(ClientAuth::BasicRaw).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn urls_without_https_are_refused() {
    for url in [
        "api.kayzen.io",
        "http://api.kayzen.io/v1/authentication/token",
        "http://127.0.0.1:1/token",
        "https://fake-user:fake-password-1@api.kayzen.io/token",
        "https://api.kayzen.io/token?password=fake-password-1",
        "https://api.kayzen.io/token#part",
    ] {
        assert_refused("token_url", good().token_url(url));
    }
    for url in [
        "",
        "api.kayzen.io/v1",
        "http://api.kayzen.io",
        "http://127.0.0.1:1",
        "https://fake-user:fake-password-1@api.kayzen.io",
    ] {
        assert_refused("base_url", good().base_url(url));
    }
    for url in [
        "http://localhost:1/",
        "http://kayzen/",
        "http://127.0.0.1:8080/",
    ] {
        let named = || good().danger_allow_http("http://kayzen:8080").unwrap();
        assert_refused("token_url", named().token_url(url));
        assert_refused("base_url", named().base_url(url));
    }
    let named = good().danger_allow_http("http://kayzen:8080").unwrap();
    let named = named
        .token_url("http://kayzen:8080/token")
        .base_url("http://kayzen:8080");
    assert!(named.build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn secrets_that_are_read_as_empty_name_this_crates_fields() {
    let vendor = Vendor::new();
    let (some, none) = (Vault::new("fake-secret-1"), Vault::new(""));
    for (field, settings) in [
        (
            "api_secret",
            vendor.with_secrets(none.source(), some.source()),
        ),
        (
            "password",
            vendor.with_secrets(some.source(), none.source()),
        ),
    ] {
        let error = settings.build().unwrap().token().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
    }
    assert_eq!(vendor.sent().len(), 0);
}

#[tokio::test]
async fn a_gateway_on_loopback() {
    let server: TestServer = fake::server().start().await;
    let settings = || {
        Kayzen::builder(
            server.client_id(),
            Secret::new(server.client_secret()),
            server.user_name(),
            Secret::new(server.user_password()),
            server.transport(),
        )
        .token_url(server.token_url())
        .base_url(server.api_url())
    };
    assert_refused("base_url", settings());
    let authenticator = settings()
        .danger_allow_http(server.origin())
        .unwrap()
        .build()
        .unwrap();
    authenticator.token().await.unwrap();
    assert!(
        authenticator
            .origins()
            .permits(&server.api_url().parse().unwrap())
    );
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_source_uses_the_configured_clock() {
    // A minute after the clock's start.
    let vendor = Vendor::new();
    let busy = Reply::status(503).header("retry-after", "Tue, 01 Jan 2030 00:01:00 GMT");
    vendor.server().token().then(busy);
    let options = AuthenticatorOptions::new().clock(VirtualClock::new());
    let settings = vendor.settings().options(options);
    let error = settings.build().unwrap().token().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
}

#[test]
fn debug_shows_no_credential() {
    let shown = format!(
        "{:?}",
        with(
            "fake-key-1",
            "fake-secret-1",
            "fake-user",
            "fake-password-1"
        )
    );
    assert_no_secret(&shown, &SECRETS);
    assert_no_secret(&shown, &["fake-key-1"]);
    assert!(shown.contains("BasicRaw"), "{shown}");
}
