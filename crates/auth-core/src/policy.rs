use std::time::Duration;

use crate::Error;

/// When tokens are renewed, and how failures are spaced.
///
/// The defaults suit lifetimes from one second to a year; set only what you know better.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::RefreshPolicy;
///
/// let policy = RefreshPolicy::default().deadline(Duration::from_secs(5)).refresh_at(0.5);
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

/// The margin of long-lived tokens, where none is set.
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
    /// Sets the share of the lifetime after which a token is renewed ahead, 0 to 1; default 0.8.
    #[must_use]
    pub fn refresh_at(mut self, share: f64) -> Self {
        self.refresh_at = share;
        self
    }

    /// Sets the share of the lifetime by which that moment is drawn earlier at random, once per
    /// token, 0 to 1; default 0.05. It keeps processes apart that started together.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Sets how long before expiry a token is no longer sent, because the request still has to reach
    /// the API. Default: 60 seconds or a tenth of the token's lifetime, whichever is shorter. A
    /// margin of half the lifetime or more counts as half.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// Sets the lifetime of tokens that come without one; default 5 minutes.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = lifetime;
        self
    }

    /// Sets the longest lifetime that is believed; default 400 days.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Sets the total time that one exchange may take; default 10 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the floor between two exchanges; default 1 second, less for tokens that live less than
    /// two seconds.
    #[must_use]
    pub fn min_interval(mut self, interval: Duration) -> Self {
        self.min_interval = interval;
        self
    }

    /// Sets the shortest and the longest back-off after failed token requests. Default: 1 s and 60 s.
    ///
    /// A back-off is about an eighth of the time for which token requests have been failing, with
    /// jitter: after an outage of 60 seconds the next token request comes within 8 seconds, and
    /// during an outage of an hour there are about 120 token requests.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = (first, longest);
        self
    }

    /// Sets the longest `Retry-After` that is believed; default 1 hour.
    #[must_use]
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Sets how long a terminal verdict stands before one exchange probes whether it still does;
    /// default 5 minutes.
    #[must_use]
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.probe_interval = interval;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let Self {
            refresh_at,
            jitter,
            default_lifetime,
            max_lifetime,
            deadline,
            ..
        } = self;
        let share = |field: &'static str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(Error::config(
                field,
                "a share of the lifetime lies between 0 and 1",
            ))
        };
        let positive = |field: &'static str, value: Duration| {
            if value.is_zero() {
                return Err(Error::config(field, "must be longer than zero"));
            }
            Ok(())
        };
        share("refresh_at", *refresh_at)?;
        share("jitter", *jitter)?;
        positive("default_lifetime", *default_lifetime)?;
        positive("max_lifetime", *max_lifetime)?;
        positive("deadline", *deadline)?;
        positive("min_interval", self.min_interval)?;
        positive("backoff", self.backoff.0)?;
        positive("probe_interval", self.probe_interval)?;
        if let Some(margin) = self.margin {
            positive("margin", margin)?;
        }
        if self.backoff.1 < self.backoff.0 {
            return Err(Error::config(
                "backoff",
                "the longest is shorter than the first",
            ));
        }
        Ok(())
    }

    /// Returns how long one exchange may take: what [`deadline`](Self::deadline) set.
    #[must_use]
    pub fn exchange_deadline(&self) -> Duration {
        self.deadline
    }

    /// The lifetime that counts, of what the vendor said.
    pub(crate) fn lifetime(&self, stated: Option<Duration>) -> Duration {
        stated
            .unwrap_or(self.default_lifetime)
            .min(self.max_lifetime)
    }

    /// Returns for how long after its token request a token may be sent.
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

    /// Returns the floor between a token request that succeeded and the next.
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

    /// Returns the time until a rejection is probed.
    pub(crate) fn probe_after(&self, jitter: Jitter) -> Duration {
        self.probe_interval
            .saturating_add(jitter.of(self.probe_interval / 10))
            .max(self.min_interval)
    }
}

/// A random share below one, drawn outside the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jitter(pub(crate) u32);

impl Jitter {
    pub(crate) fn of(self, duration: Duration) -> Duration {
        let nanos = duration.as_nanos().saturating_mul(u128::from(self.0)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A share of a duration; the share was checked to lie between 0 and 1.
fn share(duration: Duration, share: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * share)
        .unwrap_or(duration)
        .min(duration)
}

#[cfg(test)]
mod tests;
