//! What an authenticator tells the program that uses it: events.

mod event;
mod log;
#[doc(hidden)]
pub mod measure;

pub use event::{Event, EventKind, QuotaUse};
pub(crate) use event::{Names, SCOPE_DENIED, SharedNames};

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tracing::{Span, span};

use crate::SharedClock;

/// Receives an [`Event`] for everything that an operator may want to count or see: token requests,
/// tokens, requests that were not signed or not replayed, the state of the store.
///
/// Set it by [`AuthenticatorOptions::observer`](crate::AuthenticatorOptions::observer). All events
/// are also logged, by `tracing`; the page [Observability](crate::_documentation::observability)
/// lists them. Use an observer to count or keep events, and the log to read them.
///
/// A request that is signed with the cached token, sent once and accepted causes no event. Without
/// an observer, no [`Event`] is made.
///
/// # When it is called
///
/// On the task of the token request, or on the slow path of the caller that the event is about. No
/// lock is held, so an observer may read the authenticator's [`Health`](crate::Health) or ask for a
/// token. Callers that wait for a token are woken before the observer is told how the token request
/// ended.
///
/// An observer must not block, because it runs on a worker thread of the runtime. Send work that
/// takes long to a channel; an [`Event`] is cheap to clone. A slow observer delays the request that
/// the event is about, if the event is about one. It delays no request that is signed with the
/// cached token, and no caller that waits for a token request. A panic in an observer is caught and
/// logged.
///
/// # How many events there are
///
/// An event about a request ([`RequestUnsigned`](EventKind::RequestUnsigned),
/// [`RequestReplayed`](EventKind::RequestReplayed), [`TokenRefused`](EventKind::TokenRefused) and
/// so on) comes once for each such request. The number of all other events is bounded by the number
/// of token requests: 100,000 callers that wait for one token cause one
/// [`RequestsWaited`](EventKind::RequestsWaited) and at most 18
/// [`RequestsWaiting`](EventKind::RequestsWaiting).
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use auth_core::{AuthenticatorOptions, Event, EventKind, Observer};
///
/// #[derive(Default)]
/// struct FailedTokenRequests(AtomicU64);
///
/// impl Observer for FailedTokenRequests {
///     fn on_event(&self, event: &Event) {
///         if let EventKind::TokenRequestEnded { error: Some(_), .. } = event.kind() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let options = AuthenticatorOptions::new()
///     .observer(FailedTokenRequests::default())
///     .label("tenant-7");
/// ```
///
/// # Security
///
/// No event holds a secret, a path, a query, a header or a body.
pub trait Observer: Send + Sync + 'static {
    /// Called once for each event.
    fn on_event(&self, event: &Event);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_event(&self, event: &Event) {
        (**self).on_event(event);
    }
}

/// Two observers, for example one that counts and one that keeps the last failures. Both receive
/// each event.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn on_event(&self, event: &Event) {
        self.0.on_event(event);
        self.1.on_event(event);
    }
}

/// An observer that several authenticators share.
#[derive(Clone)]
pub(crate) struct SharedObserver(Arc<dyn Observer>);

impl SharedObserver {
    pub(crate) fn new(observer: impl Observer) -> Self {
        Self(Arc::new(observer))
    }
}

impl fmt::Debug for SharedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Sends the events of one authenticator to the log, and to the observer if there is one.
#[derive(Debug)]
pub(crate) struct Observed {
    names: Arc<Names>,
    clock: SharedClock,
    observer: Option<SharedObserver>,
}

impl Observed {
    pub(crate) fn new(
        names: Arc<Names>,
        clock: SharedClock,
        observer: Option<SharedObserver>,
    ) -> Self {
        Self {
            names,
            clock,
            observer,
        }
    }

    #[inline(always)]
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    pub(crate) fn vendor(&self) -> &str {
        &self.names.vendor
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.names.label.as_deref()
    }

    /// Makes the span of a token request. The span follows from the current span, which is that of
    /// the request that started the token request.
    pub(crate) fn token_request_span(&self, reason: &'static str) -> Span {
        log::token_request_span(self.vendor(), self.label(), reason)
    }

    /// Records in the current span, which is that of a token request, how the token request ended.
    pub(crate) fn end_span(outcome: &str, host: Option<&str>) {
        log::end_span(outcome, host);
    }

    /// Makes the span of a caller that waits for a token request, within the caller's span.
    pub(crate) fn wait_span(&self, token_request: Option<span::Id>) -> Span {
        log::wait_span(self.vendor(), self.label(), token_request)
    }

    /// Returns whether there is an observer, or a log that takes lines of such a level.
    pub(crate) fn is_heard(&self) -> bool {
        self.observer.is_some() || log::is_enabled()
    }

    /// Logs an event and tells the observer. The caller holds no lock.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.log(&kind);
        self.observe(|| kind);
    }

    /// Logs an event. The caller holds no lock.
    pub(crate) fn log(&self, kind: &EventKind) {
        // A panic in a subscriber must do no more harm than a panic in an observer.
        let write = || log::write(self.vendor(), self.label(), kind);
        let _ = catch_unwind(AssertUnwindSafe(write));
    }

    /// Tells the observer, if there is one. The caller holds no lock.
    pub(crate) fn observe(&self, kind: impl FnOnce() -> EventKind) {
        let Some(SharedObserver(observer)) = &self.observer else {
            return;
        };
        let event = Event::new(Arc::clone(&self.names), self.clock.now(), kind());
        // If a panic leaves the observer half-changed, the observer must cope with it.
        let told = catch_unwind(AssertUnwindSafe(|| observer.on_event(&event)));
        if told.is_err() {
            let write = || log::panicked(self.vendor(), self.label(), event.kind());
            let _ = catch_unwind(AssertUnwindSafe(write));
        }
    }
}

#[cfg(test)]
mod tests;
