//! The callers' questions to the machine, and the answers.

use std::{
    sync::{Arc, MutexGuard},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    driver,
    flight::{Flight, Outcome},
    shared_state::{Desk, SharedState},
};
use crate::{
    Error, ErrorKind, Generation, Moment, Token, TokenRequestLimit,
    machine::serving::{Action, Event, Start},
    observer::EventKind,
};

/// The answer to a caller.
pub(crate) enum Answer {
    Token(Token),
    /// Answer to a refusal: the API may not know the token yet. Send it once more after this time.
    SendAgain(Token, Duration),
    Wait(Arc<Flight>),
    /// Answer to a refusal: return the API's answer. The token stays cached.
    RefusalBackOff,
    Error(Error),
}

/// The result of asking for more scope.
pub(crate) enum Widening {
    Granted(Token),
    /// The answer of a renewal.
    Answer(Answer),
}

impl SharedState {
    /// Returns the cached token if it is valid. Starts nothing.
    pub(crate) fn valid_token(&self) -> Option<Token> {
        let now = self.now();
        let desk = self.desk();
        let generation = desk.key.state.serves(now)?;
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

    /// Reports a refusal, and asks for another token than the refused one.
    pub(crate) fn refused(self: &Arc<Self>, generation: Generation) -> Answer {
        self.ask(Event::Refused {
            generation,
            permanent: false,
        })
    }

    /// Asks for a token that stays valid for at least `min`.
    pub(crate) fn prolong(self: &Arc<Self>, min: Duration) -> Answer {
        let now = self.now();
        let until = self.desk().key.state.usable_until();
        if until.is_some_and(|until| now.until(until) >= min) {
            self.demand()
        } else {
            self.ask(Event::Prolong)
        }
    }

    /// Asks for a new token in place of the cached one.
    pub(crate) fn renew(self: &Arc<Self>) -> Answer {
        self.ask(Event::Renew)
    }

    pub(crate) fn accepted(&self, generation: Generation) {
        let now = self.now();
        let mut desk = self.desk();
        let is_first = desk.key.state.is_unaccepted(generation);
        desk.key.accepted(self.policy(), generation, now);
        if desk.key.state.previous_generation().is_none() {
            desk.previous = None;
        }
        self.follow(&desk.key.state, now);
        drop(desk);
        if is_first {
            self.tell(EventKind::TokenAccepted { generation });
        }
    }

    pub(super) fn ask(self: &Arc<Self>, event: Event) -> Answer {
        let now = self.now();
        self.ask_at(self.desk(), event, now)
    }

    /// For callers that decided about the event with the desk locked.
    pub(super) fn ask_at(
        self: &Arc<Self>,
        mut desk: MutexGuard<'_, Desk>,
        event: Event,
        now: Moment,
    ) -> Answer {
        let runtime = Handle::try_current();
        let Ok(runtime) = runtime else {
            return self.ask_without_runtime(&desk, event, now);
        };
        let stalled = desk.flight.take_if(|flight| flight.is_overdue(now));
        if stalled.is_some() {
            desk.key.abandoned(self.policy(), now);
        }
        let action = desk.key.ask(self.policy(), event, now);
        let unused = self.follow(&desk.key.state, now);
        let (mut start, mut hurried) = (None, None);
        let mut used_up = None;
        let answer = match action {
            Action::Serve => self.cached(),
            Action::ServePrevious => match desk.key.state.serves(now) {
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
            Action::ServeAndSettle(order) => {
                let flight = self.flight(&mut desk, order, &runtime, now);
                start = Some((flight, order));
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
            Action::RefusalBackOff => Answer::RefusalBackOff,
            Action::OverQuota { wait } => {
                if now.waited_for(desk.quota_told) {
                    desk.quota_told = now + wait;
                    used_up = Some(EventKind::QuotaUsedUp { wait });
                }
                Answer::Error(self.over_quota(wait))
            }
            Action::Fail { wait } => Answer::Error(match &desk.last_error {
                Some(error) => error.told_later(wait),
                None => self.refused_too_often(wait),
            }),
            // Only landings have these actions.
            Action::Nothing
            | Action::Publish(_)
            | Action::Deliver(_)
            | Action::Report
            | Action::Retry
            | Action::Again => self.cached(),
        };
        let rejection = if start.is_some() && desk.key.state.is_rejected() {
            desk.last_error.clone()
        } else {
            None
        };
        // No runtime, waker or observer is called while the lock is held.
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
        let unused = unused.map(|generation| EventKind::TokenUnused { generation });
        let probe = rejection.map(|error| EventKind::Probe { error });
        let events = unused.into_iter().chain(used_up).chain(probe);
        events.for_each(|event| self.tell(event));
        answer
    }

    /// Answers outside a tokio runtime, where nothing can start: with the cached token if it is
    /// valid.
    fn ask_without_runtime(&self, desk: &Desk, event: Event, now: Moment) -> Answer {
        let until = desk.key.state.usable_until();
        let valid = until.is_some_and(|until| !now.reached(until));
        let is_refused = |held: Generation| matches!(event, Event::Refused { generation, .. } if generation == held);
        match self.published.load() {
            Some(held) if valid && !is_refused(held.generation()) => {
                return Answer::Token(held.token());
            }
            _ => {}
        }
        let message = "no tokio runtime; request the token inside one";
        Answer::Error(Error::new(ErrorKind::Config, message).named(self.vendor()))
    }

    /// Makes a flight for waiting callers.
    fn board(&self, desk: &mut Desk, start: Start, runtime: &Handle, now: Moment) -> Arc<Flight> {
        let flight = self.flight(desk, start, runtime, now);
        desk.flight = Some(Arc::clone(&flight));
        flight
    }

    fn flight(&self, desk: &mut Desk, start: Start, runtime: &Handle, now: Moment) -> Arc<Flight> {
        let limit = self.settings.limit.as_deref();
        let queued = limit.map_or(Duration::ZERO, TokenRequestLimit::longest_wait);
        let longest = self.rules.longest().saturating_mul(2);
        let overdue = now + start.after + longest.saturating_add(queued);
        desk.flights += 1;
        let flight = Flight::new(desk.flights, start.reason, overdue, runtime.id());
        Arc::new(flight)
    }

    pub(super) fn cached(&self) -> Answer {
        match self.published.load() {
            Some(snapshot) => Answer::Token(snapshot.token()),
            None => Answer::Error(self.closed()),
        }
    }
}
