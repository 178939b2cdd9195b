use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::{AccessToken, Credentials, Error, Secret, TokenRequest, TokenSource};
use tokio::{sync::watch, time::Instant};

use crate::{
    Gate,
    queue::{Queue, lock},
};

/// A [`TokenSource`] that follows the test's script: no HTTP, no vendor.
///
/// Clones are the same source: keep one, and pass the other to the authenticator. By default each
/// token request returns a new token `fake-token-1`, `fake-token-2`, ...
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Error, ErrorKind};
/// use auth_testkit::{Gate, Outcome, ScriptedSource};
///
/// let source = ScriptedSource::new().lifetime(Duration::from_secs(600));
/// let gate = Gate::new();
/// source
///     .then(Outcome::error(Error::new(ErrorKind::Unavailable, "no answer")))
///     .then(Outcome::fresh().after(&gate))
///     .then(Outcome::panic());
/// assert_eq!(source.fetches(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedSource(Arc<Inner>);

struct Inner {
    outcomes: Queue<Outcome>,
    lifetime: Mutex<Option<Duration>>,
    prefix: Mutex<String>,
    log: watch::Sender<Vec<Fetch>>,
    flying: AtomicU64,
    most_flying: AtomicU64,
    change: AtomicBool,
    version: AtomicU64,
    credential_reads: AtomicU64,
    origin: Instant,
}

/// One token request to a [`ScriptedSource`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetch {
    /// The token request as the authenticator described it.
    pub token_request: TokenRequest,
    /// When it started, on tokio's clock, counted from the creation of the source.
    pub at: Duration,
}

/// The outcome of one token request of a [`ScriptedSource`].
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    end: End,
    gate: Option<Gate>,
    delay: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
enum End {
    #[default]
    Fresh,
    Token(AccessToken),
    Error(Error),
    Panic,
    Never,
}

impl ScriptedSource {
    /// Creates a source whose tokens are valid for one hour.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            outcomes: Queue::default(),
            lifetime: Mutex::new(Some(Duration::from_secs(3600))),
            prefix: Mutex::new("fake-token".into()),
            log: watch::Sender::default(),
            flying: AtomicU64::new(0),
            most_flying: AtomicU64::new(0),
            change: AtomicBool::new(false),
            version: AtomicU64::new(1),
            credential_reads: AtomicU64::new(0),
            origin: Instant::now(),
        }))
    }

    /// Sets the lifetime that later tokens state. `None` states none. Default: one hour.
    #[must_use]
    pub fn lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        *lock(&self.0.lifetime) = lifetime.into();
        self
    }

    /// Sets the text before the number of later tokens, to tell the tokens of two sources apart.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        *lock(&self.0.prefix) = prefix.into();
        self
    }

    /// Queues the outcome of the next token request.
    pub fn then(&self, outcome: Outcome) -> &Self {
        self.times(1, outcome)
    }

    /// Queues the same outcome for several token requests.
    pub fn times(&self, times: usize, outcome: Outcome) -> &Self {
        self.0.outcomes.push(times, &outcome);
        self
    }

    /// Sets the outcome of token requests while the queue is empty.
    pub fn always(&self, outcome: Outcome) -> &Self {
        self.0.outcomes.otherwise(outcome);
        self
    }

    /// Removes all queued outcomes: new tokens again.
    pub fn clear(&self) {
        self.0.outcomes.clear();
    }

    /// Changes the credentials while the next token request is in progress: that request has the
    /// old credentials, later reads return new ones.
    pub fn change_credential(&self) {
        self.0.change.store(true, Ordering::SeqCst);
    }

    /// Changes the credentials at once.
    pub fn change_credential_now(&self) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns how often the authenticator read the credentials: before each token request, and
    /// once more after a rejection.
    #[must_use]
    pub fn credential_reads(&self) -> u64 {
        self.0.credential_reads.load(Ordering::SeqCst)
    }

    /// Returns the number of token requests that have started.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.0.log.borrow().len()
    }

    /// Returns each token request that has started.
    #[must_use]
    pub fn log(&self) -> Vec<Fetch> {
        self.0.log.borrow().clone()
    }

    /// Returns the number of token requests in progress.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.flying.load(Ordering::SeqCst)
    }

    /// Returns the largest number of token requests that were ever in progress at the same time.
    #[must_use]
    pub fn max_in_flight(&self) -> u64 {
        self.0.most_flying.load(Ordering::SeqCst)
    }

    /// Waits until at least `count` token requests have started.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn fetches_reached(&self, count: usize) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self
            .0
            .log
            .subscribe()
            .wait_for(|log| log.len() >= count)
            .await;
    }

    fn begin(&self, token_request: TokenRequest) -> (Flying<'_>, usize) {
        let flying = self.0.flying.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_flying.fetch_max(flying, Ordering::SeqCst);
        let mut number = 0;
        self.0.log.send_modify(|log| {
            log.push(Fetch {
                token_request,
                at: self.0.origin.elapsed(),
            });
            number = log.len();
        });
        (Flying(&self.0.flying), number)
    }
}

impl TokenSource for ScriptedSource {
    #[allow(clippy::panic, reason = "a planned panic is what the test asked for")]
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let outcome = self.0.outcomes.next();
        if self.0.change.swap(false, Ordering::SeqCst) {
            self.change_credential_now();
        }
        let (_flying, number) = self.begin(token_request);
        if let Some(delay) = outcome.delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(gate) = &outcome.gate {
            gate.pass().await;
        }
        match outcome.end {
            End::Fresh => {
                let token = AccessToken::new(format!("{}-{number}", lock(&self.0.prefix)));
                Ok(match *lock(&self.0.lifetime) {
                    Some(lifetime) => token.expires_in(lifetime),
                    None => token,
                })
            }
            End::Token(token) => Ok(token),
            End::Error(error) => Err(error),
            End::Panic => panic!("the test planned this panic"),
            End::Never => std::future::pending().await,
        }
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.0.credential_reads.fetch_add(1, Ordering::SeqCst);
        let version = self.0.version.load(Ordering::SeqCst);
        let secret = Secret::new(format!("fake-secret-{version}"));
        Ok(Credentials::new(&["scripted"], [secret]))
    }
}

impl Default for ScriptedSource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("queued", &self.outcomes.len())
            .field("fetches", &self.log.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Outcome {
    /// A new token, with the source's lifetime.
    #[must_use]
    pub fn fresh() -> Self {
        Self::default()
    }

    /// This token, for example a repeated one, or one with a lifetime of zero.
    #[must_use]
    pub fn token(token: AccessToken) -> Self {
        End::Token(token).into()
    }

    /// A failure.
    #[must_use]
    pub fn error(error: Error) -> Self {
        End::Error(error).into()
    }

    /// A panic inside the source.
    #[must_use]
    pub fn panic() -> Self {
        End::Panic.into()
    }

    /// No end: the token request stays in progress until it is dropped.
    #[must_use]
    pub fn never() -> Self {
        End::Never.into()
    }

    /// Delays the outcome until the gate is open.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Delays the outcome by a time on tokio's clock.
    #[must_use]
    pub fn delay(mut self, duration: Duration) -> Self {
        self.delay = Some(duration);
        self
    }
}

impl From<End> for Outcome {
    fn from(end: End) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }
}

/// Counts down when a token request ends in any way.
struct Flying<'a>(&'a AtomicU64);

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
