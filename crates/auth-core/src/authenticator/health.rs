use std::{fmt, sync::Arc, time::Duration};

use crate::Error;

/// The state of an authenticator, without secrets. Made by
/// [`Authenticator::health`](crate::Authenticator::health).
///
/// `Display` writes one line for a health page or a log. With the Cargo feature `serde` it
/// implements `Serialize`, so `axum::Json<Health>` is a response; durations are serialized in
/// seconds.
///
/// # Example
///
/// ```
/// use auth_core::{ApiKey, Authenticator, Origins, Secret};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), auth_core::Error> {
/// let source = ApiKey::new(Secret::new("fake-key"));
/// let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///     .vendor("example")
///     .build()?;
/// assert_eq!(authenticator.health().to_string(), "example: no token yet");
/// authenticator.warm_up().await?;
/// assert!(authenticator.health().is_usable());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) vendor: String,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) valid_for: Option<Duration>,
    pub(crate) is_refused: bool,
    pub(crate) is_renewing: bool,
    pub(crate) last_error: Option<Error>,
    pub(crate) last_success: Option<Duration>,
    pub(crate) last_failure: Option<HealthFailure>,
    pub(crate) next_try: Option<Duration>,
    pub(crate) renewal_due: Option<Duration>,
    pub(crate) is_store_failing: bool,
    pub(crate) unsigned: Option<RequestsLost>,
    pub(crate) not_replayed: Option<RequestsLost>,
}

/// Requests that were sent unsigned, or refused and not sent again: their number since the
/// authenticator was made, and the last one. Part of [`Health`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestsLost {
    /// The number of requests.
    pub count: u64,
    /// The cause for the last request, as one lower-case word, for example `other_origin` or `body`.
    pub cause: &'static str,
    /// The host of the last request. The authenticator's origins if the host is not known.
    pub host: Box<str>,
    /// The time since the last request.
    pub ago: Duration,
}

/// The last token request that failed. Part of [`Health`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthFailure {
    /// Why the token request failed. [`Error::host`] names the host, if it is known.
    pub error: Error,
    /// The time since the failure.
    pub ago: Duration,
}

impl Health {
    /// Returns the vendor's name.
    #[must_use]
    pub fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Returns the label that was set by
    /// [`AuthenticatorOptions::label`](crate::AuthenticatorOptions::label).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Returns whether a valid token is cached that the API does not refuse. Only refusals that are
    /// [reported](crate::Authenticator::report_refused) count; `auth_tower::AuthLayer` reports each.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable_for().is_some()
    }

    /// Returns how long the cached token can still be sent. `None` if no valid token is cached or
    /// if the API [refuses](Self::is_refused) it.
    #[must_use]
    pub fn usable_for(&self) -> Option<Duration> {
        self.valid_for.filter(|_| !self.is_refused)
    }

    /// Returns whether the API refused the cached token, or the last replacements of refused
    /// tokens, and has accepted none since.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Returns whether a token request is in progress.
    #[must_use]
    pub fn is_renewing(&self) -> bool {
        self.is_renewing
    }

    /// Returns the error of the last token request, with the time until the next one. `None` if the
    /// last token request succeeded.
    #[must_use]
    pub fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Returns the age of the newest token. `None` if no token has come yet.
    #[must_use]
    pub fn last_success(&self) -> Option<Duration> {
        self.last_success
    }

    /// Returns the last failure, also if a token request succeeded since. `None` if no token
    /// request has failed.
    #[must_use]
    pub fn last_failure(&self) -> Option<&HealthFailure> {
        self.last_failure.as_ref()
    }

    /// Returns how long no token request may start because of a back-off or the quota. `None` if
    /// one may start now.
    #[must_use]
    pub fn next_try(&self) -> Option<Duration> {
        self.next_try
    }

    /// Returns the time until the renewal ahead of expiry is due; zero if the renewal is due.
    /// `None` without a token.
    #[must_use]
    pub fn renewal_due(&self) -> Option<Duration> {
        self.renewal_due
    }

    /// Returns whether the last call of the token store failed, so that this process works without
    /// the store.
    #[must_use]
    pub fn is_store_failing(&self) -> bool {
        self.is_store_failing
    }

    /// Returns the requests that were sent without a token, for example because their destination is
    /// not in the [origins](crate::Origins); `None` if there was none. A token can be usable while
    /// all requests are sent unsigned.
    #[must_use]
    pub fn unsigned(&self) -> Option<&RequestsLost> {
        self.unsigned.as_ref()
    }

    /// Returns the requests that the API refused and that were not replayed, for example because
    /// their body was not kept. `None` if there was no such request.
    #[must_use]
    pub fn not_replayed(&self) -> Option<&RequestsLost> {
        self.not_replayed.as_ref()
    }

    /// Returns whether requests fail: a token request failed and no valid token is cached, or the
    /// API refuses the token. False before the first token request. Use it for the status code of a
    /// health page, for example 503 if true and 200 if false.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.badness() == WORST
    }

    /// How bad the state is. 0 is best.
    fn badness(&self) -> u8 {
        match (self.is_usable(), &self.last_error) {
            (true, None) => 0,
            // No caller has asked for a token yet.
            (false, None) if !self.is_refused => 1,
            (true, Some(_)) => 2,
            (false, _) => 3,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vendor,
            valid_for,
            is_refused,
            is_renewing,
            last_error,
            ..
        } = self;
        match (valid_for, last_error) {
            // The text of an error begins with the vendor.
            (None, Some(error)) => write!(f, "{error}")?,
            (None, None) if *is_refused => write!(f, "{vendor}: the API refused the token")?,
            (None, None) => write!(f, "{vendor}: no token yet")?,
            (Some(_), None) if *is_refused => write!(f, "{vendor}: the API refuses the token")?,
            (Some(_), Some(error)) if *is_refused => {
                write!(f, "{vendor}: the API refuses the token; {error}")?;
            }
            (Some(left), None) => write!(f, "{vendor}: token valid for {} s", left.as_secs())?,
            (Some(left), Some(error)) => {
                write!(f, "{vendor}: token valid for {} s; {error}", left.as_secs())?;
            }
        }
        for (what, lost) in [
            ("sent unsigned", &self.unsigned),
            ("refused and not sent again", &self.not_replayed),
        ] {
            if let Some(lost) = lost {
                let (count, host, cause, ago) = (lost.count, &lost.host, lost.cause, lost.ago);
                let ago = ago.as_secs();
                write!(
                    f,
                    "; {count} requests {what}, the last to {host} ({cause}) {ago} s ago"
                )?;
            }
        }
        match is_renewing {
            true => f.write_str("; a token request is in progress"),
            false => Ok(()),
        }
    }
}

