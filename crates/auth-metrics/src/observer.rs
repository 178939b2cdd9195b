use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use auth_core::{
    Event, EventKind, Observer,
    measure::{InstrumentKind, measure},
};
use metrics::Recorder;

use crate::{series::Series, table::METRICS};

/// Counts events of authenticators in a recorder of the crate [`metrics`].
///
/// Set it by [`AuthenticatorOptions::observer`](auth_core::AuthenticatorOptions::observer). One
/// observer serves any number of authenticators: put it into an `Arc`, or set it in options that
/// the authenticators share. [`METRICS`] lists what it writes.
///
/// Metrics are registered at the first event of an authenticator that changes them, and kept until
/// an [`AuthenticatorMap`](auth_core::AuthenticatorMap) evicts the authenticator.
///
/// # Example
///
/// ```
/// use auth_core::AuthenticatorOptions;
/// use auth_metrics::MetricsObserver;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// // With a separate recorder, for tests.
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let prometheus = recorder.handle();
/// let options = AuthenticatorOptions::new().observer(MetricsObserver::with_recorder(recorder));
/// assert_eq!(prometheus.render(), "");
/// ```
pub struct MetricsObserver {
    /// `None` for the recorder of the program.
    recorder: Option<Box<dyn Recorder + Send + Sync>>,
    described: OnceLock<()>,
    /// By vendor and label.
    authenticators: RwLock<HashMap<String, HashMap<String, Arc<Series>>>>,
}

impl MetricsObserver {
    /// Makes an observer that writes into the recorder of the program, the one that
    /// [`metrics::set_global_recorder`] or an exporter's `install` set.
    ///
    /// Install the recorder before the first token request: what happens earlier is not counted.
    #[must_use]
    pub fn new() -> Self {
        Self::of(None)
    }

    /// Makes an observer that writes into this recorder, for example in a test.
    #[must_use]
    pub fn with_recorder(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self::of(Some(Box::new(recorder)))
    }

    fn of(recorder: Option<Box<dyn Recorder + Send + Sync>>) -> Self {
        Self {
            recorder,
            described: OnceLock::new(),
            authenticators: RwLock::default(),
        }
    }

    fn count(&self, event: &Event, recorder: &dyn Recorder) {
        self.described.get_or_init(|| describe(recorder));
        let vendor = event.vendor();
        let label = event.label().unwrap_or(vendor);
        let series = self.series(vendor, label);
        measure(event, |measurement| series.add(measurement, recorder));
        if matches!(event.kind(), EventKind::AuthenticatorEvicted { .. }) {
            self.forget(vendor, label);
            series.end();
        }
    }

    fn series(&self, vendor: &str, label: &str) -> Arc<Series> {
        let known = self.authenticators.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(vendor).and_then(|known| known.get(label)) {
            return Arc::clone(series);
        }
        drop(known);
        let known = self.authenticators.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let of_vendor = known.entry(vendor.to_owned()).or_default();
        let series = of_vendor.entry(label.to_owned());
        Arc::clone(series.or_insert_with(|| Arc::new(Series::new(vendor, label))))
    }

    fn forget(&self, vendor: &str, label: &str) {
        let known = self.authenticators.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(of_vendor) = known.get_mut(vendor) {
            of_vendor.remove(label);
        }
    }
}

impl Observer for MetricsObserver {
    fn on_event(&self, event: &Event) {
        match &self.recorder {
            Some(recorder) => self.count(event, recorder),
            None => metrics::with_recorder(|recorder| {
                // The recorder that stands in before one is installed: its handles count nothing,
                // and are not to be kept.
                if size_of_val(recorder) > 0 {
                    self.count(event, recorder);
                }
            }),
        }
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver").finish_non_exhaustive()
    }
}

/// Tells the recorder what each metric is.
fn describe(recorder: &dyn Recorder) {
    for metric in &METRICS {
        let (name, unit) = (metric.name().into(), Some(metric.unit_of_recorder()));
        let meaning = metric.meaning().into();
        match metric.instrument.kind() {
            InstrumentKind::Counter => recorder.describe_counter(name, unit, meaning),
            InstrumentKind::Gauge => recorder.describe_gauge(name, unit, meaning),
            InstrumentKind::Histogram => recorder.describe_histogram(name, unit, meaning),
        }
    }
}
