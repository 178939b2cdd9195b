use std::{num::NonZeroU32, time::Duration};

use crate::{Error, Moment};

/// The number of token requests that a vendor allows within a rolling window.
///
/// A token request takes a slot before it is sent. The slot becomes free one window after the
/// request ended, or when its token expires, if the vendor stated a lifetime and that is sooner.
/// Failed token requests count. Renewals ahead of expiry use at most 80 % of the slots, and none if
/// there is only one slot. The rest is a reserve for tokens that expired or were refused.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::Quota;
///
/// # fn main() -> Result<(), auth_core::Error> {
/// // 20 tokens in any hour
/// let quota = Quota::new(20, Duration::from_secs(3600))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    limit: NonZeroU32,
    window: Duration,
    share: Option<NonZeroU32>,
}

impl Quota {
    /// Allows `limit` token requests in any `window`.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `quota` for a limit of 0 and for a window of
    /// zero.
    pub fn new(limit: u32, window: Duration) -> Result<Self, Error> {
        let limit = NonZeroU32::new(limit).ok_or_else(|| {
            Error::config(
                "quota",
                "a limit of 0 allows no token request; allow at least 1",
            )
        })?;
        if window.is_zero() {
            let problem = "the window must be longer than zero, for example 1 h";
            return Err(Error::config("quota", problem));
        }
        Ok(Self {
            limit,
            window,
            share: None,
        })
    }

    /// Allows `limit` token requests in any hour. For constants.
    #[must_use]
    pub const fn per_hour(limit: NonZeroU32) -> Self {
        Self {
            limit,
            window: Duration::from_secs(60 * 60),
            share: None,
        }
    }

    /// Sets the number of token requests that one process sends in a window while the
    /// [store](crate::AuthenticatorOptions::store) does not answer, by which processes share the
    /// quota. Default: a tenth of `limit`, at least 1.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `quota` for a limit of 0.
    pub fn without_store(mut self, limit: u32) -> Result<Self, Error> {
        let problem = "a share of 0 allows no token request while the store does not answer; allow at least 1";
        let share = NonZeroU32::new(limit).ok_or_else(|| Error::config("quota", problem))?;
        self.share = Some(share);
        Ok(self)
    }

    pub(crate) fn share(self) -> Self {
        let tenth = NonZeroU32::new(self.limit.get() / 10).unwrap_or(NonZeroU32::MIN);
        Self {
            limit: self.share.unwrap_or(tenth).min(self.limit),
            ..self
        }
    }

    pub(crate) const fn window(self) -> Duration {
        self.window
    }

    /// Returns how many slots may be used for a token request of a kind.
    pub(crate) fn allows(self, slots: Slots) -> usize {
        let limit = self.limit.get() as usize;
        match slots {
            Slots::All => limit,
            Slots::ButReserve => limit * 4 / 5,
            Slots::Doubtful => (limit * 4 / 5).max(1),
        }
    }

    /// Returns the average distance of two token requests: the pause after a vendor asks for one
    /// without saying how long.
    pub(crate) fn spacing(self) -> Duration {
        self.window / self.limit.get()
    }

    pub(crate) fn describe(self) -> String {
        format!(
            "{} token requests in {} s",
            self.limit,
            self.window.as_secs_f64()
        )
    }
}

/// What the slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    /// No valid token is cached: all slots may be used.
    All,
    /// The token request can wait: the reserve is not used.
    ButReserve,
    /// The token request may fail again: the reserve is not used if there is more than one slot.
    Doubtful,
}

/// The account of slots. Without a quota a slot is always free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// Only with a quota.
    counted: Option<Box<Counted>>,
    /// Whether a token request in progress holds another slot.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counted {
    quota: Quota,
    /// When each used slot becomes free. At most `limit` entries.
    taken: Vec<Moment>,
}

impl Ledger {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        let counted = |quota| {
            let taken = Vec::new();
            Box::new(Counted { quota, taken })
        };
        Self {
            counted: quota.map(counted),
            open: false,
        }
    }

    /// Takes a slot for a token request, or returns the time until one is free.
    pub(crate) fn take(&mut self, slots: Slots, now: Moment) -> Result<(), Duration> {
        let wait = now.wait_until(self.free_at(slots));
        if !wait.is_zero() {
            return Err(wait);
        }
        if let Some(counted) = &mut self.counted {
            counted.taken.retain(|frees| !now.waited_for(*frees));
        }
        self.open = true;
        Ok(())
    }

    /// Ends a token request. Its slot becomes free after the window, or with its token if that is
    /// sooner.
    ///
    /// Counted from now and not from when the request was sent: the vendor counted it at some time
    /// in between.
    pub(crate) fn close(&mut self, now: Moment, token_lifetime: Option<Duration>) {
        let was_open = std::mem::take(&mut self.open);
        if let Some(Counted { quota, taken }) = self.counted.as_deref_mut().filter(|_| was_open) {
            let lifetime = token_lifetime
                .filter(|lifetime| !lifetime.is_zero())
                .unwrap_or(quota.window);
            taken.push(now + lifetime.min(quota.window));
        }
    }

    /// Returns when a slot is free for such a token request.
    pub(crate) fn free_at(&self, slots: Slots) -> Moment {
        let Some(Counted { quota, taken }) = self.counted.as_deref() else {
            return Moment::PAST;
        };
        let allowed = quota.allows(slots);
        let used = taken.len() + usize::from(self.open);
        if used < allowed {
            return Moment::PAST;
        }
        let mut frees: Vec<_> = taken.clone();
        frees.sort_unstable_by_key(|moment| moment.parts());
        // The number of slots that must become free so that the count is below `allowed`.
        frees.get(used - allowed).copied().unwrap_or(Moment::NEVER)
    }

    /// Frees the slot of a token request that was not sent.
    pub(crate) fn cancel(&mut self) {
        self.open = false;
    }

    /// Returns whether no slot is used.
    pub(crate) fn is_empty(&self, now: Moment) -> bool {
        let mut taken = self.counted.iter().flat_map(|counted| &counted.taken);
        !self.open && taken.all(|frees| now.waited_for(*frees))
    }

    /// Returns the used and the allowed slots. `None` without a quota.
    pub(crate) fn in_use(&self, now: Moment) -> Option<(u32, u32)> {
        let Counted { quota, taken } = self.counted.as_deref()?;
        let limit = quota.limit.get();
        let taken = taken.iter().filter(|frees| !now.waited_for(**frees));
        let used = taken.count() + usize::from(self.open);
        Some((u32::try_from(used).unwrap_or(u32::MAX), limit))
    }

    pub(crate) fn spacing(&self) -> Option<Duration> {
        self.counted.as_ref().map(|counted| counted.quota.spacing())
    }
}

#[cfg(test)]
mod tests;
