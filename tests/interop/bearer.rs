//! The JWT bearer grant (RFC 7523 section 2.1): an assertion for an access token.

use std::{fs, time::Duration};

use auth_core::{
    Clock, ErrorKind, RefreshPolicy, Secret, SecretFile, SharedTransport, SystemClock, TokenSource,
};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner, ServiceAccount, ServiceAccountBuilder};
use auth_oauth2::{
    Assertion, AssertionContext, AssertionSigner as _, Client, ClientAuth, ClientBuilder, JwtBearer,
};
use auth_reqwest::ReqwestTransport;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    assertions::Wrong,
    server::{Server, Stats},
    stack::{self, Api, during},
};

/// The server's service account, which is known by its assertions only.
pub(crate) const ROBOT: &str = "robot@interop.example.com";
const PUBLIC: &str = "bearer-public";
const BASIC: &str = "bearer-basic";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn transport() -> SharedTransport {
    SharedTransport::new(ReqwestTransport::new().expect("a transport"))
}

/// The key file of the service account, as Google writes it, with the key of `owner`.
pub(crate) fn key_file(server: &Server, owner: &str) -> Secret {
    let read = |form: &str| {
        let file = server.state(&format!("{owner}.{form}"));
        fs::read_to_string(file).expect("a key")
    };
    let jwk: Value = serde_json::from_str(&read("jwk.json")).expect("JSON");
    let file = json!({
        "type": "service_account", "client_email": ROBOT, "private_key": read("key.pem"),
        "private_key_id": jwk["kid"], "token_uri": server.token_endpoint(),
    });
    Secret::new(file.to_string())
}

fn robot(server: &Server, owner: &str) -> ServiceAccountBuilder {
    ServiceAccount::builder(key_file(server, owner), transport())
        .scope("api:read")
        .danger_allow_http(server.token_endpoint())
        .expect("an origin")
}

fn public(server: &Server) -> ClientBuilder {
    Client::builder(server.token_endpoint(), PUBLIC, transport())
        .danger_allow_http(server.token_endpoint())
        .expect("an origin")
        .issuer(server.issuer())
        .client_auth(ClientAuth::None)
}

/// Signs for a user with the key of `owner`.
fn signer(server: &Server, owner: &str) -> JwtSigner {
    let key = SecretFile::new(server.state(&format!("{owner}.jwk.json")));
    JwtSigner::new(JwtAlgorithm::Es384, key).subject("alice")
}

fn source(client: ClientBuilder, assertion: impl Into<Assertion>) -> JwtBearer {
    let client = client.build().expect("right settings");
    client.jwt_bearer(assertion).expect("right settings")
}

fn api(server: &Server, source: impl TokenSource) -> Api {
    Api::of(server, source, RefreshPolicy::default())
}

/// With a key file, as a public client, with client authentication, and at a discovered endpoint.
pub(crate) async fn jwt_bearer() {
    let server = Server::start(&[]).await;
    let robot = robot(&server, ROBOT).build().expect("right settings");
    let key = SecretFile::new(server.state("bearer-basic.key.pem"));
    let for_bob = JwtSigner::new(JwtAlgorithm::Es256, key).subject("bob");
    let basic = stack::login(&server, BASIC).scope("api:write");
    let found = Client::discover(server.issuer(), PUBLIC, transport())
        .danger_allow_http(server.issuer())
        .expect("an origin")
        .client_auth(ClientAuth::None);
    let paths = [
        (api(&server, robot), ROBOT, ROBOT, "api:read"),
        (
            api(&server, source(public(&server), signer(&server, PUBLIC))),
            PUBLIC,
            "alice",
            "",
        ),
        (
            api(
                &server,
                source(
                    basic,
                    for_bob.audience(JwtAudience::Fixed(server.token_endpoint().into())),
                ),
            ),
            BASIC,
            "bob",
            "api:write",
        ),
        (
            api(&server, source(found, signer(&server, PUBLIC))),
            PUBLIC,
            "alice",
            "",
        ),
    ];
    for (api, client, subject, scope) in &paths {
        for _ in 0..3 {
            let answer = api.get().await.expect("a token");
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert_eq!(answer.body["client_id"], *client);
            assert_eq!(answer.body["sub"], *subject);
            assert_eq!(answer.body["scope"].as_str().unwrap_or_default(), *scope);
        }
    }
    let stats = server.stats().await;
    let counted = (stats.token_requests(), stats.token_by_grant(GRANT));
    assert_eq!(counted, (4, 4));
}

