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
            self.note_verdict(state, &ended.result, now);
        }
        let mut desk = self.desk();
        let is_current = desk.flies(flight);
        let order = desk
            .key
            .fly(state, is_current, &self.rules, fact, now, draw);
        drop(desk);
        if let Some(problem) = state.take_problem() {
            let vendor = self.vendor();
            tracing::warn!(vendor, problem, "going on without the token store");
        }
        order
    }

    fn note_verdict(&self, state: &FlightState, result: &Result<AccessToken, Error>, now: Moment) {
        let Some(verdict) = state.verdict(result) else {
            return;
        };
        rejections::of_process(self.clock(), |known| match (verdict, result) {
            (Verdict::Rejected { id, counted, times }, Err(error)) => {
                known.reject(id, counted, times, error, now);
            }
            (Verdict::Accepted(id), _) => known.accept(id),
            (Verdict::Rejected { .. }, Ok(_)) => {}
        });
    }

    /// Asks whether a flight whose credentials were rejected may make one more token request.
    pub(crate) fn may_try_again(&self, flight: &Arc<Flight>) -> bool {
        let now = self.precise();
        let mut desk = self.desk();
        desk.flies(flight) && desk.key.may_try_again(self.policy(), now)
    }

    /// A flight ended: publishes its token or keeps its error, then wakes who waits.
    pub(crate) fn land(&self, flight: &Arc<Flight>, landing: Landing) {
        let now = self.precise();
        let mut desk = self.desk();
        if desk.key.land_settled(self.policy(), &landing, now) {
            self.follow(&desk.key.state, now);
            return;
        }
        if !desk.flies(flight) {
            self.land_late(desk, &landing, now);
            return;
        }
        desk.flight = None;
        desk.credentials = landing.about.or(desk.credentials);
        let failed_before = desk.last_error.is_some();
        let landed = desk.key.land(
            self.policy(),
            &landing,
            Jitter(fastrand::u32(..)),
            now,
            |token| self.carry(token),
            |wait| self.over_quota_of_all(wait),
        );
        let lifetime = match &landing.end {
            End::Token(token, _) => token.lifetime(),
            _ => None,
        };
        let (told, outcome) = self.take(&mut desk, landed, now);
        let recovered = failed_before && desk.last_error.is_none();
        self.follow(&desk.key.state, now);
        let valid_for = desk.key.state.usable_until().map(|until| now.until(until));
        let valid_for = valid_for.filter(|left| !left.is_zero());
        // Whoever collects logs may be slow, panic, or want a token: no lock, and nobody waits.
        drop(desk);
        flight.resolve(outcome);
        let told = told.map(|generation| (generation, lifetime));
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

    /// A flight that was given up brought something after all.
    fn land_late(&self, mut desk: MutexGuard<'_, Desk>, landing: &Landing, now: Moment) {
        let jitter = Jitter(fastrand::u32(..));
        let carry = |token: &AccessToken| self.carry(token);
        let landed = desk
            .key
            .land_late(self.policy(), landing, jitter, now, carry);
        let Some(landed) = landed else { return };
        let (_told, _outcome) = self.take(&mut desk, landed, now);
        let waiting = desk.flight.clone();
        self.follow(&desk.key.state, now);
        drop(desk);
        if let Some(flight) = waiting {
            flight.ask_again();
        }
    }

    /// What requests carry of a token.
    fn carry(&self, token: &AccessToken) -> Result<Carried, Error> {
        Ok(Carried {
            lines: self.settings.scheme.lines(self.vendor(), token.secret())?,
            scope: token.granted_scope().map(Arc::from),
        })
    }

    /// Keeps what the machine made of a flight's result. Returns what to log, and what to tell
    /// those who wait.
    fn take(
        &self,
        desk: &mut Desk,
        landed: Landed<Carried>,
        now: Moment,
    ) -> (Result<Generation, Error>, Outcome) {
        let shards = self.settings.shards;
        match landed {
            Landed::Published(generation, carried) => {
                desk.last_error = None;
                let snapshot = Arc::new(Snapshot::new(&carried, generation, shards));
                self.replace(desk, snapshot);
                (Ok(generation), Outcome::Published)
            }
            Landed::Delivered(generation, carried) => {
                let message = "the token endpoint's tokens have expired when they come";
                let error = Error::new(ErrorKind::Protocol, message).named(self.vendor());
                desk.last_error = Some(error);
                let snapshot = Arc::new(Snapshot::new(&carried, generation, shards));
                (Ok(generation), Outcome::Delivered(snapshot))
            }
            Landed::Failed(error) => {
                let error = error.named(self.vendor());
                desk.last_error = Some(error.clone());
                (Err(error.clone()), Outcome::Error(error))
            }
            Landed::Retry(error) => {
                let error = error.named(self.vendor());
                desk.last_error = Some(error.clone());
                (Err(error), Outcome::Abandoned)
            }
            Landed::Unchanged => {
                let wait = desk.key.state.next_try(now);
                let error = match &desk.last_error {
                    Some(error) => error.told_later(wait),
                    None => self.closed(),
                };
                (Err(error.clone()), Outcome::Error(error))
            }
        }
    }

    fn replace(&self, desk: &mut Desk, snapshot: Arc<Snapshot>) {
        if let Some(previous) = desk.key.state.previous_generation() {
            let published = self.published.load();
            let is_it = |snapshot: &Arc<Snapshot>| snapshot.generation() == previous;
            desk.previous = published
                .filter(is_it)
                .or(desk.previous.take().filter(is_it));
        } else {
            desk.previous = None;
        }
        self.published.store(Some(snapshot));
    }

    /// A flight's task went away without landing.
    pub(crate) fn abandon(&self, flight: &Arc<Flight>) {
        let now = self.now();
        let mut desk = self.desk();
        if desk.flies(flight) {
            desk.flight = None;
            desk.key.abandoned(self.policy(), now);
            self.follow(&desk.key.state, now);
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
