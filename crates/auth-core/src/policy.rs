use std::time::Duration;

use crate::Error;

/// When tokens are renewed, and how long the back-off is after failures.
///
/// The defaults suit lifetimes from 1 second to 1 year.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::RefreshPolicy;
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let policy = RefreshPolicy::default().deadline(Duration::from_secs(5))?.refresh_at(0.5)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshPolicy {
    refresh_at: f64,
    jitter: f64,
    margin: Option<Duration>,
    default_lifetime: Duration,
    max_lifetime: Duration,
    deadline: Duration,
    min_interval: Duration,
    backoff: (Duration, Duration),
    max_retry_after: Duration,
    probe_interval: Duration,
}

/// The margin of long-lived tokens, if no margin is set.
const MARGIN: Duration = Duration::from_secs(60);

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            refresh_at: 0.8,
            jitter: 0.05,
            margin: None,
            default_lifetime: Duration::from_secs(5 * 60),
            max_lifetime: Duration::from_secs(400 * 24 * 3600),
            deadline: Duration::from_secs(10),
            min_interval: Duration::from_secs(1),
            backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            max_retry_after: Duration::from_secs(3600),
            probe_interval: Duration::from_secs(5 * 60),
        }
    }
}

impl RefreshPolicy {
    /// Sets the share of the lifetime after which a token is renewed ahead of expiry, 0 to 1.
    /// Default: 0.8. For example, a token of 1 hour is renewed after 48 minutes.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `refresh_at` for a share that is not between 0
    /// and 1.
    pub fn refresh_at(mut self, share: f64) -> Result<Self, Error> {
        self.refresh_at = checked_share("refresh_at", share)?;
        Ok(self)
    }

    /// Sets the share of the lifetime by which a renewal may be earlier, 0 to 1. Default: 0.05. The
    /// time is drawn at random once for each token, so that processes which started together do not
    /// renew together. For example, a token of 1 hour is renewed up to 3 minutes earlier.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `jitter` for a share that is not between 0 and
    /// 1.
    pub fn jitter(mut self, share: f64) -> Result<Self, Error> {
        self.jitter = checked_share("jitter", share)?;
        Ok(self)
    }

    /// Sets how long before its expiry a token is no longer sent, because a request takes time to
    /// reach the API. Default: 60 seconds or a tenth of the token's lifetime, whichever is shorter.
    /// A margin above half the lifetime counts as half the lifetime.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `margin` for zero.
    pub fn margin(mut self, margin: Duration) -> Result<Self, Error> {
        self.margin = Some(positive("margin", margin)?);
        Ok(self)
    }

