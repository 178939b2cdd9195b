//! What all handles of one key share: the cached token, and the machine's state behind a lock.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use tokio::runtime::Handle;

use crate::{
    AccessToken, Error, ErrorKind, ExchangeLimit, Generation, Health, Key, MemoryStore, Moment,
    Origins, Quota, RefreshPolicy, Scheme, SharedClock, SharedTokenStore, Token, TokenStore as _,
    driver,
    flight::{Flight, Outcome},
    machine::{
        backoff::Failure,
        flight::Flight as FlightState,
        memory::Memory,
        orders::{Draw, End, Fact, Landing, Order, Rules},
        prints::Print,
        serving::{Action, Event, Failed, Fetched, Start, State},
    },
    policy::Jitter,
    published::Published,
    rejections,
    residue::Residue,
    snapshot::Snapshot,
    source::DynSource,
};

pub(crate) struct Core {
    pub(crate) settings: Settings,
    source: Box<dyn DynSource>,
    store: Option<(SharedTokenStore, Key)>,
    /// Keeps refresh tokens where there is no store: they are sent by the same rules.
    own_store: OnceLock<(SharedTokenStore, Key)>,
    rules: Rules,
    published: Published,
    desk: Mutex<Desk>,
}

pub(crate) struct Settings {
    pub(crate) vendor: String,
    pub(crate) scheme: Scheme,
    pub(crate) origins: Origins,
    pub(crate) policy: RefreshPolicy,
    pub(crate) quota: Option<Quota>,
    pub(crate) limit: Option<ExchangeLimit>,
    pub(crate) clock: SharedClock,
    pub(crate) shards: usize,
}

/// What is changed under the lock, and never across an await.
struct Desk {
    state: State,
    memory: Memory,
    flight: Option<Arc<Flight>>,
    /// How many flights there were.
    flights: u64,
    last_error: Option<Error>,
    /// The token that was handed out last; it may have expired, and a refusal of it come late.
    newest: Option<(Generation, Print)>,
    /// The token before that, while the newest one is on trial.
    previous: Option<Arc<Snapshot>>,
    /// The cached credential does not expire, and is read rather than issued.
    permanent: bool,
    /// The credentials that were used last.
    credentials: Option<crate::CredentialsId>,
}

/// What a caller is told.
pub(crate) enum Answer {
    Token(Token),
    /// Only for refusals: the API may not know the token yet. Send it once more after this time.
    SendAgain(Token, Duration),
    Wait(Arc<Flight>),
    /// Only for refusals: let it stand, the token is kept.
    Damped,
    Error(Error),
}

