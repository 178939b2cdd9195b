//! Signed assertions against a server in memory that accepts each assertion once.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, Key, MemoryStore, Origins, Secret, SecretFn,
    SharedTokenStore, TokenRequest, TokenRequestReason, TokenSource,
};
use auth_jwt::{JwtAlgorithm, JwtSigner};
use auth_oauth2::{Client, ClientCredentials};
use auth_testkit::{Answer, Reply, TestServer, VendorRequest, VendorRules};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::KeyPair;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.test";

/// Accepts assertions that name the current key and have a `jti` that was not used before.
struct Server {
    kid: Arc<Mutex<&'static str>>,
    seen: Mutex<HashSet<String>>,
}

impl VendorRules for Server {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let params = request.params().unwrap();
        let assertion = params.get("client_assertion").unwrap();
        let part = |index| -> Value {
            let part = assertion.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        assert_eq!(claims["aud"], ISSUER);
        assert_eq!(claims["iss"], claims["sub"]);
        let jti = claims["jti"].as_str().unwrap().to_owned();
        assert!(
            self.seen.lock().unwrap().insert(jti),
            "a replayed assertion"
        );
        if header["kid"] == *self.kid.lock().unwrap() {
            return request.standard_reply("read");
        }
        let refusal = request.refuse::<()>("invalid_client", "a key that is retired");
        refusal.unwrap_err().into_answer()
    }
}

/// A server, the name of the key that the server accepts, and the key that the client reads.
struct World {
    server: TestServer,
    taken: Arc<Mutex<&'static str>>,
    file: Arc<Mutex<String>>,
}

impl World {
    fn new() -> Self {
        let taken = Arc::new(Mutex::new("fake-1"));
        let rules = Server {
            kid: Arc::clone(&taken),
            seen: Mutex::default(),
        };
        Self {
            server: TestServer::builder().vendor(rules).in_memory(),
            taken,
            file: Arc::new(Mutex::new(key("fake-1"))),
        }
    }

    fn source(&self) -> ClientCredentials {
        let file = Arc::clone(&self.file);
        let read = SecretFn::new(move || {
            let text = file.lock().unwrap().clone();
            std::future::ready(Ok(Secret::new(text)))
        });
        Client::builder(
            self.server.token_url(),
            "my-client",
            self.server.transport(),
        )
        .issuer(ISSUER)
        .client_assertion(JwtSigner::new(JwtAlgorithm::Es256, read))
        .build()
        .unwrap()
        .client_credentials()
    }

    fn authenticator(&self, options: AuthenticatorOptions) -> Authenticator {
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(self.source(), origins)
            .key(Key::builder("example").client("my-client").build())
            .options(options)
            .build()
            .unwrap()
    }

    fn token_requests(&self) -> u64 {
        self.server.counters().token_requests
    }
}

/// Makes a new private JWK.
fn key(kid: &str) -> String {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let der = pair.serialize_der();
    // In PKCS#8, all keys of this kind have the number at the same offset.
    let at = der
        .windows(3)
        .position(|window| window == [2, 1, 1])
        .unwrap()
        + 5;
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = pair.public_key_raw()[1..].split_at(32);
    let (x, y) = (text(x), text(y));
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "d": text(&der[at..at + 32]), "x": x, "y": y })
        .to_string()
}

async fn fetch(source: &impl TokenSource) -> Result<(), Error> {
    let credentials = source.credentials().await?;
    let request = TokenRequest::new(TokenRequestReason::Needed);
    source
        .fetch(request.credentials(credentials))
        .await
        .map(|_| ())
}

#[tokio::test]
async fn g03_a_thousand_cold_callers_make_one_token_request_with_one_assertion() {
    let world = World::new();
    let authenticator = world.authenticator(AuthenticatorOptions::new());
    let callers: Vec<_> = (0..1000).map(|_| authenticator.token()).collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(world.token_requests(), 1);
    assert_eq!(
        world
            .server
            .rules::<Server>()
            .unwrap()
            .seen
            .lock()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn g03_a_fleet_of_20_makes_one_token_request_with_one_assertion() {
    let world = World::new();
    let store = SharedTokenStore::new(MemoryStore::new());
    let options = || AuthenticatorOptions::new().store(store.clone());
    let fleet: Vec<_> = (0..20).map(|_| world.authenticator(options())).collect();
    let tokens: Vec<_> = fleet.iter().map(Authenticator::token).collect();
    for token in tokens {
        token.await.unwrap();
    }
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test]
async fn s34_each_attempt_sends_a_new_assertion() {
    let world = World::new();
    let source = world.source();
    world.server.token().then(Reply::status(503));
    fetch(&source).await.unwrap_err();
    let failed = world.server.recorded().pop().unwrap();
    let failed = failed.expose_parameter("client_assertion").unwrap();
    fetch(&source).await.unwrap();
    fetch(&source).await.unwrap();
    let last = world.server.recorded().pop().unwrap();
    assert_ne!(last.expose_parameter("client_assertion").unwrap(), failed);
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test]
async fn g06_a_retired_key_is_read_again_and_the_new_one_signs_at_once() {
    let world = World::new();
    let file = Arc::clone(&world.file);
    // The file is replaced during the token request with the old key.
    let reads = Arc::new(Mutex::new(0));
    let read = SecretFn::new(move || {
        let mut reads = reads.lock().unwrap();
        *reads += 1;
        if *reads == 2 {
            *file.lock().unwrap() = key("fake-2");
        }
        let text = file.lock().unwrap().clone();
        std::future::ready(Ok(Secret::new(text)))
    });
    *world.taken.lock().unwrap() = "fake-2";
    let client = Client::builder(
        world.server.token_url(),
        "my-client",
        world.server.transport(),
    )
    .issuer(ISSUER)
    .client_assertion(JwtSigner::new(JwtAlgorithm::Es256, read))
    .build()
    .unwrap();
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(client.client_credentials(), origins);
    authenticator.build().unwrap().token().await.unwrap();
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test]
async fn g06_a_retired_key_that_stays_is_sent_once() {
    let world = World::new();
    *world.taken.lock().unwrap() = "fake-2";
    let authenticator = world.authenticator(AuthenticatorOptions::new());
    for _ in 0..5 {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.code(), Some("invalid_client"), "{error}");
    }
    assert_eq!(world.token_requests(), 1);
}

#[test]
fn a_client_without_an_issuer_is_an_error_that_says_what_to_set() {
    let server = TestServer::builder().in_memory();
    let signer = JwtSigner::new(JwtAlgorithm::Es256, Secret::new(key("fake-1")));
    let builder = Client::builder(server.token_url(), "my-client", server.transport());
    let error = builder.client_assertion(signer).build().unwrap_err();
    assert_eq!(error.field(), Some("issuer"));
}