    /// Sets the lifetime of tokens for which the vendor states none. Default: 5 minutes.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `default_lifetime` for zero.
    pub fn default_lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.default_lifetime = positive("default_lifetime", lifetime)?;
        Ok(self)
    }

    /// Sets the longest accepted lifetime; a longer one is shortened to it. Default: 400 days.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `max_lifetime` for zero.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.max_lifetime = positive("max_lifetime", lifetime)?;
        Ok(self)
    }

    /// Sets how long one token request may take in total. Default: 10 seconds.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `deadline` for zero.
    pub fn deadline(mut self, deadline: Duration) -> Result<Self, Error> {
        self.deadline = positive("deadline", deadline)?;
        Ok(self)
    }

    /// Sets the shortest time between two token requests. Default: 1 second; shorter for tokens
    /// that live less than 2 seconds.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `min_interval` for zero.
    pub fn min_interval(mut self, interval: Duration) -> Result<Self, Error> {
        self.min_interval = positive("min_interval", interval)?;
        Ok(self)
    }

    /// Sets the shortest and the longest back-off after failed token requests. Default: 1 s and 60
    /// s.
    ///
    /// A back-off takes about an eighth of the time since token requests began to fail, with
    /// jitter. After an outage of 60 seconds the next token request follows within 8 seconds.
    /// During an outage of 1 hour there are about 120 token requests.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `backoff` if `first` is zero, or `longest` is
    /// shorter than `first`.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Result<Self, Error> {
        let first = positive("backoff", first)?;
        if longest < first {
            let problem =
                "the longest back-off is shorter than the first; raise `longest` or lower `first`";
            return Err(Error::config("backoff", problem));
        }
        self.backoff = (first, longest);
        Ok(self)
    }

    /// Sets the longest accepted `Retry-After`; a longer one is shortened to it. Default: 1 hour.
    #[must_use]
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Sets the time between probes after rejected credentials: one token request that learns
    /// whether the credentials are accepted again. Default: 5 minutes.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `probe_interval` for zero.
    pub fn probe_interval(mut self, interval: Duration) -> Result<Self, Error> {
        self.probe_interval = positive("probe_interval", interval)?;
        Ok(self)
    }

    /// Returns how long one token request may take.
    pub(crate) fn token_request_deadline(&self) -> Duration {
        self.deadline
    }

    /// Adds to the deadline. Saturates.
    pub(crate) fn extend_deadline(mut self, extra: Duration) -> Self {
        self.deadline = self.deadline.saturating_add(extra);
        self
    }

    /// Returns the lifetime to use for the lifetime that the vendor stated.
    pub(crate) fn lifetime(&self, stated: Option<Duration>) -> Duration {
        stated
            .unwrap_or(self.default_lifetime)
            .min(self.max_lifetime)
    }

    /// Returns how long after its token request a token may be sent.
    pub(crate) fn usable_for(&self, lifetime: Duration) -> Duration {
        let margin = self.margin.unwrap_or(MARGIN.min(lifetime / 10));
        lifetime.saturating_sub(margin.min(lifetime / 2))
    }

    /// Returns how long after its token request a token is renewed ahead of expiry.
    pub(crate) fn refresh_after(
        &self,
        lifetime: Duration,
        hint: Option<Duration>,
        jitter: Jitter,
    ) -> Duration {
        let usable = self.usable_for(lifetime);
        if let Some(hint) = hint {
            return hint.min(usable);
        }
        let drawn = jitter.of(share(lifetime, self.jitter));
        share(lifetime, self.refresh_at)
            .min(usable)
            .saturating_sub(drawn)
    }

    /// Returns the shortest time between a successful token request and the next one.
    pub(crate) fn floor(&self, lifetime: Duration) -> Duration {
        if lifetime.is_zero() {
            self.min_interval
        } else {
            self.min_interval.min(lifetime / 2)
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.min_interval
    }

    /// Returns the shortest and the longest back-off.
    pub(crate) fn backoff_range(&self) -> (Duration, Duration) {
        self.backoff
    }

    /// Returns how long to obey a `Retry-After`.
    pub(crate) fn retry_after(&self, asked: Duration) -> Duration {
        asked.min(self.max_retry_after).max(self.min_interval)
    }

    /// Returns the time from a rejection to the next probe.
    pub(crate) fn probe_after(&self, jitter: Jitter) -> Duration {
        self.probe_interval
            .saturating_add(jitter.of(self.probe_interval / 10))
            .max(self.min_interval)
    }
}

fn checked_share(field: &'static str, share: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    let problem = "must be a share of the lifetime between 0 and 1, for example 0.8";
    Err(Error::config(field, problem))
}

fn positive(field: &'static str, duration: Duration) -> Result<Duration, Error> {
    if duration.is_zero() {
        return Err(Error::config(
            field,
            "must be longer than zero, for example 10 s",
        ));
    }
    Ok(duration)
}

/// A random share below 1, drawn outside the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jitter(pub(crate) u32);

impl Jitter {
    pub(crate) fn of(self, duration: Duration) -> Duration {
        let nanos = duration.as_nanos().saturating_mul(u128::from(self.0)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Returns a share of a duration. The share was checked to be between 0 and 1.
fn share(duration: Duration, share: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * share)
        .unwrap_or(duration)
        .min(duration)
}

#[cfg(test)]
mod tests;
