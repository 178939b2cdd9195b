//! Every request that is not signed, or is refused and not sent again, is visible in its outcome
//! and in the log, with host and cause (G21).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    ApiKey, Authenticator, AuthenticatorMap, AuthenticatorOptions, Error, ErrorKind, Event,
    EventKind, Observer, Origins, Scheme, Secret,
};
use auth_testkit::{LogCapture, Outcome};
use auth_tower::{
    AuthLayer, AuthOutcome, ExistingCredential, MissingToken, NotReplayed, OriginGuardLayer,
    Unsigned,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use tower::{Layer, ServiceBuilder};

use crate::support::{Api, FOREIGN, ORIGIN, URL, World, get, send, settle, start};

/// Returns the number of log lines with this level and all these words.
fn lines(log: &LogCapture, level: &str, words: &[&str]) -> usize {
    let text = log.text();
    let is_one = |line: &&str| {
        line.trim_start().starts_with(level) && words.iter().all(|word| line.contains(word))
    };
    text.lines().filter(is_one).count()
}

/// Adds a path and a query that no log line may contain.
fn with_secrets(url: &str) -> String {
    format!(
        "{}/fake-secret-1?key=fake-secret-2",
        url.split("/v1").next().unwrap()
    )
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "no answer")
}

async fn unsigned(layer: AuthLayer, request: Request<Full<Bytes>>) -> AuthOutcome {
    let mut client = layer.layer(Api::new());
    AuthOutcome::of(&send(&mut client, request).await.unwrap())
}

fn with_header(url: &str, name: &'static str, value: &'static str) -> Request<Full<Bytes>> {
    let mut request = get(url);
    let name = HeaderName::from_static(name);
    let value = HeaderValue::from_static(value);
    request.headers_mut().insert(name, value);
    request
}

#[tokio::test(start_paused = true)]
async fn g21_the_outcome_says_why_a_request_was_not_signed() {
    let world = World::warm().await;
    let layer = world.layer();
    let outcome = unsigned(layer.clone(), get(FOREIGN)).await;
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
    let outcome = unsigned(layer.clone(), get("/v1/things")).await;
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
    let outcome = unsigned(layer.clone(), with_header(URL, "host", "evil.example")).await;
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherHost)));
    let own = with_header(URL, "authorization", "fake-own");
    let outcome = unsigned(layer.clone(), own).await;
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OwnCredentials)));

    let world = World::cold();
    world.source.always(Outcome::error(unavailable()));
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let outcome = unsigned(layer, get(URL)).await;
    let Some(Unsigned::NoToken(error)) = outcome.unsigned() else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!((outcome.sends(), outcome.generation()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn g21_a_keyed_layer_distinguishes_no_key_from_no_authenticator() {
    let map = AuthenticatorMap::builder(|_| Err(Error::config("subject", "is not known")));
    let layer = AuthLayer::keyed(map.build().unwrap());
    let mut client = layer
        .without_token(MissingToken::SendUnsigned)
        .layer(Api::new());
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.unsigned(), Some(Unsigned::NoKey)));
    let mut request = get(URL);
    let key = auth_core::Key::builder("example").build();
    request.extensions_mut().insert(key);
    let response = send(&mut client, request).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    let Some(Unsigned::NoToken(error)) = outcome.unsigned() else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.field(), Some("subject"));
}

#[tokio::test(start_paused = true)]
async fn g21_a_signed_request_leaves_no_outcome_and_no_log_line() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let _guard = log.install();
    let mut client = world.over(Api::new());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert!(response.extensions().is_empty());
    assert!(AuthOutcome::of(&response).unsigned().is_none());
    assert_eq!(log.text(), "");
}

