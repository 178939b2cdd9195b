//! Clients that authenticate with an assertion (RFC 7523 section 2.2).

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use auth_core::{
    Clock, Error, ErrorKind, Moment, RefreshPolicy, Secret, SecretFile, SystemClock,
    TokenSource as _,
};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::{Assertion, AssertionContext, AssertionSigner as _, Client, ClientBuilder};
use auth_reqwest::ReqwestTransport;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time};

use crate::{
    server::Server,
    stack::{Api, during},
};

pub(crate) const ES256: &str = "cc-jwt-es256";

fn client(server: &Server, id: &str, assertion: impl Into<Assertion>) -> ClientBuilder {
    let transport = ReqwestTransport::new().expect("a transport");
    Client::builder(server.token_endpoint(), id, transport)
        .danger_allow_http(server.token_endpoint())
        .expect("an origin")
        .issuer(server.origin())
        .client_assertion(assertion)
}

/// Signs with the key of the server's ES256 client.
fn signer(server: &Server) -> JwtSigner {
    let key = SecretFile::new(server.state("cc-jwt-es256.jwk.json"));
    JwtSigner::new(JwtAlgorithm::Es256, key)
}

pub(crate) async fn private_key_jwt() {
    let server = Server::start(&[]).await;
    let mut requests = 0;
    for (algorithm, id) in [
        (JwtAlgorithm::Es256, ES256),
        (JwtAlgorithm::Es384, "cc-jwt-es384"),
        (JwtAlgorithm::Rs256, "cc-jwt-rs256"),
        (JwtAlgorithm::Ps256, "cc-jwt-ps256"),
        (JwtAlgorithm::EdDsa, "cc-jwt-eddsa"),
    ] {
        for form in ["key.pem", "jwk.json"] {
            for audience in [JwtAudience::Issuer, JwtAudience::TokenEndpoint] {
                let key = SecretFile::new(server.state(&format!("{id}.{form}")));
                let signer = JwtSigner::new(algorithm, key).audience(audience);
                let api = Api::new(&server, client(&server, id, signer));
                for _ in 0..3 {
                    let answer = api.get().await.expect("a token");
                    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                    assert_eq!(answer.body["client_id"], id);
                }
                requests += 1;
            }
        }
    }
    let stats = server.stats().await;
    let counted = (stats.token_requests(), stats.token_success());
    assert_eq!(counted, (requests, requests));
}

pub(crate) async fn client_secret_jwt() {
    let server = Server::start(&[]).await;
    let id = "cc-secret-jwt";
    let secret = Secret::new(format!("{id}-secret-0123456789abcdef"));
    let signer = JwtSigner::new(JwtAlgorithm::Hs256, secret);
    let api = Api::new(&server, client(&server, id, signer));
    let answer = api.get().await.expect("a token");
    assert_eq!(answer.body["client_id"], id);
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_success()), (1, 1));
}

pub(crate) async fn one_assertion_for_a_crowd() {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, client(&server, ES256, signer(&server)));
    let mut crowd = JoinSet::new();
    for _ in 0..1000 {
        let api = api.clone();
        crowd.spawn(async move { api.get().await.expect("a token").status });
    }
    let answers = crowd.join_all().await;
    assert!(answers.into_iter().all(|status| status == StatusCode::OK));
    let stats = server.stats().await;
    let counted = (stats.token_requests(), stats.resource_requests());
    assert_eq!(counted, (1, 1000));
}

/// Sends one token request and expects the server to reject the client.
async fn refused(server: &Server, builder: ClientBuilder) -> Error {
    let before = server.stats().await.token_error("invalid_client");
    let error = token(builder).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
    assert_eq!(error.code(), Some("invalid_client"), "{error:?}");
    let after = server.stats().await.token_error("invalid_client");
    assert_eq!(after, before + 1, "{error:?}");
    error
}

async fn token(builder: ClientBuilder) -> Result<(), Error> {
    let source = builder
        .build()
        .expect("right settings")
        .client_credentials();
    let credentials = source.credentials().await?;
    let request = auth_core::TokenRequest::new(auth_core::TokenRequestReason::Needed);
    source.fetch(request.credentials(credentials)).await?;
    Ok(())
}

/// Signs an assertion, as another program does.
async fn issue(server: &Server) -> Secret {
    let (signer, endpoint) = (signer(server), server.token_endpoint());
    let context = AssertionContext::new(ES256, endpoint, SystemClock::new().now());
    let key = signer.read_key().await.expect("a key");
    let context = context.with_issuer(server.origin());
    signer.sign(&key, &context).await.expect("a signature")
}

pub(crate) async fn replayed_assertion() {
    let server = Server::start(&[]).await;
    let assertion = issue(&server).await;
    let sent = || client(&server, ES256, assertion.clone());
    token(sent()).await.expect("it is new");
    refused(&server, sent()).await;
    // The signer makes a new assertion each time.
    for _ in 0..5 {
        token(client(&server, ES256, signer(&server)))
            .await
            .expect("it is new");
    }
}

pub(crate) async fn wrong_audience() {
    let server = Server::start(&[]).await;
    let other = JwtAudience::Fixed("https://login.example.com".into());
    refused(
        &server,
        client(&server, ES256, signer(&server).audience(other)),
    )
    .await;
}

/// A clock that is one hour off.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) is_ahead: bool,
}

impl Wrong {
    /// What an error says about it.
    pub(crate) fn advice(&self) -> &'static str {
        if self.is_ahead {
            "s ahead of the server's, and assertions depend on it: set the clock"
        } else {
            "s behind the server's, and assertions depend on it: set the clock"
        }
    }
}

