use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use self::pace::Pace;
use crate::{Error, ErrorKind, TokenRequestOutcome};

mod pace;

/// Limits how many token requests to one token endpoint run at once, and how many start each
/// second, over all authenticators that share the limit.
///
/// For programs with many keys at one vendor: without a limit, ten thousand tenants whose tokens
/// expire together send ten thousand token requests at once. Token requests that a caller waits for
/// start before renewals ahead of expiry. Within each kind, requests start in the order of arrival.
/// A token request waits at most [`max_wait`](Self::max_wait) for its turn. This wait counts
/// neither against the token request's deadline nor against a quota's window.
///
/// # Example
///
/// ```
/// use auth_core::{
///     ApiKey, Authenticator, AuthenticatorOptions, TokenRequestLimit, Origins, Secret,
/// };
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let limit = TokenRequestLimit::new(16)?.per_second(50)?;
/// let options = AuthenticatorOptions::new().limit(limit);
/// for tenant in ["one", "two"] {
///     let source = ApiKey::new(Secret::new(format!("fake-key-of-{tenant}")));
///     let origins = Origins::new(["https://api.example.com"])?;
///     let authenticator =
///         Authenticator::builder(source, origins).options(options.clone()).build()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenRequestLimit {
    concurrent: usize,
    starts: Option<u32>,
    max_wait: Duration,
    queue: Arc<Mutex<Queue>>,
}

/// A flight, as seen by the limit.
pub(crate) trait InLine {
    /// Returns whether a caller waits for the flight's token now.
    fn is_urgent(&self) -> bool;

    /// Records the flight's place in line, for [`TokenRequestLimit::hurry`]. Returns whether the
    /// flight is urgent.
    fn queue_at(&self, limit: &TokenRequestLimit, number: u64) -> bool;
}

/// The waiting flights, and the permits and starts that they wait for.
///
/// A permit and a start are granted together, when both are free. So no flight holds a permit while
/// it waits for a start, and a flight that stops waiting has nothing to give back. There is no
/// background task: the first flight in line sets the timer for the next start.
#[derive(Default)]
struct Queue {
    /// The number of permits in use, including those that are granted and not picked up yet.
    running: usize,
    urgent: BTreeMap<Number, Arc<Notify>>,
    ahead: BTreeMap<Number, Arc<Notify>>,
    /// Flights whose permit is granted and not picked up yet.
    granted: BTreeSet<Number>,
    last: Number,
    pace: Option<Pace>,
    /// The flight that sets the timer for the next start.
    timer: Option<Number>,
    /// How long the last token request that ended held its permit.
    last_held: Option<Duration>,
}

/// Increases in the order of arrival.
type Number = u64;

impl TokenRequestLimit {
    /// Makes a limit: at most `concurrent` token requests run at once, for example 16. Clones share
    /// the limit. [`per_second`](Self::per_second) and [`max_wait`](Self::max_wait) have their
    /// defaults.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `limit` for 0.
    pub fn new(concurrent: usize) -> Result<Self, Error> {
        if concurrent == 0 {
            let problem = "is 0, so no token request can run; allow at least 1 at once";
            return Err(Error::config("limit", problem));
        }
        Ok(Self {
            concurrent,
            starts: None,
            max_wait: Duration::from_secs(60),
            queue: Arc::default(),
        })
    }

    /// Sets how many token requests may start in any window of one second. The starts are spread
    /// evenly: 10 a second are 100 ms apart. Default: no limit.
    ///
    /// The result is a separate limit: earlier clones of this limit do not share it.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `limit` for 0.
    pub fn per_second(mut self, starts: u32) -> Result<Self, Error> {
        if starts == 0 {
            let problem = "is 0, so no token request can start; allow at least 1 per second";
            return Err(Error::config("limit", problem));
        }
        self.starts = Some(starts);
        self.queue = Arc::new(Mutex::new(Queue {
            pace: Some(Pace::new(starts)),
            ..Queue::default()
        }));
        Ok(self)
    }