impl Core {
    pub(crate) fn new(
        settings: Settings,
        source: Box<dyn DynSource>,
        store: Option<(SharedTokenStore, Key)>,
    ) -> Self {
        let desk = Desk {
            state: State::new(settings.quota),
            memory: Memory::new(settings.quota),
            flight: None,
            flights: 0,
            last_error: None,
            newest: None,
            previous: None,
            permanent: false,
            credentials: None,
        };
        let rules = Rules {
            policy: settings.policy.clone(),
            quota: settings.quota,
            shares: store.is_some() || source.keeps_refresh_tokens(),
            keeps_refresh_tokens: source.keeps_refresh_tokens(),
            needs_refresh_token: source.needs_refresh_token(),
            owner: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
        };
        Self {
            settings,
            source,
            store,
            own_store: OnceLock::new(),
            rules,
            published: Published::nothing(),
            desk: Mutex::new(desk),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.settings.clock.now()
    }

    /// Now without lag: for times that others were promised.
    fn precise(&self) -> Moment {
        self.settings.clock.precise()
    }

    pub(crate) fn policy(&self) -> &RefreshPolicy {
        &self.settings.policy
    }

    pub(crate) fn source(&self) -> &dyn DynSource {
        &*self.source
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.settings.clock
    }

    pub(crate) fn store(&self) -> Option<(&SharedTokenStore, &Key)> {
        let (store, key) = match (&self.store, self.rules.keeps_refresh_tokens) {
            (Some(store), _) => store,
            (None, true) => self.own_store.get_or_init(|| {
                let store = SharedTokenStore::new(MemoryStore::new());
                (store, Key::builder(self.vendor()).build())
            }),
            (None, false) => return None,
        };
        Some((store, key))
    }

    /// Returns what must not be forgotten of this key; `None` if nothing.
    pub(crate) fn residue(&self) -> Option<Residue> {
        let now = self.now();
        let desk = self.desk();
        let residue = Residue {
            state: desk.state.without_token(),
            memory: desk.memory.clone(),
            last_error: desk.last_error.clone(),
            credentials: desk.credentials,
            refresh_tokens: self.own_store.get().cloned(),
        };
        Some(residue).filter(|residue| !residue.is_over(now))
    }

    /// Takes over what an earlier authenticator of the same key left behind.
    pub(crate) fn restore(&self, residue: Residue) {
        let Residue {
            state,
            memory,
            last_error,
            credentials,
            refresh_tokens,
        } = residue;
        if let Some(store) = refresh_tokens {
            let _ = self.own_store.set(store);
        }
        let mut desk = self.desk();
        desk.state = state;
        desk.memory = memory;
        desk.last_error = last_error;
        desk.credentials = credentials;
    }

    pub(crate) fn store_patience(&self) -> Duration {
        self.store()
            .map_or(Duration::ZERO, |(store, _)| store.patience())
    }

    pub(crate) fn lease_time(&self) -> Duration {
        self.rules.lease_time()
    }

    /// A flight that was given up must not act in the name of its successor.
    pub(crate) fn lease_owner(&self, flight: &Flight) -> String {
        format!("{}-{}", self.rules.owner, flight.number)
    }

    pub(crate) fn vendor(&self) -> &str {
        &self.settings.vendor
    }

    // --- hot path ---

    /// The token at hand, unless it is time to ask the machine.
    pub(crate) fn fresh_token(&self) -> Option<Token> {
        self.published.fresh(self.now()).map(Token)
    }

    /// Signs with the token at hand, unless it is time to ask the machine, or there is a header in
    /// the way.
    pub(crate) fn sign_fresh(&self, headers: &mut HeaderMap) -> Option<Generation> {
        let local = self.published.fresh(self.now())?;
        local.sign_vacant(headers).then(|| local.generation())
    }

    // --- cold path ---

    /// The cached token, if it is valid. Starts nothing.
    pub(crate) fn valid_token(&self) -> Option<Token> {
        let now = self.now();
        let desk = self.desk();
        let generation = desk.state.serves(now)?;
        self.token_of(&desk, generation)
    }

    fn token_of(&self, desk: &Desk, generation: Generation) -> Option<Token> {
        let published = self.published.load();
        let known = published.as_ref().into_iter().chain(&desk.previous);
        let mut of_generation = known.filter(|snapshot| snapshot.generation() == generation);
        of_generation.next().map(|snapshot| snapshot.token())
    }

    /// Asks the machine for a token.
    pub(crate) fn demand(self: &Arc<Self>) -> Answer {
        self.ask(Event::Demand)
    }

    /// Reports a refusal, and asks for a token that is not the refused one.
    pub(crate) fn refused(self: &Arc<Self>, generation: Generation) -> Answer {
        self.ask(Event::Refused {
            generation,
            permanent: false,
        })
    }

    /// Asks for a token that stays valid for at least so long.
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
        let mut desk = self.desk();
        if let Some((newest, print)) = desk.newest {
            if newest == generation {
                desk.memory.refused.remove(print);
            }
        }
        desk.state
            .step(self.policy(), Event::Accepted(generation), now);
        if desk.state.previous_generation().is_none() {
            desk.previous = None;
        }
        self.follow(&desk.state, now);
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
        let event = desk.hear(event, now);
        let action = desk.state.step(self.policy(), event, now);
        let is_young = action == Action::Damped && desk.state.is_young(now);
        if is_young || matches!(action, Action::ServePrevious | Action::SendAgain { .. }) {
            desk.trust(event);
        }
        self.follow(&desk.state, now);
        let (mut start, mut hurried) = (None, None);
        let answer = match action {
            Action::Serve => self.cached(),
            Action::ServePrevious => match desk.state.serves(now) {
                Some(generation) => match self.token_of(&desk, generation) {
                    Some(token) => Answer::Token(token),
                    None => self.cached(),
                },
                None => self.cached(),
            },
            Action::SendAgain { after } => match self.cached() {
                Answer::Token(token) => Answer::SendAgain(token, after),
                answer => answer,
            },
            Action::ServeAndFly(order) => {
                start = Some((self.board(&mut desk, order, &runtime, now), order));
                self.cached()
            }
            Action::Fly(order) => {
                let flight = self.board(&mut desk, order, &runtime, now);
                start = Some((Arc::clone(&flight), order));
                Answer::Wait(flight)
            }
            Action::Wait => match &desk.flight {
                Some(flight) => {
                    hurried = Some(Arc::clone(flight));
                    Answer::Wait(Arc::clone(flight))
                }
                None => self.cached(),
            },
            Action::Damped => Answer::Damped,
            Action::OverQuota { wait } => Answer::Error(self.over_quota(wait)),
            Action::Fail { wait } => Answer::Error(match &desk.last_error {
                Some(error) => error.told_later(wait),
                None => self.refused_too_often(wait),
            }),
            // Landings have these.
            Action::Nothing
            | Action::Publish(_)
            | Action::Deliver(_)
            | Action::Report
            | Action::Retry
            | Action::Again => self.cached(),
        };
        // Neither a runtime nor a waker is called with the lock held.
        drop(desk);
        if let Some(flight) = stalled {
            flight.resolve(Outcome::Abandoned);
        }
        if let Some(flight) = hurried {
            flight.hurry();
        }
        if let Some((flight, order)) = start {
            driver::launch(&runtime, Arc::clone(self), flight, order);
        }
        answer
    }