impl Clock for Wrong {
    fn now(&self) -> Moment {
        let now = SystemClock::new().now();
        let wall = now.since_unix_epoch();
        let hour = Duration::from_secs(3600);
        let wall = if self.is_ahead {
            wall + hour
        } else {
            wall - hour
        };
        Moment::new(now.monotonic(), wall)
    }
}

/// Each server rejects an assertion from a clock that is behind, because `exp` has passed. Of one
/// from a clock that is ahead, the server as shipped checks `exp` only; others check `iat`.
pub(crate) async fn clock_an_hour_off() {
    for (checks_iat, is_ahead, why) in [
        ("off", false, "jwt expired"),
        ("on", false, "jwt expired"),
        ("on", true, "iat is in the future"),
    ] {
        let server = Server::start(&["--assertion-iat", checks_iat]).await;
        let clock = Wrong { is_ahead };
        let advice = clock.advice();
        let error = refused(
            &server,
            client(&server, ES256, signer(&server)).clock(clock),
        )
        .await;
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(server.stats().await.token_error_detail(why), 1);
    }
    let server = Server::start(&[]).await;
    let clock = Wrong { is_ahead: true };
    let ahead = client(&server, ES256, signer(&server)).clock(clock);
    token(ahead).await.expect("its `exp` has not come");
}

/// The key file of a client whose public keys are registered with the server.
struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    fn new(server: &Server) -> Self {
        let path = server.state("rotating.jwk.json");
        Self { path }
    }

    /// Replaces the file by renaming another one to its name.
    fn write(&self, text: &str) {
        replace(&self.path, text);
    }

    fn client(&self, server: &Server) -> ClientBuilder {
        let key = SecretFile::new(&self.path);
        let signer = JwtSigner::new(JwtAlgorithm::Es256, key);
        client(server, "cc-jwt-rotating", signer)
    }
}

fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).expect("a file can be written");
    fs::rename(&next, path).expect("a file can be replaced");
}

/// Returns a private JWK that the server made for another purpose, with another `kid`.
fn jwk(server: &Server, of: &str, kid: &str) -> Value {
    let text = fs::read(server.state(&format!("{of}.jwk.json"))).expect("a key");
    let mut jwk: Value = serde_json::from_slice(&text).expect("JSON");
    jwk["kid"] = json!(kid);
    jwk
}

/// Registers the client's keys with the server.
async fn register(server: &Server, keys: &[&Value]) {
    let public = keys.iter().map(|key| {
        let mut key = (*key).clone();
        key.as_object_mut().expect("an object").remove("d");
        key
    });
    let keys: Vec<Value> = public.collect();
    server
        .control(json!({ "client_jwks": { "keys": keys } }))
        .await;
}

pub(crate) async fn retired_key() {
    let server = Server::start(&[]).await;
    let file = KeyFile::new(&server);
    let old = jwk(&server, ES256, "fake-old");
    let new = jwk(&server, "server-ES256", "fake-new");
    file.write(&old.to_string());
    register(&server, &[&old]).await;
    token(file.client(&server)).await.expect("it is current");
    register(&server, &[&new]).await;
    refused(&server, file.client(&server)).await;
    file.write(&new.to_string());
    token(file.client(&server)).await.expect("it is current");
}

/// Two keys overlap for a time, and the server never receives an unknown one.
pub(crate) async fn key_rotated_under_traffic() {
    let server = Server::start(&["--ttl", "2"]).await;
    let file = KeyFile::new(&server);
    let old = jwk(&server, ES256, "fake-old");
    let new = jwk(&server, "server-ES256", "fake-new");
    file.write(&old.to_string());
    register(&server, &[&old]).await;
    let api = Api::with_policy(&server, file.client(&server), RefreshPolicy::default());
    let traffic = tokio::spawn({
        let api = api.clone();
        async move { api.traffic(during(Duration::from_secs(8))).await }
    });
    let mut pace = time::interval(Duration::from_secs(2));
    pace.tick().await;
    pace.tick().await;
    register(&server, &[&old, &new]).await;
    file.write(&json!({ "keys": [old, new] }).to_string());
    pace.tick().await;
    register(&server, &[&new]).await;
    file.write(&new.to_string());
    // Every request was answered with 200.
    assert!(traffic.await.expect("no failed request") > 1000);
    let stats = server.stats().await;
    assert!(stats.token_requests() >= 4, "{}", stats.token_requests());
    assert_eq!(stats.token_errors(), 0);
}

/// Another program issues assertions and replaces the file, as kubelet does.
pub(crate) async fn assertion_file_replaced_under_traffic() {
    let server = Server::start(&["--ttl", "2"]).await;
    let path = server.state("assertion.jwt");
    replace(&path, issue(&server).await.expose());
    let api = Api::new(&server, client(&server, ES256, SecretFile::new(&path)));
    let traffic = tokio::spawn({
        let api = api.clone();
        async move { api.traffic(during(Duration::from_secs(6))).await }
    });
    let mut pace = time::interval(Duration::from_millis(200));
    while !traffic.is_finished() {
        pace.tick().await;
        replace(&path, issue(&server).await.expose());
    }
    assert!(traffic.await.expect("no failed request") > 1000);
    let stats = server.stats().await;
    assert!(stats.token_requests() >= 3, "{}", stats.token_requests());
    assert_eq!(stats.token_errors(), 0);
}
