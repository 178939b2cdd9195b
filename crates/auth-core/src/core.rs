//! What all handles of one key share: it carries out what the machine decides.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use tokio::runtime::Handle;

use crate::{
    AccessToken, Error, ErrorKind, ExchangeLimit, Generation, Health, Moment, Origins, Quota,
    RefreshPolicy, Scheme, Secret, SharedClock, Token,
    flight::{self, Flight, Outcome},
    policy::Jitter,
    snapshot::Snapshot,
    source::{Fetch, Obtained},
    state::{Action, Event, Failure, Fetched, State},
};

pub(crate) struct Core {
    pub(crate) settings: Settings,
    source: Box<dyn Fetch>,
    published: ArcSwapOption<Snapshot>,
    desk: Mutex<Desk>,
}

pub(crate) struct Settings {
    pub(crate) vendor: String,
    pub(crate) scheme: Scheme,
    pub(crate) origins: Origins,
    pub(crate) policy: RefreshPolicy,
    /// How long getting a token may take, others' exchanges included.
    pub(crate) deadline: Duration,
    pub(crate) quota: Option<Quota>,
    pub(crate) limit: Option<ExchangeLimit>,
    pub(crate) clock: SharedClock,
    pub(crate) shards: usize,
}

/// What is changed under the lock, and never across an await.
struct Desk {
    state: State,
    flight: Option<Arc<Flight>>,
    last_error: Option<Error>,
    /// The token that was handed out last; it may have expired, and a refusal of it come late.
    newest: Option<(Generation, Secret)>,
    /// The token that the API refused, so that it is known when the vendor hands it out again.
    refused: Option<Secret>,
    /// What is at hand does not expire, and is read rather than issued.
    permanent: bool,
}

/// What a caller is told.
pub(crate) enum Answer {
    Token(Token),
    Wait(Arc<Flight>),
    /// Only for refusals: let it stand, the token is kept.
    Damped,
    Error(Error),
}

