//! Points of the protocol between processes, and how to stop at one.

use std::{
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use auth_core::{EntryVersion, Error, Key, NewEntry, SharedTokenStore, StoredEntry, TokenStore};
use tokio::{task, time::Instant};

/// What a process is about to do, or has just done, at the point where it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// About to request the lease.
    Leasing,
    /// The store has granted the lease.
    Leased,
    /// The entry was loaded again, with the lease.
    Looked,
    /// The mark is written: a refresh token is being spent, or the API refused a token.
    Marked,
    /// About to send the token request.
    Calling,
    /// The vendor has the request. The server holds the answer back, so the process has none yet.
    Called,
    /// The reply has arrived.
    Replied,
    /// About to write the token to the store.
    Publishing,
    /// The token is written.
    Published,
    /// About to release the lease.
    Releasing,
}

impl Step {
    const ALL: [Self; 10] = [
        Self::Leasing,
        Self::Leased,
        Self::Looked,
        Self::Marked,
        Self::Calling,
        Self::Called,
        Self::Replied,
        Self::Publishing,
        Self::Published,
        Self::Releasing,
    ];

    pub(crate) fn word(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn of(word: &str) -> Self {
        let step = Self::ALL.into_iter().find(|step| step.word() == word);
        step.expect("a step's name")
    }

    /// Returns whether the token of the call is lost if the process dies here.
    pub(crate) fn wastes_a_call(self) -> bool {
        matches!(self, Self::Called | Self::Replied | Self::Publishing)
    }
}

/// Releases callers that wait at a point. One per process.
#[derive(Default)]
pub(crate) struct Go {
    may: Mutex<bool>,
    changed: Condvar,
}

impl Go {
    pub(crate) fn on(&self) {
        *self.may.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let may = self.may.lock().unwrap();
        drop(self.changed.wait_while(may, |may| !*may).unwrap());
    }
}

/// The point at which the token request of one key stops.
pub(crate) struct Halt {
    name: String,
    go: Arc<Go>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stays_at: Option<Step>,
    leased: bool,
    replied: bool,
}

impl Halt {
    pub(crate) fn new(name: &str, go: Arc<Go>) -> Self {
        Self {
            name: name.to_owned(),
            go,
            state: Mutex::default(),
        }
    }

    pub(crate) fn arm(&self, step: Step) {
        *self.state.lock().unwrap() = State {
            stays_at: Some(step),
            ..State::default()
        };
    }

    /// Stops here if this is the point. Blocks within the poll, so that no deadline ends the stop.
    pub(crate) fn at(&self, step: Step) {
        {
            let mut state = self.state.lock().unwrap();
            match step {
                Step::Leased => state.leased = true,
                Step::Replied => state.replied = true,
                _ => {}
            }
            if state.stays_at != Some(step) {
                return;
            }
            state.stays_at = None;
        }
        say(&format!("at {}", self.name));
        task::block_in_place(|| self.go.wait());
    }

    fn has_leased(&self) -> bool {
        self.state.lock().unwrap().leased
    }

    fn has_replied(&self) -> bool {
        self.state.lock().unwrap().replied
    }
}

/// A store at whose calls a process may stop.
pub(crate) struct Watched {
    store: SharedTokenStore,
    halt: Arc<Halt>,
    latency_budget: Option<Duration>,
    leased: Mutex<Option<(Instant, Duration)>>,
}

impl Watched {
    pub(crate) fn new(
        store: SharedTokenStore,
        halt: Arc<Halt>,
        latency_budget: Option<Duration>,
    ) -> Self {
        Self {
            store,
            halt,
            latency_budget,
            leased: Mutex::default(),
        }
    }
}

impl TokenStore for Watched {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let loaded = self.store.load(key).await;
        if self.halt.has_leased() && !self.halt.has_replied() {
            self.halt.at(Step::Looked);
        }
        loaded
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        if self.halt.has_replied() {
            self.halt.at(Step::Publishing);
        }
        let replaced = self.store.replace(key, expected, entry).await;
        self.halt.at(if self.halt.has_replied() {
            Step::Published
        } else {
            Step::Marked
        });
        replaced
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.halt.at(Step::Leasing);
        let since = Instant::now();
        let leased = self.store.lease(key, owner, time).await;
        if matches!(leased, Ok(true)) {
            *self.leased.lock().unwrap() = Some((since, time));
            self.halt.at(Step::Leased);
        }
        leased
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.halt.at(Step::Releasing);
        let leased = self.leased.lock().unwrap().take();
        if leased.is_some_and(|(since, time)| since.elapsed() > time) {
            say(&format!("lost {}", self.halt.name));
        }
        self.store.release(key, owner).await
    }

    fn latency_budget(&self) -> Duration {
        self.latency_budget
            .unwrap_or_else(|| self.store.latency_budget())
    }
}

/// Writes a line to the process that started this one.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    // After an error the other process has ended, and this one ends anyway.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
