use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{self, Instant},
};

use crate::{Error, ErrorKind, flight::Flight};

/// Limits how many exchanges with one token endpoint run at once, and how many start each second,
/// over all authenticators that share it.
///
/// For programs with many keys at one vendor: ten thousand tenants whose tokens expire together
/// would otherwise ask ten thousand times at once. Exchanges that somebody waits for go before those
/// that run ahead of an expiry; within each kind the first come first. Waiting here counts neither
/// against the exchange's deadline nor against a quota's window.
///
/// # Example
///
/// ```
/// use auth_core::{ApiKey, Authenticator, ExchangeLimit, Origins, Secret};
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let limit = ExchangeLimit::new(16).per_second(50);
/// for tenant in ["one", "two"] {
///     let source = ApiKey::new(Secret::new(format!("fake-key-of-{tenant}")));
///     let authenticator = Authenticator::builder(source)
///         .limit(limit.clone())
///         .origins(Origins::new(["https://api.example.com"])?)
///         .build()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ExchangeLimit {
    concurrent: usize,
    interval: Duration,
    max_wait: Duration,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    running: usize,
    urgent: BTreeMap<Number, oneshot::Sender<Permit>>,
    ahead: BTreeMap<Number, oneshot::Sender<Permit>>,
    last: Number,
    /// No exchange starts before.
    next_start: Option<Instant>,
}

/// Grows in the order of arrival.
type Number = u64;

impl ExchangeLimit {
    /// Lets so many exchanges run at once; clones share the limit. No limit on how many start each
    /// second, and a wait of at most a minute.
    #[must_use]
    pub fn new(concurrent: usize) -> Self {
        Self {
            concurrent,
            interval: Duration::ZERO,
            max_wait: Duration::from_secs(60),
            queue: Arc::default(),
        }
    }

    /// Sets how many exchanges may start each second, evenly spread.
    #[must_use]
    pub fn per_second(mut self, starts: u32) -> Self {
        self.interval = Duration::from_secs(1)
            .checked_div(starts)
            .unwrap_or(Duration::MAX);
        self
    }

    /// Sets how long an exchange may wait for its turn, after which it fails with
    /// [`Throttled`](ErrorKind::Throttled); default a minute.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    pub(crate) fn longest_wait(&self) -> Duration {
        self.max_wait
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.concurrent == 0 {
            return Err(Error::config("limit", "lets no exchange run at all"));
        }
        match self.interval > Duration::from_secs(60) {
            true => Err(Error::config("limit", "lets no exchange start")),
            false => Ok(()),
        }
    }

    /// Waits for the flight's turn.
    pub(crate) async fn admit(&self, flight: &Flight) -> Result<Permit, Error> {
        let turn = {
            let mut queue = self.queue();
            if queue.running < self.concurrent && queue.is_empty() {
                queue.running += 1;
                Ok(Permit::new(self))
            } else {
                let (sender, turn) = oneshot::channel();
                queue.last += 1;
                let number = queue.last;
                queue.line(flight.is_urgent()).insert(number, sender);
                Err((number, turn))
            }
        };
        let permit = match turn {
            Ok(permit) => permit,
            Err((number, turn)) => self.wait(flight, number, turn).await?,
        };
        let start = self.queue().start(self.interval);
        time::sleep_until(start).await;
        Ok(permit)
    }

    async fn wait(
        &self,
        flight: &Flight,
        number: Number,
        turn: oneshot::Receiver<Permit>,
    ) -> Result<Permit, Error> {
        // Whatever ends the wait, nothing of it stays in the queue.
        let place = Place {
            limit: self,
            number,
        };
        if flight.queue_at(self, number) {
            self.hurry(number);
        }
        let admitted = time::timeout(self.max_wait, turn).await;
        drop(place);
        match admitted {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let message = "too many exchanges with this vendor wait for their turn";
                Err(Error::new(ErrorKind::Throttled, message))
            }
        }
    }

    /// Somebody waits for it by now.
    pub(crate) fn hurry(&self, number: Number) {
        let mut queue = self.queue();
        if let Some(sender) = queue.ahead.remove(&number) {
            queue.urgent.insert(number, sender);
        }
    }

    /// An exchange ended: the next ones go.
    fn release(&self) {
        self.queue().running -= 1;
        loop {
            let next = {
                let mut queue = self.queue();
                if queue.running >= self.concurrent {
                    return;
                }
                let Some(next) = queue.next() else { return };
                queue.running += 1;
                next
            };
            // Sent without the lock: it wakes a task.
            let Err(permit) = next.send(Permit::new(self)) else {
                continue;
            };
            permit.forget();
            self.queue().running -= 1;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ahead.is_empty()
    }

    fn line(&mut self, urgent: bool) -> &mut BTreeMap<Number, oneshot::Sender<Permit>> {
        match urgent {
            true => &mut self.urgent,
            false => &mut self.ahead,
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let next = self.urgent.pop_first().or_else(|| self.ahead.pop_first());
        next.map(|(_, sender)| sender)
    }

    /// Takes the next start.
    fn start(&mut self, interval: Duration) -> Instant {
        let now = Instant::now();
        let start = self.next_start.map_or(now, |next| next.max(now));
        self.next_start = start.checked_add(interval);
        start
    }
}

/// A wait in the queue.
struct Place<'a> {
    limit: &'a ExchangeLimit,
    number: Number,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.limit.queue();
        let waiting = queue.urgent.remove(&self.number);
        let waiting = waiting.or_else(|| queue.ahead.remove(&self.number));
        drop(queue);
        // Not with the lock held.
        drop(waiting);
    }
}

/// The right to run an exchange; given back when dropped.
pub(crate) struct Permit(Option<ExchangeLimit>);

impl Permit {
    fn new(limit: &ExchangeLimit) -> Self {
        Self(Some(limit.clone()))
    }

    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(limit) = self.0.take() {
            limit.release();
        }
    }
}

impl fmt::Debug for ExchangeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeLimit")
            .field("concurrent", &self.concurrent)
            .field("interval", &self.interval)
            .field("max_wait", &self.max_wait)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
