//! What a flight asks of the machine, and what becomes of its result.

use super::*;

impl SharedState {
    /// One step of a flight.
    pub(crate) fn step(&self, flight: &Arc<Flight>, state: &mut FlightState, fact: Fact) -> Order {
        let now = self.precise();
        let draw = Draw {
            jitter: Jitter(fastrand::u32(..)),
            number: fastrand::u64(..),
        };
        if let Fact::Ended(ended) = &fact {
            if let Some((id, rejected)) = state.judged(&ended.result) {
                rejections::of_process(self.clock(), |known| match (&ended.result, rejected) {
                    (Err(error), Some(counted)) => {
                        known.reject(id, counted, error, now);
                        if state.is_without_store() {
                            known.reject(id, counted, error, now);
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
        let snapshot = Arc::new(Snapshot::new(
            &lines,
            generation,
            token.granted_scope(),
            *shards,
        ));
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
            let published = self.published.load_full();
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
}

impl Desk {
    /// Tells whether this is the flight under way; a late one has been given up.
    fn flies(&self, flight: &Arc<Flight>) -> bool {
        self.flight
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, flight))
    }
}
