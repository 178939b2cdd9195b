//! The driver's questions to the machine during a flight, and the flight's result.

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
        let failed_before = desk.key.memory.store_is_failing();
        let order = desk
            .key
            .fly(state, is_current, &self.rules, fact, now, draw);
        let fails = desk.key.memory.store_is_failing();
        drop(desk);
        if let Some(problem) = state.take_problem() {
            let error = Error::new(ErrorKind::Store, problem).named(self.vendor());
            self.tell_later(flight, EventKind::StoreFailed { error });
        }
        if state.take_lost_lease() {
            self.tell_later(flight, EventKind::LeaseLost);
        }
        if failed_before && !fails {
            self.tell_later(flight, EventKind::StoreRecovered);
        }
        order
    }

    /// Logs an event now, and tells the observer when no caller waits for the flight any longer.
    pub(crate) fn tell_later(&self, flight: &Flight, event: EventKind) {
        self.settings.observed.log(&event);
        flight.tell_later(event);
    }

    /// Tells the observer the events that were kept. The caller holds no lock.
    pub(crate) fn tell_now(&self, flight: &Flight) {
        for event in flight.take_events() {
            self.settings.observed.observe(|| event);
        }
        // Callers that stopped waiting before the end, if no other caller reported them.
        if let Some(event) = flight.end_waits() {
            self.tell(event);
        }
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

    /// Returns whether a flight whose credentials were rejected may send one more token request.
    pub(crate) fn may_try_again(&self, flight: &Arc<Flight>) -> bool {
        let now = self.precise();
        let mut desk = self.desk();
        desk.flies(flight) && desk.key.may_try_again(self.policy(), now)
    }

    /// Returns the scope for the token request that a flight sends now, if it is not the source's own
    /// scope.
    ///
    /// # Errors
    ///
    /// The flight was given up because its runtime stood still: another flight may have sent a token
    /// request since.
    pub(crate) fn begin_request(&self, flight: &Arc<Flight>) -> Result<Option<String>, Error> {
        let mut desk = self.desk();
        if !desk.flies(flight) {
            let error = self.closed();
            return Err(error.with_outcome(crate::TokenRequestOutcome::NotSent));
        }
        let scopes = desk.scopes.as_mut();
        Ok(scopes.and_then(|scopes| scopes.sends(flight.number)))
    }

    /// Ends a flight: publishes its token or keeps its error, then wakes the waiting callers.
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
        let before = Before {
            failing_for: desk.key.state.failing_for(now),
            refusal_back_off: desk.key.state.refusal_back_off(now),
        };
        let landed = desk.key.land(
            self.policy(),
            &landing,
            Jitter(fastrand::u32(..)),
            now,
            |token| self.carry(token),
            |wait| self.over_quota_of_all(wait),
        );
        let (result, outcome) = self.take(&mut desk, landed, now);
        match &landing.end {
            End::Token(token, _) if !landing.requested => {
                self.adopt_scope(token.granted_scope(), &mut desk.scopes);
            }
            _ => {}
        }
        match &landing.end {
            End::Token(..) if desk.last_error.is_none() => desk.last_success = Some(now),
            End::Settled | End::Unchanged => {}
            End::Failed(error) if is_about_scope(error) => {}
            _ => {
                let error = desk.last_error.clone();
                desk.last_failure = error.map(|error| Box::new((error, now)));
            }
        }
        let unused = self.follow(&desk.key.state, now);
        let mut events = self.events(&desk, &landing, result, &before, now);
        events.extend(unused.map(|generation| EventKind::TokenUnused { generation }));
        // A log subscriber may be slow, panic, or request a token. So no lock is held and no caller
        // waits here.
        drop(desk);
        flight.resolve(outcome);
        self.notify_watchers();
        self.tell_now(flight);
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// The events about a flight's end.
    fn events(
        &self,
        desk: &Desk,
        landing: &Landing,
        result: Taken,
        before: &Before,
        now: Moment,
    ) -> Vec<EventKind> {
        let state = &desk.key.state;
        let valid_for = state.usable_until().map(|until| now.until(until));
        let valid_for = valid_for.filter(|left| !left.is_zero());
        let mut events = Vec::new();
        match result {
            Taken::Token {
                generation,
                replaced,
            } => {
                let (lifetime, age) = match &landing.end {
                    End::Token(token, age) => (token.lifetime(), *age),
                    _ => (None, Duration::ZERO),
                };
                if !landing.requested {
                    events.push(EventKind::TokenAdopted { age });
                }
                if let Some(error) = desk.last_error.clone() {
                    // The token has expired on arrival, so only the callers that waited get it.
                    events.push(EventKind::NoToken { error });
                    return events;
                }
                events.push(EventKind::TokenPublished {
                    generation,
                    lifetime,
                    valid_for: valid_for.unwrap_or_default(),
                    renewal_in: state.renewal_in(now).unwrap_or_default(),
                });
                events.extend(replaced.map(|generation| EventKind::TokenUnused { generation }));
                if let Some(failing_for) = before.failing_for.filter(|_| !state.is_failing()) {
                    events.push(EventKind::Recovered {
                        generation,
                        failing_for,
                    });
                }
            }
            Taken::Failure(error) => {
                let wait = state.next_try(now);
                match valid_for {
                    Some(valid_for) => events.push(EventKind::RenewalFailed {
                        error: error.clone(),
                        valid_for,
                    }),
                    None => events.push(EventKind::NoToken {
                        error: error.clone(),
                    }),
                }
                match landing.end {
                    End::OverQuota(wait) => events.push(EventKind::QuotaUsedUp { wait }),
                    _ => events.push(EventKind::BackOff { wait, error }),
                }
            }
            Taken::Retry => {}
        }
        let wait = state.refusal_back_off(now);
        if wait > before.refusal_back_off {
            events.push(EventKind::RefusalBackOff { wait });
        }
        events
    }

    /// Handles the result of a flight that was given up.
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

    /// Makes the part of a token that signing needs.
    fn carry(&self, token: &AccessToken) -> Result<Carried, Error> {
        Ok(Carried {
            lines: self.settings.scheme.lines(self.vendor(), token.secret())?,
            scope: token.granted_scope().map(Arc::from),
            prefix: self.settings.scheme.prefix().len(),
        })
    }

    /// Keeps the machine's decision about a flight's result. Returns what to tell the observer and
    /// the waiting callers.
    fn take(&self, desk: &mut Desk, landed: Landed<Carried>, now: Moment) -> (Taken, Outcome) {
        let shards = self.shards();
        let until = desk.key.state.usable_until().unwrap_or(now);
        match landed {
            Landed::Published(generation, carried) => {
                desk.last_error = None;
                let snapshot = Arc::new(Snapshot::new(carried, generation, until, shards));
                let replaced = self.replace(desk, snapshot);
                let taken = Taken::Token {
                    generation,
                    replaced,
                };
                (taken, Outcome::Published)
            }
            Landed::Delivered(generation, carried) => {
                let message = "the tokens of the token endpoint have expired when they arrive; check the lifetime that the vendor sets";
                let error = Error::new(ErrorKind::Protocol, message).named(self.vendor());
                desk.last_error = Some(error);
                let snapshot = Arc::new(Snapshot::new(carried, generation, until, shards));
                let taken = Taken::Token {
                    generation,
                    replaced: None,
                };
                (taken, Outcome::Delivered(snapshot))
            }
            Landed::Failed(error) => {
                let error = error.named(self.vendor());
                desk.last_error = Some(error.clone());
                (Taken::Failure(error.clone()), Outcome::Error(error))
            }
            // The usual scope, which is requested next, was not rejected.
            Landed::Retry(error) if is_about_scope(&error) => (Taken::Retry, Outcome::Abandoned),
            Landed::Retry(error) => {
                desk.last_error = Some(error.named(self.vendor()));
                (Taken::Retry, Outcome::Abandoned)
            }
            Landed::Unchanged => {
                let wait = desk.key.state.next_try(now);
                let error = match &desk.last_error {
                    Some(error) => error.told_later(wait),
                    None => self.closed(),
                };
                (Taken::Failure(error.clone()), Outcome::Error(error))
            }
        }
    }

    /// Publishes a token. Returns the number of the replaced one if no caller used it.
    fn replace(&self, desk: &mut Desk, snapshot: Arc<Snapshot>) -> Option<Generation> {
        let replaced = self.unused();
        if let Some(previous) = desk.key.state.previous_generation() {
            let published = self.published.load();
            let is_it = |snapshot: &Arc<Snapshot>| snapshot.generation() == previous;
            desk.previous = published
                .filter(is_it)
                .or(desk.previous.take().filter(is_it));
        } else {
            desk.previous = None;
        }
        let replaced = replaced.filter(|replaced| *replaced != snapshot.generation());
        self.published.store(Some(snapshot));
        replaced
    }

    /// Handles a flight whose task ended without landing.
    pub(crate) fn abandon(&self, flight: &Arc<Flight>) {
        let now = self.now();
        let mut desk = self.desk();
        if desk.flies(flight) {
            desk.flight = None;
            desk.key.abandoned(self.policy(), now);
            self.follow(&desk.key.state, now);
            drop(desk);
            flight.resolve(Outcome::Abandoned);
            self.notify_watchers();
        }
        self.tell_now(flight);
    }

    /// Gives up a flight that takes longer than it may: its runtime stands still.
    pub(crate) fn give_up(&self, flight: &Arc<Flight>) {
        self.abandon(flight);
    }
}

/// Whether the vendor rejected a scope that is requested only because the API requires it.
fn is_about_scope(error: &Error) -> bool {
    error.rejected_part() == Some(RejectedPart::Scope)
}

/// The machine's state before a flight ended.
struct Before {
    failing_for: Option<Duration>,
    refusal_back_off: Duration,
}

/// What was done with a flight's result.
enum Taken {
    Token {
        generation: Generation,
        /// The replaced token, if no caller used it.
        replaced: Option<Generation>,
    },
    Failure(Error),
    /// The waiting callers ask again.
    Retry,
}

impl Desk {
    /// Returns whether this flight is the current one. A late flight was given up.
    fn flies(&self, flight: &Arc<Flight>) -> bool {
        self.flight
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, flight))
    }
}
