//! The rules for callers: which callers get the cached token, which wait, which start a token
//! request, and which get an error. No await, lock, clock or randomness.

use std::time::Duration;

use super::seldom::Seldom;
use crate::{
    CredentialsId, Generation, Moment, Quota, RefreshPolicy, TokenRequestReason,
    limits::quota::{Ledger, Slots},
};

mod doubt;
mod event;
mod gate;
mod landing;
mod trial;

use doubt::{Doubt, Refusals};
pub(crate) use event::{Action, Event, Failed, Fetched, Start};
use gate::{Gate, GateKind, Rejection};
use landing::Failing;
use trial::{Previous, Trial, rests};

/// Everything that determines a caller's answer, for one key in one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The number of the newest token.
    last: Option<Generation>,
    held: Option<Held>,
    /// The token before the cached one, while the cached one is on trial.
    previous: Option<Previous>,
    /// The number of tokens in a row that the API refused while they were on trial.
    unproven: u8,
    /// Whether callers report which tokens the API accepts.
    is_reported_to: bool,
    flight: Option<UnderWay>,
    gate: Option<Gate>,
    /// The rejection that closed the gate. Boxed because it is rare and large.
    rejection: Option<Box<Rejection>>,
    failing: Option<Failing>,
    refusals: Seldom<Refusals>,
    ledger: Ledger,
    /// The time since which callers wait for a token.
    waits_since: Option<Moment>,
    /// The number of token requests in a row that had no answer in time.
    silent: u8,
    /// When missing facts are written into the store.
    settle_at: Option<Moment>,
}

/// The cached token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    generation: Generation,
    lifetime: Duration,
    refresh_at: Moment,
    usable_until: Moment,
    doubt: Option<Doubt>,
    /// Set while the API has not accepted the token yet, and so may not know it.
    trial: Option<Trial>,
}

/// A token request in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    reason: TokenRequestReason,
    since: Moment,
    /// Whether a caller joined that needs more than a renewal ahead of expiry.
    urgent: bool,
    /// Whether the deadline leaves time for one more token request while callers wait.
    is_cut: bool,
}

