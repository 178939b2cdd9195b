use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// While the store fails it is left alone.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.state()
            .until
            .is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn fail(&self) {
        let mut state = self.state();
        let pause = PAUSE.saturating_mul(1 << state.failures.min(3));
        state.failures = state.failures.saturating_add(1);
        // Apart from each other, so that a store that comes back is not stormed.
        let pause = pause.mul_f64(fastrand::f64() / 2.0 + 0.5);
        state.until = Instant::now().checked_add(pause);
    }

    pub(super) fn succeed(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a store that failed is left alone at first; twice as long each time, up to 40 s.
const PAUSE: Duration = Duration::from_secs(5);
