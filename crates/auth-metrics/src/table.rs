use auth_core::measure::{Instrument, Label};
use metrics::Unit;

/// All metrics of [`MetricsObserver`](crate::MetricsObserver), in the order of the documentation.
pub static METRICS: [Metric; Instrument::ALL.len()] = {
    let mut all = [Metric::of(Instrument::ALL[0]); Instrument::ALL.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = Metric::of(Instrument::ALL[place]);
        place += 1;
    }
    all
};

/// A metric of [`MetricsObserver`](crate::MetricsObserver).
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub(crate) instrument: Instrument,
    name: &'static str,
}

/// A label of a [`Metric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricLabel {
    name: &'static str,
    values: Option<&'static [&'static str]>,
}

impl Metric {
    const fn of(instrument: Instrument) -> Self {
        let name = match instrument {
            Instrument::TokenRequests => "auth_token_requests_total",
            Instrument::TokenRequestDuration => "auth_token_request_duration_seconds",
            Instrument::TokensPublished => "auth_tokens_published_total",
            Instrument::TokensAdopted => "auth_tokens_adopted_total",
            Instrument::TokensAccepted => "auth_tokens_accepted_total",
            Instrument::TokensRefused => "auth_tokens_refused_total",
            Instrument::TokensUnused => "auth_tokens_unused_total",
            Instrument::TokenExpiry => "auth_token_expires_timestamp_seconds",
            Instrument::TokenRenewal => "auth_token_renewal_timestamp_seconds",
            Instrument::RenewalsFailed => "auth_token_renewals_failed_total",
            Instrument::NoToken => "auth_token_unavailable_total",
            Instrument::Recoveries => "auth_token_recoveries_total",
            Instrument::BackOffs => "auth_back_offs_total",
            Instrument::BackOffEnd => "auth_back_off_ends_timestamp_seconds",
            Instrument::Probes => "auth_probes_total",
            Instrument::QuotaUsed => "auth_quota_slots_used",
            Instrument::QuotaFree => "auth_quota_slots_free",
            Instrument::StoreFailures => "auth_store_failures_total",
            Instrument::StoreFailing => "auth_store_failing",
            Instrument::LeasesLost => "auth_store_leases_lost_total",
            Instrument::AuthenticatorsEvicted => "auth_authenticators_evicted_total",
            Instrument::RequestsWaiting => "auth_requests_waiting",
            Instrument::RequestsWaited => "auth_requests_waited_total",
            Instrument::RequestWaitTime => "auth_request_wait_microseconds_total",
            Instrument::LongestWait => "auth_request_wait_longest_seconds",
            Instrument::RequestsUnsigned => "auth_requests_unsigned_total",
            Instrument::RequestsReplayed => "auth_requests_replayed_total",
            Instrument::RequestsNotReplayed => "auth_requests_not_replayed_total",
            Instrument::CredentialsRemoved => "auth_credentials_removed_total",
            Instrument::WiderScopes => "auth_wider_scopes_total",
        };
        Self { instrument, name }
    }

    pub(crate) fn find(instrument: Instrument) -> Option<&'static Self> {
        METRICS
            .iter()
            .find(|metric| metric.instrument == instrument)
    }

    /// Returns the name, for example `auth_token_requests_total`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind in one word, as Prometheus says it: `counter`, `gauge` or `histogram`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.instrument.kind().as_str()
    }

    /// Returns the unit in one word, for example `seconds`; `count` where things are counted.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        self.unit_of_recorder().as_str()
    }

    pub(crate) const fn unit_of_recorder(&self) -> Unit {
        match self.instrument {
            Instrument::TokenRequestDuration
            | Instrument::TokenExpiry
            | Instrument::TokenRenewal
            | Instrument::BackOffEnd
            | Instrument::LongestWait => Unit::Seconds,
            Instrument::RequestWaitTime => Unit::Microseconds,
            _ => Unit::Count,
        }
    }

    /// Returns the labels. The first two are those of the authenticator.
    pub fn labels(&self) -> impl Iterator<Item = MetricLabel> {
        let own = self.instrument.labels().iter().map(MetricLabel::of);
        [VENDOR, AUTHENTICATOR].into_iter().chain(own)
    }

    /// Returns what the metric counts or shows, as a sentence.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.instrument.meaning()
    }
}

impl MetricLabel {
    const fn of(label: &Label) -> Self {
        Self {
            name: label.name,
            values: Some(label.values),
        }
    }

    /// Returns the name, for example `reason`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns all values; `None` if the application chooses them.
    #[must_use]
    pub const fn values(&self) -> Option<&'static [&'static str]> {
        self.values
    }
}

pub(crate) const VENDOR: MetricLabel = MetricLabel {
    name: "vendor",
    values: None,
};

pub(crate) const AUTHENTICATOR: MetricLabel = MetricLabel {
    name: "authenticator",
    values: None,
};