    /// Nothing can be started here; the cached token is served while it is valid.
    fn ask_without_runtime(&self, desk: &Desk, event: Event, now: Moment) -> Answer {
        let until = desk.state.usable_until();
        let valid = until.is_some_and(|until| !now.reached(until));
        let is_refused = |held: Generation| matches!(event, Event::Refused { generation, .. } if generation == held);
        match self.published.load() {
            Some(held) if valid && !is_refused(held.generation()) => {
                return Answer::Token(held.token());
            }
            _ => {}
        }
        let vendor = self.vendor();
        let message = format!("{vendor}: a token has to be requested inside a tokio runtime");
        Answer::Error(Error::new(ErrorKind::Config, message))
    }

    fn board(&self, desk: &mut Desk, start: Start, runtime: &Handle, now: Moment) -> Arc<Flight> {
        let limit = self.settings.limit.as_ref();
        let queued = limit.map_or(Duration::ZERO, ExchangeLimit::longest_wait);
        let longest = self.rules.longest().saturating_mul(2);
        let overdue = now + start.after + longest.saturating_add(queued);
        desk.flights += 1;
        let flight = Flight::new(desk.flights, start.reason, overdue, runtime.id());
        let flight = Arc::new(flight);
        desk.flight = Some(Arc::clone(&flight));
        flight
    }

    /// One step of a flight.
    pub(crate) fn step(&self, flight: &Arc<Flight>, state: &mut FlightState, fact: Fact) -> Order {
        let now = self.precise();
        let draw = Draw {
            jitter: Jitter(fastrand::u32(..)),
            number: fastrand::u64(..),
        };
        if let Fact::Ended(ended) = &fact {
            if let Some((id, accepted)) = state.judged(&ended.result) {
                rejections::of_process(self.clock(), |known| match (&ended.result, accepted) {
                    (Err(error), false) => {
                        known.reject(id, error, now);
                        if state.is_without_store() {
                            known.reject(id, error, now);
                        }
                    }
                    _ => known.accept(id),
                });
            }
        }
        let mut desk = self.desk();
        if desk.flies(flight) && desk.state.is_urgent() {
            state.hurry();
        }
        let order = state.step(&self.rules, &mut desk.memory, fact, now, draw);
        drop(desk);
        if let Some(problem) = state.take_problem() {
            let vendor = self.vendor();
            tracing::warn!(vendor, problem, "going on without the token store");
        }
        order
    }

    /// Asks whether a flight whose credentials were rejected may make one more token request.
    pub(crate) fn may_try_again(&self, flight: &Arc<Flight>) -> bool {
        let now = self.precise();
        let mut desk = self.desk();
        desk.flies(flight)
            && desk
                .state
                .step(self.policy(), Event::CredentialsChanged, now)
                == Action::Again
    }

