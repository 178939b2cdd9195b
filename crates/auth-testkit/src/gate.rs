use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// A gate that delays replies until the test opens it: a slow vendor without a sleep.
///
/// Clones are the same gate. It starts closed; an open gate stays open.
///
/// # Example
///
/// ```
/// use auth_testkit::{Gate, Reply, TestServer};
///
/// let server = TestServer::builder().in_memory();
/// let gate = Gate::new();
/// server.token().then(Reply::normal().answer_after(&gate));
/// // Start the token request, `gate.reached(1).await`, check the state, and then:
/// gate.open();
/// assert!(gate.is_open());
/// ```
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    /// Creates a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            open: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
        }))
    }

    /// Opens the gate for all waiting and all later replies.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Returns whether the gate was opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Returns the number of arrivals, those that passed or were dropped included.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.0.arrived.borrow()
    }

    /// Waits until at least `count` have arrived.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn reached(&self, count: usize) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self
            .0
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await;
    }

    /// Arrives at the gate and waits until it is open; for other test doubles.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has arrived nevertheless.
    pub async fn pass(&self) {
        self.0.arrived.send_modify(|arrived| *arrived += 1);
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("open", &self.is_open())
            .field("arrivals", &self.arrivals())
            .finish()
    }
}
