//! The table of metrics holds what is emitted.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;

use auth_core::{Event, Observer};
use auth_opentelemetry::{METRICS, OpenTelemetryObserver};
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};

/// The kind of an instrument, and the attributes of its points.
fn points(data: &AggregatedMetrics) -> (&'static str, Vec<Vec<KeyValue>>) {
    match data {
        AggregatedMetrics::F64(data) => points_of(data),
        AggregatedMetrics::U64(data) => points_of(data),
        AggregatedMetrics::I64(data) => points_of(data),
    }
}

fn points_of<T: Copy>(data: &MetricData<T>) -> (&'static str, Vec<Vec<KeyValue>>) {
    match data {
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points();
            (
                "gauge",
                points
                    .map(|point| point.attributes().cloned().collect())
                    .collect(),
            )
        }
        MetricData::Sum(sum) => {
            assert!(sum.is_monotonic());
            let points = sum.data_points();
            (
                "counter",
                points
                    .map(|point| point.attributes().cloned().collect())
                    .collect(),
            )
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points();
            (
                "histogram",
                points
                    .map(|point| point.attributes().cloned().collect())
                    .collect(),
            )
        }
        MetricData::ExponentialHistogram(_) => panic!("not asked for"),
    }
}

#[test]
fn all_events_together_emit_exactly_the_table() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let observer = OpenTelemetryObserver::new(&provider.meter("auth"));
    Event::examples()
        .iter()
        .for_each(|event| observer.on_event(event));
    provider.force_flush().unwrap();
    let exported = exporter.get_finished_metrics().unwrap();
    let mut names = BTreeSet::new();
    let scopes = exported
        .iter()
        .flat_map(|exported| exported.scope_metrics());
    for told in scopes.flat_map(|scope| scope.metrics()) {
        let metric = METRICS.iter().find(|metric| metric.name() == told.name());
        let metric = metric.unwrap_or_else(|| panic!("{} is not in the table", told.name()));
        names.insert(metric.name());
        assert_eq!(told.unit(), metric.unit(), "{}", told.name());
        assert_eq!(told.description(), metric.meaning());
        let (kind, points) = points(told.data());
        assert_eq!(kind, metric.kind(), "{}", told.name());
        assert!(!points.is_empty(), "{}", told.name());
        for point in points {
            assert_eq!(point.len(), metric.attributes().count(), "{point:?}");
            for attribute in metric.attributes() {
                let value = point
                    .iter()
                    .find(|told| told.key.as_str() == attribute.name());
                let value = value.unwrap().value.to_string();
                if let Some(values) = attribute.values() {
                    assert!(values.contains(&value.as_str()), "{}: {value}", told.name());
                }
            }
        }
    }
    let of_table: BTreeSet<_> = METRICS.iter().map(|metric| metric.name()).collect();
    assert_eq!(names, of_table);
    assert_eq!(of_table.len(), METRICS.len());
}