/// The state of the authenticators of a map. Made by
/// [`AuthenticatorMap::health`](crate::AuthenticatorMap::health).
///
/// With the Cargo feature `serde` it implements `Serialize`.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MapHealth {
    /// The number of authenticators in the map.
    pub total: usize,
    /// The number that have a token that the API does not refuse.
    pub usable: usize,
    /// The number that have no such token although a token request failed or the API refuses
    /// tokens.
    pub failing: usize,
    /// The number that have a token that the API refuses.
    pub refused: usize,
    /// The number that have a token request in progress.
    pub renewing: usize,
    /// The authenticators in the worst state, the worst first.
    pub worst: Vec<Health>,
}

impl MapHealth {
    pub(crate) fn of(all: impl Iterator<Item = Health>, worst: usize) -> Self {
        let mut counts = Self::default();
        let mut bad = Vec::new();
        for health in all {
            counts.total += 1;
            counts.usable += usize::from(health.is_usable());
            counts.failing += usize::from(health.is_failing());
            counts.refused += usize::from(health.is_refused());
            counts.renewing += usize::from(health.is_renewing());
            if health.badness() > 0 {
                bad.push(health);
                // Bounds the memory for a large map.
                if bad.len() >= worst.saturating_mul(2) {
                    keep_worst(&mut bad, worst);
                }
            }
        }
        keep_worst(&mut bad, worst);
        counts.worst = bad;
        counts
    }
}

fn keep_worst(bad: &mut Vec<Health>, count: usize) {
    bad.sort_by_key(|health| std::cmp::Reverse(health.badness()));
    bad.truncate(count);
}

/// The badness of an authenticator whose requests fail.
const WORST: u8 = 3;

#[cfg(feature = "serde")]
mod serialize {
    use std::time::Duration;

    use serde::{Serialize, Serializer};

    use super::{Health, HealthFailure, RequestsLost};

    #[derive(Serialize)]
    struct Report<'a> {
        vendor: &'a str,
        label: Option<&'a str>,
        usable: bool,
        usable_for: Option<f64>,
        refused: bool,
        renewing: bool,
        renewal_due: Option<f64>,
        last_success: Option<f64>,
        last_failure: Option<&'a HealthFailure>,
        next_try: Option<f64>,
        store_failing: bool,
        unsigned: Option<&'a RequestsLost>,
        not_replayed: Option<&'a RequestsLost>,
        summary: String,
    }

    #[derive(Serialize)]
    struct Failure<'a> {
        ago: f64,
        kind: &'static str,
        host: Option<&'a str>,
        cause: String,
    }

    fn seconds(duration: Option<Duration>) -> Option<f64> {
        duration.map(|duration| duration.as_secs_f64())
    }

    impl Serialize for Health {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let report = Report {
                vendor: &self.vendor,
                label: self.label(),
                usable: self.is_usable(),
                usable_for: seconds(self.usable_for()),
                refused: self.is_refused,
                renewing: self.is_renewing,
                renewal_due: seconds(self.renewal_due),
                last_success: seconds(self.last_success),
                last_failure: self.last_failure(),
                next_try: seconds(self.next_try),
                store_failing: self.is_store_failing,
                unsigned: self.unsigned(),
                not_replayed: self.not_replayed(),
                summary: self.to_string(),
            };
            report.serialize(serializer)
        }
    }

    #[derive(Serialize)]
    struct Lost<'a> {
        count: u64,
        cause: &'static str,
        host: &'a str,
        ago: f64,
    }

    impl Serialize for RequestsLost {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let lost = Lost {
                count: self.count,
                cause: self.cause,
                host: &self.host,
                ago: self.ago.as_secs_f64(),
            };
            lost.serialize(serializer)
        }
    }

    impl Serialize for HealthFailure {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let failure = Failure {
                ago: self.ago.as_secs_f64(),
                kind: self.error.kind().as_str(),
                host: self.error.host(),
                cause: self.error.to_string(),
            };
            failure.serialize(serializer)
        }
    }
}

#[cfg(test)]
mod tests;
