use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auth_core::{Event, EventKind, Observer};

/// Keeps all events that it is told. Clones share what they keep.
///
/// # Example
///
/// ```
/// use auth_core::AuthenticatorOptions;
/// use auth_testkit::{RecordingObserver, TestServer};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let events = RecordingObserver::new();
/// let server = TestServer::builder().in_memory();
/// let options = AuthenticatorOptions::new().observer(events.clone());
/// server.authenticator_with(options).warm_up().await.unwrap();
/// assert_eq!(events.count("token_published"), 1);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordingObserver(Arc<Mutex<Vec<Event>>>);

impl RecordingObserver {
    /// Makes an observer that has been told nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all events so far, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.kept().clone()
    }

    /// Returns the names of all events so far, the oldest first.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.kept().iter().map(Event::name).collect()
    }

    /// Returns how many events of this name there were, for example `token_published`.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        let kept = self.kept();
        kept.iter().filter(|event| event.name() == name).count()
    }

    /// Returns the last event that meets a condition.
    #[must_use]
    pub fn last(&self, condition: impl Fn(&EventKind) -> bool) -> Option<Event> {
        let kept = self.kept();
        let mut latest_first = kept.iter().rev();
        latest_first.find(|event| condition(event.kind())).cloned()
    }

    /// Forgets all events so far.
    pub fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for RecordingObserver {
    fn on_event(&self, event: &Event) {
        self.kept().push(event.clone());
    }
}