    /// A flight ended: publishes its token or keeps its error, then wakes who waits.
    pub(crate) fn land(&self, flight: &Arc<Flight>, landing: Landing) {
        let now = self.precise();
        let mut desk = self.desk();
        if !desk.flies(flight) {
            self.land_late(desk, landing, now);
            return;
        }
        desk.flight = None;
        desk.credentials = landing.about.or(desk.credentials);
        let failed_before = desk.last_error.is_some();
        let (told, outcome) = match landing.end.clone() {
            End::Token(token, age) => match self.publish(&mut desk, &token, age, &landing, now) {
                Ok((generation, outcome)) => (Ok((generation, token.lifetime())), outcome),
                Err(error) => self.fail(&mut desk, &landing, error, None, now),
            },
            End::Failed(error) => self.fail(&mut desk, &landing, error, None, now),
            End::Told(error, wait) => self.fail(&mut desk, &landing, error, Some(wait), now),
            End::OverQuota(wait) => {
                let error = self.over_quota_of_all(wait);
                self.fail(&mut desk, &landing, error, None, now)
            }
            End::Unchanged => {
                desk.state.unchanged();
                let wait = desk.state.next_try(now);
                let error = match &desk.last_error {
                    Some(error) => error.told_later(wait),
                    None => self.closed(),
                };
                (Err(error.clone()), Outcome::Error(error))
            }
        };
        let recovered = failed_before && desk.last_error.is_none();
        self.follow(&desk.state, now);
        let valid_for = desk.state.usable_until().map(|until| now.until(until));
        let valid_for = valid_for.filter(|left| !left.is_zero());
        // Whoever collects logs may be slow, panic, or want a token: no lock, and nobody waits.
        drop(desk);
        flight.resolve(outcome);
        self.log(told, recovered, valid_for);
    }

    fn log(
        &self,
        told: Result<(Generation, Option<Duration>), Error>,
        recovered: bool,
        valid_for: Option<Duration>,
    ) {
        let vendor = self.vendor();
        match (told, valid_for) {
            (Ok((generation, lifetime)), _) if recovered => {
                tracing::info!(vendor, %generation, ?lifetime, "token requests succeed again");
            }
            (Ok((generation, lifetime)), _) => {
                tracing::debug!(vendor, %generation, ?lifetime, "new token");
            }
            (Err(error), Some(valid_for)) => {
                let (kind, valid_for) = (error.kind(), valid_for.as_secs());
                tracing::warn!(vendor, ?kind, %error, valid_for, "renewal failed, the cached token serves");
            }
            (Err(error), None) => {
                tracing::warn!(vendor, kind = ?error.kind(), %error, "no token");
            }
        }
    }

    /// A flight that was given up brought something after all: a good token is not thrown away.
    fn land_late(&self, mut desk: MutexGuard<'_, Desk>, landing: Landing, now: Moment) {
        let End::Token(token, age) = landing.end.clone() else {
            return;
        };
        let until = desk.state.usable_until();
        if until.is_some_and(|until| !now.reached(until)) {
            return;
        }
        let before = desk.state.clone();
        let published = self.publish(&mut desk, &token, age, &landing, now);
        desk.state.flies_as(&before);
        let waiting = desk.flight.clone().filter(|_| published.is_ok());
        self.follow(&desk.state, now);
        drop(desk);
        if let Some(flight) = waiting {
            flight.ask_again();
        }
    }

    fn fail(
        &self,
        desk: &mut Desk,
        landing: &Landing,
        error: Error,
        told: Option<Duration>,
        now: Moment,
    ) -> (Result<(Generation, Option<Duration>), Error>, Outcome) {
        let failure = match landing.end {
            End::OverQuota(_) => Failure::OwnQuota,
            _ => Failure::of(&error),
        };
        let event = Event::Failed(Failed {
            failure,
            requested: landing.requested,
            retry_after: told.or(error.retry_after()),
            told: told.is_some(),
            cut_short: failure == Failure::OwnQuota || error.kind() == ErrorKind::TimedOut,
            failing_for: landing.failing_for,
            about: landing.about,
            lockable: landing.lockable,
            jitter: Jitter(fastrand::u32(..)),
        });
        let action = desk.state.step(self.policy(), event, now);
        let error = error.named(self.vendor());
        let error = error.told_later(desk.state.next_try(now));
        desk.last_error = Some(error.clone());
        let outcome = match action {
            Action::Retry => Outcome::Abandoned,
            _ => Outcome::Error(error.clone()),
        };
        (Err(error), outcome)
    }

