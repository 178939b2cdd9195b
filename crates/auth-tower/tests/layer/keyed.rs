//! `AuthLayer::keyed`: only the key of a request decides which token it gets.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorMapBuilder, AuthenticatorOptions,
    Error as AuthError, ErrorKind, Key, KeyPart, Origins, Secret,
};
use auth_testkit::{Gate, LogCapture, Outcome, ScriptedSource, VirtualClock};
use auth_tower::{AuthLayer, AuthOutcome, Error, KeyedAuth, MissingToken};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::support::{Api, FOREIGN, ORIGIN, URL, get, in_time, send, settle, start};

/// One authenticator per user, each with its own source.
struct Users {
    sources: Arc<Mutex<HashMap<String, ScriptedSource>>>,
    made: Arc<AtomicUsize>,
    authenticators: AuthenticatorMap,
}

impl Users {
    fn new() -> Self {
        Self::with(|map| map)
    }

    fn with(set: impl FnOnce(AuthenticatorMapBuilder) -> AuthenticatorMapBuilder) -> Self {
        let sources = Arc::<Mutex<HashMap<String, ScriptedSource>>>::default();
        let made = Arc::<AtomicUsize>::default();
        let clock = VirtualClock::new();
        let (of, count) = (Arc::clone(&sources), Arc::clone(&made));
        let map = AuthenticatorMap::builder(move |key| {
            count.fetch_add(1, SeqCst);
            let user = key.get(KeyPart::Subject).unwrap_or_default();
            if user == "unknown" {
                return Err(AuthError::config("subject", "is not a known user"));
            }
            Authenticator::builder(source(&of, user), Origins::new([ORIGIN]).unwrap())
                .vendor("example")
                .options(AuthenticatorOptions::new().clock(clock.clone()).shards(1))
                .build()
        });
        Self {
            sources,
            made,
            authenticators: set(map).build().unwrap(),
        }
    }

    fn source(&self, user: &str) -> ScriptedSource {
        source(&self.sources, user)
    }

    fn over<S: Clone>(&self, inner: S) -> KeyedAuth<S> {
        AuthLayer::keyed(self.authenticators.clone()).layer(inner)
    }
}

/// A user's source outlives the authenticator that is made with it.
fn source(sources: &Mutex<HashMap<String, ScriptedSource>>, user: &str) -> ScriptedSource {
    let new = || ScriptedSource::new().prefix(format!("fake-token-of-{user}"));
    let mut sources = sources.lock().unwrap();
    sources.entry(user.to_owned()).or_insert_with(new).clone()
}

fn key(user: &str) -> Key {
    Key::builder("example").subject(&Secret::new(user)).build()
}

fn get_as(user: &str, url: &str) -> Request<Full<Bytes>> {
    let mut request = get(url);
    request.extensions_mut().insert(key(user));
    request
}

