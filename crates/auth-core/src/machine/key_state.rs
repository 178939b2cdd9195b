//! What one process knows of a key, and what callers and flights make of it. The shared state calls
//! this under its lock, and the explorer without one. No await, no lock, no clock, no randomness.

use std::time::Duration;

use super::{
    backoff::Failure,
    flight::Flight,
    memory::Memory,
    orders::{Draw, End, Fact, Landing, Order, Rules},
    prints::Print,
    serving::{Action, Event, Failed, Fetched, State},
};
use crate::{
    AccessToken, Error, ErrorKind, Generation, Moment, Quota, RefreshPolicy, policy::Jitter,
};

/// What one process knows of a key.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct KeyState {
    pub(crate) state: State,
    pub(crate) memory: Memory,
    /// The token that was handed out last; it may have expired, and a refusal of it come late.
    newest: Option<(Generation, Print)>,
    /// The cached credential does not expire, and is read rather than issued.
    permanent: bool,
}

/// What became of a flight's result.
#[derive(Debug)]
pub(crate) enum Landed<T> {
    /// The token takes the place of all others, except of [`State::previous_generation`].
    Published(Generation, T),
    /// The token is for those who wait, and for nobody else.
    Delivered(Generation, T),
    Failed(Error),
    /// Those who wait have to ask again. The error is for the log.
    Retry(Error),
    /// The rejected credentials have not changed: the last failure stands.
    Unchanged,
}

/// A flight that ended with a token.
struct Arrived<'a> {
    token: &'a AccessToken,
    age: Duration,
    landing: &'a Landing,
}