    /// Sets how long a token request may wait for its turn, for a permit and for a start together.
    /// Default: 60 s.
    ///
    /// After `max_wait` the token request fails with [`Throttled`](ErrorKind::Throttled) and is
    /// [not sent](TokenRequestOutcome::NotSent); [`Error::retry_after`] says when a start will be
    /// free. If many keys need a token at the same time, `starts per second * max_wait` of them get
    /// one in time. For example, 10 starts a second and 60 s serve 600 keys.
    /// one in time. For example, 10 starts a second and 60 s serve 600 keys.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    pub(crate) fn longest_wait(&self) -> Duration {
        self.max_wait
    }

    /// Waits for the flight's turn: for a permit and a start together, at most `max_wait`.
    ///
    /// Cancel safety: dropping the future gives back the place in line and a granted permit.
    pub(crate) async fn admit(&self, flight: &impl InLine) -> Result<Permit, Error> {
        let now = Instant::now();
        let deadline = now.checked_add(self.max_wait).unwrap_or(now + FAR);
        let place = self.line_up(flight.is_urgent(), now);
        if let Some(permit) = self.pick_up(place.number) {
            return Ok(permit);
        }
        if flight.queue_at(self, place.number) {
            self.hurry(place.number);
        }
        loop {
            match self.look(place.number, deadline) {
                Look::Admitted(permit) => return Ok(permit),
                Look::TooLate => break,
                Look::Wait(until) => {
                    time::timeout_at(until, place.turn.notified()).await.ok();
                }
            }
        }
        drop(place);
        Err(self.too_late())
    }

    fn line_up(&self, urgent: bool, now: Instant) -> Place<'_> {
        let turn = Arc::new(Notify::new());
        let mut queue = self.queue();
        queue.last += 1;
        let number = queue.last;
        queue.line(urgent).insert(number, Arc::clone(&turn));
        let turns = queue.settle(self.concurrent, now);
        drop(queue);
        notify(turns);
        Place {
            limit: self,
            number,
            turn,
        }
    }

    /// Decides what the flight does next. Called each time the flight wakes.
    fn look(&self, number: Number, deadline: Instant) -> Look {
        let now = Instant::now();
        let mut queue = self.queue();
        // Every flight that wakes grants what is free, not only the first in line: if the runtime
        // of the first flight stands still, the timer of the second one serves all.
        let turns = queue.settle(self.concurrent, now);
        let until = queue.timer_of(number, self.concurrent, now);
        drop(queue);
        notify(turns);
        if let Some(permit) = self.pick_up(number) {
            return Look::Admitted(permit);
        }
        if now >= deadline {
            return Look::TooLate;
        }
        Look::Wait(until.map_or(deadline, |until| until.min(deadline)))
    }

    /// Takes the permit that was granted to the flight.
    fn pick_up(&self, number: Number) -> Option<Permit> {
        let now = Instant::now();
        let mut queue = self.queue();
        if !queue.granted.remove(&number) {
            return None;
        }
        if let Some(pace) = &mut queue.pace {
            pace.picked_up(now);
        }
        drop(queue);
        Some(Permit {
            limit: self.clone(),
            since: now,
        })
    }

    /// Moves a renewal ahead of expiry to the urgent line: a caller waits for its token now.
    pub(crate) fn hurry(&self, number: Number) {
        let mut queue = self.queue();
        let Some(turn) = queue.ahead.remove(&number) else {
            return;
        };
        queue.urgent.insert(number, turn);
        let turns = queue.settle(self.concurrent, Instant::now());
        drop(queue);
        notify(turns);
    }

    /// Ends a token request, and grants its permit to the next flight.
    fn release(&self, held: Duration, now: Instant) {
        let mut queue = self.queue();
        queue.running -= 1;
        queue.last_held = Some(held);
        let turns = queue.settle(self.concurrent, now);
        drop(queue);
        notify(turns);
    }

    fn too_late(&self) -> Error {
        let after = self.queue().free_after(self);
        let Self {
            concurrent,
            starts,
            max_wait,
            ..
        } = self;
        let rate = starts.map_or(String::new(), |starts| format!(" and {starts} per second"));
        let message = format!(
            "token request not sent: waited {} s for its turn, because others use up the limit of \
             {concurrent} at once{rate}; raise the limits or `max_wait` of TokenRequestLimit",
            max_wait.as_secs_f64()
        );
        Error::new(ErrorKind::Throttled, message)
            .with_outcome(TokenRequestOutcome::NotSent)
            .with_retry_after(after)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn waiting(&self) -> usize {
        self.urgent.len() + self.ahead.len()
    }

    fn line(&mut self, urgent: bool) -> &mut BTreeMap<Number, Arc<Notify>> {
        if urgent {
            &mut self.urgent
        } else {
            &mut self.ahead
        }
    }

    fn first(&self) -> Option<(Number, &Arc<Notify>)> {
        let first = self.urgent.first_key_value();
        let first = first.or_else(|| self.ahead.first_key_value());
        first.map(|(&number, turn)| (number, turn))
    }

    /// Returns when the next start is free; `None` if a start is free now.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        let taken = self.granted.len();
        self.pace.as_mut().and_then(|pace| pace.due(now, taken))
    }

    /// Grants all free permits and starts, and gives the timer to the first flight in line. Returns
    /// the flights to notify. The caller notifies them without the lock, because that wakes tasks.
    fn settle(&mut self, concurrent: usize, now: Instant) -> Vec<Arc<Notify>> {
        let mut turns = Vec::new();
        while self.running < concurrent {
            let Some((first, turn)) = self.first() else {
                break;
            };
            let turn = Arc::clone(turn);
            if self.due(now).is_none() {
                self.urgent.remove(&first);
                self.ahead.remove(&first);
                self.granted.insert(first);
                self.running += 1;
                if let Some(pace) = &mut self.pace {
                    pace.take(now);
                }
                turns.push(turn);
                continue;
            }
            if self.timer != Some(first) {
                self.timer = Some(first);
                turns.push(turn);
            }
            return turns;
        }
        self.timer = None;
        turns
    }

    /// Returns when the flight looks again without a notification.
    fn timer_of(&mut self, number: Number, concurrent: usize, now: Instant) -> Option<Instant> {
        if self.running >= concurrent {
            return None;
        }
        let due = self.due(now)?;
        if self.timer == Some(number) {
            return Some(due);
        }
        // Later than the flight's own turn, so each start wakes at most one flight without need.
        let places = u32::try_from(self.waiting()).unwrap_or(u32::MAX);
        let interval = self.pace.as_ref().map_or(Duration::ZERO, Pace::interval);
        due.checked_add(interval.saturating_mul(places))
    }

    /// Removes a flight from the queue, and frees a permit that it was granted and did not pick up.
    fn leave(&mut self, number: Number) {
        self.urgent.remove(&number);
        self.ahead.remove(&number);
        if self.granted.remove(&number) {
            self.running -= 1;
            if let Some(pace) = &mut self.pace {
                pace.give_back();
            }
        }
    }

    /// Estimates how long a flight that arrives now would wait for its turn.
    fn free_after(&mut self, limit: &TokenRequestLimit) -> Duration {
        let now = Instant::now();
        let due = self.due(now).map_or(Duration::ZERO, |due| due - now);
        // Before the first token request has ended, the estimate is the time that this flight
        // waited: each running request has taken at least that long.
        let held = self.last_held.unwrap_or(limit.max_wait);
        let concurrent = u32::try_from(limit.concurrent).unwrap_or(u32::MAX);
        let permits = held.checked_div(concurrent).unwrap_or(held);
        let starts = self.pace.as_ref().map_or(Duration::ZERO, Pace::interval);
        let first = if self.running < limit.concurrent {
            due
        } else {
            due.max(permits)
        };
        let places = u32::try_from(self.waiting()).unwrap_or(u32::MAX);
        let line = permits.max(starts).saturating_mul(places);
        // The flights in line wait at most `max_wait` too.
        first.saturating_add(line.min(limit.max_wait))
    }
}

fn notify(turns: Vec<Arc<Notify>>) {
    for turn in turns {
        turn.notify_one();
    }
}

enum Look {
    Admitted(Permit),
    Wait(Instant),
    TooLate,
}

/// A flight's place in line. Dropping it removes the flight from the queue.
struct Place<'a> {
    limit: &'a TokenRequestLimit,
    number: Number,
    turn: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.limit.queue();
        queue.leave(self.number);
        let turns = queue.settle(self.limit.concurrent, Instant::now());
        drop(queue);
        notify(turns);
    }
}

/// The right to run a token request. Given back when dropped.
pub(crate) struct Permit {
    limit: TokenRequestLimit,
    since: Instant,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        self.limit.release(now - self.since, now);
    }
}

impl fmt::Debug for TokenRequestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequestLimit")
            .field("concurrent", &self.concurrent)
            .field("per_second", &self.starts)
            .field("max_wait", &self.max_wait)
            .finish_non_exhaustive()
    }
}

/// 30 years: `Instant` can add that much on every platform.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests;
