use std::{collections::HashMap, fmt};

use auth_core::{
    Event, Observer,
    measure::{Instrument, InstrumentKind, Measurement, Value, measure},
};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter},
};

use crate::table::{AUTHENTICATOR, METRICS, Metric, VENDOR};

/// Counts events of authenticators in the instruments of an OpenTelemetry meter.
///
/// Set it by [`AuthenticatorOptions::observer`](auth_core::AuthenticatorOptions::observer). One
/// observer serves any number of authenticators: put it into an `Arc`, or set it in options that
/// the authenticators share. [`METRICS`] lists what it writes.
///
/// # Example
///
/// ```
/// use auth_core::AuthenticatorOptions;
/// use auth_opentelemetry::OpenTelemetryObserver;
/// use opentelemetry::metrics::MeterProvider as _;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
///
/// let provider = SdkMeterProvider::builder().build();
/// let observer = OpenTelemetryObserver::new(&provider.meter("auth"));
/// let options = AuthenticatorOptions::new().observer(observer);
/// ```
pub struct OpenTelemetryObserver {
    instruments: HashMap<Instrument, Handle>,
}

/// An instrument of the meter.
enum Handle {
    Counter(Counter<u64>),
    TimeCounter(Counter<f64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

impl OpenTelemetryObserver {
    /// Makes an observer that writes into instruments of this meter. Makes all instruments now: set
    /// the SDK's provider before.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        let handles = METRICS.iter();
        let handles = handles.map(|metric| (metric.instrument, Handle::new(meter, metric)));
        Self {
            instruments: handles.collect(),
        }
    }
}

impl Observer for OpenTelemetryObserver {
    fn on_event(&self, event: &Event) {
        let vendor = event.vendor();
        let authenticator = event.label().unwrap_or(vendor);
        measure(event, |measurement| {
            let Some(handle) = self.instruments.get(&measurement.instrument) else {
                return;
            };
            let mut attributes = vec![
                KeyValue::new(VENDOR.name(), vendor.to_owned()),
                KeyValue::new(AUTHENTICATOR.name(), authenticator.to_owned()),
            ];
            let own = measurement.instrument.labels().iter();
            let own = own.zip(measurement.labels);
            attributes.extend(own.map(|(label, value)| KeyValue::new(label.name, value)));
            handle.add(measurement, &attributes);
        });
    }
}

impl Handle {
    fn new(meter: &Meter, metric: &Metric) -> Self {
        let (name, unit, meaning) = (metric.name(), metric.unit(), metric.meaning());
        match metric.instrument.kind() {
            InstrumentKind::Counter if metric.unit() == "s" => {
                let counter = meter.f64_counter(name).with_unit(unit);
                Self::TimeCounter(counter.with_description(meaning).build())
            }
            InstrumentKind::Counter => {
                let counter = meter.u64_counter(name).with_unit(unit);
                Self::Counter(counter.with_description(meaning).build())
            }
            InstrumentKind::Gauge => {
                let gauge = meter.f64_gauge(name).with_unit(unit);
                Self::Gauge(gauge.with_description(meaning).build())
            }
            InstrumentKind::Histogram => {
                let histogram = meter.f64_histogram(name).with_unit(unit);
                let histogram = histogram.with_boundaries(BOUNDARIES.to_vec());
                Self::Histogram(histogram.with_description(meaning).build())
            }
        }
    }

    fn add(&self, measurement: Measurement, attributes: &[KeyValue]) {
        match (self, measurement.value) {
            (Self::Counter(counter), Value::Add(more)) => counter.add(more, attributes),
            (Self::TimeCounter(counter), Value::AddTime(more)) => {
                counter.add(more.as_secs_f64(), attributes);
            }
            (Self::Gauge(gauge), Value::Set(value)) => gauge.record(value, attributes),
            (Self::Histogram(histogram), Value::Record(value)) => {
                histogram.record(value.as_secs_f64(), attributes);
            }
            _ => debug_assert!(false, "{measurement:?} has another kind"),
        }
    }
}

impl fmt::Debug for OpenTelemetryObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetryObserver")
            .finish_non_exhaustive()
    }
}

/// In seconds: the SDK's own are meant for milliseconds. As in the semantic conventions for HTTP.
const BOUNDARIES: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