    fn publish(
        &self,
        desk: &mut Desk,
        token: &AccessToken,
        age: Duration,
        landing: &Landing,
        now: Moment,
    ) -> Result<(Generation, Outcome), Error> {
        let Settings {
            vendor,
            scheme,
            shards,
            ..
        } = &self.settings;
        let secret = token.secret();
        let print = Print::of(secret);
        if desk.memory.refused.contains(print) && !token.is_permanent() {
            let message = format!("{vendor}: handed out the token again that the API refused");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        // Before the machine hears of it: a token that no header can carry is a failure.
        let lines = scheme.lines(vendor, secret)?;
        let fetched = Fetched {
            sent: landing.sent,
            age,
            requested: landing.requested,
            contested: landing.contested,
            lifetime: token.lifetime(),
            hint: token.refresh_hint(),
            // The same text once more is no new token, whatever the vendor calls it.
            same: desk
                .newest
                .and_then(|(generation, newest)| (newest == print).then_some(generation)),
            jitter: Jitter(fastrand::u32(..)),
        };
        let action = desk.state.step(self.policy(), Event::Fetched(fetched), now);
        let (Action::Publish(generation) | Action::Deliver(generation)) = action else {
            return Err(self.closed());
        };
        let snapshot = Arc::new(Snapshot::new(&lines, generation, *shards));
        let delivered = matches!(action, Action::Deliver(_));
        // With a valid token nobody waits for one that is not kept.
        if !delivered || self.published.load().is_none() {
            desk.newest = Some((generation, print));
            desk.memory.current = Some(print);
        }
        if delivered {
            let message =
                format!("{vendor}: the token endpoint's tokens have expired when they come");
            desk.last_error = Some(Error::new(ErrorKind::Protocol, message));
            return Ok((generation, Outcome::Delivered(snapshot)));
        }
        desk.last_error = None;
        desk.permanent = token.is_permanent();
        if let Some(previous) = desk.state.previous_generation() {
            let published = self.published.load();
            let is_it = |snapshot: &Arc<Snapshot>| snapshot.generation() == previous;
            desk.previous = published
                .filter(is_it)
                .or(desk.previous.take().filter(is_it));
        } else {
            desk.previous = None;
        }
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

    /// A flight takes longer than it may: its runtime stands still.
    pub(crate) fn give_up(&self, flight: &Arc<Flight>) {
        self.abandon(flight);
    }

    /// Forgets that the vendor rejected the credentials.
    pub(crate) fn clear_rejections(&self) {
        let mut desk = self.desk();
        desk.state.clear_rejection();
        desk.memory.forget_rejections();
        if let Some(id) = desk.credentials {
            rejections::of_process(self.clock(), |known| known.clear(id.account()));
        }
    }

    /// Makes what is published follow the machine: gone when it holds nothing, asked about when
    /// there will be something to decide.
    fn follow(&self, state: &State, now: Moment) {
        if state.usable_until().is_none() {
            self.published.store(None);
        } else if self.published.load().is_some() {
            self.published.set_check_at(state.check_at(now));
        }
    }

    fn cached(&self) -> Answer {
        match self.published.load() {
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

    /// What the flight found: with a store, the processes count together.
    fn over_quota_of_all(&self, wait: Duration) -> Error {
        if self.store.is_none() {
            return self.over_quota(wait);
        }
        let quota = self.settings.quota.map(Quota::describe).unwrap_or_default();
        let vendor = self.vendor();
        let message =
            format!("{vendor}: the token quota of {quota} is used up by all processes together");
        Error::new(ErrorKind::Quota, message).with_retry_after(wait)
    }

    fn over_quota(&self, wait: Duration) -> Error {
        let quota = self.settings.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("{}: the token quota of {quota} is used up", self.vendor());
        Error::new(ErrorKind::Quota, message).with_retry_after(wait)
    }

    pub(crate) fn closed(&self) -> Error {
        let message = format!(
            "{}: the token request ended without a result",
            self.vendor()
        );
        Error::new(ErrorKind::Closed, message)
    }

    fn refused_too_often(&self, wait: Duration) -> Error {
        let vendor = self.vendor();
        let message = format!("{vendor}: the API refused the newest tokens");
        Error::new(ErrorKind::Refused, message).with_retry_after(wait)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // The machine is never left half-changed: its step does not panic.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// The API may not know the token yet: the refusal says nothing about the token.
    fn trust(&mut self, event: Event) {
        if let (Event::Refused { generation, .. }, Some((newest, print))) = (event, self.newest) {
            if newest == generation {
                self.memory.refused.remove(print);
            }
        }
    }

    /// Notes what an event says about the cached token, before the rules hear of it.
    fn hear(&mut self, event: Event, now: Moment) -> Event {
        let Event::Refused { generation, .. } = event else {
            return event;
        };
        let permanent = self.permanent;
        let until = self.state.usable_until();
        let valid = until.is_some_and(|until| !now.reached(until));
        if let Some((newest, print)) = self.newest {
            if newest == generation && valid && !permanent {
                self.memory.refused.add(print);
            }
        }
        Event::Refused {
            generation,
            permanent,
        }
    }

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
