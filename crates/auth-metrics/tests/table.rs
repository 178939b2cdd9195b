//! The table of metrics holds what is emitted.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex},
};

use auth_core::{AuthenticatorOptions, Event, Observer};
use auth_metrics::{METRICS, MetricsObserver};
use auth_testkit::TestServer;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusBuilder;

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    described: BTreeMap<String, (&'static str, Option<Unit>, String)>,
    registered: Vec<(&'static str, Key)>,
    values: Vec<(String, f64)>,
}

struct Handle(Recorded, String);

impl Handle {
    fn tell(&self, value: f64) {
        self.0
            .0
            .lock()
            .unwrap()
            .values
            .push((self.1.clone(), value));
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.tell(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.tell(value as f64);
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.tell(value);
    }

    fn decrement(&self, value: f64) {
        self.tell(-value);
    }

    fn set(&self, value: f64) {
        self.tell(value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.tell(value);
    }
}

impl Recorded {
    fn describe(
        &self,
        kind: &'static str,
        name: &KeyName,
        unit: Option<Unit>,
        text: &SharedString,
    ) {
        let mut kept = self.0.lock().unwrap();
        let told = (kind, unit, text.to_string());
        let before = kept.described.insert(name.as_str().to_owned(), told);
        assert!(before.is_none(), "{} is described twice", name.as_str());
    }

    fn register(&self, kind: &'static str, key: &Key) -> Arc<Handle> {
        self.0.lock().unwrap().registered.push((kind, key.clone()));
        Arc::new(Handle(self.clone(), key.name().to_owned()))
    }

    /// The last value of a metric.
    fn last(&self, name: &str) -> Option<f64> {
        let kept = self.0.lock().unwrap();
        let mut of_name = kept.values.iter().rev().filter(|(of, _)| of == name);
        of_name.next().map(|(_, value)| *value)
    }

    /// Compares all metrics so far with the table. Returns their names.
    #[track_caller]
    fn check(&self) -> BTreeSet<String> {
        let kept = self.0.lock().unwrap();
        let mut series = HashSet::new();
        for (kind, key) in &kept.registered {
            assert!(series.insert(key.to_string()), "{key} is registered twice");
            let metric = METRICS.iter().find(|metric| metric.name() == key.name());
            let metric = metric.unwrap_or_else(|| panic!("{key} is not in the table"));
            assert_eq!(metric.kind(), *kind, "{key}");
            let labels: Vec<_> = metric.labels().collect();
            assert_eq!(key.labels().len(), labels.len(), "{key}");
            for (told, label) in key.labels().zip(labels) {
                assert_eq!(told.key(), label.name(), "{key}");
                if let Some(values) = label.values() {
                    assert!(values.contains(&told.value()), "{key}");
                }
            }
        }
        let names = kept.registered.iter().map(|(_, key)| key.name().to_owned());
        names.collect()
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("counter", &key, unit, &text);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("gauge", &key, unit, &text);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("histogram", &key, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register("histogram", key))
    }
}

fn names() -> BTreeSet<String> {
    METRICS
        .iter()
        .map(|metric| metric.name().to_owned())
        .collect()
}

#[test]
fn all_events_together_emit_exactly_the_table() {
    let recorded = Recorded::default();
    let observer = MetricsObserver::with_recorder(recorded.clone());
    // Twice: what is registered is registered once.
    for event in Event::examples().iter().chain(&Event::examples()) {
        if event.name() != "authenticator_evicted" {
            observer.on_event(event);
        }
    }
    let evicted = Event::examples();
    let evicted = evicted
        .iter()
        .find(|event| event.name() == "authenticator_evicted");
    observer.on_event(evicted.unwrap());
    assert_eq!(recorded.check(), names());
    let kept = recorded.0.lock().unwrap();
    let described: BTreeSet<_> = kept.described.keys().cloned().collect();
    assert_eq!(described, names());
    for metric in &METRICS {
        let (kind, unit, text) = &kept.described[metric.name()];
        assert_eq!((*kind, text.as_str()), (metric.kind(), metric.meaning()));
        assert_eq!(unit.map(|unit| unit.as_str()), Some(metric.unit()));
    }
}

#[test]
fn names_follow_the_convention_of_prometheus() {
    for metric in &METRICS {
        let name = metric.name();
        assert!(name.starts_with("auth_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind() == "counter",
            "{name}"
        );
        let of_unit = match metric.unit() {
            "seconds" => name.ends_with("_seconds"),
            "microseconds" => name.ends_with("_microseconds_total"),
            _ => !name.contains("seconds"),
        };
        assert!(of_unit, "{name}");
        assert_eq!(
            metric.kind() == "histogram",
            name.ends_with("_duration_seconds") || name.ends_with("_longest_seconds"),
            "{name}"
        );
        assert!(metric.meaning().ends_with('.'), "{name}");
    }
    assert_eq!(names().len(), METRICS.len());
}

#[test]
fn an_evicted_authenticator_shows_no_state() {
    let recorded = Recorded::default();
    let observer = MetricsObserver::with_recorder(recorded.clone());
    let name = "auth_token_expires_timestamp_seconds";
    for event in &Event::examples() {
        observer.on_event(event);
        match event.name() {
            "token_published" => assert_eq!(recorded.last(name), Some(1_700_000_054.0)),
            "no_token" => assert_eq!(recorded.last(name), Some(0.0)),
            "authenticator_evicted" => {
                assert!(recorded.last(name).unwrap().is_nan());
                assert!(recorded.last("auth_store_failing").unwrap().is_nan());
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn authenticators_are_told_apart_by_vendor_and_label() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let prometheus = recorder.handle();
    let observer = Arc::new(MetricsObserver::with_recorder(recorder));
    let server = TestServer::builder().in_memory();
    for label in [None, Some("tenant-7"), Some("tenant-8")] {
        let mut options = AuthenticatorOptions::new().observer(Arc::clone(&observer));
        if let Some(label) = label {
            options = options.label(label);
        }
        let authenticator = server.authenticator_with(options);
        authenticator.warm_up().await.unwrap();
        let vendor = authenticator.vendor();
        let name = label.unwrap_or(vendor);
        let line = format!(
            "auth_token_requests_total{{vendor=\"{vendor}\",authenticator=\"{name}\",\
             reason=\"needed\",result=\"token\",kind=\"none\"}} 1"
        );
        let text = prometheus.render();
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_happens_before_a_recorder_is_installed_does_not_hide_what_comes_later() {
    let recorded = Recorded::default();
    let observer = MetricsObserver::new();
    let tell_all = || {
        Event::examples()
            .iter()
            .for_each(|event| observer.on_event(event))
    };
    tell_all();
    metrics::with_local_recorder(&recorded, tell_all);
    assert_eq!(recorded.check(), names());
}
