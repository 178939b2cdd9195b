//! G21: the events that an observer receives, and that no observer affects callers.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, Event, EventKind, Key, KeyPart,
    MemoryStore, Observer, Origins, measure::measure,
};
use auth_testkit::{Gate, LogCapture, Outcome, RecordingObserver, ScriptedSource, TestServer};
use tokio::{runtime::Builder, task::JoinSet};
use tracing::{Instrument, info_span};

use crate::support::{
    API, HOUR, MINUTE, SECOND, Stack, at_once, elapse, exact, machine_with, unavailable,
};

#[tokio::test(start_paused = true)]
async fn g21_the_observer_sees_a_token_request_from_start_to_end() {
    let events = RecordingObserver::new();
    let server = TestServer::builder();
    let stack = Stack::with(server, |options| options.observer(events.clone()));
    let answer = stack.get_well().await;
    assert_eq!(answer.outcome.sends(), 1);
    let names = [
        "token_request_started",
        "requests_waiting",
        "token_request_ended",
        "token_published",
        "requests_waited",
        "token_accepted",
    ];
    let mut told = events.names();
    told.sort_by_key(|name| names.iter().position(|other| other == name));
    assert_eq!(told, names);
    assert_eq!(events.names()[..2], names[..2]);
    // With a cached token there are no events.
    stack.get_well().await;
    stack.get_well().await;
    assert_eq!(events.events().len(), names.len());
    let published = events.last(|kind| matches!(kind, EventKind::TokenPublished { .. }));
    let published = published.unwrap();
    let EventKind::TokenPublished {
        generation,
        valid_for,
        ..
    } = published.kind()
    else {
        unreachable!();
    };
    assert_eq!((generation.get(), *valid_for), (1, HOUR - MINUTE));
    assert_eq!((published.vendor(), published.label()), ("example", None));
}

#[tokio::test(start_paused = true)]
async fn g21_the_observer_sees_a_refusal_and_its_replay_with_the_host() {
    let events = RecordingObserver::new();
    let server = TestServer::builder();
    let stack = Stack::with(server, |options| options.observer(events.clone()));
    stack.get_well().await;
    elapse(MINUTE).await;
    stack.server.revoke_all();
    events.clear();
    let answer = stack.get_well().await;
    assert_eq!(answer.outcome.sends(), 2);
    let host = stack.server.origin().split("//").nth(1).unwrap();
    for name in ["token_refused", "request_replayed"] {
        let told: Vec<_> = events.events();
        let of_name: Vec<_> = told.iter().filter(|event| event.name() == name).collect();
        assert_eq!(of_name.len(), 1, "{name}");
        assert_eq!(of_name[0].host(), Some(host));
    }
}

/// How often an adapter to a metrics library writes for these events.
fn metric_updates(events: &RecordingObserver) -> usize {
    let mut updates = 0;
    for event in &events.events() {
        measure(event, |_| updates += 1);
    }
    updates
}

#[tokio::test(start_paused = true)]
async fn g21_a_hundred_thousand_waiters_cause_few_events_and_updates_of_metrics() {
    const WAITERS: u64 = 100_000;
    let events = RecordingObserver::new();
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    source.then(Outcome::error(unavailable()).delay(SECOND));
    let authenticator = machine_with(source, |options| options.observer(events.clone()));
    let mut waiters = JoinSet::new();
    for _ in 0..WAITERS {
        waiters.spawn(authenticator.token());
    }
    elapse(3 * SECOND).await;
    gate.open();
    while let Some(waiter) = waiters.join_next().await {
        waiter.unwrap().unwrap();
    }
    let waited = |events: &RecordingObserver| {
        let event = events.last(|kind| matches!(kind, EventKind::RequestsWaited { .. }));
        let event = event.unwrap();
        let EventKind::RequestsWaited {
            count,
            failed,
            longest,
            total,
            ..
        } = *event.kind()
        else {
            unreachable!();
        };
        assert!(total <= longest * u32::try_from(count).unwrap());
        (count, failed, longest)
    };
    assert_eq!(events.count("requests_waited"), 1);
    let (count, failed, longest) = waited(&events);
    assert_eq!((count, failed), (WAITERS, 0));
    assert!(longest >= 3 * SECOND && longest < 4 * SECOND, "{longest:?}");
    // Started, waiting, ended, published, waited.
    test_report::figure!(
        "G21: {} events and {} updates of metrics for {} waiting requests",
        events.events().len() => 5,
        metric_updates(&events) => 12,
        WAITERS => 100_000,
    );

    // The second time, all but one come during the token request.
    events.clear();
    authenticator.invalidate();
    waiters.spawn(authenticator.token());
    elapse(SECOND / 2).await;
    for _ in 1..WAITERS {
        waiters.spawn(authenticator.token());
    }
    while let Some(waiter) = waiters.join_next().await {
        waiter.unwrap().unwrap_err();
    }
    assert_eq!(waited(&events).0, WAITERS);
    assert_eq!(waited(&events).1, WAITERS);
    let mut waiting = Vec::new();
    for event in events.events() {
        if let EventKind::RequestsWaiting { count, .. } = *event.kind() {
            waiting.push(count);
        }
    }
    let powers: Vec<_> = (0..17).map(|power| 1 << power).collect();
    assert_eq!(waiting, powers);
    // Besides: started, ended, no token, back-off, waited.
    assert_eq!(events.events().len(), 17 + 5, "{:?}", events.names());
    assert_eq!(metric_updates(&events), 17 + 12);
}