#[tokio::test(start_paused = true)]
async fn g21_each_unsigned_request_is_logged_and_the_first_to_a_host_at_warn() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let _guard = log.install();
    let layer = world.layer();
    // Layers with the same authenticator share their warnings.
    for _ in 0..2 {
        let mut client = layer.layer(Api::new());
        for url in [
            FOREIGN,
            "https://third.example:8443/v1",
            "https://u:fake-secret-3@four.example/v1",
        ] {
            for _ in 0..3 {
                send(&mut client, get(&with_secrets(url))).await.unwrap();
            }
        }
    }
    for host in ["elsewhere.example", "third.example:8443", "four.example"] {
        let words = [
            "request sent unsigned",
            "vendor=\"example\"",
            "is not in `origins`",
            host,
        ];
        assert_eq!(lines(&log, "WARN", &words), 1, "{host}: {}", log.text());
        assert_eq!(lines(&log, "DEBUG", &words), 5, "{host}: {}", log.text());
    }
    log.assert_no_secret(&[
        "fake-secret-1",
        "fake-secret-2",
        "fake-secret-3",
        "fake-token",
    ]);

    log.clear();
    let mut client = World::warm().await.over(Api::new());
    send(&mut client, get(FOREIGN)).await.unwrap();
    assert_eq!(
        lines(&log, "WARN", &["elsewhere.example"]),
        1,
        "another authenticator"
    );
}

/// Counts events about unsigned requests by host.
#[derive(Default)]
struct UnsignedHosts(Mutex<Vec<String>>);

