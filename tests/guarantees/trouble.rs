//! G21: each fault that an operator meets is visible in the log, to the observer, in the metrics and
//! in the health report, with its cause and host.

mod endpoint;

use std::{io, sync::Arc};

use auth_core::{
    Authenticator, AuthenticatorOptions, EntryVersion, Error, ErrorKind, Event, EventKind, Health,
    Key, NewEntry, Origins, Quota, Secret, StoredEntry, TokenStore, Transport,
};
use auth_metrics::MetricsObserver;
use auth_oauth2::Client;
use auth_reqwest::ReqwestTransport;
use auth_testkit::{LogCapture, RecordingObserver, Reply, TestServer};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

use crate::support::{API, HOUR, MINUTE, Stack, elapse};

/// What an operator sees of a stack.
struct Seen {
    log: LogCapture,
    events: RecordingObserver,
    counting: Arc<MetricsObserver>,
    metrics: PrometheusHandle,
}

impl Seen {
    fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        Self {
            log: LogCapture::new(),
            events: RecordingObserver::new(),
            counting: Arc::new(MetricsObserver::with_recorder(recorder)),
            metrics,
        }
    }

    fn stack(&self) -> Stack {
        self.stack_with(|options| options)
    }

    fn stack_with(&self, set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions) -> Stack {
        Stack::with(TestServer::builder(), |options| set(self.options(options)))
    }

    fn options(&self, options: AuthenticatorOptions) -> AuthenticatorOptions {
        let observers = (self.events.clone(), Arc::clone(&self.counting));
        options.observer(observers).label("tenant-7")
    }

    /// Returns the value of the metric with these labels besides the authenticator's; 0 before the
    /// first event that changes it.
    #[track_caller]
    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        assert!(
            auth_metrics::METRICS.iter().any(|it| it.name() == name),
            "{name}"
        );
        let of_authenticator = [("vendor", "example"), ("authenticator", "tenant-7")];
        let labels: Vec<_> = of_authenticator
            .iter()
            .chain(labels)
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let series = format!("{name}{{{}}} ", labels.join(","));
        let text = self.metrics.render();
        let mut values = text.lines().filter_map(|line| line.strip_prefix(&series));
        values.next().map_or(0.0, |value| value.parse().unwrap())
    }

    /// Asserts that a counter has this value.
    #[track_caller]
    fn counted(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let is = self.metric(name, labels);
        assert_eq!(is, value, "{name} {labels:?} in\n{}", self.metrics.render());
    }

    /// Returns the last event of this name, whose fields are checked.
    #[track_caller]
    fn event(&self, name: &str) -> Event {
        let events = self.events.events();
        let found = events.iter().rev().find(|event| event.name() == name);
        let Some(event) = found else {
            panic!("no {name} in {:?}", self.events.names());
        };
        assert_eq!(event.label(), Some("tenant-7"));
        event.clone()
    }

    /// Asserts that one log line has this level and all these words.
    #[track_caller]
    fn logged(&self, level: &str, words: &[&str]) {
        let text = self.log.text();
        let mut lines = text.lines();
        let found = lines.any(|line| {
            line.trim_start().starts_with(level)
                && line.contains("label=\"tenant-7\"")
                && words.iter().all(|word| line.contains(word))
        });
        assert!(found, "no {level} with {words:?} in:\n{text}");
    }

    /// Asserts that a token request failed without a valid token, with cause and host everywhere.
    #[track_caller]
    fn no_token(&self, health: &Health, kind: ErrorKind, host: &str, cause: &str) {
        let event = self.event("no_token");
        assert_eq!(event.cause(), Some(kind.as_str()));
        assert_eq!(event.host(), Some(host));
        let told = event.error().unwrap().to_string();
        assert!(told.contains(cause), "{told}");
        let text = "no valid token, requests fail";
        let word = kind.as_str();
        self.logged("ERROR", &["auth::token", text, host, word, cause]);
        assert!(!health.is_usable());
        let failure = health.last_failure().unwrap();
        assert_eq!(
            (failure.error.kind(), failure.error.host()),
            (kind, Some(host))
        );
        assert!(failure.error.to_string().contains(cause));
        let json = serde_json::to_value(health).unwrap();
        assert_eq!(json["usable"], false);
        assert_eq!(json["label"], "tenant-7");
        assert_eq!(json["last_failure"]["host"], host);
        assert_eq!(json["last_failure"]["kind"], word);
        self.counted("auth_token_unavailable_total", &[("kind", word)], 1.0);
        let result = event.error().unwrap().outcome().as_str();
        let labels = [("reason", "needed"), ("result", result), ("kind", word)];
        self.counted("auth_token_requests_total", &labels, 1.0);
        let ends = self.metric(
            "auth_back_off_ends_timestamp_seconds",
            &[("cause", "failure")],
        );
        assert!(ends > 0.0, "{}", self.metrics.render());
    }
}

