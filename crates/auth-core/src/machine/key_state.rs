//! What one process knows of a key, and how the events of callers and flights change it. The shared
//! state calls this under its lock, the explorer without a lock. No await, lock, clock or
//! randomness.

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
    /// The token that callers got last. It may have expired, and a refusal of it may come late.
    newest: Option<(Generation, Print)>,
    /// Whether the cached credential does not expire and is read instead of issued.
    permanent: bool,
}

/// What was done with a flight's result.
#[derive(Debug)]
pub(crate) enum Landed<T> {
    /// The token replaces all others except [`State::previous_generation`].
    Published(Generation, T),
    /// The token is for the waiting callers and is not cached.
    Delivered(Generation, T),
    Failed(Error),
    /// The waiting callers have to ask again. The error is for the log.
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

    /// Makes the state of a key from what an earlier authenticator left behind.
    pub(crate) fn restored(state: State, memory: Memory) -> Self {
        Self {
            state,
            memory,
            newest: None,
            permanent: false,
        }
    }

    // --- callers ---

    /// Answers a caller that asks for a token or reports a refusal.
    pub(crate) fn ask(&mut self, policy: &RefreshPolicy, event: Event, now: Moment) -> Action {
        let event = self.hear(event, now);
        let action = self.state.step(policy, event, now);
        let is_young = action == Action::RefusalBackOff && self.state.is_young(now);
        if is_young || matches!(action, Action::ServePrevious | Action::SendAgain { .. }) {
            self.trust(event);
        }
        action
    }

    /// Records what an event says about the cached token, before the rules handle the event.
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

    /// Forgets a refusal of a token that the API may not know yet, because it proves nothing.
    fn trust(&mut self, event: Event) {
        if let Event::Refused { generation, .. } = event {
            self.forget_refusal(generation);
        }
    }

    /// Records that the API accepted a token.
    pub(crate) fn accepted(&mut self, policy: &RefreshPolicy, generation: Generation, now: Moment) {
        self.forget_refusal(generation);
        self.state.step(policy, Event::Accepted(generation), now);
    }

    /// Drops the cached token, which is never taken from a store again.
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

    /// Executes one step of a flight. A flight that was given up is not the current one.
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

    /// Returns whether a flight whose credentials were rejected may send one more token request.
    pub(crate) fn may_try_again(&mut self, policy: &RefreshPolicy, now: Moment) -> bool {
        self.state.step(policy, Event::CredentialsChanged, now) == Action::Again
    }

    /// Records that the flight ended without a result.
    pub(crate) fn abandoned(&mut self, policy: &RefreshPolicy, now: Moment) {
        self.state.step(policy, Event::Abandoned, now);
    }

    /// Handles the end of a flight. `carry` makes the part of a token that signing needs. It fails
    /// if no header can carry the token.
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
            // No caller waits for such a flight.
            End::Settled => return Landed::Unchanged,
        };
        self.fail(policy, landing, error, told, jitter, now)
    }

    /// Handles the end of a flight that wrote missing facts into the store. Returns whether it was
    /// one.
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

    /// Handles the late end of a flight that was given up. A valid token is used.
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
            row: landing.row,
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
            let message = "returned the token again that the API refused; retry later or revoke the token at the vendor";
            return Err(Error::new(ErrorKind::Refused, message));
        }
        // Before the rules: a token that no header can carry is a failure.
        let carried = carry(token)?;
        let fetched = Fetched {
            sent: landing.sent,
            age,
            requested: landing.requested,
            contested: landing.contested,
            lifetime: token.lifetime(),
            hint: token.refresh_hint(),
            // The same text is not a new token, with any lifetime.
            same: self
                .newest
                .and_then(|(generation, newest)| (newest == print).then_some(generation)),
            jitter,
        };
        // While a valid token is cached, no caller waits for a token that is not cached.
        let is_awaited = self.state.usable_until().is_none();
        match self.state.step(policy, Event::Fetched(fetched), now) {
            Action::Publish(generation) => {
                self.note_published(generation, print);
                self.permanent = token.is_permanent();
                Ok(Landed::Published(generation, carried))
            }
            Action::Deliver(generation) => {
                if is_awaited {
                    self.note_published(generation, print);
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

    fn note_published(&mut self, generation: Generation, print: Print) {
        self.newest = Some((generation, print));
        self.memory.current = Some(print);
    }
}

#[cfg(test)]
mod tests;
