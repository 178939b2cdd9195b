//! What the end of a token request means for callers: a token or a back-off.

use std::time::Duration;

use super::{
    Held, State,
    event::{Action, Failed, Fetched},
    gate::GateKind,
};
use crate::{
    Generation, Moment, RefreshPolicy, RejectedPart, TokenRequestReason,
    limits::quota::Slots,
    machine::backoff::{self, Failure, Row, Situation},
    policy::Jitter,
};

/// Since when token requests have been failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Failing {
    pub(super) since: Moment,
    pub(super) last: Failure,
    /// The last failures that reached the vendor, if they are of one kind.
    pub(super) row: Option<Row>,
}

impl State {
    pub(super) fn fetched(
        &mut self,
        policy: &RefreshPolicy,
        token: Fetched,
        now: Moment,
    ) -> Action {
        let Fetched {
            sent,
            age,
            hint,
            same,
            jitter,
            ..
        } = token;
        let lifetime = policy.lifetime(token.lifetime);
        // The vendor counts by the lifetime that it stated, not by the policy's.
        self.close_slot(token.requested, now, token.lifetime);
        self.flight = None;
        self.silent = 0;
        self.waits_since = None;
        if self.refusals.pending {
            self.count_renewal(policy, now);
        }
        // The same text keeps its generation, so that a late refusal of it counts for the current
        // token.
        let generation = same.unwrap_or_else(|| Generation::after(self.last));
        self.last = self.last.max(Some(generation));
        let ends = |after: Duration| sent + after.saturating_sub(age);
        let usable_until = ends(policy.usable_for(lifetime));
        if now.reached(usable_until) {
            return self.expired_on_arrival(policy, generation, jitter, now);
        }
        self.failing = None;
        let trial = match same {
            Some(_) => self.held.and_then(|held| held.trial),
            None => self.put_on_trial(token, now),
        };
        self.held = Some(Held {
            generation,
            lifetime,
            refresh_at: ends(policy.refresh_after(lifetime, hint, jitter)),
            usable_until,
            doubt: None,
            trial,
        });
        let floor = if token.requested {
            policy.floor(lifetime)
        } else {
            Duration::ZERO
        };
        self.close_gate(sent + floor, GateKind::Floor, None);
        Action::Publish(generation)
    }

    /// Handles a token that has expired on arrival: the waiting callers get it, and it is not
    /// cached. The back-off before the next token request grows each time.
    fn expired_on_arrival(
        &mut self,
        policy: &RefreshPolicy,
        generation: Generation,
        jitter: Jitter,
        now: Moment,
    ) -> Action {
        let wait = self.back_off(
            policy,
            Failed {
                failure: Failure::NotUnderstood,
                requested: true,
                retry_after: None,
                told: false,
                cut_short: false,
                silent: false,
                failing_for: Duration::ZERO,
                row: None,
                about: None,
                lockable: false,
                jitter,
            },
            now,
        );
        let kind = if wait <= policy.interval() {
            GateKind::Floor
        } else {
            GateKind::BackOff
        };
        self.close_gate(now + wait, kind, None);
        Action::Deliver(generation)
    }

