use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::measure::{Instrument, InstrumentKind, LABELS, Measurement, Value};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};

use crate::table::{AUTHENTICATOR, Metric, VENDOR};

/// The metrics of one authenticator.
pub(crate) struct Series {
    vendor: SharedString,
    authenticator: SharedString,
    handles: Mutex<HashMap<Place, Handle>>,
}

type Place = (Instrument, [&'static str; LABELS]);

/// A metric with its labels, as the recorder registered it.
#[derive(Clone)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Series {
    pub(crate) fn new(vendor: &str, authenticator: &str) -> Self {
        Self {
            vendor: vendor.to_owned().into(),
            authenticator: authenticator.to_owned().into(),
            handles: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, measurement: Measurement, recorder: &dyn Recorder) {
        let Measurement {
            instrument,
            labels,
            value,
        } = measurement;
        let place = (instrument, labels);
        let known = self.handles().get(&place).cloned();
        let handle = known.or_else(|| {
            // Without the lock: the recorder is the program's.
            let handle = self.register(place, recorder)?;
            Some(self.handles().entry(place).or_insert(handle).clone())
        });
        match (handle, value) {
            (Some(Handle::Counter(counter)), Value::Add(more)) => counter.increment(more),
            (Some(Handle::Counter(counter)), Value::AddTime(more)) => {
                counter.increment(u64::try_from(more.as_micros()).unwrap_or(u64::MAX));
            }
            (Some(Handle::Gauge(gauge)), Value::Set(value)) => gauge.set(value),
            (Some(Handle::Histogram(histogram)), Value::Record(value)) => histogram.record(value),
            _ => debug_assert!(false, "{instrument:?} has no {value:?}"),
        }
    }

    /// Shows no state any more: the authenticator is gone.
    pub(crate) fn end(&self) {
        let handles: Vec<_> = self.handles().drain().map(|(_, handle)| handle).collect();
        for handle in handles {
            if let Handle::Gauge(gauge) = handle {
                gauge.set(f64::NAN);
            }
        }
    }

    fn register(&self, (instrument, values): Place, recorder: &dyn Recorder) -> Option<Handle> {
        let metric = Metric::find(instrument)?;
        let own = instrument.labels().iter().zip(values);
        let mut labels = vec![
            Label::new(VENDOR.name(), self.vendor.clone()),
            Label::new(AUTHENTICATOR.name(), self.authenticator.clone()),
        ];
        labels.extend(own.map(|(label, value)| Label::from_static_parts(label.name, value)));
        let key = Key::from_parts(metric.name(), labels);
        Some(match instrument.kind() {
            InstrumentKind::Counter => Handle::Counter(recorder.register_counter(&key, &METADATA)),
            InstrumentKind::Gauge => Handle::Gauge(recorder.register_gauge(&key, &METADATA)),
            InstrumentKind::Histogram => {
                Handle::Histogram(recorder.register_histogram(&key, &METADATA))
            }
        })
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<Place, Handle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