fn host_of(origin: &str) -> &str {
    origin.split("//").nth(1).unwrap()
}

fn request_to(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn g21_a_request_to_a_wrong_origin_is_visible() {
    let seen = Seen::new();
    let stack = Stack::with(TestServer::builder().two_origins(), |options| {
        seen.options(options)
    });
    stack.get_well().await;
    let _capture = seen.log.install();
    let url = stack.server.token_url();
    stack.client().oneshot(request_to(&url)).await.unwrap();
    let host = host_of(stack.server.token_origin());
    let event = seen.event("request_unsigned");
    assert_eq!(
        (event.cause(), event.host()),
        (Some("other_origin"), Some(host))
    );
    seen.logged("WARN", &["auth::request", "request sent unsigned", host]);
    let cause = [("cause", "other_origin")];
    seen.counted("auth_requests_unsigned_total", &cause, 1.0);
    // The token is usable, and health says that a request left without it.
    let health = stack.authenticator.health();
    assert!(health.is_usable());
    let unsigned = health.unsigned().unwrap();
    assert_eq!((unsigned.count, &*unsigned.host), (1, host));
    let json = serde_json::to_value(&health).unwrap();
    assert_eq!(json["unsigned"]["cause"], "other_origin");
    assert!(
        health.to_string().contains("1 requests sent unsigned"),
        "{health}"
    );
}

#[tokio::test(start_paused = true)]
async fn g21_a_wrong_secret_is_visible() {
    let seen = Seen::new();
    let stack = seen.stack();
    let _capture = seen.log.install();
    stack.server.change_client_secret("fake-secret-2");
    stack.get().await.unwrap_err();
    let host = host_of(stack.server.token_origin());
    let health = stack.authenticator.health();
    seen.no_token(&health, ErrorKind::Rejected, host, "invalid_client");
    assert!(
        health.next_try().unwrap() >= MINUTE,
        "{:?}",
        health.next_try()
    );
    seen.log.assert_no_secret(&["fake-secret-2"]);
}

#[tokio::test(start_paused = true)]
async fn g21_a_quota_that_is_used_up_is_visible_once() {
    let seen = Seen::new();
    let quota = Quota::new(1, HOUR).unwrap();
    let server = TestServer::builder().token_lifetime(2 * HOUR);
    let stack = Stack::with(server, |options| seen.options(options).quota(quota));
    stack.get_well().await;
    let _capture = seen.log.install();
    stack.authenticator.invalidate();
    for _ in 0..3 {
        stack.get().await.unwrap_err();
    }
    assert_eq!(seen.events.count("quota_used_up"), 1);
    let EventKind::QuotaUsedUp { wait, .. } = *seen.event("quota_used_up").kind() else {
        panic!("it has another kind");
    };
    assert!(wait <= HOUR && wait >= HOUR - MINUTE, "{wait:?}");
    seen.logged("WARN", &["auth::token", "the token quota is used up"]);
    let health = stack.authenticator.health();
    assert!(!health.is_usable());
    assert_eq!(health.next_try().map(|wait| wait <= HOUR), Some(true));
    let ended = seen.event("token_request_ended");
    let EventKind::TokenRequestEnded {
        quota, error: None, ..
    } = ended.kind()
    else {
        panic!("{ended:?}");
    };
    assert_eq!(quota.map(|quota| (quota.used, quota.limit)), Some((1, 1)));
    seen.counted("auth_back_offs_total", &[("cause", "quota")], 1.0);
    seen.counted("auth_quota_slots_used", &[], 1.0);
    seen.counted("auth_quota_slots_free", &[], 0.0);
}

/// A store that cannot be reached.
struct Down;

fn down() -> Error {
    Error::new(ErrorKind::Store, "token store: connection refused").with_host("redis.example.test")
}

impl TokenStore for Down {
    async fn load(&self, _: &Key) -> Result<Option<StoredEntry>, Error> {
        Err(down())
    }

    async fn replace(&self, _: &Key, _: Option<EntryVersion>, _: NewEntry) -> Result<bool, Error> {
        Err(down())
    }

    async fn lease(&self, _: &Key, _: &str, _: std::time::Duration) -> Result<bool, Error> {
        Err(down())
    }

    async fn release(&self, _: &Key, _: &str) -> Result<(), Error> {
        Err(down())
    }
}

#[tokio::test(start_paused = true)]
async fn g21_a_store_that_is_down_is_visible() {
    let seen = Seen::new();
    let _capture = seen.log.install();
    let source = auth_testkit::ScriptedSource::new();
    let authenticator =
        crate::support::machine_with(source, |options| seen.options(options).store(Down));
    authenticator.token().await.unwrap();
    let event = seen.event("store_failed");
    assert_eq!(event.host(), Some("redis.example.test"));
    assert_eq!(event.cause(), Some("store"));
    let words = [
        "auth::store",
        "going on without the token store",
        "redis.example.test",
    ];
    seen.logged("WARN", &words);
    let health = authenticator.health();
    assert!(health.is_usable() && health.is_store_failing());
    seen.counted("auth_store_failures_total", &[], 1.0);
    seen.counted("auth_store_failing", &[], 1.0);
}

#[tokio::test(start_paused = true)]
async fn g21_an_api_that_refuses_every_token_is_visible() {
    let seen = Seen::new();
    let stack = seen.stack();
    let _capture = seen.log.install();
    stack.server.api().always(Reply::status(401));
    for round in 0..12 {
        let answer = stack.get().await.unwrap();
        assert_eq!(answer.status, 401);
        let health = stack.authenticator.health();
        assert!(health.is_refused(), "round {round}: {health}");
        assert!(!health.is_usable(), "round {round}: {health}");
        elapse(8 * crate::support::SECOND).await;
    }
    let host = host_of(stack.server.origin());
    assert_eq!(seen.event("token_refused").host(), Some(host));
    seen.event("refusal_back_off");
    seen.logged("WARN", &["auth::token", "the API refuses renewed tokens"]);
    seen.logged(
        "WARN",
        &[
            "auth::request",
            "token refused, and the request not sent again",
            host,
        ],
    );
    let told = stack.authenticator.health().to_string();
    assert!(told.contains("the API refuse"), "{told}");
    let refused = seen.events.count("token_refused") as f64;
    assert!(refused >= 12.0, "{refused}");
    seen.counted("auth_tokens_refused_total", &[], refused);
    let back_offs = seen.events.count("refusal_back_off") as f64;
    seen.counted("auth_back_offs_total", &[("cause", "refusal")], back_offs);
    let left = seen.metric(
        "auth_requests_not_replayed_total",
        &[("cause", "refusal_back_off")],
    );
    assert!(left >= 1.0, "{}", seen.metrics.render());
    // The API accepts tokens again.
    stack.server.api().clear();
    elapse(HOUR).await;
    stack.get_well().await;
    let health = stack.authenticator.health();
    assert!(health.is_usable(), "{health}");
}

#[tokio::test(start_paused = true)]
async fn g21_a_body_that_is_not_sent_again_is_visible() {
    let seen = Seen::new();
    let stack = seen.stack();
    stack.get_well().await;
    let _capture = seen.log.install();
    stack.server.revoke_all();
    let body = Full::new(Bytes::from_static(b"stream"));
    let url = format!("{}/things", stack.server.api_url());
    let request = Request::post(url).body(body).unwrap();
    let client = AuthLayer::new(stack.authenticator.clone()).replay_with(|_: &Full<Bytes>| None);
    let client = client.layer(stack.server.service());
    let response = client.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    let host = host_of(stack.server.origin());
    let event = seen.event("request_not_replayed");
    assert_eq!(event.cause(), Some("body"));
    assert_eq!(
        event.host(),
        Some(stack.authenticator.origins().describe().as_str())
    );
    seen.logged("WARN", &["the request not sent again", "only once", host]);
    assert_eq!(seen.events.count("token_refused"), 1);
    seen.counted("auth_tokens_refused_total", &[], 1.0);
    seen.counted(
        "auth_requests_not_replayed_total",
        &[("cause", "body")],
        1.0,
    );
    let health = stack.authenticator.health();
    let lost = health.not_replayed().unwrap();
    assert_eq!((lost.count, lost.cause), (1, "body"));
    assert!(
        health.to_string().contains("refused and not sent again"),
        "{health}"
    );
}

#[tokio::test(start_paused = true)]
async fn g21_tokens_that_have_expired_on_arrival_are_visible() {
    let seen = Seen::new();
    let stack = seen.stack();
    let _capture = seen.log.install();
    stack.server.token().always(Reply::normal().expires_in(0));
    let _ = stack.get().await;
    let event = seen.event("no_token");
    assert_eq!(event.cause(), Some("protocol"));
    seen.logged(
        "ERROR",
        &["auth::token", "no valid token", "expired when they arrive"],
    );
    seen.counted("auth_token_unavailable_total", &[("kind", "protocol")], 1.0);
    let health = stack.authenticator.health();
    assert!(!health.is_usable());
    let failure = health.last_failure().unwrap();
    assert!(
        failure
            .error
            .to_string()
            .contains("expired when they arrive")
    );
}

#[tokio::test(start_paused = true)]
async fn g21_a_failed_renewal_no_token_and_recovery_are_three_events() {
    let seen = Seen::new();
    let stack = seen.stack_with(|options| options.policy(crate::support::exact()));
    stack.get_well().await;
    let _capture = seen.log.install();
    stack.server.token().always(Reply::status(503));
    elapse(HOUR - 6 * MINUTE).await;
    stack.get_well().await;
    elapse(crate::support::SECOND).await;
    let failed = seen.event("renewal_failed");
    let EventKind::RenewalFailed { valid_for, .. } = *failed.kind() else {
        panic!("{failed:?}");
    };
    assert!(
        valid_for > 4 * MINUTE && valid_for < 6 * MINUTE,
        "{valid_for:?}"
    );
    seen.logged(
        "WARN",
        &[
            "renewal failed, the cached token serves",
            "valid_for=",
            "503",
        ],
    );
    assert_eq!(seen.events.count("no_token"), 0);
    let failed = seen.events.count("renewal_failed") as f64;
    let kind = [("kind", "unavailable")];
    seen.counted("auth_token_renewals_failed_total", &kind, failed);
    seen.counted("auth_token_unavailable_total", &kind, 0.0);
    let expiry = "auth_token_expires_timestamp_seconds";
    assert!(seen.metric(expiry, &[]) > 0.0);
    elapse(HOUR).await;
    stack.get().await.unwrap_err();
    assert_eq!(seen.events.count("no_token"), 1);
    assert_eq!(seen.events.count("recovered"), 0);
    seen.counted("auth_token_unavailable_total", &kind, 1.0);
    seen.counted(expiry, &[], 0.0);
    stack.server.token().clear();
    elapse(HOUR).await;
    stack.get_well().await;
    assert_eq!(seen.events.count("recovered"), 1);
    let recovered = seen.event("recovered");
    let EventKind::Recovered { failing_for, .. } = *recovered.kind() else {
        panic!("{recovered:?}");
    };
    assert!(failing_for > 2 * HOUR - MINUTE, "{failing_for:?}");
    seen.logged("INFO", &["token requests succeed again"]);
    seen.counted("auth_token_recoveries_total", &[], 1.0);
    assert!(seen.metric(expiry, &[]) > 0.0);
}