#[tokio::test(start_paused = true)]
async fn g15_a_request_without_a_key_is_not_sent() {
    let users = Users::new();
    let api = Api::new();
    let mut client = users.over(api.clone());
    for url in [URL, FOREIGN] {
        let error = send(&mut client, get(url)).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("auth_core::Key"), "{error}");
    }
    assert_eq!((api.calls(), users.made.load(SeqCst)), (0, 0));
    // The next request succeeds.
    send(&mut client, get_as("alice", URL)).await.unwrap();
    assert_eq!(api.tokens(), ["fake-token-of-alice-1"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_a_request_is_sent_unsigned_if_so_set() {
    let users = Users::new();
    let api = Api::refusing();
    let layer = AuthLayer::keyed(users.authenticators.clone());
    let mut client = layer
        .without_token(MissingToken::SendUnsigned)
        .layer(api.clone());
    for request in [get(URL), get_as("unknown", URL)] {
        let response = send(&mut client, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(AuthOutcome::of(&response).sends(), 1);
    }
    assert_eq!(api.tokens(), ["none", "none"]);
}

#[tokio::test(start_paused = true)]
async fn t27_interleaved_requests_of_two_keys_get_their_own_tokens() {
    let users = Users::new();
    let gate = Gate::new();
    users.source("alice").then(Outcome::fresh().after(&gate));
    let api = Api::new();
    let mut client = users.over(api.clone());
    // Alice waits. Bob is served meanwhile, and does not wait for her token.
    let alice = tokio::spawn(start(&mut client, get_as("alice", URL)).await);
    in_time(gate.reached(1)).await;
    send(&mut client, get_as("bob", URL)).await.unwrap();
    gate.open();
    in_time(alice).await.unwrap().unwrap();
    for user in ["bob", "alice", "alice", "bob"] {
        send(&mut client, get_as(user, URL)).await.unwrap();
    }
    let (alice, bob) = ("fake-token-of-alice-1", "fake-token-of-bob-1");
    assert_eq!(api.tokens(), [bob, alice, bob, alice, alice, bob]);
    assert_eq!(users.made.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn t27_a_refused_token_of_one_key_does_not_affect_the_other() {
    let users = Users::new();
    let api = Api::new();
    let mut client = users.over(api.clone());
    for user in ["alice", "bob"] {
        send(&mut client, get_as(user, URL)).await.unwrap();
    }
    api.revoke("fake-token-of-alice-1");
    let response = send(&mut client, get_as("alice", URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    let response = send(&mut client, get_as("bob", URL)).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 1);
    assert_eq!(
        api.tokens()[2..],
        [
            "fake-token-of-alice-1",
            "fake-token-of-alice-2",
            "fake-token-of-bob-1"
        ]
    );
    assert_eq!(users.source("alice").fetches(), 2);
    assert_eq!(users.source("bob").fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn t27_a_key_that_gets_no_token_does_not_affect_the_other() {
    let users = Users::new();
    let refused = AuthError::new(ErrorKind::Rejected, "example: no such user");
    users.source("alice").always(Outcome::error(refused));
    let api = Api::new();
    let mut client = users.over(api.clone());
    for _ in 0..3 {
        let error = send(&mut client, get_as("alice", URL)).await.unwrap_err();
        assert!(matches!(error, Error::Auth(e) if e.kind() == ErrorKind::Rejected));
        send(&mut client, get_as("bob", URL)).await.unwrap();
    }
    assert_eq!(users.source("alice").fetches(), 1);
    assert!(
        api.tokens()
            .iter()
            .all(|token| token == "fake-token-of-bob-1")
    );
}

#[tokio::test(start_paused = true)]
async fn g12_a_foreign_destination_is_not_signed_and_costs_no_token_request() {
    let users = Users::new();
    let api = Api::new();
    let mut client = users.over(api.clone());
    send(&mut client, get_as("alice", FOREIGN)).await.unwrap();
    assert_eq!(users.source("alice").fetches(), 0);
    send(&mut client, get_as("alice", URL)).await.unwrap();
    send(&mut client, get_as("alice", FOREIGN)).await.unwrap();
    assert_eq!(api.tokens(), ["none", "fake-token-of-alice-1", "none"]);
    assert!(api.seen()[2].headers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_without_an_authenticator_is_a_typed_error_each_time() {
    let users = Users::new();
    let api = Api::new();
    let mut client = users.over(api.clone());
    for round in 1..=2 {
        let error = send(&mut client, get_as("unknown", URL)).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("subject"))
        );
        // Nothing is kept of the error, so a later try may succeed.
        assert_eq!(users.made.load(SeqCst), round);
        assert!(users.authenticators.is_empty());
    }
    assert_eq!(api.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn eviction_does_not_affect_requests_in_progress() {
    let users = Users::with(|map| map.max_entries(4));
    let gate = Gate::new();
    users.source("alice").then(Outcome::fresh().after(&gate));
    let api = Api::new();
    let mut client = users.over(api.clone());
    // The map is full and this key was used once: only its being in use keeps it.
    for number in (0..8).chain(0..8) {
        let user = format!("regular-{number}");
        send(&mut client, get_as(&user, URL)).await.unwrap();
    }
    let waiting = tokio::spawn(start(&mut client, get_as("alice", URL)).await);
    in_time(gate.reached(1)).await;
    // Many more keys than the map has room for.
    for number in 0..100 {
        let user = format!("user-{number}");
        send(&mut client, get_as(&user, URL)).await.unwrap();
    }
    assert!(
        users.authenticators.len() <= 4 + 1,
        "{}",
        users.authenticators.len()
    );
    let made = users.made.load(SeqCst);
    let late = tokio::spawn(start(&mut client, get_as("alice", URL)).await);
    assert_eq!(
        users.made.load(SeqCst),
        made,
        "one key had two authenticators"
    );
    gate.open();
    for call in [waiting, late] {
        assert_eq!(
            in_time(call).await.unwrap().unwrap().status(),
            StatusCode::OK
        );
    }
    assert_eq!(users.source("alice").fetches(), 1);
    // When it is no longer in use, it can be evicted like all others.
    settle().await;
    for number in 100..200 {
        let user = format!("user-{number}");
        send(&mut client, get_as(&user, URL)).await.unwrap();
    }
    assert!(
        users.authenticators.len() <= 4,
        "{}",
        users.authenticators.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_removed_while_in_use_ends_with_its_last_request() {
    let users = Users::new();
    let gate = Gate::new();
    users.source("alice").then(Outcome::fresh().after(&gate));
    let api = Api::new();
    let mut client = users.over(api.clone());
    let call = tokio::spawn(start(&mut client, get_as("alice", URL)).await);
    in_time(gate.reached(1)).await;
    users.authenticators.remove(&key("alice"));
    gate.open();
    in_time(call).await.unwrap().unwrap();
    send(&mut client, get_as("alice", URL)).await.unwrap();
    assert_eq!(
        api.tokens(),
        ["fake-token-of-alice-1", "fake-token-of-alice-2"]
    );
}

#[tokio::test(start_paused = true)]
async fn t18_a_request_that_waits_for_its_token_occupies_no_place() {
    let users = Users::new();
    let gate = Gate::new();
    users.source("alice").then(Outcome::fresh().after(&gate));
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .layer(AuthLayer::keyed(users.authenticators.clone()))
        .concurrency_limit(1)
        .service(api.clone());
    let alice = tokio::spawn(start(&mut client, get_as("alice", URL)).await);
    in_time(gate.reached(1)).await;
    send(&mut client, get_as("bob", URL)).await.unwrap();
    api.revoke("fake-token-of-bob-1");
    let again = tokio::spawn(client.clone().oneshot(get_as("bob", URL)));
    in_time(again).await.unwrap().unwrap();
    gate.open();
    in_time(alice).await.unwrap().unwrap();
    assert_eq!(api.holding(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_ends_the_wait_and_not_the_token_request() {
    let users = Users::new();
    let delay = Duration::from_secs(5);
    users.source("alice").then(Outcome::fresh().delay(delay));
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(AuthLayer::keyed(users.authenticators.clone()))
        .service(api.clone());
    send(&mut client, get_as("alice", URL)).await.unwrap_err();
    // The flight keeps its authenticator in the map.
    tokio::time::sleep(delay).await;
    send(&mut client, get_as("alice", URL)).await.unwrap();
    assert_eq!((api.calls(), users.source("alice").fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_told_that_back_offs_of_evicted_authenticators_were_forgotten() {
    let log = LogCapture::new();
    let _capture = log.install();
    let users = Users::with(|map| map.max_entries(1));
    // One authenticator, and four residues of earlier ones.
    for number in 0..5 {
        let user = number.to_string();
        let failure = AuthError::new(ErrorKind::Unavailable, "no answer");
        users.source(&user).always(Outcome::error(failure));
        let mut client = users.over(Api::new());
        send(&mut client, get_as(&user, URL)).await.unwrap_err();
    }
    assert!(!log.text().contains("no room"), "{}", log.text());
    let failure = AuthError::new(ErrorKind::Unavailable, "no answer");
    users.source("5").always(Outcome::error(failure));
    let mut client = users.over(Api::new());
    send(&mut client, get_as("5", URL)).await.unwrap_err();
    send(&mut client, get_as("6", URL)).await.unwrap();
    let text = log.text();
    assert!(text.contains("of 1 keys are forgotten"), "{text}");
}
