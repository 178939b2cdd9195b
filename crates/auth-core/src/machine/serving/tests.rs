use super::*;

mod clocks;
mod failures;
mod permanent;
mod quotas;
mod refusals;
mod serving;

const HOUR: Duration = secs(3_600);
const MINUTE: Duration = secs(60);
const ZERO: Duration = Duration::ZERO;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn generation(number: u64) -> Generation {
    (1..number).fold(Generation::after(None), |last, _| {
        Generation::after(Some(last))
    })
}

/// A machine with clocks that are turned by hand. Draws are the latest unless it says otherwise.
#[derive(Clone)]
struct Machine {
    state: State,
    policy: RefreshPolicy,
    now: Moment,
    jitter: Jitter,
    /// When the exchange under way was sent, or will be.
    sent: Moment,
    /// How many were started.
    exchanges: u32,
}

impl Machine {
    fn new() -> Self {
        Self::with(RefreshPolicy::default(), None)
    }

    fn with(policy: RefreshPolicy, quota: Option<Quota>) -> Self {
        Self {
            state: State::new(quota),
            policy,
            now: Moment::new(secs(1_000), secs(1_893_456_000)),
            jitter: Jitter(0),
            sent: Moment::PAST,
            exchanges: 0,
        }
    }

    /// One that holds generation 1, fetched just now.
    fn holding(lifetime: Duration) -> Self {
        let mut machine = Self::new();
        machine.flies(Reason::Needed, ZERO);
        assert_eq!(machine.fetched(lifetime), Action::Publish(generation(1)));
        machine
    }

    fn pass(&mut self, duration: Duration) -> &mut Self {
        self.now = self.now + duration;
        self
    }

    /// The wall clock alone is set forward, or back.
    fn jump(&mut self, seconds: i64) -> &mut Self {
        let wall = self.now.since_unix_epoch().as_secs();
        let wall = secs(wall.saturating_add_signed(seconds));
        self.now = Moment::new(self.now.monotonic(), wall);
        self
    }

    fn step(&mut self, event: Event) -> Action {
        let action = self.state.step(&self.policy, event, self.now);
        let sent = match action {
            Action::Fly { after, .. } => Some(self.now + after),
            Action::ServeAndFly | Action::Again => Some(self.now),
            _ => None,
        };
        if let Some(sent) = sent {
            self.sent = sent;
            self.exchanges += 1;
            assert!(self.exchanges < 5_000, "spins");
        }
        action
    }

    fn demand(&mut self) -> Action {
        self.step(Event::Demand)
    }

    fn refuse(&mut self, number: u64) -> Action {
        self.step(Event::Refused(generation(number)))
    }

    fn accept(&mut self, number: u64) -> Action {
        self.step(Event::Accepted(generation(number)))
    }

    /// A token comes; `same` is the number of an earlier one if it is that once more.
    fn land(
        &mut self,
        lifetime: Option<Duration>,
        hint: Option<Duration>,
        same: Option<u64>,
    ) -> Action {
        let fetched = Fetched {
            sent: self.sent,
            exchanged: true,
            lifetime,
            hint,
            same: same.map(generation),
            jitter: self.jitter,
        };
        self.step(Event::Fetched(fetched))
    }

    fn fetched(&mut self, lifetime: Duration) -> Action {
        self.land(Some(lifetime), None, None)
    }

    fn failed(&mut self, failure: Failure, retry_after: Option<Duration>) {
        let jitter = self.jitter;
        let event = Event::Failed {
            failure,
            exchanged: true,
            retry_after,
            jitter,
        };
        assert_eq!(self.step(event), Action::Report);
    }

    /// Fails without a word about when to come back.
    fn fail(&mut self) {
        self.failed(Failure::Transient, None);
    }

    #[track_caller]
    fn serves(&mut self) {
        assert_eq!(self.demand(), Action::Serve);
    }

    #[track_caller]
    fn flies(&mut self, reason: Reason, after: Duration) {
        assert_eq!(self.demand(), Action::Fly { reason, after });
        self.pass(after);
    }

    #[track_caller]
    fn fails_for(&mut self, wait: Duration) {
        assert_eq!(self.demand(), Action::Fail { wait });
    }

    /// A request: takes the token at hand, and sees every exchange succeed after no time.
    fn request(&mut self, lifetime: Duration) -> Option<Generation> {
        loop {
            match self.demand() {
                Action::Serve => return self.state.held.map(|held| held.generation),
                Action::ServeAndFly => drop(self.fetched(lifetime)),
                Action::Fly { after, .. } => {
                    self.pass(after);
                    if let Action::Deliver(generation) = self.fetched(lifetime) {
                        return Some(generation);
                    }
                }
                _ => return None,
            }
        }
    }

    /// How long the hot path goes on without asking.
    fn rests(&self) -> Duration {
        self.now.until(self.state.check_at(self.now))
    }
}
