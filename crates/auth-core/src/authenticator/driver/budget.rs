//! How long the token store may delay a flight.

use super::*;

/// The total time for which the store's answers may delay a flight.
pub(super) struct Budget {
    whole: Duration,
    left: Mutex<Duration>,
}

impl Budget {
    pub(super) fn new(whole: Duration) -> Self {
        Self {
            whole,
            left: Mutex::new(whole),
        }
    }

    /// Starts the budget again, because the time since was not spent on the store.
    pub(super) fn renew(&mut self) {
        self.set(self.whole);
    }

    pub(super) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let asked = Instant::now();
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = time::timeout(left, answer).await;
        self.set(left.saturating_sub(asked.elapsed()));
        answer.unwrap_or_else(|_| {
            let whole = self.whole.as_millis();
            let message = format!("token store: no answer within {whole} ms (its latency budget)");
            Err(Error::new(ErrorKind::Store, message))
        })
    }

    fn set(&self, left: Duration) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}
