//! What a refusal by the API means for the cached token, and how often refusals start token
//! requests.

use std::time::Duration;

use super::{Held, SAME_REFUSAL, State, UnderWay, event::Action, gate::GateKind, trial::Previous};
use crate::{
    Generation, Moment, RefreshPolicy, TokenRequestReason,
    limits::quota::Slots,
    machine::{backoff, seldom::Unchanged},
};

/// The API refused the cached token and has not accepted it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Doubt {
    /// Refusals in a row, counted at most once in [`SAME_REFUSAL`].
    pub(super) row: u8,
    pub(super) counted: Moment,
}

/// Renewals that followed a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Refusals {
    /// Renewals in a row whose token the API has not accepted.
    pub(super) unaccepted: u32,
    /// The number of recent renewals. One is forgotten in each [`FORGET`].
    pub(super) recent: u32,
    pub(super) counted: Moment,
    /// No renewal follows a refusal before this time.
    pub(super) until: Moment,
    /// Whether the next token replaces a refused one.
    pub(super) pending: bool,
}

impl Unchanged for Refusals {
    const UNCHANGED: &Self = &Self {
        unaccepted: 0,
        recent: 0,
        counted: Moment::PAST,
        until: Moment::PAST,
        pending: false,
    };
}

impl State {
    pub(super) fn refused(
        &mut self,
        policy: &RefreshPolicy,
        generation: Generation,
        permanent: bool,
        now: Moment,
    ) -> Action {
        let Some(held) = self.valid(now).filter(|held| held.generation == generation) else {
            let is_previous = |previous: Previous| previous.generation == generation;
            if self.previous.is_some_and(is_previous) {
                self.previous = None;
            }
            // The refusal of an expired token or of an older token proves nothing.
            return self.demand(policy, now);
        };
        if let Some(trial) = held.trial.filter(|_| self.is_on_trial(held, now)) {
            return self.refused_on_trial(held, trial, now);
        }
        let doubt = held.doubt.unwrap_or(Doubt {
            row: 0,
            counted: Moment::PAST,
        });
        let counts = doubt.row == 0 || now.waited_for(doubt.counted + SAME_REFUSAL);
        let doubt = if counts {
            Doubt {
                row: doubt.row.saturating_add(1),
                counted: now,
            }
        } else {
            doubt
        };
        self.held = Some(Held {
            doubt: Some(doubt),
            ..held
        });
        if let Some(flight) = &mut self.flight {
            self.refusals.pending = true;
            flight.urgent = true;
            self.waits_since.get_or_insert(now);
            return Action::Wait;
        }
        let slots = if self.repeats(now) {
            Slots::Doubtful
        } else {
            Slots::All
        };
        let gate = self.closed_gate(now);
        let backs_off = gate.is_some_and(|gate| gate.kind == GateKind::BackOff);
        let waits = backs_off || !now.waited_for(self.refusals.until);
        if waits || self.ledger.take(slots, now).is_err() {
            if doubt.row >= DROP && !permanent {
                self.held = None;
                self.refusals.pending = true;
            }
            return Action::RefusalBackOff;
        }
        self.refusals.pending = true;
        self.waits_since.get_or_insert(now);
        let after = gate.map_or(Duration::ZERO, |gate| now.wait_until(gate.until));
        self.fly(policy, TokenRequestReason::Refused, after, None, now)
    }

    /// Returns whether a refused token is being replaced, and that has not taken long yet. A token
    /// request is in progress or waits for the shortest interval, so that a revoked token is not
    /// refused a second time. During a back-off and without a free slot of the quota, no token
    /// request starts, and no request waits.
    pub(super) fn is_replacing(&self, now: Moment) -> bool {
        let recent = |flight: UnderWay| !now.waited_for(flight.since + DOUBT_WAIT);
        self.refusals.pending && self.flight.is_some_and(recent)
    }

    pub(super) fn accepted(&mut self, policy: &RefreshPolicy, generation: Generation) -> Action {
        self.is_reported_to = true;
        if let Some(held) = self
            .held
            .as_mut()
            .filter(|held| held.generation == generation)
        {
            held.doubt = None;
            held.trial = None;
            self.previous = None;
            self.unproven = 0;
            // Without a refusal nothing is written, because a key that was never refused keeps no
            // memory for refusals.
            if self.refusals.unaccepted != 0 {
                let refusals = &mut *self.refusals;
                refusals.unaccepted = 0;
                refusals.until = refusals.counted + often(policy, refusals.recent);
            }
        }
        Action::Nothing
    }

    /// Counts a renewal that followed a refusal and brought a token.
    pub(super) fn count_renewal(&mut self, policy: &RefreshPolicy, now: Moment) {
        let recent = self.recent(now).saturating_add(1);
        let unaccepted = self.refusals.unaccepted.saturating_add(1);
        *self.refusals = Refusals {
            unaccepted,
            recent,
            counted: now,
            until: now + backoff::of_refusals(policy, unaccepted).max(often(policy, recent)),
            pending: false,
        };
    }

    /// Returns whether a renewal that follows a refusal repeats one: the API has not accepted the
    /// last one's token, or the last one was recent. A repeat leaves the quota's reserve alone.
    pub(super) fn repeats(&self, now: Moment) -> bool {
        self.refusals.unaccepted > 0 || self.recent(now) > 0
    }

    /// Returns the number of recent renewals that followed a refusal.
    pub(super) fn recent(&self, now: Moment) -> u32 {
        // Refusals at the rate that the quota allows must not use up its reserve.
        let spacing = self.ledger.spacing().unwrap_or_default();
        let forget = spacing.saturating_mul(2).max(FORGET);
        let passed = now.wait_since(self.refusals.counted).as_nanos() / forget.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.refusals.recent.saturating_sub(passed)
    }
}

/// Returns the distance of two renewals that follow refusals after `recent` such renewals, although
/// the API accepts the tokens in between.
pub(super) fn often(policy: &RefreshPolicy, recent: u32) -> Duration {
    match recent.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(more) => backoff::of_refusals(policy, more),
    }
}

/// After this number of refusals in a row without an acceptance, the token is dropped.
const DROP: u8 = 5;
/// How long other requests wait for the replacement of a refused token, before they use the refused
/// token again. Counts from when the token request starts: before that, the shortest interval
/// passes, by default up to 1 s.
const DOUBT_WAIT: Duration = Duration::from_secs(2);
/// This number of renewals that follow refusals may come close together.
const FREE: u32 = 3;
/// After each of these times, one renewal that followed a refusal is forgotten.
const FORGET: Duration = Duration::from_secs(60);