impl State {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self {
            last: None,
            held: None,
            previous: None,
            unproven: 0,
            is_reported_to: false,
            flight: None,
            gate: None,
            rejection: None,
            failing: None,
            refusals: Seldom::default(),
            ledger: Ledger::new(quota),
            waits_since: None,
            silent: 0,
            settle_at: None,
        }
    }

    /// The transition function.
    pub(crate) fn step(&mut self, policy: &RefreshPolicy, event: Event, now: Moment) -> Action {
        match event {
            Event::Demand => self.demand(policy, now),
            Event::Refused {
                generation,
                permanent,
            } => self.refused(policy, generation, permanent, now),
            Event::Prolong => self.prolong(policy, now),
            Event::Renew => self.renew(policy, now),
            Event::Invalidated => {
                self.held = None;
                self.previous = None;
                Action::Nothing
            }
            Event::Accepted(generation) => self.accepted(policy, generation),
            Event::Fetched(fetched) => self.fetched(policy, fetched, now),
            Event::Failed(failed) => self.failed(policy, failed, now),
            Event::CredentialsChanged => self.credentials_changed(now),
            Event::Abandoned => {
                self.ledger.close(now, None);
                self.flight = None;
                self.waits_since = None;
                // The token request may have been sent.
                self.close_gate(now + policy.floor(Duration::ZERO), GateKind::Floor, None);
                Action::Nothing
            }
            Event::Settled(settle_at) => {
                self.settle_at = settle_at;
                Action::Nothing
            }
        }
    }

    /// Returns the earliest moment at which a caller with the cached token has to ask again.
    pub(crate) fn check_at(&self, now: Moment) -> Moment {
        let Some(held) = self.held else {
            return Moment::PAST;
        };
        let on_trial = held.trial.is_some() && self.is_reported_to;
        if held.doubt.is_some() || on_trial && self.is_on_trial(held, now) {
            return Moment::PAST;
        }
        if self.flight.is_some() {
            return held.usable_until;
        }
        let gate = self.gate.map_or(Moment::PAST, |gate| gate.until);
        let slot = self.ledger.free_at(Slots::ButReserve);
        // The wall clock ends no wait, so a jump of the wall clock makes no caller ask without
        // need.
        let wait = gate.later(slot).by_monotonic();
        let due = now.reached(held.refresh_at) || wait.waited_for(held.refresh_at);
        let ahead = if due { wait } else { held.refresh_at };
        let settle = self.settle_at.unwrap_or(Moment::NEVER).by_monotonic();
        ahead.earlier(settle).earlier(held.usable_until)
    }

    /// Returns the time until which the cached token may be sent.
    pub(crate) fn usable_until(&self) -> Option<Moment> {
        self.held.map(|held| held.usable_until)
    }

    /// Returns whether the flight has become more urgent than a renewal ahead of expiry.
    pub(crate) fn is_urgent(&self) -> bool {
        self.flight.is_some_and(|flight| flight.urgent)
    }

    fn valid(&self, now: Moment) -> Option<Held> {
        self.held.filter(|held| !now.reached(held.usable_until))
    }

    /// Returns the generation of the token that requests are signed with now.
    pub(crate) fn serves(&self, now: Moment) -> Option<Generation> {
        let held = self.valid(now)?;
        let previous = self.previous(now).filter(|_| rests(held, now));
        Some(previous.map_or(held.generation, |previous| previous.generation))
    }

    /// Returns how long token requests have been failing, if the last one failed.
    pub(crate) fn failing_for(&self, now: Moment) -> Option<Duration> {
        self.failing.map(|failing| now.wait_since(failing.since))
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Returns whether the authorization server rejected the last token request.
    pub(crate) fn is_rejected(&self) -> bool {
        let failing = self.failing.as_ref();
        failing.is_some_and(|failing| failing.last.is_rejection())
    }

    /// Returns how long refusals start no token request.
    pub(crate) fn refusal_back_off(&self, now: Moment) -> Duration {
        now.wait_until(self.refusals.until)
    }

    /// Returns the time until the renewal ahead of expiry is due.
    pub(crate) fn renewal_in(&self, now: Moment) -> Option<Duration> {
        self.held.map(|held| now.until(held.refresh_at))
    }

    /// Returns whether no caller has reported yet that the API accepts this token.
    pub(crate) fn is_unaccepted(&self, generation: Generation) -> bool {
        let held = self.held.filter(|held| held.generation == generation);
        held.is_some_and(|held| held.trial.is_some())
    }

    /// Returns the slots of the quota.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn previous_generation(&self) -> Option<Generation> {
        self.previous.map(|previous| previous.generation)
    }

    fn demand(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        let Some(held) = self.valid(now) else {
            self.held = None;
            self.previous = None;
            return self.need(policy, now);
        };
        if rests(held, now) && self.previous(now).is_some() {
            return Action::ServePrevious;
        }
        if held.doubt.is_some() && self.is_replacing(now) {
            return Action::Wait;
        }
        if now.reached(held.refresh_at) {
            let action = self.ahead(policy, now);
            if action != Action::Serve {
                return action;
            }
        }
        self.settle(policy, now)
    }

    /// Serves the cached token, and starts a flight that writes missing facts into the store.
    fn settle(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        let is_due = self.settle_at.is_some_and(|at| now.waited_for(at));
        if !is_due {
            return Action::Serve;
        }
        self.settle_at = None;
        Action::ServeAndSettle(Start {
            reason: TokenRequestReason::Ahead,
            after: Duration::ZERO,
            deadline: policy.token_request_deadline(),
            beyond: Duration::ZERO,
            unless: None,
            settles: true,
        })
    }

    /// Sets when missing facts are written into the store, if there are any.
    pub(crate) fn settle_at(&mut self, settle_at: Option<Moment>) {
        self.settle_at = settle_at;
    }

    /// Decides for a caller while no valid token is cached.
    fn need(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        let action = self.wait_or_fly(policy, now);
        match action {
            Action::Wait | Action::Fly(_) => {}
            _ => self.waits_since = None,
        }
        action
    }

    fn wait_or_fly(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        self.waits_since.get_or_insert(now);
        if let Some(flight) = &mut self.flight {
            flight.urgent = true;
            return Action::Wait;
        }
        let (mut after, mut unless) = (Duration::ZERO, None);
        if let Some(gate) = self.closed_gate(now) {
            match gate.kind {
                GateKind::Floor => after = now.wait_until(gate.until),
                GateKind::BackOff if self.may_look(now) => unless = self.rejected(),
                GateKind::BackOff => {
                    return Action::Fail {
                        wait: now.wait_until(gate.until),
                    };
                }
            }
        }
        // An API that refuses every token must not use up the quota's reserve.
        let (reason, slots) = if self.refusals.pending && self.repeats(now) {
            (TokenRequestReason::Refused, Slots::Doubtful)
        } else {
            (TokenRequestReason::Needed, Slots::All)
        };
        if reason == TokenRequestReason::Refused && !now.waited_for(self.refusals.until) {
            return Action::Fail {
                wait: now.wait_until(self.refusals.until),
            };
        }
        match self.ledger.take(slots, now) {
            Err(wait) => Action::OverQuota { wait },
            Ok(()) => self.fly(policy, reason, after, unless, now),
        }
    }

    fn fly(
        &mut self,
        policy: &RefreshPolicy,
        reason: TokenRequestReason,
        after: Duration,
        unless: Option<CredentialsId>,
        now: Moment,
    ) -> Action {
        let (deadline, is_cut) = self.deadline(policy, reason, now);
        self.flight = Some(UnderWay {
            reason,
            since: now + after,
            urgent: reason != TokenRequestReason::Ahead,
            is_cut,
        });
        let start = Start {
            reason,
            after,
            deadline,
            beyond: match reason {
                TokenRequestReason::Ahead => self
                    .valid(now)
                    .map_or(Duration::ZERO, |held| now.until(held.usable_until)),
                _ => Duration::ZERO,
            },
            unless,
            settles: false,
        };
        Action::Fly(start)
    }

    /// Returns how long a token request may take, and whether that leaves time for one more while
    /// callers wait.
    ///
    /// A renewal ahead of expiry takes at most half of the token's remaining time. After a token
    /// request without an answer, each of the next ones takes a quarter of the usual time, and the
    /// last one takes the rest, so that callers wait no longer than for one token request.
    fn deadline(
        &self,
        policy: &RefreshPolicy,
        reason: TokenRequestReason,
        now: Moment,
    ) -> (Duration, bool) {
        let longest = policy.token_request_deadline();
        match self.valid(now) {
            Some(held) if reason == TokenRequestReason::Ahead => {
                return (longest.min(now.until(held.usable_until) / 2), true);
            }
            _ => {}
        }
        if self.silent == 0 {
            return (longest, false);
        }
        let waited = self
            .waits_since
            .map_or(Duration::ZERO, |since| now.wait_since(since));
        let left = longest.saturating_sub(waited);
        if left > longest / 2 {
            (longest / 4, true)
        } else {
            (left.max(longest / 4), false)
        }
    }

    /// Serves the cached token, and starts one token request in the background.
    fn ahead(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        let idle = self.flight.is_none() && self.closed_gate(now).is_none();
        if idle && self.ledger.take(Slots::ButReserve, now).is_ok() {
            let action = self.fly(policy, TokenRequestReason::Ahead, Duration::ZERO, None, now);
            if let Action::Fly(start) = action {
                return Action::ServeAndFly(start);
            }
        }
        Action::Serve
    }

    /// Starts a renewal ahead of expiry and makes the caller wait. If no renewal may start now,
    /// serves the cached token.
    fn prolong(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        if self.valid(now).is_none() {
            return self.demand(policy, now);
        }
        if self.flight.is_some() {
            return Action::Wait;
        }
        match self.ahead(policy, now) {
            Action::ServeAndFly(start) => Action::Fly(start),
            action => action,
        }
    }

    /// Starts a renewal now and makes the caller wait, also for the shortest interval between two
    /// token requests. During a back-off or without a free slot, the caller gets the error.
    fn renew(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        if self.valid(now).is_none() {
            return self.demand(policy, now);
        }
        if let Some(flight) = &mut self.flight {
            flight.urgent = true;
            return Action::Wait;
        }
        let refusals = now.wait_until(self.refusals.until);
        let gate = self.closed_gate(now);
        let backs_off = gate.filter(|gate| gate.kind == GateKind::BackOff);
        let wait = backs_off.map_or(refusals, |gate| now.wait_until(gate.until).max(refusals));
        if !wait.is_zero() {
            return Action::Fail { wait };
        }
        if let Err(wait) = self.ledger.take(Slots::ButReserve, now) {
            return Action::OverQuota { wait };
        }
        let after = gate.map_or(Duration::ZERO, |gate| now.wait_until(gate.until));
        self.fly(policy, TokenRequestReason::Ahead, after, None, now)
    }

    /// Returns whether the API refuses the cached token, or refused the last renewed tokens.
    pub(crate) fn is_refused(&self, now: Moment) -> bool {
        let Some(held) = self.valid(now) else {
            return self.refusals.pending;
        };
        let on_trial = held.trial.is_some_and(|trial| trial.refusals > 0);
        held.doubt.is_some() || on_trial || self.refusals.unaccepted > 1
    }

    /// Returns the time in which nothing has to be decided without callers: until the renewal ahead
    /// of expiry is due, the back-off is over, or a slot of the quota is free.
    pub(crate) fn rests_for(&self, now: Moment) -> Duration {
        let Some(held) = self.valid(now) else {
            return self.next_try(now);
        };
        if now.reached(held.refresh_at) {
            now.wait_until(self.ledger.free_at(Slots::ButReserve))
                .max(self.next_try(now))
        } else {
            now.until(held.refresh_at)
        }
    }

    /// Returns the state without its token and flight: what is kept when no caller uses the key.
    pub(crate) fn without_token(&self) -> Self {
        let mut state = self.clone();
        state.held = None;
        state.previous = None;
        state.flight = None;
        state.waits_since = None;
        state
    }

    /// Returns whether the state without a token decides as a new one does.
    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        self.closed_gate(now).is_none()
            && now.waited_for(self.refusals.until)
            && self.recent(now) == 0
            && self.ledger.is_empty(now)
    }
}

/// Refusals that are closer together than this may have one cause, for example requests that were
/// in progress at the same time.
const SAME_REFUSAL: Duration = Duration::from_secs(1);

#[cfg(test)]
impl State {
    pub(crate) fn backing_off_until(end: Moment) -> Self {
        let mut state = Self::new(None);
        state.close_gate(end, GateKind::BackOff, None);
        state
    }
}

#[cfg(test)]
mod tests;
