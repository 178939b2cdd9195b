use std::{
    env, fs, process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Clock, ErrorKind, Key, MemoryStore, Origins,
    SharedTokenStore, TokenSource,
};
use auth_testkit::{Answer, TestServer, VendorRequest, VendorRules};

use super::*;
use crate::{
    Client, ClientAuth, ClientBuilder,
    client_auth::base64,
    testing::{Recorder, fetch, reply},
};

/// A wall clock that always shows [`NOW`].
#[derive(Clone, Copy, Debug)]
struct Stopped;

const NOW: u64 = 1_700_000_000;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::new(Duration::from_secs(5), Duration::from_secs(NOW))
    }
}

/// Three parts in the form of a JWT, without a real signature.
fn jwt(name: &str, exp: u64) -> String {
    let part = |json: &str| {
        let text = base64(json.as_bytes()).replace('+', "-").replace('/', "_");
        text.trim_end_matches('=').to_owned()
    };
    let header = part(r#"{"alg":"RS256","kid":"fake-key"}"#);
    let claims = part(&format!(
        r#"{{"iss":"cluster","sub":"{name}","exp":{exp}}}"#
    ));
    format!("{header}.{claims}.ZmFrZS1zaWduYXR1cmU")
}

fn valid(name: &str) -> String {
    jwt(name, NOW + 600)
}

fn builder(transport: &Recorder, assertion: impl Into<Assertion>) -> ClientBuilder {
    Client::builder(
        "https://login.example.com/token",
        "my-client",
        transport.clone(),
    )
    .client_assertion(assertion)
    .clock(Stopped)
}

fn source(transport: &Recorder, assertion: impl Into<Assertion>) -> crate::ClientCredentials {
    builder(transport, assertion)
        .build()
        .unwrap()
        .client_credentials()
}

/// An assertion that a closure returns.
fn read_as(text: impl Into<String>) -> Assertion {
    let text = text.into();
    SecretFn::new(move || std::future::ready(Ok(Secret::new(text.clone())))).into()
}

/// A file that is deleted when the value is dropped.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("auth-oauth2-{}-{name}", process::id());
        let path = env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn s32_golden_request_with_an_issued_assertion() {
    let transport = Recorder::default();
    let assertion = valid("fake-pod");
    let source = source(&transport, Secret::new(assertion.clone()));
    fetch(&source).await.unwrap();
    assert!(!transport.last().headers().contains_key("authorization"));
    assert_eq!(
        transport.last_body(),
        format!(
            "grant_type=client_credentials&client_id=my-client\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={assertion}"
        )
    );
}

#[tokio::test]
async fn an_assertion_file_is_read_for_each_token_request() {
    let transport = Recorder::default();
    let file = Temporary::new("each", &format!("{}\n", valid("fake-1")));
    let source = source(&transport, SecretFile::new(&file.0));
    fetch(&source).await.unwrap();
    assert!(transport.last_body().ends_with(&valid("fake-1")));
    let next = Temporary::new("next", &valid("fake-2"));
    fs::rename(&next.0, &file.0).unwrap();
    fetch(&source).await.unwrap();
    assert!(transport.last_body().ends_with(&valid("fake-2")));
}

#[tokio::test]
async fn an_invalid_or_expired_assertion_is_not_sent() {
    let whole = valid("fake-pod");
    let cut_in_claims = whole[..whole.find('.').unwrap() + 9].to_owned();
    for (text, what) in [
        (String::new(), "empty"),
        ("fake-secret-1".to_owned(), "not a JWT"),
        ("fake.secret.1".to_owned(), "not a JWT"),
        ("{\"token\":\"fake-secret-1\"}".to_owned(), "not a JWT"),
        (format!("{whole}\n{whole}"), "not a JWT"),
        (format!("{whole}=="), "not a JWT"),
        (cut_in_claims, "not a JWT"),
        (whole[..whole.len() - 19].to_owned(), "not a JWT"),
        (whole[..whole.len() - 2].to_owned(), "not a JWT"),
        (jwt("fake-pod", NOW), "expired 0 s ago"),
        (jwt("fake-pod", NOW - 35), "expired 35 s ago"),
        (jwt("fake-pod", 0), "expired 1700000000 s ago"),
    ] {
        let transport = Recorder::default();
        let error = fetch(&source(&transport, read_as(text.clone())))
            .await
            .unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Config, "{shown}");
        assert_eq!(error.field(), Some("client_assertion"), "{shown}");
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
        assert!(shown.contains(what), "{what}: {shown}");
        assert!(!shown.contains("fake"), "{shown}");
        assert!(text.is_empty() || !shown.contains(&text), "{shown}");
        assert_eq!(transport.calls(), 0);
        // A constant text is checked when the client is built.
        let built = builder(&transport, Secret::new(text)).build().unwrap_err();
        assert_eq!(built.field(), Some("client_assertion"));
    }
}

