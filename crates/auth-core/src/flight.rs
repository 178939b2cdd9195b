//! One exchange under way: a task of its own, which no caller owns and no caller can cancel.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{runtime::Handle, time};

use crate::{
    Error, ErrorKind, ExchangeLimit, Moment, Reason,
    core::Core,
    snapshot::Snapshot,
    source::Obtained,
    waiters::{Index, Waiters},
};

/// What the callers that wait for an exchange share with its task.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) reason: Reason,
    /// From here on its runtime counts as stalled, and a new flight may take over.
    pub(crate) overdue: Moment,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
    /// Somebody waits for it, or did.
    urgent: AtomicBool,
    /// Where it waits for its turn.
    queued: OnceLock<(ExchangeLimit, u64)>,
}

/// How a flight ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// There is a token at hand now.
    Published,
    /// A token for those who waited, and for nobody else.
    Delivered(Arc<Snapshot>),
    /// One failure, shared by all.
    Error(Error),
    /// Its task went away: whoever waited has to ask again.
    Abandoned,
}

impl Flight {
    pub(crate) fn new(reason: Reason, overdue: Moment) -> Self {
        Self {
            reason,
            overdue,
            outcome: OnceLock::new(),
            waiters: Mutex::default(),
            urgent: AtomicBool::new(reason != Reason::Ahead),
            queued: OnceLock::new(),
        }
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    /// Notes where it waits for its turn; tells whether it became urgent meanwhile.
    pub(crate) fn queue_at(&self, limit: &ExchangeLimit, number: u64) -> bool {
        let _ = self.queued.set((limit.clone(), number));
        self.is_urgent()
    }

    /// Somebody waits for it from here on.
    pub(crate) fn hurry(&self) {
        if !self.urgent.swap(true, Ordering::SeqCst) {
            if let Some((limit, number)) = self.queued.get() {
                limit.hurry(*number);
            }
        }
    }

    /// Returns the outcome, or makes sure that `waker` is woken when there is one.
    pub(crate) fn poll(&self, place: &mut Option<Index>, waker: &Waker) -> Option<&Outcome> {
        if let Some(outcome) = self.outcome.get() {
            return Some(outcome);
        }
        let mut waiters = self.waiters();
        // The list is drained after the outcome is set: seen from inside the lock, either the
        // outcome is there, or this waiter is in the list that will be drained.
        if let Some(outcome) = self.outcome.get() {
            return Some(outcome);
        }
        match *place {
            Some(index) => waiters.update(index, waker),
            None => *place = waiters.add(waker),
        }
        if place.is_none() {
            waker.wake_by_ref();
        }
        None
    }

    /// A waiter that stood at `index` leaves.
    pub(crate) fn leave(&self, index: Index) {
        if self.outcome.get().is_none() {
            self.waiters().remove(index);
        }
    }

    /// Sets the outcome and wakes everybody, once.
    pub(crate) fn resolve(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_ok() {
            let waiting = self.waiters().take();
            waiting.for_each(Waker::wake);
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the flight's task, `after` the floor between two exchanges is over. Hold no lock: on a
/// runtime that shuts down the task ends at once, and says so.
pub(crate) fn launch(runtime: &Handle, core: Arc<Core>, flight: Arc<Flight>, after: Duration) {
    // Made out here, so that a task that is dropped before its first poll is noticed, too.
    let task = Task { core, flight };
    runtime.spawn(async move {
        let landed = guarded(task.run(after)).await;
        let obtained = landed.unwrap_or_else(|| {
            let error = task.error(ErrorKind::Closed, "the exchange panicked");
            Obtained::fetched(Err(error), task.core.now())
        });
        task.core.land(&task.flight, obtained);
    });
}

struct Task {
    core: Arc<Core>,
    flight: Arc<Flight>,
}

impl Task {
    async fn run(&self, after: Duration) -> Obtained {
        if !after.is_zero() {
            time::sleep(after).await;
        }
        // Given back when the exchange is over, whatever becomes of it.
        let _permit = match &self.core.settings.limit {
            None => None,
            Some(limit) => match limit.admit(&self.flight).await {
                Ok(permit) => Some(permit),
                Err(error) => return Obtained::fetched(Err(error), self.core.now()),
            },
        };
        let deadline = self.core.settings.deadline;
        match time::timeout(deadline, self.exchange()).await {
            Ok(obtained) => obtained,
            Err(_) => {
                let seconds = deadline.as_secs_f64();
                let problem = format!("the exchange did not end within {seconds} s");
                let error = self.error(ErrorKind::TimedOut, &problem);
                Obtained::fetched(Err(error), self.core.now())
            }
        }
    }

    async fn exchange(&self) -> Obtained {
        let source = self.core.source();
        let obtained = source.obtain(self.flight.reason).await;
        let failed = obtained.result.as_ref().err();
        if failed.is_none_or(Error::is_transient) {
            return obtained;
        }
        if source.credential_changed().await && self.core.may_try_again(&self.flight) {
            return source.obtain(self.flight.reason).await;
        }
        obtained
    }

    fn error(&self, kind: ErrorKind, problem: &str) -> Error {
        Error::new(kind, format!("{}: {problem}", self.core.vendor()))
    }
}

impl Drop for Task {
    /// Does nothing after a landing.
    fn drop(&mut self) {
        self.core.abandon(&self.flight);
    }
}

/// Runs a future to its end; `None` if it panicked.
async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}