impl KeyState {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self::restored(State::new(quota), Memory::new(quota))
    }

    /// What an earlier authenticator of the same key left behind.
    pub(crate) fn restored(state: State, memory: Memory) -> Self {
        Self {
            state,
            memory,
            newest: None,
            permanent: false,
        }
    }

    // --- callers ---

    /// A caller asks for a token, or reports a refusal.
    pub(crate) fn ask(&mut self, policy: &RefreshPolicy, event: Event, now: Moment) -> Action {
        let event = self.hear(event, now);
        let action = self.state.step(policy, event, now);
        let is_young = action == Action::RefusalBackOff && self.state.is_young(now);
        if is_young || matches!(action, Action::ServePrevious | Action::SendAgain { .. }) {
            self.trust(event);
        }
        action
    }

    /// Notes what an event says about the cached token, before the rules hear of it.
    fn hear(&mut self, event: Event, now: Moment) -> Event {
        let Event::Refused { generation, .. } = event else {
            return event;
        };
        let permanent = self.permanent;
        if let Some((newest, print)) = self.newest {
            if newest == generation && self.is_valid(now) && !permanent {
                self.memory.refused.add(print);
            }
        }
        Event::Refused {
            generation,
            permanent,
        }
    }

    /// The API may not know the token yet: the refusal says nothing about the token.
    fn trust(&mut self, event: Event) {
        if let Event::Refused { generation, .. } = event {
            self.forget_refusal(generation);
        }
    }

    /// The API accepted a token.
    pub(crate) fn accepted(&mut self, policy: &RefreshPolicy, generation: Generation, now: Moment) {
        self.forget_refusal(generation);
        self.state.step(policy, Event::Accepted(generation), now);
    }

    /// The cached token is dropped, and never taken again from a store.
    pub(crate) fn invalidate(&mut self, policy: &RefreshPolicy, now: Moment) {
        if let Some((_, print)) = self.newest.filter(|_| !self.permanent) {
            self.memory.refused.add(print);
        }
        self.state.step(policy, Event::Invalidated, now);
    }

    fn forget_refusal(&mut self, generation: Generation) {
        if let Some((newest, print)) = self.newest {
            if newest == generation {
                self.memory.refused.remove(print);
            }
        }
    }

    fn is_valid(&self, now: Moment) -> bool {
        let until = self.state.usable_until();
        until.is_some_and(|until| !now.reached(until))
    }

    // --- flights ---

    /// One step of a flight. A flight that was given up is not the current one.
    pub(crate) fn fly(
        &mut self,
        flight: &mut Flight,
        is_current: bool,
        rules: &Rules,
        fact: Fact,
        now: Moment,
        draw: Draw,
    ) -> Order {
        if is_current && self.state.is_urgent() {
            flight.hurry();
        }
        flight.step(rules, &mut self.memory, fact, now, draw)
    }

    /// Whether a flight whose credentials were rejected may make one more token request.
    pub(crate) fn may_try_again(&mut self, policy: &RefreshPolicy, now: Moment) -> bool {
        self.state.step(policy, Event::CredentialsChanged, now) == Action::Again
    }

    /// The flight went away without a result.
    pub(crate) fn abandoned(&mut self, policy: &RefreshPolicy, now: Moment) {
        self.state.step(policy, Event::Abandoned, now);
    }

    /// A flight ended. `carry` makes of a token what requests carry, and fails if they cannot.
    pub(crate) fn land<T>(
        &mut self,
        policy: &RefreshPolicy,
        landing: &Landing,
        jitter: Jitter,
        now: Moment,
        carry: impl FnOnce(&AccessToken) -> Result<T, Error>,
        over_quota: impl FnOnce(Duration) -> Error,
    ) -> Landed<T> {
        self.state.settle_at(landing.settle_at);
        let (error, told) = match &landing.end {
            End::Token(token, age) => {
                let arrived = Arrived {
                    token,
                    age: *age,
                    landing,
                };
                match self.publish(policy, arrived, jitter, now, carry) {
                    Ok(landed) => return landed,
                    Err(error) => (error, None),
                }
            }
            End::Failed(error) => (error.clone(), None),
            End::Told(error, wait) => (error.clone(), Some(*wait)),
            End::OverQuota(wait) => (over_quota(*wait), None),
            End::Unchanged => {
                self.state.unchanged();
                return Landed::Unchanged;
            }
            // Nobody waits for such a flight.
            End::Settled => return Landed::Unchanged,
        };
        self.fail(policy, landing, error, told, jitter, now)
    }

    /// A flight ended that told the store what the store did not know. Tells whether it was one.
    pub(crate) fn land_settled(
        &mut self,
        policy: &RefreshPolicy,
        landing: &Landing,
        now: Moment,
    ) -> bool {
        let settled = matches!(landing.end, End::Settled);
        if settled {
            let event = Event::Settled(landing.settle_at);
            self.state.step(policy, event, now);
        }
        settled
    }

    /// A flight that was given up ended after all: a good token is not thrown away.
    pub(crate) fn land_late<T>(
        &mut self,
        policy: &RefreshPolicy,
        landing: &Landing,
        jitter: Jitter,
        now: Moment,
        carry: impl FnOnce(&AccessToken) -> Result<T, Error>,
    ) -> Option<Landed<T>> {
        let End::Token(token, age) = &landing.end else {
            return None;
        };
        if self.is_valid(now) {
            return None;
        }
        let before = self.state.clone();
        let arrived = Arrived {
            token,
            age: *age,
            landing,
        };
        let landed = self.publish(policy, arrived, jitter, now, carry);
        self.state.flies_as(&before);
        landed.ok()
    }

    fn fail<T>(
        &mut self,
        policy: &RefreshPolicy,
        landing: &Landing,
        error: Error,
        told: Option<Duration>,
        jitter: Jitter,
        now: Moment,
    ) -> Landed<T> {
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
            silent: landing.silent,
            failing_for: landing.failing_for,
            about: landing.about,
            lockable: landing.lockable,
            jitter,
        });
        let action = self.state.step(policy, event, now);
        let error = error.told_later(self.state.next_try(now));
        match action {
            Action::Retry => Landed::Retry(error),
            _ => Landed::Failed(error),
        }
    }

    fn publish<T>(
        &mut self,
        policy: &RefreshPolicy,
        arrived: Arrived<'_>,
        jitter: Jitter,
        now: Moment,
        carry: impl FnOnce(&AccessToken) -> Result<T, Error>,
    ) -> Result<Landed<T>, Error> {
        let Arrived {
            token,
            age,
            landing,
        } = arrived;
        let secret = token.secret();
        let print = Print::of(secret);
        if self.memory.refused.contains(print) && !token.is_permanent() {
            let message = "handed out the token again that the API refused";
            return Err(Error::new(ErrorKind::Refused, message));
        }
        // Before the machine hears of it: a token that no header can carry is a failure.
        let carried = carry(token)?;
        let fetched = Fetched {
            sent: landing.sent,
            age,
            requested: landing.requested,
            contested: landing.contested,
            lifetime: token.lifetime(),
            hint: token.refresh_hint(),
            // The same text once more is no new token, whatever the vendor calls it.
            same: self
                .newest
                .and_then(|(generation, newest)| (newest == print).then_some(generation)),
            jitter,
        };
        // With a valid token nobody waits for one that is not kept.
        let is_awaited = self.state.usable_until().is_none();
        match self.state.step(policy, Event::Fetched(fetched), now) {
            Action::Publish(generation) => {
                self.hand_out(generation, print);
                self.permanent = token.is_permanent();
                Ok(Landed::Published(generation, carried))
            }
            Action::Deliver(generation) => {
                if is_awaited {
                    self.hand_out(generation, print);
                }
                Ok(Landed::Delivered(generation, carried))
            }
            _ => {
                let message =
                    "the token request ended without a result; its runtime may have shut down";
                Err(Error::new(ErrorKind::Closed, message))
            }
        }
    }

    fn hand_out(&mut self, generation: Generation, print: Print) {
        self.newest = Some((generation, print));
        self.memory.current = Some(print);
    }
}
