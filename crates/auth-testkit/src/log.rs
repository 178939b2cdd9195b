use std::{
    fmt, io,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::{
    Dispatch, Subscriber,
    level_filters::LevelFilter,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::{assert_no_secret, queue::lock};

/// Captures everything that is logged through `tracing`, all targets, down to TRACE, as one text.
///
/// For leak tests: run the code under test, then call [`assert_no_secret`](Self::assert_no_secret).
/// The text contains no times, so that two runs can be compared. Clones are the same log; it grows
/// until [`clear`](Self::clear).
///
/// # Example
///
/// ```
/// use auth_testkit::LogCapture;
///
/// let log = LogCapture::new();
/// let guard = log.install();
/// tracing::info!(attempt = 1, "requesting a token");
/// drop(guard);
/// assert!(log.text().contains("requesting a token"));
/// log.assert_no_secret(&["fake-secret-1"]);
/// ```
#[derive(Clone, Default)]
pub struct LogCapture(Arc<Mutex<Vec<u8>>>);

impl LogCapture {
    /// Creates an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Captures what the current thread logs, until the guard is dropped. Sufficient for tests on a
    /// current-thread runtime; for other runtimes make [`subscriber`](Self::subscriber) the global
    /// default.
    #[must_use]
    pub fn install(&self) -> DefaultGuard {
        tracing::subscriber::set_default(self.subscriber())
    }

    /// Returns a subscriber that writes into this log.
    #[must_use]
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        // With a single subscriber, tracing asks the first thread whether an event is of interest,
        // and uses the answer for all threads. With a second one, it asks both.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(NoSubscriber::default()));
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .without_time()
            .with_writer(Sink(self.clone()))
            .finish()
    }

    /// Returns what was logged so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }

    /// Forgets what was logged so far.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Asserts that none of the secrets was logged, see
    /// [`assert_no_secret`](crate::assert_no_secret).
    ///
    /// # Panics
    ///
    /// If one was logged.
    #[track_caller]
    pub fn assert_no_secret(&self, secrets: &[impl AsRef<str>]) {
        assert_no_secret(self.text(), secrets);
    }
}

impl fmt::Debug for LogCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCapture")
            .field("bytes", &lock(&self.0).len())
            .finish()
    }
}

/// A separate type, so that only a subscriber writes into a [`LogCapture`].
struct Sink(LogCapture);

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self(self.0.clone())
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
