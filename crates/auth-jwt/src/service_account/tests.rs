#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{Clock, ErrorKind, Moment, SecretFn, TokenRequestReason};
use auth_testkit::{Answer, TestServer, VendorRequest, VendorRules};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;

#[derive(Debug)]
struct Stopped;

const NOW: u64 = 1_700_000_000;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::new(Duration::from_secs(5), Duration::from_secs(NOW))
    }
}

/// Accepts every assertion, so that the tests can read it.
struct Google;

impl VendorRules for Google {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let params = request.params().unwrap();
        let grant = params.get("grant_type");
        assert_eq!(grant, Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
        assert!(params.get("client_id").is_none() && params.get("scope").is_none());
        request.standard_reply("fake")
    }
}

fn file(token_uri: &str, kid: &str) -> String {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", key.serialize_der()));
    json!({
        "type": "service_account", "project_id": "fake-project", "private_key_id": kid,
        "private_key": key, "client_email": "fake@fake-project.iam.example.com",
        "client_id": "1234567890", "token_uri": token_uri,
    })
    .to_string()
}

async fn fetch(source: &ServiceAccount) -> Result<AccessToken, Error> {
    let credentials = source.credentials().await?;
    let request = TokenRequest::new(TokenRequestReason::Needed);
    source.fetch(request.credentials(credentials)).await
}

fn sent(server: &TestServer, part: usize) -> Value {
    let request = server.recorded().pop().unwrap();
    let assertion = request.expose_parameter("assertion").unwrap();
    let part = assertion.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn s32_all_settings_come_from_the_key_file_which_is_read_each_time() {
    let server = TestServer::builder().vendor(Google).in_memory();
    let uri = server.token_url();
    let files = VecDeque::from([file(&uri, "fake-1"), file(&uri, "fake-2")]);
    let files = Arc::new(Mutex::new(files));
    let read = SecretFn::new(move || {
        let next = files.lock().unwrap().pop_front().unwrap();
        std::future::ready(Ok(Secret::new(next)))
    });
    let source = ServiceAccount::builder(read, server.transport())
        .scope("https://api.example.com/a https://api.example.com/b")
        .clock(Stopped)
        .build()
        .unwrap();
    fetch(&source).await.unwrap();
    assert_eq!(
        sent(&server, 0),
        json!({ "alg": "RS256", "typ": "JWT", "kid": "fake-1" })
    );
    let mut claims = sent(&server, 1);
    assert!(claims.as_object_mut().unwrap().remove("jti").is_some());
    assert_eq!(
        claims,
        json!({
            "iss": "fake@fake-project.iam.example.com", "aud": uri, "iat": NOW, "exp": NOW + 60,
            "scope": "https://api.example.com/a https://api.example.com/b",
        })
    );
    fetch(&source).await.unwrap();
    assert_eq!(sent(&server, 0)["kid"], "fake-2");
}

#[tokio::test]
async fn a_service_account_acts_for_a_user() {
    let server = TestServer::builder().vendor(Google).in_memory();
    let key = Secret::new(file(&server.token_url(), "fake-1"));
    let source = ServiceAccount::builder(key, server.transport());
    let source = source.subject("user@example.com").build().unwrap();
    fetch(&source).await.unwrap();
    let claims = sent(&server, 1);
    assert_eq!(claims["sub"], "user@example.com");
    assert!(claims.get("scope").is_none());
}

#[tokio::test]
async fn a_wrong_key_file_is_an_error_that_names_the_field() {
    let server = TestServer::builder().vendor(Google).in_memory();
    let good = file(&server.token_url(), "fake-1");
    let without = |member: &str| {
        let mut file: Value = serde_json::from_str(&good).unwrap();
        file.as_object_mut().unwrap().remove(member);
        file.to_string()
    };
    for (text, field) in [
        (String::new(), "service_account_key"),
        ("fake-secret-1".to_owned(), "service_account_key"),
        (good[..good.len() / 2].to_owned(), "service_account_key"),
        (without("client_email"), "service_account_key"),
        (without("token_uri"), "service_account_key"),
        (without("private_key"), "signing_key"),
        (
            file("http://oauth2.example.com/token", "fake-1"),
            "token_uri",
        ),
        (file("/token", "fake-1"), "token_uri"),
        (
            file("https://oauth2.example.com/token#fake", "fake-1"),
            "token_url",
        ),
    ] {
        let read = text.clone();
        let read = SecretFn::new(move || std::future::ready(Ok(Secret::new(read.clone()))));
        let source = ServiceAccount::builder(read, server.transport());
        let error = fetch(&source.build().unwrap()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field)),
            "{shown}"
        );
        assert!(
            !shown.contains("fake-secret-1") && !shown.contains("PRIVATE"),
            "{shown}"
        );
        let fixed = ServiceAccount::builder(Secret::new(text), server.transport()).build();
        assert_eq!(
            fixed.unwrap_err().field(),
            Some(field),
            "checked when building"
        );
    }
    assert_eq!(server.counters().token_requests, 0);
}
