//! What the callers that wait for a flight share with its task.

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

/// What the callers that wait for a token request share with its task.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) reason: TokenRequestReason,
    /// From here on its runtime counts as stalled, and a new flight may take over.
    pub(crate) overdue: Moment,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
    /// Somebody waits for it, or did.
    urgent: AtomicBool,
    /// Where it waits for its turn.
    queued: OnceLock<(TokenRequestLimit, u64)>,
    /// How often all waiters were told to ask again.
    round: AtomicU32,
    /// Where the task runs.
    runtime: runtime::Id,
    /// Somebody on another runtime watches over the task.
    watched: AtomicBool,
    /// What the observer is told when nobody waits for the flight any more.
    events: Mutex<Vec<EventKind>>,
    waits: Mutex<Waits>,
    /// The span of the token request.
    span: OnceLock<Option<span::Id>>,
}

/// How long callers waited for a flight.
#[derive(Debug, Default)]
struct Waits {
    /// How many callers still wait.
    waiting: u64,
    /// How many of them the observer knows of; `None` before the token request is sent.
    told: Option<u64>,
    count: u64,
    failed: u64,
    total: Duration,
    longest: Duration,
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

    /// Has all waiters ask again what to do, without an outcome.
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

    /// Tells whether a caller on this runtime should watch over the task, which runs on another
    /// one: that runtime may stand still. The answer is yes once.
    pub(crate) fn wants_watcher(&self, here: runtime::Id) -> bool {
        here != self.runtime && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// A waiter that stood at `index` leaves.
    pub(crate) fn leave(&self, index: Index) {
        if self.outcome.get().is_none() {
            self.waiters().remove(index);
        }
    }

    /// Notes in which span the token request is made.
    pub(crate) fn set_span(&self, span: Option<span::Id>) {
        let _ = self.span.set(span);
    }

    pub(crate) fn span(&self) -> Option<span::Id> {
        self.span.get().cloned().flatten()
    }

    /// Keeps an event until nobody waits for the flight any more: an observer may be slow.
    pub(crate) fn tell_later(&self, event: EventKind) {
        self.events().push(event);
    }

    /// Takes the events that were kept.
    pub(crate) fn take_events(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.events())
    }

    /// A caller begins to wait, and has its wait counted. Returns what to tell of those who wait:
    /// each time that they are twice as many, so that a storm has few events.
    pub(crate) fn begin_wait(&self) -> Option<EventKind> {
        let mut waits = self.waits();
        waits.waiting += 1;
        let count = waits.waiting;
        // An observer is told nothing before the token request is sent: it may be slow.
        let told = waits
            .told
            .filter(|told| count > *told && count.is_power_of_two());
        told?;
        waits.told = Some(count);
        Some(EventKind::RequestsWaiting { count })
    }

    /// The token request is sent. Returns what to tell of those who wait for it.
    pub(crate) fn note_sent(&self) -> Option<EventKind> {
        let mut waits = self.waits();
        let count = waits.waiting;
        waits.told = Some(count);
        (count > 0).then_some(EventKind::RequestsWaiting { count })
    }

    /// A caller has waited. Returns what to tell of all waits, after the last one.
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

    /// Returns what to tell of all waits, if there were some and all are over.
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

impl InLine for Flight {
    fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    fn queue_at(&self, limit: &TokenRequestLimit, number: u64) -> bool {
        let _ = self.queued.set((limit.clone(), number));
        self.is_urgent()
    }
}

#[cfg(all(test, model))]
mod model;
