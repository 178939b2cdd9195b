//! A test for each documented fact, against a fake that refuses what the real vendor refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use std::time::Duration;

use auth_core::{Error, ErrorKind, RejectedPart, Secret};
use auth_kayzen::{Kayzen, KayzenBuilder, fake};
use auth_oauth2::{BodyFormat, ClientAuth};
use auth_testkit::Reply;
use auth_tower::AuthOutcome;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Uri;

use crate::vendor::{CAMPAIGNS, HOUR, MINUTE, Vendor};

/// Logs in once, and returns the body and the decoded text after `Basic `.
async fn login(vendor: &Vendor, settings: KayzenBuilder) -> (String, String) {
    settings.build().unwrap().token().await.unwrap();
    let logins = vendor.logins();
    let [login] = &logins[..] else {
        panic!("{} logins", logins.len());
    };
    let basic = login.expose_header("authorization").unwrap();
    let basic = STANDARD
        .decode(basic.strip_prefix("Basic ").unwrap())
        .unwrap();
    (login.expose_body(), String::from_utf8(basic).unwrap())
}

async fn failure(vendor: &Vendor) -> Error {
    let authenticator = vendor.settings().build().unwrap();
    authenticator.token().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn row_token_endpoint_is_asked_by_post() {
    assert_eq!(
        Kayzen::TOKEN_URL,
        "https://api.kayzen.io/v1/authentication/token"
    );
    let vendor = Vendor::new();
    vendor.settings().build().unwrap().token().await.unwrap();
    let sent = vendor.sent();
    assert_eq!(sent.len(), 1);
    let line = "POST https://api.kayzen.io/v1/authentication/token\n";
    assert!(sent[0].expose_text().starts_with(line));
}

#[tokio::test(start_paused = true)]
async fn row_api_origin_is_the_only_place_for_tokens() {
    let vendor = Vendor::new();
    let authenticator = vendor.settings().build().unwrap();
    assert_eq!(authenticator.vendor(), "kayzen");
    let permits = |url: &'static str| authenticator.origins().permits(&Uri::from_static(url));
    assert!(permits(CAMPAIGNS));
    assert!(!permits("https://kayzen.io/v1/meta/campaigns"));
    assert!(!permits("https://api.kayzen.io.example.com/"));
    assert!(!permits("http://api.kayzen.io/v1/meta/campaigns"));
    assert!(!permits("https://kaizen.coppertreeanalytics.com/"));

    assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 200);
    let token = &vendor.server().expose_tokens()[0];
    let sent = vendor.sent();
    let sent = sent.last().unwrap();
    assert_eq!(
        sent.expose_header("authorization"),
        Some(&*format!("Bearer {token}"))
    );
}

#[tokio::test(start_paused = true)]
async fn row_grant_is_the_password_grant_by_a_form() {
    let vendor = Vendor::new();
    let (body, basic) = login(&vendor, vendor.settings()).await;
    assert_eq!(
        body,
        "grant_type=password&username=api%2Breporting%40kayzen.io\
         &password=fake-kayzen-password%261%3D%2B%2541"
    );
    assert_eq!(basic, "fake-kayzen-key:fake-kayzen-secret/1+2%3D");
}

#[tokio::test(start_paused = true)]
async fn row_grant_with_a_json_body_if_set() {
    let vendor = Vendor::of(fake::server().body_formats([auth_testkit::BodyFormat::Json]));
    let settings = vendor.settings().body_format(BodyFormat::Json);
    let (body, basic) = login(&vendor, settings).await;
    assert_eq!(
        body,
        r#"{"grant_type":"password","username":"api+reporting@kayzen.io","#.to_owned()
            + r#""password":"fake-kayzen-password&1=+%41"}"#
    );
    assert_eq!(basic, "fake-kayzen-key:fake-kayzen-secret/1+2%3D");
}

#[tokio::test(start_paused = true)]
async fn row_encoding_of_the_email() {
    for (email, sent) in [
        ("api+reporting@kayzen.io", "api%2Breporting%40kayzen.io"),
        ("100%40@kayzen.io", "100%2540%40kayzen.io"),
        ("j\u{f6}rg@kayzen.io", "j%C3%B6rg%40kayzen.io"),
    ] {
        let vendor = Vendor::of(fake::server().user(email, "fake-password-1"));
        let (body, _) = login(&vendor, vendor.settings()).await;
        let expected = format!("grant_type=password&username={sent}&password=fake-password-1");
        assert_eq!(body, expected);
    }
}

