use std::{fmt, sync::Arc};

use super::{Clock, Moment, SystemClock};

/// A clock that an authenticator and its source share. Default: [`SystemClock`].
///
/// Made from any [`Clock`].
///
/// # Example
///
/// ```
/// use auth_core::{SharedClock, SystemClock};
///
/// let clock = SharedClock::from(SystemClock::new());
/// let same = clock.clone();
/// assert!(!same.now().reached(clock.now() + std::time::Duration::from_secs(60)));
/// ```
#[derive(Clone)]
pub struct SharedClock(Inner);

/// The system clock is read without a virtual call.
#[derive(Clone)]
enum Inner {
    System(SystemClock),
    Other(Arc<dyn Clock>),
}

impl SharedClock {
    /// Reads the clock.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Inner::System(clock) => clock.now(),
            Inner::Other(clock) => clock.now(),
        }
    }

    /// Reads the clock without lag, for deadlines that were promised to others. See
    /// [`Clock::precise`].
    #[must_use]
    pub fn precise(&self) -> Moment {
        self.as_dyn().precise()
    }

    pub(crate) fn identity(&self) -> usize {
        self.as_dyn().identity()
    }

    pub(crate) fn as_dyn(&self) -> &dyn Clock {
        match &self.0 {
            Inner::System(clock) => clock,
            Inner::Other(clock) => &**clock,
        }
    }
}

impl Default for SharedClock {
    fn default() -> Self {
        Self(Inner::System(SystemClock::new()))
    }
}

impl<C: Clock> From<C> for SharedClock {
    fn from(clock: C) -> Self {
        Self(Inner::Other(Arc::new(clock)))
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_dyn().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Numbered(usize);

    impl Clock for Numbered {
        fn now(&self) -> Moment {
            Moment::PAST
        }

        fn identity(&self) -> usize {
            self.0
        }
    }

    /// Authenticators on different clocks count rejected logins separately.
    #[test]
    fn a_shared_clock_has_the_identity_of_its_clock() {
        let system = SharedClock::default();
        assert_eq!((system.identity(), SystemClock::new().identity()), (0, 0));
        for number in [1, 2] {
            let clock = SharedClock::from(Numbered(number));
            assert_eq!(clock.identity(), number);
            assert_eq!(clock.clone().identity(), number);
        }
    }
}