#[tokio::test(start_paused = true)]
async fn g21_callers_that_stop_waiting_are_told_when_the_token_request_ends() {
    let events = RecordingObserver::new();
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    let authenticator = machine_with(source, |options| options.observer(events.clone()));
    let waiter = tokio::spawn(authenticator.token().into_future());
    elapse(SECOND).await;
    assert_eq!(events.count("requests_waiting"), 1);
    waiter.abort();
    waiter.await.unwrap_err();
    assert_eq!(events.count("requests_waited"), 0);
    gate.open();
    elapse(SECOND).await;
    assert_eq!(events.count("token_published"), 1);
    assert_eq!(events.count("requests_waited"), 1, "{:?}", events.names());
}

/// Panics at each event.
struct Panics;

impl Observer for Panics {
    fn on_event(&self, _: &Event) {
        panic!("planned by the test");
    }
}

#[tokio::test(start_paused = true)]
async fn g21_an_observer_that_panics_affects_no_caller() {
    let log = LogCapture::new();
    let _capture = log.install();
    let stack = Stack::with(TestServer::builder(), |options| options.observer(Panics));
    stack.get_well().await;
    elapse(MINUTE).await;
    stack.server.revoke_all();
    assert_eq!(stack.get_well().await.outcome.sends(), 2);
    elapse(2 * HOUR).await;
    stack.get_well().await;
    assert_eq!(stack.server.counters().token_requests, 3);
    assert!(log.text().contains("the observer panicked"));
}

/// Requests a token at each event, and blocks until it has done so.
struct Wants(Mutex<Option<Authenticator>>, AtomicUsize);

impl Observer for &'static Wants {
    fn on_event(&self, _: &Event) {
        self.1.fetch_add(1, Ordering::SeqCst);
        let authenticator = self.0.lock().unwrap().clone();
        if let Some(authenticator) = authenticator {
            let _ = at_once(&authenticator);
            let _ = authenticator.health();
        }
    }
}

#[test]
fn g21_an_observer_may_request_a_token() {
    // A lock that is held during an event would block this thread without end.
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        static WANTS: Wants = Wants(Mutex::new(None), AtomicUsize::new(0));
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let source = ScriptedSource::new();
            let authenticator = machine_with(source.clone(), |options| options.observer(&WANTS));
            *WANTS.0.lock().unwrap() = Some(authenticator.clone());
            for _ in 0..3 {
                let token = authenticator.token().await.unwrap();
                authenticator.report_accepted(token.generation());
                elapse(MINUTE).await;
                authenticator.report_refused(token.generation());
                elapse(2 * HOUR).await;
            }
            source.always(Outcome::error(unavailable()));
            elapse(2 * HOUR).await;
            authenticator.token().await.unwrap_err();
        });
        done.send(WANTS.1.load(Ordering::SeqCst)).unwrap();
    });
    let told = ended.recv_timeout(30 * SECOND).unwrap();
    assert!(told > 10, "{told}");
}

/// Blocks at each event until it is released.
struct Slow(Mutex<mpsc::Receiver<()>>);

impl Observer for Slow {
    fn on_event(&self, event: &Event) {
        if event.name() == "token_published" {
            let _ = self.0.lock().unwrap().recv();
        }
    }
}