/// Characters that encodings change. A colon would end the key, but not the secret.
const ODD_SECRET: &str = "fake+secret/1%3A:=";

#[tokio::test(start_paused = true)]
async fn row_basic_quirk_raw_by_default() {
    let vendor = Vendor::of(fake::server().client("fake-key+/%", ODD_SECRET));
    let (_, basic) = login(&vendor, vendor.settings()).await;
    assert_eq!(basic, format!("fake-key+/%:{ODD_SECRET}"));

    // The vendor's own example.
    let vendor = Vendor::of(fake::server().client("aaa", "bbb"));
    login(&vendor, vendor.settings()).await;
    let logins = vendor.logins();
    assert_eq!(
        logins[0].expose_header("authorization"),
        Some("Basic YWFhOmJiYg==")
    );
}

#[tokio::test(start_paused = true)]
async fn row_basic_quirk_form_encoded_if_set() {
    let server = fake::server()
        .client("fake-key:+/%", ODD_SECRET)
        .client_auth([auth_testkit::ClientAuth::Basic]);
    let vendor = Vendor::of(server);
    let settings = vendor.settings().client_auth(ClientAuth::Basic);
    let (_, basic) = login(&vendor, settings).await;
    assert_eq!(basic, "fake-key%3A%2B%2F%25:fake%2Bsecret%2F1%253A%3A%3D");
}