    pub(super) fn failed(&mut self, policy: &RefreshPolicy, failed: Failed, now: Moment) -> Action {
        let Failed {
            failure,
            retry_after,
            told,
            about,
            ..
        } = failed;
        self.close_slot(failed.requested && failure.may_count(), now, None);
        let flight = self.flight.take();
        if self.refusals.pending && self.valid(now).is_some() {
            self.refusals.pending = false;
        }
        if failure == Failure::Rejected(RejectedPart::Scope) {
            // Says nothing about the usual scope, which is requested next.
            self.waits_since = None;
            self.close_gate(now + policy.floor(Duration::ZERO), GateKind::Floor, None);
            return Action::Retry;
        }
        if failure == Failure::SameToken {
            // The vendor has no other token: only the next refusal has to wait.
            self.count_renewal(policy, now);
            self.close_gate(now + policy.floor(Duration::ZERO), GateKind::Floor, None);
            if self.valid(now).is_some() {
                return Action::Report;
            }
            // The next token request follows from the refusal too.
            self.refusals.pending = true;
        }
        // A caller that needs a token waited for a renewal that was shortened, or that was not
        // allowed to use the quota's reserve.
        self.silent = if failed.silent {
            self.silent.saturating_add(1)
        } else {
            0
        };
        let is_ahead = flight.is_some_and(|flight| flight.reason == TokenRequestReason::Ahead);
        let is_cut = flight.is_some_and(|flight| flight.is_cut);
        let waits = flight.is_some_and(|flight| flight.urgent);
        // The token ended before the shortened renewal did: the next caller needs one at once.
        let is_too_late = is_ahead && self.valid(now).is_none();
        let ended_early = failed.silent || is_ahead && failed.cut_short;
        if is_cut && (waits || is_too_late) && ended_early && !told {
            self.close_gate(now, GateKind::Floor, None);
            return Action::Retry;
        }
        self.waits_since = None;
        if !is_ahead {
            // After a failure with an answer, the next token request gets the whole time again.
            self.silent = 0;
        }
        let wait = match (told, retry_after) {
            (true, Some(wait)) => {
                self.note_failure(failed, now);
                wait
            }
            _ => self.back_off(policy, failed, now),
        };
        let about = about.filter(|_| failure.is_rejection() || failure == Failure::Wordless);
        self.close_gate(now + wait, GateKind::BackOff, about);
        Action::Report
    }

    fn back_off(&mut self, policy: &RefreshPolicy, failed: Failed, now: Moment) -> Duration {
        let failing = self.note_failure(failed, now);
        let valid = self.valid(now);
        let situation = Situation {
            failure: failed.failure,
            retry_after: failed.retry_after,
            failing_for: now.wait_since(failing.since).max(failed.failing_for),
            row: backoff::times(failing.row, failed.failure),
            valid: valid.map(|held| (now.until(held.usable_until), held.lifetime)),
            spacing: self.ledger.spacing(),
            slot: now.wait_until(self.ledger.free_at(Slots::All)),
            lockable: failed.lockable,
            jitter: failed.jitter,
        };
        backoff::after(policy, situation)
    }

    fn note_failure(&mut self, failed: Failed, now: Moment) -> Failing {
        let Failed {
            failure, told, row, ..
        } = failed;
        let before = self.failing.and_then(|failing| failing.row);
        let failing = Failing {
            since: self.failing.map_or(now, |failing| failing.since),
            last: failure,
            // A failure that is told again is not a further failure.
            row: match row {
                Some(_) => row,
                None if told => before,
                None => Row::after(before, failure),
            },
        };
        if failure != Failure::OwnQuota {
            self.failing = Some(failing);
        }
        failing
    }

    /// The failure is not reported yet, so the flight continues if a slot is free.
    pub(super) fn credentials_changed(&mut self, now: Moment) -> Action {
        self.ledger.close(now, None);
        match self.ledger.take(Slots::All, now) {
            Ok(()) => Action::Again,
            Err(_) => Action::Nothing,
        }
    }

    /// The rejected credentials were read again and have not changed: nothing else changes.
    pub(crate) fn unchanged(&mut self) {
        self.ledger.cancel();
        self.flight = None;
        self.waits_since = None;
    }

    /// Keeps the flight and the slots of `before`: the token came from a flight that is not the
    /// current one.
    pub(crate) fn flies_as(&mut self, before: &Self) {
        self.flight = before.flight;
        self.ledger = before.ledger.clone();
    }

    fn close_slot(&mut self, requested: bool, now: Moment, token_lifetime: Option<Duration>) {
        if requested {
            self.ledger.close(now, token_lifetime);
        } else {
            self.ledger.cancel();
        }
    }
}
