use std::sync::Arc;

use auth_core::{Clock, Moment, SystemClock};

/// One clock for the source and the authenticator.
#[derive(Clone, Debug)]
pub(crate) struct SharedClock(Arc<dyn Clock>);

impl SharedClock {
    pub(crate) fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }
}

impl Default for SharedClock {
    fn default() -> Self {
        Self::new(SystemClock::new())
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Moment {
        self.0.now()
    }
}
