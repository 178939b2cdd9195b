//! One state of a whole world, and its next states.
//!
//! Executes the machine's orders as `shared_state` and `driver` do.

use std::hash::Hash;

use super::*;

mod callers;
mod flights;
mod happens;
mod landings;
mod moves;
mod recovery;
mod store;
mod vendor;

pub(super) use recovery::{Mode, Recovery};
use store::{Entry, Store};
use vendor::Vendor;

#[derive(Clone, Hash)]
pub(super) struct Node {
    now: u32,
    processes: Vec<Process>,
    store: Store,
    vendor: Vendor,
    faults: u8,
    /// The faults so far on which promises depend.
    so_far: SoFar,
    secret: u8,
    /// The store does not answer.
    store_down: bool,
    store_denies: bool,
    /// Until when all processes know that the vendor wants no token request.
    told_all_until: u32,
    /// Tokens whose refusal the store knows.
    buried: u64,
    /// Renewals after refusals since the last acceptance.
    repeats: u8,
}

#[derive(Clone, Copy, Default, Hash)]
struct SoFar {
    /// The store failed, lied, was emptied or rolled back.
    store: bool,
    crashes: u8,
    /// A process stood still, or a flight was given up.
    stopped: bool,
    clock: bool,
    lost: bool,
}

#[derive(Clone, Hash)]
struct Process {
    starts: u8,
    flights: u8,
    key: KeyState,
    air: Option<Air>,
    /// A flight that was given up.
    ghost: Option<Air>,
    /// The tokens of the newest generations.
    tokens: Vec<(Generation, u8)>,
    waits: bool,
    waits_instead: Option<Generation>,
    rounds: u8,
    /// Rejected credentials, the number of rejections, and the time of the last one.
    rejected: (u8, u32, u32),
    stopped: bool,
    stopped_until: u32,
    wall: i32,
    /// The vendor told this process to wait until then.
    told_until: u32,
    refused: u64,
    /// When the flight started that replaces a refused token.
    replaces_since: Option<u32>,
    /// Whether this process has had a valid token since a caller last asked.
    satisfied: bool,
}

#[derive(Clone, Hash)]
struct Air {
    number: u8,
    flight: Flight,
    step: Step,
    since: u32,
    orders: u8,
    asked_again: bool,
    refused: u64,
    /// Tokens whose refusal the store knew when the flight last looked.
    told_refused: u64,
    /// The store, as it was when the flight began.
    before: (Option<Record>, usize),
    not_sent: bool,
    clean: bool,
    /// A reply to a request with this refresh token has arrived, and may not be written yet.
    heard: Option<Option<u8>>,
}

#[derive(Clone, Hash)]
enum Step {
    Begins(u32),
    Does(Order),
    Sleeps(u32),
    Waits {
        reply: Option<Result<AccessToken, Error>>,
        sent: Moment,
        /// The refresh token that was sent.
        refresh: Option<u8>,
        ends: u32,
    },
}

pub(super) type Violation = String;

impl Node {
    pub(super) fn new(world: &World) -> Self {
        let process = || Process::new(world, 0);
        Self {
            now: 0,
            processes: (0..world.processes).map(|_| process()).collect(),
            store: Store::default(),
            vendor: Vendor {
                good: 1,
                ..Vendor::default()
            },
            faults: world.faults,
            so_far: SoFar::default(),
            secret: 0,
            store_down: false,
            store_denies: false,
            told_all_until: 0,
            buried: 0,
            repeats: 0,
        }
    }

    pub(super) fn hashed(&self) -> u128 {
        let mut mix = Mix::default();
        self.hash(&mut mix);
        mix.both()
    }

    fn clock(&self, p: usize) -> Moment {
        let wall = u64::from(self.now) + WALL;
        let wall = wall.saturating_add_signed(self.processes[p].wall.into());
        Moment::new(secs(self.now) + BASE, Duration::from_secs(wall))
    }
}

impl Process {
    fn new(world: &World, starts: u8) -> Self {
        Self {
            starts,
            flights: 0,
            key: KeyState::new(world.quota()),
            air: None,
            ghost: None,
            tokens: Vec::new(),
            waits: false,
            waits_instead: None,
            rounds: 0,
            rejected: (0, 0, 0),
            stopped: false,
            stopped_until: 0,
            wall: 0,
            told_until: 0,
            refused: 0,
            replaces_since: None,
            satisfied: false,
        }
    }

    fn token(&self, generation: Generation) -> Option<u8> {
        let mut known = self.tokens.iter().filter(|(known, _)| *known == generation);
        known.next().map(|(_, token)| *token)
    }

    /// Drops what the shared state drops.
    fn follow(&mut self) {
        if self.key.state.usable_until().is_none() {
            self.tokens.clear();
        } else if self.key.state.previous_generation().is_none() {
            self.tokens.truncate(1);
        }
    }

    fn serving(&self, now: Moment) -> Option<u8> {
        self.key
            .state
            .serves(now)
            .and_then(|generation| self.token(generation))
    }
}

fn number_of(secret: &Secret) -> u8 {
    secret.expose()[1..].parse().unwrap_or(u8::MAX)
}

fn bit(token: u8) -> u64 {
    1 << token
}

fn error(kind: ErrorKind, outcome: TokenRequestOutcome) -> Error {
    Error::new(kind, "fake").with_outcome(outcome)
}

fn lost() -> Error {
    error(ErrorKind::TimedOut, TokenRequestOutcome::Unknown)
}

fn ceil(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

const BASE: Duration = Duration::from_secs(1_000_000);
const WALL: u64 = 2_000_000_000;