impl Core {
    pub(crate) fn new(settings: Settings, source: Box<dyn Fetch>) -> Self {
        let desk = Desk {
            state: State::new(settings.quota),
            flight: None,
            last_error: None,
            newest: None,
            refused: None,
            permanent: false,
        };
        Self {
            settings,
            source,
            published: ArcSwapOption::empty(),
            desk: Mutex::new(desk),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.settings.clock.now()
    }

    pub(crate) fn policy(&self) -> &RefreshPolicy {
        &self.settings.policy
    }

    pub(crate) fn source(&self) -> &dyn Fetch {
        &*self.source
    }

    pub(crate) fn vendor(&self) -> &str {
        &self.settings.vendor
    }

    // --- hot path ---

    /// The token at hand, unless it is time to ask the machine.
    #[inline]
    pub(crate) fn fresh_token(&self) -> Option<Token> {
        let published = self.published.load();
        let snapshot = published.as_ref()?;
        (!self.now().reached(snapshot.check_at())).then(|| snapshot.token())
    }

    /// Signs with the token at hand, unless it is time to ask the machine, or there is a header in
    /// the way.
    #[inline]
    pub(crate) fn sign_fresh(&self, headers: &mut HeaderMap) -> Option<Generation> {
        let published = self.published.load();
        let snapshot = published.as_ref()?;
        if self.now().reached(snapshot.check_at()) {
            return None;
        }
        let local = snapshot.headers();
        let generation = local.generation();
        local.sign_vacant(headers).then_some(generation)
    }

    // --- cold path ---

    /// Asks the machine for a token.
    pub(crate) fn demand(self: &Arc<Self>) -> Answer {
        self.ask(Event::Demand)
    }

    /// Reports a refusal, and asks for a token that is not the refused one.
    pub(crate) fn refused(self: &Arc<Self>, generation: Generation) -> Answer {
        self.ask(Event::Refused(generation))
    }

    /// Asks for a token that stays usable for at least so long.
    pub(crate) fn prolong(self: &Arc<Self>, min: Duration) -> Answer {
        let now = self.now();
        let until = self.desk().state.usable_until();
        match until.is_some_and(|until| now.until(until) >= min) {
            true => self.demand(),
            false => self.ask(Event::Prolong),
        }
    }

    pub(crate) fn accepted(&self, generation: Generation) {
        let now = self.now();
        self.desk()
            .state
            .step(self.policy(), Event::Accepted(generation), now);
    }

    fn ask(self: &Arc<Self>, event: Event) -> Answer {
        let now = self.now();
        let runtime = Handle::try_current();
        let mut desk = self.desk();
        let Ok(runtime) = runtime else {
            return self.ask_without_runtime(&desk, event, now);
        };
        let stalled = desk.flight.take_if(|flight| now.waited_for(flight.overdue));
        if stalled.is_some() {
            desk.state.step(self.policy(), Event::Abandoned, now);
        }
        let event = match event {
            Event::Refused(generation) if desk.permanent => Event::Doubted(generation),
            event => event,
        };
        let action = desk.state.step(self.policy(), event, now);
        match (event, &desk.newest) {
            (Event::Refused(generation), Some((newest, secret)))
                if *newest == generation && action != Action::Damped =>
            {
                desk.refused = Some(secret.clone());
            }
            _ => {}
        }
        self.follow(&desk.state, now);
        let (mut start, mut hurried) = (None, None);
        let answer = match action {
            Action::Serve => self.at_hand(),
            Action::ServeAndFly => {
                start = Some((
                    self.board(&mut desk, crate::Reason::Ahead, now),
                    Duration::ZERO,
                ));
                self.at_hand()
            }
            Action::Fly { reason, after } => {
                let flight = self.board(&mut desk, reason, now + after);
                start = Some((Arc::clone(&flight), after));
                Answer::Wait(flight)
            }
            Action::Wait => match &desk.flight {
                Some(flight) => {
                    hurried = Some(Arc::clone(flight));
                    Answer::Wait(Arc::clone(flight))
                }
                None => self.at_hand(),
            },
            Action::Damped => Answer::Damped,
            Action::OverQuota { wait } => Answer::Error(self.over_quota(wait)),
            Action::Fail { wait } => Answer::Error(match &desk.last_error {
                Some(error) => error.told_later(wait),
                None => self.closed().with_retry_after(wait),
            }),
            // Landings have these.
            Action::Nothing
            | Action::Publish(_)
            | Action::Deliver(_)
            | Action::Report
            | Action::Again => self.at_hand(),
        };
        // Neither a runtime nor a waker is called with the lock held.
        drop(desk);
        if let Some(flight) = stalled {
            flight.resolve(Outcome::Abandoned);
        }
        if let Some(flight) = hurried {
            flight.hurry();
        }
        if let Some((flight, after)) = start {
            flight::launch(&runtime, Arc::clone(self), flight, after);
        }
        answer
    }

    /// Nothing can be started here; what is at hand is served while it is usable.
    fn ask_without_runtime(&self, desk: &Desk, event: Event, now: Moment) -> Answer {
        let until = desk.state.usable_until();
        let usable = until.is_some_and(|until| !now.reached(until));
        match &*self.published.load() {
            Some(held) if usable && event != Event::Refused(held.generation()) => {
                return Answer::Token(held.token());
            }
            _ => {}
        }
        let vendor = self.vendor();
        let message = format!("{vendor}: a token has to be fetched inside a tokio runtime");
        Answer::Error(Error::new(ErrorKind::Config, message))
    }

    fn board(&self, desk: &mut Desk, reason: crate::Reason, from: Moment) -> Arc<Flight> {
        let limit = self.settings.limit.as_ref();
        let queued = limit.map_or(Duration::ZERO, ExchangeLimit::longest_wait);
        let exchange = self.settings.deadline.saturating_mul(2);
        let overdue = from + exchange.saturating_add(queued);
        let flight = Arc::new(Flight::new(reason, overdue));
        desk.flight = Some(Arc::clone(&flight));
        flight
    }

    /// Asks whether a flight that ended with a terminal verdict may exchange once more.
    pub(crate) fn may_try_again(&self, flight: &Arc<Flight>) -> bool {
        let now = self.now();
        let mut desk = self.desk();
        desk.flies(flight)
            && desk
                .state
                .step(self.policy(), Event::CredentialChanged, now)
                == Action::Again
    }

    /// An exchange ended: publishes its token or keeps its error, then wakes who waits.
    pub(crate) fn land(&self, flight: &Arc<Flight>, obtained: Obtained) {
        let Obtained {
            result,
            sent,
            exchanged,
            over_quota,
        } = obtained;
        let now = self.now();
        let jitter = Jitter(fastrand::u32(..));
        let mut desk = self.desk();
        if !desk.flies(flight) {
            return;
        }
        desk.flight = None;
        let lifetime = result.as_ref().ok().and_then(AccessToken::lifetime);
        let landed =
            result.and_then(|token| self.publish(&mut desk, &token, (sent, exchanged), now));
        let (told, outcome) = match landed {
            Ok((generation, outcome)) => (Ok(generation), outcome),
            Err(error) => {
                let event = Event::Failed {
                    failure: match over_quota {
                        true => Failure::OwnQuota,
                        false => failure(error.kind()),
                    },
                    exchanged,
                    retry_after: error.retry_after(),
                    jitter,
                };
                desk.state.step(self.policy(), event, now);
                let error = error.named(self.vendor());
                let error = error.told_later(desk.state.next_try(now));
                desk.last_error = Some(error.clone());
                (Err(error.clone()), Outcome::Error(error))
            }
        };
        self.follow(&desk.state, now);
        // Whoever collects logs may be slow, panic, or want a token: no lock, and nobody waits.
        drop(desk);
        flight.resolve(outcome);
        let vendor = self.vendor();
        match told {
            Ok(generation) => tracing::debug!(vendor, %generation, ?lifetime, "token fetched"),
            Err(error) => tracing::warn!(vendor, kind = ?error.kind(), %error, "no token"),
        }
    }

    fn publish(
        &self,
        desk: &mut Desk,
        token: &AccessToken,
        (sent, exchanged): (Moment, bool),
        now: Moment,
    ) -> Result<(Generation, Outcome), Error> {
        let Settings {
            vendor,
            scheme,
            shards,
            ..
        } = &self.settings;
        let secret = token.secret();
        if desk.refused.as_ref() == Some(secret) {
            let message = format!("{vendor}: handed out the token again that the API refused");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        // Before the machine hears of it: a token that no header can carry is a failure.
        let lines = scheme.lines(vendor, secret)?;
        let fetched = Fetched {
            sent,
            exchanged,
            lifetime: token.lifetime(),
            hint: token.refresh_hint(),
            // The same text once more is no new token, whatever the vendor calls it.
            same: desk
                .newest
                .as_ref()
                .and_then(|(generation, newest)| (newest == secret).then_some(*generation)),
            jitter: Jitter(fastrand::u32(..)),
        };
        let action = desk.state.step(self.policy(), Event::Fetched(fetched), now);
        let (Action::Publish(generation) | Action::Deliver(generation)) = action else {
            return Err(self.closed());
        };
        let snapshot = Arc::new(Snapshot::new(&lines, generation, *shards));
        desk.last_error = None;
        let delivered = matches!(action, Action::Deliver(_));
        // With a token at hand nobody waits for one that is not kept.
        if !delivered || self.published.load().is_none() {
            desk.newest = Some((generation, secret.clone()));
        }
        if delivered {
            return Ok((generation, Outcome::Delivered(snapshot)));
        }
        desk.refused = None;
        desk.permanent = token.is_permanent();
        self.published.store(Some(snapshot));
        Ok((generation, Outcome::Published))
    }

    /// A flight's task went away without landing.
    pub(crate) fn abandon(&self, flight: &Arc<Flight>) {
        let now = self.now();
        let mut desk = self.desk();
        if desk.flies(flight) {
            desk.flight = None;
            desk.state.step(self.policy(), Event::Abandoned, now);
            self.follow(&desk.state, now);
            drop(desk);
            flight.resolve(Outcome::Abandoned);
        }
    }

    /// Makes what is published follow the machine: gone when it holds nothing, asked about when
    /// there will be something to decide.
    fn follow(&self, state: &State, now: Moment) {
        if state.usable_until().is_none() {
            self.published.store(None);
        } else if let Some(snapshot) = &*self.published.load() {
            snapshot.set_check_at(state.check_at(now));
        }
    }

    fn at_hand(&self) -> Answer {
        match &*self.published.load() {
            Some(snapshot) => Answer::Token(snapshot.token()),
            None => Answer::Error(self.closed()),
        }
    }

    pub(crate) fn health(&self) -> Health {
        let now = self.now();
        let desk = self.desk();
        let until = desk.state.usable_until();
        let last_error = desk.last_error.as_ref();
        Health {
            vendor: self.vendor().to_owned(),
            usable_for: until
                .filter(|until| !now.reached(*until))
                .map(|until| now.until(until)),
            is_renewing: desk.flight.is_some(),
            last_error: last_error.map(|error| error.told_later(desk.state.next_try(now))),
        }
    }

    fn over_quota(&self, wait: Duration) -> Error {
        let quota = self.settings.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("{}: the token quota of {quota} is used up", self.vendor());
        Error::new(ErrorKind::Quota, message).with_retry_after(wait)
    }

    pub(crate) fn closed(&self) -> Error {
        let message = format!("{}: the exchange ended without a result", self.vendor());
        Error::new(ErrorKind::Closed, message)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // The machine is never left half-changed: its step does not panic.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Tells whether this is the flight under way; a late one has been given up.
    fn flies(&self, flight: &Arc<Flight>) -> bool {
        self.flight
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, flight))
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            vendor,
            origins,
            policy,
            quota,
            ..
        } = &self.settings;
        f.debug_struct("Authenticator")
            .field("vendor", vendor)
            .field("origins", origins)
            .field("policy", policy)
            .field("quota", quota)
            .finish_non_exhaustive()
    }
}

fn failure(kind: ErrorKind) -> Failure {
    match kind {
        ErrorKind::Config | ErrorKind::Rejected | ErrorKind::Origin => Failure::Terminal,
        ErrorKind::Quota => Failure::Quota,
        _ => Failure::Transient,
    }
}
