//! State that the callers waiting for a flight share with its task.

use std::{
    sync::{Arc, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::runtime;
use tracing::span;

use crate::{
    Error, Moment, TokenRequestLimit, TokenRequestReason,
    authenticator::{
        snapshot::Snapshot,
        waiters::{Index, Waiters},
    },
    limits::concurrency::InLine,
    observer::EventKind,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// State that the callers waiting for a token request share with its task.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) reason: TokenRequestReason,
    /// From then on the flight's runtime counts as stalled, and a new flight may take over.
    pub(crate) overdue: Moment,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
    /// Whether a caller waits for the flight, or did.
    urgent: AtomicBool,
    /// The limit in whose queue the flight waits, and its place there.
    queued: OnceLock<(TokenRequestLimit, u64)>,
    /// How often all waiting callers were told to ask again.
    round: AtomicU32,
    /// The runtime of the task.
    runtime: runtime::Id,
    /// Whether a watcher on another runtime checks the task.
    watched: AtomicBool,
    /// Events for the observer, told when no caller waits for the flight any longer.
    events: Mutex<Vec<EventKind>>,
    waits: Mutex<Waits>,
    /// The span of the token request.
    span: OnceLock<Option<span::Id>>,
}

/// How long callers waited for a flight.
#[derive(Debug, Default)]
struct Waits {
    /// The number of callers that still wait.
    waiting: u64,
    /// The number of them that was reported; `None` before the token request is sent.
    told: Option<u64>,
    count: u64,
    failed: u64,
    total: Duration,
    longest: Duration,
}

/// How a flight ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A valid token is cached now.
    Published,
    /// A token for the callers that waited, which is not cached.
    Delivered(Arc<Snapshot>),
    /// One error for all waiting callers.
    Error(Error),
    /// The task ended without a result: callers that waited have to ask again.
    Abandoned,
}

impl Flight {
    pub(crate) fn new(
        number: u64,
        reason: TokenRequestReason,
        overdue: Moment,
        runtime: runtime::Id,
    ) -> Self {
        Self {
            number,
            reason,
            overdue,
            outcome: OnceLock::new(),
            waiters: Mutex::default(),
            urgent: AtomicBool::new(reason != TokenRequestReason::Ahead),
            queued: OnceLock::new(),
            round: AtomicU32::new(0),
            runtime,
            watched: AtomicBool::new(false),
            events: Mutex::default(),
            waits: Mutex::default(),
            span: OnceLock::new(),
        }
    }

    /// Returns whether the flight's runtime counts as stalled.
    pub(crate) fn is_overdue(&self, now: Moment) -> bool {
        now.waited_for(self.overdue)
    }

    /// Records that a caller waits for the flight.
    pub(crate) fn hurry(&self) {
        if !self.urgent.swap(true, Ordering::SeqCst) {
            if let Some((limit, number)) = self.queued.get() {
                limit.hurry(*number);
            }
        }
    }

    /// Returns the outcome, or registers `waker` to be woken when there is one.
    pub(crate) fn poll(&self, place: &mut Option<Index>, waker: &Waker) -> Option<&Outcome> {
        if let Some(outcome) = self.outcome.get() {
            return Some(outcome);
        }
        let mut waiters = self.waiters();
        // The list is drained after the outcome is set. So inside the lock, either the outcome is
        // set, or this waiter is in the list that will be drained.
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

    /// Makes all waiting callers ask the machine again, without an outcome.
    pub(crate) fn ask_again(&self) {
        self.round.fetch_add(1, Ordering::SeqCst);
        let waiting = self.waiters().wakers();
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn round(&self) -> u32 {
        self.round.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Returns whether a caller on the runtime `here` should watch the task, because the task runs
    /// on another runtime, which may stand still. Returns true once.
    pub(crate) fn wants_watcher(&self, here: runtime::Id) -> bool {
        here != self.runtime && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// Removes the waiter at `index`.
    pub(crate) fn leave(&self, index: Index) {
        if self.outcome.get().is_none() {
            self.waiters().remove(index);
        }
    }

    /// Records the span of the token request.
    pub(crate) fn set_span(&self, span: Option<span::Id>) {
        let _ = self.span.set(span);
    }

    pub(crate) fn span(&self) -> Option<span::Id> {
        self.span.get().cloned().flatten()
    }

    /// Keeps an event until no caller waits for the flight any longer, because an observer may be
    /// slow.
    pub(crate) fn tell_later(&self, event: EventKind) {
        self.events().push(event);
    }

    /// Takes the events that were kept.
    pub(crate) fn take_events(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.events())
    }

    /// Counts a caller that begins to wait. Returns the event about the waiting callers each time that
    /// their number is a power of two, so that many callers cause few events.
    pub(crate) fn begin_wait(&self) -> Option<EventKind> {
        let mut waits = self.waits();
        waits.waiting += 1;
        let count = waits.waiting;
        // No event before the token request is sent, because an observer may be slow.
        let told = waits
            .told
            .filter(|told| count > *told && count.is_power_of_two());
        told?;
        waits.told = Some(count);
        Some(EventKind::RequestsWaiting { count })
    }

    /// Notes that the token request is sent. Returns the event about the callers that wait for it.
    pub(crate) fn note_sent(&self) -> Option<EventKind> {
        let mut waits = self.waits();
        let count = waits.waiting;
        waits.told = Some(count);
        (count > 0).then_some(EventKind::RequestsWaiting { count })
    }

    /// Counts a caller that stops waiting. After the last one, returns the event about all waits.
    pub(crate) fn end_wait(&self, waited: Duration, has_failed: bool) -> Option<EventKind> {
        let mut waits = self.waits();
        waits.waiting = waits.waiting.saturating_sub(1);
        waits.count += 1;
        waits.failed += u64::from(has_failed);
        waits.total = waits.total.saturating_add(waited);
        waits.longest = waits.longest.max(waited);
        drop(waits);
        self.end_waits()
    }

    /// Returns the event about all waits, if callers waited and all waits have ended.
    pub(crate) fn end_waits(&self) -> Option<EventKind> {
        let mut waits = self.waits();
        if waits.waiting > 0 || waits.count == 0 || !self.is_over() {
            return None;
        }
        let Waits {
            count,
            failed,
            total,
            longest,
            ..
        } = std::mem::take(&mut *waits);
        Some(EventKind::RequestsWaited {
            count,
            failed,
            total,
            longest,
        })
    }

    fn events(&self) -> MutexGuard<'_, Vec<EventKind>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the outcome and wakes all waiting callers. Has an effect once.
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

impl InLine for Flight {
    fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    fn queue_at(&self, limit: &TokenRequestLimit, number: u64) -> bool {
        let _ = self.queued.set((limit.clone(), number));
        self.is_urgent()
    }
}

#[cfg(all(test, model = "loom"))]
mod model;

#[cfg(test)]
mod tests;
