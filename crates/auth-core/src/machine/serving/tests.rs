//! Stories about the rules for callers, one for each test, with a clock that the test sets.

use super::*;
use crate::{
    Credentials, CredentialsId, RejectedPart, Secret, machine::backoff::Failure, policy::Jitter,
};

mod check_at;
mod clocks;
mod doubt;
mod expired;
mod failures;
mod operator;
mod quotas;
mod refusals;
mod rejections;
mod renewal;
mod reports;
mod residue;
mod trials;

/// A token of this lifetime is renewed ahead of expiry after 2,880 s, and is valid for 3,540 s.
const HOUR: u64 = 3600;

/// The rules, with a clock.
#[derive(Clone)]
struct Desk {
    state: State,
    policy: RefreshPolicy,
    now: Moment,
}

impl Desk {
    fn new() -> Self {
        Self::with(None)
    }

    fn with_quota(limit: u32, window: u64) -> Self {
        Self::with(Some(Quota::new(limit, secs(window)).unwrap()))
    }

    fn with(quota: Option<Quota>) -> Self {
        Self {
            state: State::new(quota),
            policy: RefreshPolicy::default().jitter(0.0).unwrap(),
            now: Moment::new(secs(1000), secs(1_700_000_000)),
        }
    }

    /// A state with a token that the API has accepted.
    fn proven() -> Self {
        let mut desk = Self::new();
        let generation = desk.get();
        desk.accept(generation);
        desk
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn pass_secs(&mut self, seconds: u64) {
        self.pass(secs(seconds));
    }

    /// Sets the wall clock forwards.
    fn set_wall_forwards(&mut self, time: Duration) {
        let wall = self.now.since_unix_epoch() + time;
        self.now = Moment::new(self.now.monotonic(), wall);
    }

    fn set_wall_back(&mut self, time: Duration) {
        let wall = self.now.since_unix_epoch() - time;
        self.now = Moment::new(self.now.monotonic(), wall);
    }

    fn step(&mut self, event: Event) -> Action {
        self.state.step(&self.policy, event, self.now)
    }

    fn demand(&mut self) -> Action {
        self.step(Event::Demand)
    }

    fn prolong(&mut self) -> Action {
        self.step(Event::Prolong)
    }

    fn refuse(&mut self, generation: Generation) -> Action {
        let permanent = false;
        self.step(Event::Refused {
            generation,
            permanent,
        })
    }

    /// The API refuses the newest token.
    fn refuse_newest(&mut self) -> Action {
        let generation = self.newest();
        self.refuse(generation)
    }

    fn accept(&mut self, generation: Generation) {
        assert_eq!(self.step(Event::Accepted(generation)), Action::Nothing);
    }

    /// A token with a lifetime of an hour arrives.
    fn fetch(&mut self) -> Action {
        self.fetch_of(HOUR)
    }

    fn fetch_of(&mut self, lifetime: u64) -> Action {
        let token = self.token(lifetime);
        self.step(Event::Fetched(token))
    }

    /// A token that the vendor has just issued.
    fn token(&self, lifetime: u64) -> Fetched {
        Fetched {
            sent: self.now,
            age: Duration::ZERO,
            requested: true,
            contested: false,
            lifetime: Some(secs(lifetime)),
            hint: None,
            same: None,
            jitter: Jitter(0),
        }
    }

    /// A token arrives that is too old to be on trial.
    fn fetch_known(&mut self) -> Action {
        let mut token = self.token(HOUR);
        token.age = secs(600);
        self.step(Event::Fetched(token))
    }

    fn fail(&mut self, failure: Failure) -> Action {
        self.step(Event::Failed(failed(failure)))
    }

    fn throttle(&mut self, seconds: u64) -> Action {
        let mut failed = failed(Failure::Throttled);
        failed.retry_after = Some(secs(seconds));
        self.step(Event::Failed(failed))
    }

    /// Asks, and gets a token with a lifetime of an hour.
    fn get(&mut self) -> Generation {
        assert!(flies(self.demand()), "a token request starts");
        let Action::Publish(generation) = self.fetch() else {
            panic!("a valid token is published");
        };
        generation
    }

    fn newest(&self) -> Generation {
        self.state.last.expect("a token came")
    }

    fn serves(&self) -> Option<Generation> {
        self.state.serves(self.now)
    }

    /// Returns after how many seconds a refusal of the newest token starts a token request.
    fn renews_after(&self) -> u64 {
        let renews = |wait: &u64| {
            let mut later = self.clone();
            later.pass_secs(*wait);
            flies(later.refuse_newest())
        };
        (0..1000)
            .find(renews)
            .expect("a refusal starts a token request")
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn failed(failure: Failure) -> Failed {
    Failed {
        failure,
        requested: true,
        retry_after: None,
        told: false,
        cut_short: false,
        silent: false,
        failing_for: Duration::ZERO,
        row: None,
        about: None,
        lockable: false,
        jitter: Jitter(0),
    }
}

fn flies(action: Action) -> bool {
    matches!(action, Action::Fly(_))
}

fn credentials(secret: &str) -> CredentialsId {
    let credentials = Credentials::new(&["fake-client"], [Secret::from(secret)]);
    credentials.id().expect("there are credentials")
}
