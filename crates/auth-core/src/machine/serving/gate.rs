//! The time until which no token request may start, and the rejected credentials.

use std::time::Duration;

use super::State;
use crate::{CredentialsId, Moment, limits::quota::Slots};

/// No token request starts before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    pub(super) until: Moment,
    pub(super) kind: GateKind,
    /// The credentials that a rejection concerns: other credentials may be tried at once.
    pub(super) about: Option<CredentialsId>,
    /// How often the credentials may still be read at once to see whether they changed.
    pub(super) looks: u8,
    pub(super) looked: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GateKind {
    /// The shortest interval between two token requests. Short enough to wait for.
    Floor,
    /// A back-off. Callers get the error.
    BackOff,
}

impl State {
    /// Returns the time until the next token request may start.
    pub(crate) fn next_try(&self, now: Moment) -> Duration {
        let gate = self.gate.map_or(Moment::PAST, |gate| gate.until);
        now.wait_until(gate)
            .max(now.wait_until(self.ledger.free_at(Slots::All)))
    }

    pub(super) fn closed_gate(&self, now: Moment) -> Option<Gate> {
        self.gate.filter(|gate| !now.waited_for(gate.until))
    }

    pub(super) fn close_gate(
        &mut self,
        until: Moment,
        kind: GateKind,
        about: Option<CredentialsId>,
    ) {
        // The credentials were read again and have not changed: the rejection keeps its end and the
        // number of looks that are left.
        let known = self
            .gate
            .filter(|gate| gate.about.is_some() && gate.about == about);
        let (looks, looked) = known.map_or((LOOKS, Moment::PAST), |gate| (gate.looks, gate.looked));
        self.gate = Some(Gate {
            until,
            kind,
            about,
            looks,
            looked,
        });
    }

    /// Returns whether the rejected credentials may be read to see whether they changed: a few
    /// times at once, then once in [`LOOK_AGAIN`].
    pub(super) fn may_look(&mut self, now: Moment) -> bool {
        let Some(gate) = self.gate.as_mut().filter(|gate| gate.about.is_some()) else {
            return false;
        };
        let rested = now.waited_for(gate.looked + LOOK_AGAIN);
        if gate.looks == 0 && !rested {
            return false;
        }
        gate.looks = gate.looks.saturating_sub(1);
        gate.looked = now;
        true
    }

    /// Forgets a rejection, because the operator wants rejected credentials to be tried again.
    pub(crate) fn clear_rejection(&mut self) {
        if self.gate.is_some_and(|gate| gate.about.is_some()) {
            self.gate = None;
            self.failing = None;
        }
    }
}

/// The number of times that rejected credentials are read at once.
const LOOKS: u8 = 5;
/// The time between later reads of rejected credentials.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