impl Observer for UnsignedHosts {
    fn on_event(&self, event: &Event) {
        if let EventKind::RequestUnsigned { host, cause, .. } = event.kind() {
            assert_eq!(*cause, "other_origin");
            self.0.lock().unwrap().push(host.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g21_each_request_to_another_origin_is_counted_after_other_requests_too() {
    let seen = Arc::new(UnsignedHosts::default());
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let options = AuthenticatorOptions::new().observer(Arc::clone(&seen));
    let source = ApiKey::new(Secret::new("fake-key-1"));
    let authenticator = Authenticator::builder(source, origins).options(options);
    let authenticator = authenticator.build().unwrap();
    authenticator.warm_up().await.unwrap();
    let mut client = AuthLayer::new(authenticator.clone()).layer(Api::new());
    let hosts = [
        "a.example",
        "a.example",
        "b.example",
        "a.example",
        "a.example",
    ];
    for (sent, host) in hosts.iter().enumerate() {
        let url = format!("https://{host}/");
        let response = send(&mut client, get(&url)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
        let health = authenticator.health();
        let unsigned = health.unsigned().unwrap();
        let told = (unsigned.count, unsigned.cause, &*unsigned.host);
        assert_eq!(told, (sent as u64 + 1, "other_origin", *host));
        // A signed request in between.
        let response = send(&mut client, get("https://api.example.com/")).await;
        assert!(response.unwrap().extensions().is_empty());
    }
    assert_eq!(*seen.0.lock().unwrap(), hosts);
}

#[tokio::test(start_paused = true)]
async fn g21_invented_hosts_do_not_flood_the_log() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let _guard = log.install();
    let mut client = world.over(Api::new());
    for number in 0..500 {
        let url = format!("https://host-{number}.example/");
        send(&mut client, get(&url)).await.unwrap();
    }
    assert_eq!(lines(&log, "WARN", &["request sent unsigned"]), 64);
    assert_eq!(lines(&log, "DEBUG", &["request sent unsigned"]), 500 - 64);
}

#[tokio::test(start_paused = true)]
async fn g21_a_request_with_its_own_credentials_logs_no_warning() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let _guard = log.install();
    let mut client = world.over(Api::new());
    let own = with_header(URL, "authorization", "Bearer fake-secret-1");
    send(&mut client, own).await.unwrap();
    assert_eq!(lines(&log, "WARN", &[]), 0);
    let words = ["request sent unsigned", "api.example.com", "the caller set"];
    assert_eq!(lines(&log, "DEBUG", &words), 1, "{}", log.text());
    log.assert_no_secret(&["fake-secret-1"]);
}

#[tokio::test(start_paused = true)]
async fn g21_requests_that_are_sent_without_a_token_are_logged_with_the_error() {
    let log = LogCapture::new();
    let world = World::cold();
    world.source.always(Outcome::error(unavailable()));
    let _guard = log.install();
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let mut client = layer.layer(Api::new());
    for _ in 0..3 {
        send(&mut client, get(&with_secrets(URL))).await.unwrap();
    }
    let words = [
        "request sent unsigned",
        "api.example.com",
        "example: no answer",
    ];
    assert_eq!(lines(&log, "WARN", &words), 1, "{}", log.text());
    assert_eq!(lines(&log, "DEBUG", &words), 2, "{}", log.text());
    log.assert_no_secret(&["fake-secret-1", "fake-secret-2"]);
}

/// Sends a request three times that is refused and not sent again.
async fn assert_told(
    what: &str,
    host: &str,
    words: &str,
    mut send: impl AsyncFnMut() -> AuthOutcome,
    is_it: fn(&NotReplayed) -> bool,
) {
    let log = LogCapture::new();
    let guard = log.install();
    for _ in 0..3 {
        let outcome = send().await;
        let why = outcome.not_replayed();
        assert!(
            outcome.was_refused() && why.is_some_and(is_it),
            "{what}: {why:?}"
        );
        settle().await;
    }
    drop(guard);
    let words = ["token refused, and the request not sent again", host, words];
    assert_eq!(lines(&log, "WARN", &words), 1, "{what}: {}", log.text());
    assert_eq!(lines(&log, "DEBUG", &words), 2, "{what}: {}", log.text());
    log.assert_no_secret(&["fake-secret-1", "fake-secret-2"]);
}

/// Makes a new authenticator with `fake-token-1` each time. They share their warnings, because they
/// share their origins.
fn worlds() -> impl AsyncFn() -> World {
    let origins = Origins::new([ORIGIN]).unwrap();
    async move || {
        let world = World::at(origins.clone());
        world.warm_up().await;
        world
    }
}

#[tokio::test(start_paused = true)]
async fn g21_a_refusal_that_is_not_replayed_because_of_the_body_is_visible() {
    let warm = worlds();
    let body = async || {
        let body: BoxBody<Bytes, std::convert::Infallible> = Full::from("once").boxed();
        let request = Request::post(with_secrets(URL)).body(body).unwrap();
        let mut client = warm().await.layer().layer(Api::refusing());
        AuthOutcome::of(&start(&mut client, request).await.await.unwrap())
    };
    let is_it = |why: &NotReplayed| matches!(why, NotReplayed::Body);
    let words = "the body can be sent only once";
    assert_told("body", "api.example.com", words, body, is_it).await;
}

#[tokio::test(start_paused = true)]
async fn g21_a_second_refusal_is_visible() {
    let warm = worlds();
    let twice = async || {
        let mut client = warm().await.over(Api::refusing());
        let response = send(&mut client, get(&with_secrets(URL))).await.unwrap();
        AuthOutcome::of(&response)
    };
    let is_it = |why: &NotReplayed| matches!(why, NotReplayed::Twice);
    assert_told(
        "twice",
        "api.example.com",
        "sent twice already",
        twice,
        is_it,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn g21_a_refusal_during_the_refusal_back_off_is_visible() {
    let world = World::warm().await;
    let mut client = world.over(Api::refusing());
    // The renewal has no effect: the second token is refused again and again.
    send(&mut client, get(URL)).await.unwrap();
    let second = world.authenticator.try_token().unwrap().generation();
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(1)).await;
        world.authenticator.report_refused(second);
    }
    let back_off = async || {
        let response = send(&mut client, get(&with_secrets(URL))).await.unwrap();
        AuthOutcome::of(&response)
    };
    let is_it = |why: &NotReplayed| matches!(why, NotReplayed::RefusalBackOff);
    let words = "brought a token that was refused too";
    assert_told("back-off", "api.example.com", words, back_off, is_it).await;
}

/// The renewal failed, so no token was replaced.
#[tokio::test(start_paused = true)]
async fn g21_a_refusal_after_a_failed_renewal_is_visible() {
    let world = World::warm().await;
    world.source.always(Outcome::error(unavailable()));
    let mut client = world.over(Api::refusing());
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(
        outcome.not_replayed(),
        Some(NotReplayed::NoToken(_))
    ));
    let back_off = async || {
        let response = send(&mut client, get(&with_secrets(URL))).await.unwrap();
        AuthOutcome::of(&response)
    };
    let is_it = |why: &NotReplayed| matches!(why, NotReplayed::RefusalBackOff);
    let words = "an earlier one failed";
    assert_told("back-off", "api.example.com", words, back_off, is_it).await;
}

#[tokio::test(start_paused = true)]
async fn g21_a_refusal_without_another_token_is_visible() {
    let warm = worlds();
    let no_token = async || {
        let world = warm().await;
        world.source.always(Outcome::error(unavailable()));
        let mut client = world.over(Api::refusing());
        let response = send(&mut client, get(&with_secrets(URL))).await.unwrap();
        AuthOutcome::of(&response)
    };
    let is_it = |why: &NotReplayed| matches!(why, NotReplayed::NoToken(_));
    let words = "example: no answer";
    assert_told("no token", "api.example.com", words, no_token, is_it).await;
}

#[tokio::test(start_paused = true)]
async fn g21_a_replay_is_logged() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let _guard = log.install();
    send(&mut world.over(api), get(&with_secrets(URL)))
        .await
        .unwrap();
    let words = [
        "token refused, the request is sent again",
        "api.example.com",
    ];
    assert_eq!(lines(&log, "DEBUG", &words), 1, "{}", log.text());
    log.assert_no_secret(&["fake-secret-1", "fake-secret-2", "fake-token"]);
}

#[tokio::test(start_paused = true)]
async fn g21_the_guard_reports_removed_credentials() {
    let log = LogCapture::new();
    let world = World::warm().await;
    let _guard = log.install();
    let mut client = OriginGuardLayer::new(world.authenticator.clone()).layer(Api::new());
    for _ in 0..3 {
        let signed = with_header(&with_secrets(FOREIGN), "authorization", "fake-secret-3");
        send(&mut client, signed).await.unwrap();
        // No header to remove.
        send(&mut client, get(FOREIGN)).await.unwrap();
    }
    let words = ["credential removed", "elsewhere.example"];
    assert_eq!(lines(&log, "WARN", &words), 1, "{}", log.text());
    assert_eq!(lines(&log, "DEBUG", &words), 2, "{}", log.text());
    log.assert_no_secret(&["fake-secret-1", "fake-secret-2", "fake-secret-3"]);
}

/// A stack for the APIs of two vendors.
#[tokio::test(start_paused = true)]
async fn g21_a_layer_that_signs_overrides_one_below_that_does_not() {
    let world = World::warm().await;
    let origins = Origins::new(["https://elsewhere.example"]).unwrap();
    let other = Authenticator::builder(ApiKey::new(Secret::new("fake-key-1")), origins)
        .scheme(Scheme::header(HeaderName::from_static("x-key")).unwrap())
        .build()
        .unwrap();
    other.warm_up().await.unwrap();
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .layer(AuthLayer::new(other))
        .layer(world.layer())
        .service(api.clone());
    let response = send(&mut client, get(FOREIGN)).await.unwrap();
    assert!(response.extensions().is_empty());
    assert_eq!(api.seen()[0].headers["x-key"], "fake-key-1");
    // No layer signs it.
    let response = send(&mut client, get("https://third.example/"))
        .await
        .unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
    assert_eq!(outcome.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_response_of_an_unsigned_request_is_unchanged() {
    let world = World::warm().await;
    let api = Api::answering(|_| {
        let response = Response::builder().status(418).header("x-own", "1");
        Ok(response.body(Full::from("short and stout")).unwrap())
    });
    let layer = world.layer().existing(ExistingCredential::Keep);
    let response = send(&mut layer.layer(api), get(FOREIGN)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-own"]),
        (418, &"1".parse().unwrap())
    );
    assert_eq!(crate::support::text(response).await, "short and stout");
}
