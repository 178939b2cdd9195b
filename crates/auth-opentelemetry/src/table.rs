use auth_core::measure::{Instrument, Label};

/// All metrics of [`OpenTelemetryObserver`](crate::OpenTelemetryObserver), in the order of the documentation.
pub static METRICS: [Metric; Instrument::ALL.len()] = {
    let mut all = [Metric::of(Instrument::ALL[0]); Instrument::ALL.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = Metric::of(Instrument::ALL[place]);
        place += 1;
    }
    all
};

/// A metric of [`OpenTelemetryObserver`](crate::OpenTelemetryObserver).
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub(crate) instrument: Instrument,
    name: &'static str,
    unit: &'static str,
}

/// An attribute of a [`Metric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricAttribute {
    name: &'static str,
    values: Option<&'static [&'static str]>,
}

impl Metric {
    const fn of(instrument: Instrument) -> Self {
        let (name, unit) = match instrument {
            Instrument::TokenRequests => ("auth.token.requests", "{request}"),
            Instrument::TokenRequestDuration => ("auth.token.request.duration", "s"),
            Instrument::TokensPublished => ("auth.tokens.published", "{token}"),
            Instrument::TokensAdopted => ("auth.tokens.adopted", "{token}"),
            Instrument::TokensAccepted => ("auth.tokens.accepted", "{token}"),
            Instrument::TokensRefused => ("auth.tokens.refused", "{response}"),
            Instrument::TokensUnused => ("auth.tokens.unused", "{token}"),
            Instrument::TokenExpiry => ("auth.token.expires", "s"),
            Instrument::TokenRenewal => ("auth.token.renewal", "s"),
            Instrument::RenewalsFailed => ("auth.token.renewals.failed", "{failure}"),
            Instrument::NoToken => ("auth.token.unavailable", "{failure}"),
            Instrument::Recoveries => ("auth.token.recoveries", "{recovery}"),
            Instrument::BackOffs => ("auth.back_offs", "{back_off}"),
            Instrument::BackOffEnd => ("auth.back_off.ends", "s"),
            Instrument::Probes => ("auth.probes", "{request}"),
            Instrument::QuotaUsed => ("auth.quota.slots.used", "{slot}"),
            Instrument::QuotaFree => ("auth.quota.slots.free", "{slot}"),
            Instrument::StoreFailures => ("auth.store.failures", "{failure}"),
            Instrument::StoreFailing => ("auth.store.failing", "1"),
            Instrument::LeasesLost => ("auth.store.leases.lost", "{lease}"),
            Instrument::AuthenticatorsEvicted => ("auth.authenticators.evicted", "{authenticator}"),
            Instrument::RequestsWaiting => ("auth.requests.waiting", "{request}"),
            Instrument::RequestsWaited => ("auth.requests.waited", "{request}"),
            Instrument::RequestWaitTime => ("auth.request.wait", "s"),
            Instrument::LongestWait => ("auth.request.wait.longest", "s"),
            Instrument::RequestsUnsigned => ("auth.requests.unsigned", "{request}"),
            Instrument::RequestsReplayed => ("auth.requests.replayed", "{request}"),
            Instrument::RequestsNotReplayed => ("auth.requests.not_replayed", "{request}"),
            Instrument::CredentialsRemoved => ("auth.credentials.removed", "{credential}"),
            Instrument::WiderScopes => ("auth.wider_scopes", "{answer}"),
        };
        Self {
            instrument,
            name,
            unit,
        }
    }

    /// Returns the name, for example `auth.token.requests`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind in one word: `counter`, `gauge` or `histogram`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.instrument.kind().as_str()
    }

    /// Returns the unit, for example `s` or `{request}`.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        self.unit
    }

    /// Returns the attributes. The first two are those of the authenticator.
    pub fn attributes(&self) -> impl Iterator<Item = MetricAttribute> {
        let own = self.instrument.labels().iter().map(MetricAttribute::of);
        [VENDOR, AUTHENTICATOR].into_iter().chain(own)
    }

    /// Returns what the metric counts or shows, as a sentence.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.instrument.meaning()
    }
}

impl MetricAttribute {
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

pub(crate) const VENDOR: MetricAttribute = MetricAttribute {
    name: "auth.vendor",
    values: None,
};

pub(crate) const AUTHENTICATOR: MetricAttribute = MetricAttribute {
    name: "auth.authenticator",
    values: None,
};