#[test]
fn g21_callers_get_their_token_while_an_observer_blocks() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (let_go, slow) = mpsc::channel();
    runtime.block_on(async {
        let options = AuthenticatorOptions::new().observer(Slow(Mutex::new(slow)));
        let source = ScriptedSource::new();
        let builder = Authenticator::builder(source, Origins::new([API]).unwrap());
        let authenticator = builder.options(options).build().unwrap();
        // The observer is not released before.
        let token = tokio::time::timeout(30 * SECOND, authenticator.token())
            .await
            .unwrap();
        assert_eq!(token.unwrap().generation().get(), 1);
        assert!(authenticator.try_token().is_some());
    });
    let_go.send(()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn g21_events_name_the_authenticator_of_a_map_and_its_eviction() {
    let events = RecordingObserver::new();
    let options = AuthenticatorOptions::new()
        .shards(1)
        .observer(events.clone());
    let map = AuthenticatorMap::builder(move |key: &Key| {
        let tenant = key.get(KeyPart::Client).unwrap();
        Authenticator::builder(ScriptedSource::new(), Origins::new([API])?)
            .options(options.clone().label(tenant))
            .build()
    });
    let map = map.max_entries(1).build().unwrap();
    let key = |tenant: &str| Key::builder("example").client(tenant).build();
    for tenant in ["tenant-1", "tenant-2", "tenant-3"] {
        map.get(&key(tenant)).unwrap().token().await.unwrap();
        elapse(SECOND).await;
    }
    let told = events.events();
    let of = |name: &str| -> Vec<String> {
        let of_name = told.iter().filter(|event| event.name() == name);
        of_name
            .map(|event| event.label().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of("token_published"), ["tenant-1", "tenant-2", "tenant-3"]);
    assert_eq!(of("authenticator_evicted"), ["tenant-1", "tenant-2"]);
}

#[tokio::test(start_paused = true)]
async fn g21_the_health_of_a_map_has_counts_and_the_worst_entry() {
    let map = AuthenticatorMap::builder(move |key: &Key| {
        let tenant = key.get(KeyPart::Client).unwrap();
        let source = ScriptedSource::new();
        if tenant.starts_with("bad") {
            source.always(Outcome::error(unavailable()));
        }
        Authenticator::builder(source, Origins::new([API])?)
            .options(AuthenticatorOptions::new().shards(1).label(tenant))
            .build()
    });
    let map = map.build().unwrap();
    for tenant in ["good-1", "bad-1", "good-2", "bad-2", "bad-3", "new-1"] {
        let authenticator = map
            .get(&Key::builder("example").client(tenant).build())
            .unwrap();
        if tenant != "new-1" {
            let _ = authenticator.token().await;
        }
    }
    let health = map.health(2);
    assert_eq!((health.total, health.usable, health.failing), (6, 2, 3));
    assert_eq!((health.refused, health.renewing), (0, 0));
    assert_eq!(health.worst.len(), 2);
    for worst in &health.worst {
        assert!(worst.label().unwrap().starts_with("bad"), "{worst:?}");
    }
    assert_eq!(map.health(10).worst.len(), 4);
    let json = serde_json::to_value(map.health(0)).unwrap();
    assert_eq!(
        (&json["failing"], &json["worst"]),
        (&3.into(), &serde_json::json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn g21_the_observer_sees_a_token_of_another_process() {
    let store = MemoryStore::new();
    let first = machine_with(ScriptedSource::new(), |options| {
        options.store(store.clone())
    });
    first.token().await.unwrap();
    elapse(MINUTE).await;
    let events = RecordingObserver::new();
    let second = machine_with(ScriptedSource::new(), |options| {
        options.store(store.clone()).observer(events.clone())
    });
    second.token().await.unwrap();
    let told = events
        .last(|kind| matches!(kind, EventKind::TokenAdopted { .. }))
        .unwrap();
    let EventKind::TokenAdopted { age, .. } = *told.kind() else {
        unreachable!();
    };
    assert!(age >= MINUTE && age < MINUTE + SECOND, "{age:?}");
    assert_eq!(events.count("token_request_started"), 0);
}

#[tokio::test(start_paused = true)]
async fn g21_the_observer_sees_an_unused_token() {
    let events = RecordingObserver::new();
    let source = ScriptedSource::new();
    source.then(Outcome::fresh().delay(SECOND));
    let authenticator = machine_with(source, |options| {
        options.observer(events.clone()).policy(exact())
    });
    // The caller is cancelled before the token arrives.
    let gone = tokio::spawn(authenticator.token());
    tokio::task::yield_now().await;
    gone.abort();
    elapse(2 * HOUR).await;
    authenticator.token().await.unwrap();
    assert_eq!(events.count("token_unused"), 1);
    elapse(2 * HOUR).await;
    authenticator.token().await.unwrap();
    assert_eq!(events.count("token_unused"), 1, "the second token was used");
}

#[tokio::test(start_paused = true)]
async fn g21_the_span_of_a_token_request_follows_from_the_request_that_started_it() {
    let log = LogCapture::new();
    let _capture = log.install();
    let source = ScriptedSource::new();
    source.then(Outcome::fresh().delay(SECOND));
    let authenticator = machine_with(source, |options| options.label("tenant-7"));
    let request = async { authenticator.token().await.unwrap() };
    request.instrument(info_span!("request", number = 1)).await;
    let text = log.text();
    // The wait is a span within the request's span; the token request has a separate span.
    let line = |words: &[&str]| {
        let mut lines = text.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(
        line(&[
            "request{number=1}:token_wait{",
            "tenant-7",
            "auth::request",
            "close"
        ]),
        "{text}"
    );
    assert!(
        line(&[
            "INFO token_request{",
            "reason=\"needed\"",
            "outcome=\"token\"",
            "close"
        ]),
        "{text}"
    );
    assert!(!line(&["request{number=1}:token_request"]), "{text}");
}
