//! The state that all parts of a run share: the random generator, the trace, the model and the list
//! of violations.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::{Clock, Moment};
use auth_testkit::{TestServer, VirtualClock};
use fastrand::Rng;
use tokio::time::Instant;

use crate::{
    faults::{self, TokenFault},
    model::Model,
    scenario::Scenario,
};

/// One run's world.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) clock: VirtualClock,
    pub(crate) server: TestServer,
    start: Instant,
    inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) rng: Rng,
    pub(crate) model: Model,
    pub(crate) weather: Weather,
    pub(crate) requests: u64,
    pub(crate) sends: BTreeMap<u64, Vec<Send>>,
    pub(crate) sends_total: u64,
    pub(crate) token_requests: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) violations: Vec<String>,
    /// The client secret that the client knows.
    pub(crate) vault: String,
    /// The fault of the token request in progress.
    pub(crate) planned: Option<TokenFault>,
    secrets: u32,
    scenario: Scenario,
    pub(crate) trace: String,
}

/// The faults that may occur now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) fair: bool,
    pub(crate) outage: bool,
    pub(crate) refuses_all: bool,
}

/// One send of a request, as it arrived below the layer.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) head: String,
    pub(crate) credential: Option<String>,
    pub(crate) body: Arc<Mutex<SentBody>>,
    /// Whether it may never be answered.
    pub(crate) silent: bool,
    /// Whether it ends without a response.
    pub(crate) reset: bool,
    /// Whether it is answered before its body is read.
    pub(crate) early: bool,
    pub(crate) status: Option<u16>,
    /// The token whose refusal this send made known.
    pub(crate) refused: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SentBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ended: bool,
}

impl World {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let scenario = Scenario::draw(&mut rng);
        let clock = VirtualClock::new();
        let server = TestServer::builder()
            .clock(&clock)
            .token_lifetime(scenario.lifetime)
            .in_memory();
        let inner = Inner {
            rng,
            model: Model::new(scenario.quota),
            weather: Weather {
                fair: false,
                outage: false,
                refuses_all: false,
            },
            requests: 0,
            sends: BTreeMap::new(),
            sends_total: 0,
            token_requests: 0,
            faults: BTreeMap::new(),
            violations: Vec::new(),
            vault: server.client_secret(),
            planned: None,
            secrets: 0,
            scenario: scenario.clone(),
            trace: String::new(),
        };
        let this = Self {
            scenario,
            clock,
            server,
            start: Instant::now(),
            inner: Mutex::new(inner),
        };
        this.note(format_args!("{:?}", this.scenario));
        this
    }

    /// Returns the shared state. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn note(&self, event: impl fmt::Display) {
        let at = self.start.elapsed();
        self.lock().note(at, event);
    }

    pub(crate) fn hit(&self, kind: &'static str) {
        let at = self.start.elapsed();
        let mut inner = self.lock();
        inner.note(at, kind);
        inner.count(kind);
    }

    /// Records a violation.
    pub(crate) fn violation(&self, what: impl fmt::Display) {
        let at = self.start.elapsed();
        let mut inner = self.lock();
        inner.note(at, format_args!("VIOLATION {what}"));
        let line = format!("{:>12.3} {what}", at.as_secs_f64());
        inner.violations.push(line);
    }

    pub(crate) fn violations(&self, all: Vec<String>) {
        all.into_iter().for_each(|one| self.violation(one));
    }
}

impl Inner {
    fn note(&mut self, at: Duration, event: impl fmt::Display) {
        let _ = writeln!(self.trace, "{:>12.3} {event}", at.as_secs_f64());
    }

    pub(crate) fn count(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Decides the fault of the next token request.
    pub(crate) fn plan_token_request(&mut self) -> Option<&'static str> {
        let faults = match self.weather {
            Weather { fair: true, .. } => 0,
            Weather { outage: true, .. } => 100,
            _ => self.scenario.token_faults,
        };
        self.planned = None;
        if !self.chance(faults) {
            return None;
        }
        let (kind, fault) = faults::token(&mut self.rng);
        self.planned = Some(fault);
        Some(kind)
    }

    pub(crate) fn next_secret(&mut self) -> String {
        self.secrets += 1;
        format!("fake-secret-{}", self.secrets)
    }

    /// Returns `true` with this probability in percent.
    pub(crate) fn chance(&mut self, of_hundred: u8) -> bool {
        self.rng.u8(0..100) < of_hundred
    }
}