/// The assertions of a program that runs for long are refused by no server.
pub(crate) async fn jwt_bearer_under_traffic() {
    let server = Server::start(&["--ttl", "2"]).await;
    let robot = robot(&server, ROBOT).build().expect("right settings");
    let alice = source(public(&server), signer(&server, PUBLIC));
    let (robot, alice) = (api(&server, robot), api(&server, alice));
    let traffic = |api: &Api| {
        let api = api.clone();
        tokio::spawn(async move { api.traffic(during(Duration::from_secs(6))).await })
    };
    for traffic in [traffic(&robot), traffic(&alice)] {
        assert!(traffic.await.expect("no failed request") > 100);
    }
    let stats = server.stats().await;
    let requests = stats.token_requests();
    // Two tokens of 2 s, each renewed ahead of its expiry.
    assert!((6..=16).contains(&requests), "{requests}");
    assert_eq!(
        (stats.token_errors(), stats.token_by_grant(GRANT)),
        (0, requests)
    );
}

/// Sends requests from a hundred tasks, and then some more. The server refuses one assertion, for
/// the reason that is expected; no error is the same as many.
async fn refused(server: &Server, source: impl TokenSource, why: &str) -> String {
    let before = server.stats().await;
    let api = api(server, source);
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        let api = api.clone();
        crowd.spawn(async move { api.get().await.err().expect("no token") });
    }
    let mut errors = crowd.join_all().await;
    for _ in 0..5 {
        errors.push(api.get().await.err().expect("no token"));
    }
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
        assert_eq!(error.code(), Some("invalid_grant"), "{error:?}");
    }
    let after = server.stats().await;
    let of_this = |count: fn(&Stats) -> u64| count(&after) - count(&before);
    let counted = (of_this(Stats::token_requests), of_this(Stats::token_errors));
    assert_eq!(counted, (1, 1), "{why}");
    let because = after.token_error_detail(why) - before.token_error_detail(why);
    assert_eq!(because, 1, "{why}");
    assert_eq!(after.resource_requests(), before.resource_requests());
    errors.swap_remove(0).to_string()
}

/// Signs an assertion as another program would.
async fn issue(server: &Server, clock: &impl Clock) -> Secret {
    let signer = signer(server, PUBLIC);
    let key = signer.read_key().await.expect("a key");
    let context = AssertionContext::new(PUBLIC, server.token_endpoint(), clock.now());
    let context = context.with_issuer(server.issuer());
    signer.sign(&key, &context).await.expect("a signature")
}

pub(crate) async fn jwt_bearer_refused() {
    let server = Server::start(&[]).await;

    let assertion = issue(&server, &SystemClock::new()).await;
    let issued = || source(public(&server), assertion.clone());
    assert!(api(&server, issued()).get().await.is_ok());
    refused(&server, issued(), "used before").await;

    let other = JwtAudience::Fixed("https://login.example.com".into());
    let other = signer(&server, PUBLIC).audience(other);
    refused(&server, source(public(&server), other), "\"aud\"").await;

    // The key of another client, by its own name and without one.
    let unknown = source(public(&server), signer(&server, "cc-jwt-es384"));
    refused(&server, unknown, "no applicable key found").await;
    let key = SecretFile::new(server.state("cc-jwt-es384.key.pem"));
    let unnamed = JwtSigner::new(JwtAlgorithm::Es384, key).subject("alice");
    refused(&server, source(public(&server), unnamed), "signature").await;
    let unknown = robot(&server, "cc-jwt-rs256").build();
    let unknown = unknown.expect("right settings");
    refused(&server, unknown, "no applicable key found").await;

    let nobody = signer(&server, PUBLIC).subject("mallory");
    refused(&server, source(public(&server), nobody), "\"sub\"").await;

    for (is_ahead, why) in [(false, "\"exp\""), (true, "\"iat\"")] {
        let clock = || Wrong { is_ahead };
        let signed = source(public(&server).clock(clock()), signer(&server, PUBLIC));
        let error = refused(&server, signed, why).await;
        assert!(error.contains(clock().advice()), "{error}");
        let robot = robot(&server, ROBOT).clock(clock()).build();
        let error = refused(&server, robot.expect("right settings"), why).await;
        assert!(error.contains(clock().advice()), "{error}");
    }
}

/// An assertion that another program has let expire does not leave this one.
pub(crate) async fn jwt_bearer_expired_assertion_is_not_sent() {
    let server = Server::start(&[]).await;
    let expired = issue(&server, &Wrong { is_ahead: false }).await;
    let path = server.state("expired.jwt");
    fs::write(&path, expired.expose()).expect("a file can be written");
    let api = api(&server, source(public(&server), SecretFile::new(&path)));
    for _ in 0..5 {
        let error = api.get().await.err().expect("no token");
        assert_eq!(error.field(), Some("assertion"), "{error}");
        assert!(error.to_string().contains("expired"), "{error}");
    }
    assert_eq!(server.stats().await.token_requests(), 0);
    // The next one is read when it is there.
    let next = issue(&server, &SystemClock::new()).await;
    fs::write(&path, next.expose()).expect("a file can be written");
    api.get_until_answered().await;
    assert_eq!(server.stats().await.token_requests(), 1);
}
