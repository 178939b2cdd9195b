use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// A gate that holds replies back until the test opens it: a slow vendor without any sleep.
///
/// Clones are the same gate. It starts closed; once open it stays open.
///
/// # Example
///
/// ```
/// use auth_testkit::{Gate, Reply, TestServer};
///
/// let server = TestServer::builder().in_memory();
/// let gate = Gate::new();
/// server.token().then(Reply::normal().answer_after(&gate));
/// // Start the token request, `gate.reached(1).await`, look around, and then:
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
    /// Makes a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            open: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
        }))
    }

    /// Lets everything pass, what waits and what comes later.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Tells whether the gate was opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Returns how many have arrived so far, those that passed or gave up included.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.0.arrived.borrow()
    }

    /// Waits until at least `count` have arrived.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time; it only looks.
    pub async fn reached(&self, count: usize) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self
            .0
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await;
    }

    /// Arrives at the gate and waits until it is open; for test doubles of your own.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped here has arrived all the same.
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