#[tokio::test]
async fn an_assertion_without_expiry_and_an_encrypted_one_are_sent() {
    let header = valid("x").split_once('.').unwrap().0.to_owned();
    // {"sub":"a"}
    let without = format!("{header}.eyJzdWIiOiJhIn0.ZmFrZQ");
    let encrypted = format!("{header}..ZmFrZQ.ZmFrZQ.ZmFrZQ");
    for text in [without, encrypted, jwt("x", NOW + 1)] {
        let transport = Recorder::default();
        fetch(&source(&transport, read_as(text))).await.unwrap();
        assert_eq!(transport.calls(), 1);
    }
}

#[tokio::test]
async fn an_error_names_the_assertion_file_that_cannot_be_read() {
    let transport = Recorder::default();
    let empty = Temporary::new("empty", "");
    for path in [empty.0.clone(), env::temp_dir().join("auth-oauth2-missing")] {
        let error = fetch(&source(&transport, SecretFile::new(&path)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert_eq!(transport.calls(), 0);
}

#[tokio::test]
async fn g18_an_assertion_is_scrubbed_from_the_servers_error_text() {
    let assertion = valid("fake-pod");
    let body = format!(r#"{{"error":"invalid_client","error_description":"bad {assertion}"}}"#);
    let transport = Recorder::answering([reply(401, &body)]);
    let source = source(&transport, Secret::new(assertion.clone()));
    let error = fetch(&source).await.unwrap_err();
    let shown = format!("{error} {error:?} {source:?}");
    assert!(shown.contains("invalid_client"), "{shown}");
    assert!(!shown.contains(&assertion[10..40]), "{shown}");
}

#[test]
fn an_assertion_with_another_client_auth_method_is_a_config_error() {
    let transport = Recorder::default();
    let good = || builder(&transport, Secret::new(valid("fake-pod")));
    assert!(good().build().is_ok());
    let bare = || Client::builder("https://login.example.com/token", "me", transport.clone());
    for (builder, field) in [
        (good().client_auth(ClientAuth::Post), "client_auth"),
        (good().client_auth(ClientAuth::None), "client_auth"),
        (good().secret(Secret::new("fake-secret-1")), "client_auth"),
        (
            bare().client_auth(ClientAuth::Assertion),
            "client_assertion",
        ),
        (good().issuer(""), "issuer"),
        (good().extra("client_assertion", "fake-secret-1"), "extra"),
        (bare().client_assertion(SecretEnv::new("A=B")), "secret_env"),
    ] {
        let error = builder.build().unwrap_err();
        let found = (error.kind(), error.field());
        assert_eq!(found, (ErrorKind::Config, Some(field)), "{error}");
    }
}

/// A server that accepts one assertion only.
struct Takes(&'static str);

impl VendorRules for Takes {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let params = request.params().unwrap();
        let sent = params.get("client_assertion").unwrap_or_default();
        if sent == valid(self.0) {
            return request.standard_reply("read");
        }
        let refusal = request.refuse::<()>("invalid_client", "not the assertion of this client");
        refusal.unwrap_err().into_answer()
    }
}

fn authenticator(source: impl TokenSource, options: AuthenticatorOptions) -> Authenticator {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let builder = Authenticator::builder(source, origins);
    let key = Key::builder("example").client("my-client").build();
    builder.key(key).options(options).build().unwrap()
}

fn client_of(server: &TestServer, assertion: impl Into<Assertion>) -> ClientBuilder {
    Client::builder(server.token_url(), "my-client", server.transport())
        .client_assertion(assertion)
        .clock(Stopped)
}

#[tokio::test]
async fn g06_a_rejected_assertion_is_read_again_and_sent_once_if_it_changed() {
    // (number of the first read that returns the valid assertion, token requests, accepted)
    for (good_from, requests, accepted) in [(1, 1, true), (2, 2, true), (3, 1, false)] {
        let server = TestServer::builder().vendor(Takes("fake-2")).in_memory();
        let reads = AtomicUsize::new(0);
        let assertion = SecretFn::new(move || {
            let read = reads.fetch_add(1, Ordering::Relaxed) + 1;
            let name = if read < good_from { "fake-1" } else { "fake-2" };
            std::future::ready(Ok(Secret::new(valid(name))))
        });
        let client = client_of(&server, assertion).build().unwrap();
        let authenticator = authenticator(client.client_credentials(), AuthenticatorOptions::new());
        let token = authenticator.token().await;
        assert_eq!(token.is_ok(), accepted, "{good_from}: {token:?}");
        assert_eq!(server.counters().token_requests, requests, "{good_from}");
        if let Err(error) = token {
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert_eq!(error.code(), Some("invalid_client"));
        }
    }
}

#[tokio::test]
async fn g03_a_fleet_with_assertions_makes_one_token_request() {
    let server = TestServer::builder().vendor(Takes("fake-pod")).in_memory();
    let store = SharedTokenStore::new(MemoryStore::new());
    let fleet: Vec<_> = (0..20)
        .map(|_| {
            let client = client_of(&server, read_as(valid("fake-pod")))
                .build()
                .unwrap();
            let options = AuthenticatorOptions::new().store(store.clone());
            authenticator(client.client_credentials(), options)
        })
        .collect();
    let tokens: Vec<_> = fleet.iter().map(Authenticator::token).collect();
    for token in tokens {
        token.await.unwrap();
    }
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test]
async fn an_expired_assertion_leaves_a_valid_token_in_use() {
    let server = TestServer::builder().vendor(Takes("fake-pod")).in_memory();
    let reads = AtomicUsize::new(0);
    let assertion = SecretFn::new(move || {
        let first = reads.fetch_add(1, Ordering::Relaxed) == 0;
        let exp = if first { NOW + 600 } else { NOW - 1 };
        std::future::ready(Ok(Secret::new(jwt("fake-pod", exp))))
    });
    let client = client_of(&server, assertion).build().unwrap();
    let authenticator = authenticator(client.client_credentials(), AuthenticatorOptions::new());
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    authenticator.report_refused(token.generation());
    // The refused token is still used, because no other token can be had.
    assert!(authenticator.token().await.is_ok());
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test]
async fn a_rejected_assertion_error_names_the_clock_difference() {
    // Offset of the server's `Date` from 1,700,000,000, in seconds.
    for (offset, date, says) in [
        (0, "Tue, 14 Nov 2023 22:13:20 GMT", None),
        (30, "Tue, 14 Nov 2023 22:13:50 GMT", None),
        (31, "Tue, 14 Nov 2023 22:13:51 GMT", Some("31 s behind")),
        (
            -3600,
            "Tue, 14 Nov 2023 21:13:20 GMT",
            Some("3600 s ahead of"),
        ),
    ] {
        for code in ["invalid_client", "invalid_scope"] {
            let mut answer = reply(400, &format!(r#"{{"error":"{code}"}}"#));
            answer.headers_mut().insert("date", date.parse().unwrap());
            let transport = Recorder::answering([answer]);
            let source = source(&transport, Secret::new(valid("fake-pod")));
            let error = fetch(&source).await.unwrap_err().to_string();
            let says = says.filter(|_| code == "invalid_client");
            assert_eq!(error.contains("clock"), says.is_some(), "{offset}: {error}");
            assert!(says.is_none_or(|says| error.contains(says)), "{error}");
        }
    }
}
