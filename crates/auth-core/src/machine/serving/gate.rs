//! The time until which no token request may start, and the rejected credentials.

use std::time::Duration;

use super::State;
use crate::{CredentialsId, Moment, limits::quota::Slots};

/// No token request starts before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    pub(super) until: Moment,
    pub(super) kind: GateKind,
}

/// The credentials that the authorization server rejected: other credentials may be tried at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rejection {
    about: CredentialsId,
    /// How often the credentials may still be read at once to see whether they changed.
    looks: u8,
    looked: Moment,
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
        let known = self.rejection.take();
        let known = known.filter(|known| Some(known.about) == about);
        self.rejection = known.or_else(|| about.map(Rejection::new));
        self.gate = Some(Gate { until, kind });
    }

    /// Returns the credentials that the authorization server rejected last.
    pub(super) fn rejected(&self) -> Option<CredentialsId> {
        self.rejection.as_ref().map(|rejection| rejection.about)
    }

    /// Returns whether the rejected credentials may be read to see whether they changed: a few
    /// times at once, then once in [`LOOK_AGAIN`].
    pub(super) fn may_look(&mut self, now: Moment) -> bool {
        let Some(rejection) = &mut self.rejection else {
            return false;
        };
        let rested = now.waited_for(rejection.looked + LOOK_AGAIN);
        if rejection.looks == 0 && !rested {
            return false;
        }
        rejection.looks = rejection.looks.saturating_sub(1);
        rejection.looked = now;
        true
    }

    /// Forgets a rejection, because the operator wants rejected credentials to be tried again.
    pub(crate) fn clear_rejection(&mut self) {
        if self.rejection.take().is_some() {
            self.gate = None;
            self.failing = None;
        }
    }
}

impl Rejection {
    fn new(about: CredentialsId) -> Box<Self> {
        Box::new(Self {
            about,
            looks: LOOKS,
            looked: Moment::PAST,
        })
    }
}

/// The number of times that rejected credentials are read at once.
const LOOKS: u8 = 5;
/// The time between later reads of rejected credentials.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
