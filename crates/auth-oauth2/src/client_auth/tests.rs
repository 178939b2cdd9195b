use auth_core::{ErrorKind, RejectedPart, SecretEnv};
use proptest::prelude::*;

use super::*;
use crate::{
    Client, ClientBuilder, ReplyRules,
    testing::{Recorder, fetch, reply},
};

/// Returns the text after `Basic `, decoded.
fn credentials(method: ClientAuth, id: &str, secret: &str) -> String {
    let authorization = method
        .authorization(id, Some(&Secret::new(secret)))
        .unwrap();
    let known = authorization.credentials().clone();
    let line = authorization.into_line();
    let credentials = line.expose().strip_prefix("Basic ").unwrap();
    assert_eq!(credentials, known.expose());
    String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap()
}

/// Decodes as a server does (RFC 6749 section 2.3.1), independently of the encoder.
fn decode(form: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = form.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn s03_basic_is_form_encoded_first() {
    // RFC 6749 appendix B: space, percent, ampersand, plus, pound, euro.
    let vector = " %&+\u{a3}\u{20ac}";
    assert_eq!(credentials(ClientAuth::Basic, vector, vector), {
        let encoded = "+%25%26%2B%C2%A3%E2%82%AC";
        format!("{encoded}:{encoded}")
    });
    assert_eq!(
        credentials(ClientAuth::Basic, "a:b", "a+b/c=%"),
        "a%3Ab:a%2Bb%2Fc%3D%25"
    );
}

#[test]
fn s04_raw_basic_encodes_nothing() {
    assert_eq!(ClientAuth::default(), ClientAuth::Basic);
    assert_eq!(
        credentials(ClientAuth::BasicRaw, "my client", "a+b/c=%:\u{a3}"),
        "my client:a+b/c=%:\u{a3}"
    );
}

#[test]
fn post_sends_no_header() {
    assert!(
        ClientAuth::Post
            .authorization("id", Some(&Secret::new("fake-secret")))
            .is_none()
    );
}

#[test]
fn client_id_in_the_body_leaves_the_header_unchanged() {
    for (one, other) in [
        (ClientAuth::Basic, ClientAuth::BasicWithId),
        (ClientAuth::BasicRaw, ClientAuth::BasicRawWithId),
    ] {
        let of = |method| credentials(method, "my client", "fake-secret/1");
        assert_eq!(of(one), of(other));
        assert!(!one.repeats_id() && other.repeats_id());
    }
}

#[test]
fn an_empty_secret_is_sent_with_its_colon() {
    let method = ClientAuth::BasicEmptySecret;
    assert_eq!(
        credentials(method, "my client", "fake-ignored"),
        "my+client:"
    );
    assert!(method.authorization("id", None).is_some());
    assert!(ClientAuth::Basic.authorization("id", None).is_none());
}

#[test]
fn the_buffer_of_basic_credentials_never_grows() {
    for (id, secret) in [
        ("", ""),
        ("id", "fake-secret"),
        ("\u{20ac}", "\u{20ac}\u{a3} %"),
    ] {
        let room = 3 * (id.len() + secret.len()) + 1;
        let pair = pair(push_form_encoded, id, secret);
        assert!(pair.len() <= room && pair.capacity() == room, "{pair:?}");
    }
}

proptest! {
    #[test]
    fn s03_a_server_decodes_the_original_id_and_secret(id in any::<String>(), secret in any::<String>()) {
        let pair = credentials(ClientAuth::Basic, &id, &secret);
        let (left, right) = pair.split_once(':').unwrap();
        prop_assert_eq!(decode(left), id);
        prop_assert_eq!(decode(right), secret);
    }

    #[test]
    fn s04_a_server_that_does_not_decode_splits_at_the_first_colon(
        id in "[^:]*",
        secret in any::<String>(),
    ) {
        let pair = credentials(ClientAuth::BasicRaw, &id, &secret);
        prop_assert_eq!(pair.split_once(':').unwrap(), (&*id, &*secret));
    }
}

const URL: &str = "https://login.example.com/token";

fn client(secret: &str, transport: &Recorder) -> ClientBuilder {
    Client::builder(URL, "my-client", transport.clone()).secret(Secret::new(secret))
}

#[tokio::test]
async fn basic_and_the_client_id_in_the_body() {
    for method in [ClientAuth::BasicWithId, ClientAuth::BasicRawWithId] {
        let transport = Recorder::default();
        let source = client("fake-secret-1", &transport).client_auth(method);
        fetch(&source.build().unwrap().client_credentials())
            .await
            .unwrap();
        let request = transport.last();
        // base64 of `my-client:fake-secret-1`
        let basic = "Basic bXktY2xpZW50OmZha2Utc2VjcmV0LTE=";
        assert_eq!(request.headers()["authorization"], basic);
        let body = "grant_type=client_credentials&client_id=my-client";
        assert_eq!(request.body(), body);
    }
    let transport = Recorder::default();
    let raw = Client::builder(URL, "a:b", transport)
        .secret(Secret::new("fake-secret-1"))
        .client_auth(ClientAuth::BasicRawWithId);
    assert_eq!(raw.build().unwrap_err().field(), Some("client_id"));
}

#[test]
fn a_client_identifier_with_white_space_at_an_end_is_an_error() {
    for id in ["", " ", "my-client\n", "\tmy-client", "my\nclient"] {
        let client =
            Client::builder(URL, id, Recorder::default()).secret(Secret::new("fake-secret-1"));
        let error = client.build().unwrap_err();
        assert_eq!(error.field(), Some("client_id"), "{id:?}");
    }
}

#[tokio::test]
async fn a_client_with_basic_empty_secret_sends_the_colon() {
    let method = ClientAuth::BasicEmptySecret;
    let transport = Recorder::default();
    let client_of =
        |method| Client::builder(URL, "my-client", transport.clone()).client_auth(method);
    let source = client_of(method).build().unwrap().client_credentials();
    fetch(&source).await.unwrap();
    let request = transport.last();
    // base64 of `my-client:`
    assert_eq!(request.headers()["authorization"], "Basic bXktY2xpZW50Og==");
    assert_eq!(request.body(), "grant_type=client_credentials");

    let first = Secret::new("fake-refresh-1");
    assert!(
        client_of(method)
            .build()
            .unwrap()
            .refresh_token(first)
            .is_ok()
    );
    // With these methods an empty secret is a mistake.
    for method in [ClientAuth::Basic, ClientAuth::BasicRaw, ClientAuth::Post] {
        let error = client("", &transport).client_auth(method).build();
        assert_eq!(error.unwrap_err().field(), Some("client_secret"));
    }
}

#[cfg(feature = "password")]
#[tokio::test]
async fn a_public_client_logs_in_with_a_password() {
    let transport = Recorder::answering([reply(401, "")]);
    let password = Secret::new("fake-password-1");
    let source = Client::builder(URL, "my-app", transport.clone())
        .client_auth(ClientAuth::None)
        .build()
        .unwrap()
        .password("me@example.com", password)
        .unwrap();
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    fetch(&source).await.unwrap();
    let request = transport.last();
    assert!(!request.headers().contains_key("authorization"));
    assert_eq!(
        request.body(),
        "grant_type=password&client_id=my-app&username=me%40example.com&password=fake-password-1"
    );
}

#[test]
fn an_environment_variable_with_an_invalid_name_is_an_error_when_building() {
    let transport = Recorder::default();
    for (name, field) in [
        ("", "secret_env"),
        ("A=fake-secret", "secret_env"),
        ("AUTH_OAUTH2_TEST_NOT_SET", "AUTH_OAUTH2_TEST_NOT_SET"),
    ] {
        let secret = || SecretEnv::new(name);
        let client = Client::builder(URL, "id", transport.clone()).secret(secret());
        let fixed = self::client("fake-secret-1", &transport).build().unwrap();
        let login = fixed.refresh_token(secret());
        for error in [client.build().unwrap_err(), login.unwrap_err()] {
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some(field))
            );
            assert!(!error.to_string().contains("fake-secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_configured_credential_code_overrides_the_grants_own_rule() {
    let words = reply(400, r#"{"error":"BAD_KEY"}"#);
    let transport = Recorder::answering([words]);
    let rules = ReplyRules::new().credential_codes(["BAD_KEY"]);
    let source = client("fake-secret-1", &transport).reply_rules(rules);
    let error = fetch(&source.build().unwrap().client_credentials())
        .await
        .unwrap_err();
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
}

#[tokio::test]
async fn a_refresh_rejected_without_a_code_says_log_in_again() {
    let transport = Recorder::answering([reply(400, "")]);
    let first = Secret::new("fake-refresh-1");
    let source = Client::builder(URL, "id", transport)
        .client_auth(ClientAuth::None)
        .build()
        .unwrap()
        .refresh_token(first)
        .unwrap();
    let token_request = auth_core::TokenRequest::new(auth_core::TokenRequestReason::Needed);
    let token_request = token_request.refresh_token("fake-refresh-1");
    let error = crate::testing::send(&source, token_request)
        .await
        .unwrap_err();
    assert_eq!(error.rejected_part(), None, "{error}");
    assert!(error.to_string().contains("log in again"), "{error}");
}