#[tokio::test(start_paused = true)]
async fn row_basic_quirk_the_other_way_is_never_tried() {
    let vendor = Vendor::new();
    let settings = vendor.settings().client_auth(ClientAuth::Basic);
    let error = settings.build().unwrap().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(vendor.logins().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn row_response_as_the_vendor_shows_it() {
    let reply = r#"{"access_token":"fake-token-1","expires_in":"1799","scope":""}"#;
    assert_lives(reply, Duration::from_secs(1799)).await;
    let reply = r#"{"access_token":"fake-token-1","expires_in":"600","scope":""}"#;
    assert_lives(reply, Duration::from_secs(600)).await;
}

/// Checks that the token of this reply is used until one minute before its expiry, and not longer.
async fn assert_lives(reply: &str, lifetime: Duration) {
    let vendor = Vendor::new();
    let token = Reply::status(200).json(reply);
    vendor
        .server()
        .token()
        .then(token)
        .always(Reply::status(503));
    let authenticator = vendor.settings().build().unwrap();
    authenticator.token().await.unwrap();
    let second = Duration::from_secs(1);
    vendor.pass(lifetime - MINUTE - second).await;
    assert!(authenticator.token().await.is_ok());
    vendor.pass(second).await;
    assert!(authenticator.token().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn row_response_as_the_standard_says_is_accepted_too() {
    for reply in [
        r#"{"access_token":"fake-token-1","token_type":"bearer","expires_in":1799}"#,
        r#"{"access_token":"fake-token-1","expires_in":1799.9,"scope":null}"#,
        r#"{"access_token":"fake-token-1","scope":"a  b"}"#,
    ] {
        let vendor = Vendor::new();
        vendor.server().token().then(Reply::status(200).json(reply));
        assert!(vendor.settings().build().unwrap().token().await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn row_response_of_another_kind_brings_no_token() {
    for reply in [
        r#"{"access_token":"fake-token-1","token_type":"mac","expires_in":"1799"}"#,
        r#"{"access_token":"fake-token-1","expires_in":"soon","scope":""}"#,
        r#"{"access_token":"","expires_in":"1799","scope":""}"#,
        r#"{"token":"fake-token-1","expires_in":"1799"}"#,
    ] {
        let vendor = Vendor::new();
        vendor.server().token().then(Reply::status(200).json(reply));
        let error = failure(&vendor).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(!error.to_string().contains("fake-token"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_is_30_minutes_and_renewal_the_same_login_ahead_of_it() {
    let vendor = Vendor::new();
    let authenticator = vendor.settings().build().unwrap();
    for _ in 0..10 * 60 {
        assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 200);
        vendor.pass(MINUTE).await;
    }
    let seen = vendor.server().counters();
    assert_eq!(seen.api_status(401), 0, "no token expired in use");
    // Renewed 22.5 to 24 minutes after the last renewal, and up to one minute later with this
    // interval.
    let logins = vendor.logins();
    assert!((24..=28).contains(&logins.len()), "{}", logins.len());
    for login in &logins {
        assert_eq!(login.expose_text(), logins[0].expose_text());
    }
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_no_refresh_token_is_ever_sent() {
    let vendor = Vendor::new();
    let reply = r#"{"access_token":"fake-token-1","expires_in":"1799","scope":"","refresh_token":"fake-refresh-1"}"#;
    vendor
        .server()
        .token()
        .always(Reply::status(200).json(reply));
    let authenticator = vendor.settings().build().unwrap();
    for _ in 0..5 {
        authenticator.token().await.unwrap();
        vendor.pass(HOUR).await;
    }
    let logins = vendor.logins();
    assert_eq!(logins.len(), 5);
    for login in logins {
        assert!(
            !login.expose_text().contains("refresh"),
            "{}",
            login.expose_text()
        );
        assert!(login.expose_body().starts_with("grant_type=password&"));
    }
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_is_30_minutes_if_a_reply_does_not_say() {
    let reply = r#"{"access_token":"fake-token-1","scope":""}"#;
    assert_lives(reply, 30 * MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn row_errors_a_rejected_login_says_what_to_check() {
    for reply in [
        Reply::status(401).json(r#"{"error":"Authentication error"}"#),
        Reply::status(400).json(r#"{"error":"Authentication error"}"#),
        Reply::status(401).json(r#"{"error":"Invalid login credentials"}"#),
        Reply::status(403).json(r#"{"error":"Invalid login credentials"}"#),
        Reply::status(403).json(r#"{"error":"Invalid API Key"}"#),
        Reply::status(401).body("Authentication error"),
        Reply::status(401),
        Reply::oauth_error(400, "invalid_grant"),
        Reply::oauth_error(401, "invalid_client"),
    ] {
        let vendor = Vendor::new();
        vendor.server().token().then(reply);
        let error = failure(&vendor).await;
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{text}");
        assert!(error.status().is_some());
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
        assert!(
            text.starts_with("kayzen: token endpoint answered 40"),
            "{text}"
        );
        for part in ["check", "API key and secret", "e-mail and password"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!error.is_transient());
    }
}

#[tokio::test(start_paused = true)]
async fn row_errors_the_vendors_words_are_kept() {
    let vendor = Vendor::new();
    vendor.server().change_user_password("fake-password-2");
    let settings = vendor.with_password(Secret::new("fake-password-1"));
    let error = settings.build().unwrap().token().await.unwrap_err();
    let text = "kayzen: token endpoint answered 401 with `Authentication error`: Invalid login \
                credentials; check API key and secret, e-mail and password";
    assert!(error.to_string().starts_with(text), "{error}");
    assert!(!error.to_string().contains("does not say"), "{error}");
    assert_eq!(error.code(), Some("Authentication error"));
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
}

#[tokio::test(start_paused = true)]
async fn row_errors_the_vendors_words_are_scrubbed() {
    let vendor = Vendor::new();
    let body = r#"{"error":"Authentication error","message":"no fake-password-1 here"}"#;
    vendor.server().token().then(Reply::status(401).json(body));
    let settings = vendor.with_password(Secret::new("fake-password-1"));
    let error = settings.build().unwrap().token().await.unwrap_err();
    assert!(
        error.to_string().contains(": no *** here; check"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn row_errors_of_other_kinds_do_not_blame_the_login() {
    for (reply, kind) in [
        (Reply::status(503), ErrorKind::Unavailable),
        (Reply::status(429), ErrorKind::Throttled),
        (Reply::status(404), ErrorKind::Unavailable),
        (Reply::status(403), ErrorKind::Protocol),
        (
            Reply::redirect(302, "https://kayzen.test/login"),
            ErrorKind::Unavailable,
        ),
        (
            Reply::status(400).json(r#"{"error":"Bad request","message":"no body"}"#),
            ErrorKind::Rejected,
        ),
        (
            Reply::oauth_error(400, "unsupported_grant_type"),
            ErrorKind::Rejected,
        ),
        (
            Reply::oauth_error(401, "temporarily_unavailable"),
            ErrorKind::Unavailable,
        ),
        (Reply::html(), ErrorKind::Protocol),
    ] {
        let vendor = Vendor::new();
        vendor.server().token().then(reply);
        let error = failure(&vendor).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("API key"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_errors_a_refused_token_is_replaced_once() {
    let vendor = Vendor::new();
    let authenticator = vendor.settings().build().unwrap();
    assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 200);
    vendor.server().revoke_all();
    let response = vendor.get(&authenticator, CAMPAIGNS).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!(vendor.logins().len(), 2);

    vendor.pass(MINUTE).await;
    vendor.server().always_refuse(true);
    assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 401);
    assert_eq!(vendor.logins().len(), 3);
}
