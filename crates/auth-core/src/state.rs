//! The rules of the token machine, and nothing else: no await, no lock, no clock, no randomness.
//!
//! Everything about *when* a token is fetched is decided in [`State::step`]. The
//! [`Authenticator`](crate::Authenticator) only obeys.

use std::time::Duration;

use crate::{
    Generation, Moment, Quota, Reason, RefreshPolicy,
    policy::Jitter,
    quota::{Ledger, Slots},
};

/// Everything that decides what happens next for one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The number of the newest token.
    last: Option<Generation>,
    held: Option<Held>,
    /// Why the exchange that is under way takes place.
    flight: Option<Reason>,
    gate: Option<Gate>,
    /// Failed exchanges in a row.
    failures: u32,
    damping: Damping,
    ledger: Ledger,
}

/// The token at hand; it was not refused as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    generation: Generation,
    lifetime: Duration,
    refresh_at: Moment,
    usable_until: Moment,
}

/// No exchange starts before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Gate {
    until: Moment,
    /// The floor alone is short enough to be waited for; everything else fails its callers.
    floor: bool,
}

/// Renewals by refusal whose token the API did not accept yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Damping {
    streak: u32,
    until: Moment,
    /// A refusal waits for the next token, which will count.
    pending: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A caller wants a token and found that the machine has to be asked.
    Demand,
    /// The API refused a token.
    Refused(Generation),
    /// The API refused a credential that does not expire: only another one can take its place.
    Doubted(Generation),
    /// A caller wants a token that lives longer than the one at hand will.
    Prolong,
    /// The API accepted a token that was sent in place of a refused one.
    Accepted(Generation),
    /// The exchange brought a token.
    Fetched(Fetched),
    /// The exchange failed.
    Failed {
        failure: Failure,
        /// The vendor was asked.
        exchanged: bool,
        retry_after: Option<Duration>,
        jitter: Jitter,
    },
    /// After a terminal verdict, the credential turned out to be another one by now.
    CredentialChanged,
    /// The exchange's task went away without a result.
    Abandoned,
}

/// What the machine has to know of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetched {
    /// Just before the exchange was sent.
    pub(crate) sent: Moment,
    /// It was asked of the vendor, not found with another process.
    pub(crate) exchanged: bool,
    pub(crate) lifetime: Option<Duration>,
    /// When the vendor wants it renewed.
    pub(crate) hint: Option<Duration>,
    /// It is the token once more that was handed out last, under this number.
    pub(crate) same: Option<Generation>,
    pub(crate) jitter: Jitter,
}

/// What kind of failure an exchange ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Failure {
    Transient,
    Terminal,
    /// The vendor's word.
    Quota,
    /// Our own: other processes have used up what this exchange may take.
    OwnQuota,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Nothing,
    /// Use the token at hand.
    Serve,
    /// Use the token at hand, and start an exchange beside it.
    ServeAndFly,
    /// Start an exchange, not before `after` is over, and wait for it.
    Fly {
        reason: Reason,
        after: Duration,
    },
    /// Wait for the exchange that is under way.
    Wait,
    /// Nothing to be had before `wait` is over; the last failure says why.
    Fail {
        wait: Duration,
    },
    /// The quota is used up for `wait`.
    OverQuota {
        wait: Duration,
    },
    /// Renewing would not help now: let the API's refusal stand, and keep the token.
    Damped,
    /// Put this token in place of all others, and wake those who wait.
    Publish(Generation),
    /// Give this token to those who wait, and to nobody else.
    Deliver(Generation),
    /// Tell those who wait that it failed.
    Report,
    /// Exchange once more within the same flight.
    Again,
}

impl State {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self {
            last: None,
            held: None,
            flight: None,
            gate: None,
            failures: 0,
            damping: Damping {
                streak: 0,
                until: Moment::PAST,
                pending: false,
            },
            ledger: Ledger::new(quota),
        }
    }

    /// The transition function.
    pub(crate) fn step(&mut self, policy: &RefreshPolicy, event: Event, now: Moment) -> Action {
        match event {
            Event::Demand => self.demand(Reason::Needed, now),
            Event::Refused(generation) => self.refused(generation, now),
            Event::Doubted(generation) => self.doubted(generation, now),
            Event::Prolong => self.prolong(now),
            Event::Accepted(generation) => self.accepted(generation),
            Event::Fetched(fetched) => self.fetched(policy, fetched, now),
            Event::Failed {
                failure,
                exchanged,
                retry_after,
                jitter,
            } => {
                self.close_slot(exchanged, now, None);
                self.failed(policy, failure, retry_after, jitter, now)
            }
            Event::CredentialChanged => self.credential_changed(now),
            Event::Abandoned => {
                self.ledger.close(now, None);
                self.flight = None;
                // It may have been sent.
                self.gate = Some(Gate {
                    until: now + policy.floor(Duration::ZERO),
                    floor: true,
                });
                Action::Nothing
            }
        }
    }

    /// The earliest moment at which somebody with the token at hand has to ask the machine again.
    pub(crate) fn check_at(&self, now: Moment) -> Moment {
        let Some(held) = self.held else {
            return Moment::PAST;
        };
        if self.flight.is_some() {
            return held.usable_until;
        }
        let gate = self.gate.map_or(Moment::PAST, |gate| gate.until);
        let slot = self.ledger.free_at(Slots::ButReserve);
        // No wall clock ends a wait: after a jump nobody has to ask in vain.
        let wait = Moment::from_parts(gate.later(slot).parts().0, u64::MAX);
        let due = now.reached(held.refresh_at) || wait.waited_for(held.refresh_at);
        let ahead = if due { wait } else { held.refresh_at };
        ahead.earlier(held.usable_until)
    }

    /// Until when the token at hand may be sent.
    pub(crate) fn usable_until(&self) -> Option<Moment> {
        self.held.map(|held| held.usable_until)
    }

    /// How long until the next exchange may start.
    pub(crate) fn next_try(&self, now: Moment) -> Duration {
        let gate = self.gate.map_or(Moment::PAST, |gate| gate.until);
        now.wait_until(gate)
            .max(now.wait_until(self.ledger.free_at(Slots::All)))
    }

    fn demand(&mut self, reason: Reason, now: Moment) -> Action {
        if let Some(held) = self.held {
            if !now.reached(held.usable_until) {
                return if now.reached(held.refresh_at) {
                    self.ahead(now)
                } else {
                    Action::Serve
                };
            }
            self.held = None;
        }
        if self.flight.is_some() {
            return Action::Wait;
        }
        let after = match self.closed_gate(now) {
            Some(gate) if gate.floor => now.wait_until(gate.until),
            Some(gate) => {
                return Action::Fail {
                    wait: now.wait_until(gate.until),
                };
            }
            None => Duration::ZERO,
        };
        match self.ledger.take(Slots::All, now) {
            Err(wait) => Action::OverQuota { wait },
            Ok(()) => {
                self.flight = Some(reason);
                Action::Fly { reason, after }
            }
        }
    }

    /// In the early window: the old token serves, and one exchange runs beside it.
    fn ahead(&mut self, now: Moment) -> Action {
        let idle = self.flight.is_none() && self.closed_gate(now).is_none();
        if idle && self.ledger.take(Slots::ButReserve, now).is_ok() {
            self.flight = Some(Reason::Ahead);
            return Action::ServeAndFly;
        }
        Action::Serve
    }

    fn refused(&mut self, generation: Generation, now: Moment) -> Action {
        if self.is_usable(generation, now) {
            if self.is_damped(now) {
                return Action::Damped;
            }
            self.held = None;
            self.damping.pending = true;
        }
        self.demand(Reason::Refused, now)
    }

    /// What is at hand serves on: it may be the one route that does not take it.
    fn doubted(&mut self, generation: Generation, now: Moment) -> Action {
        if !self.is_usable(generation, now) {
            return self.demand(Reason::Refused, now);
        }
        if self.flight.is_some() {
            self.damping.pending = true;
            return Action::Wait;
        }
        let waits = self.is_damped(now) || self.closed_gate(now).is_some();
        if waits || self.ledger.take(Slots::ButReserve, now).is_err() {
            return Action::Damped;
        }
        self.damping.pending = true;
        self.flight = Some(Reason::Refused);
        Action::Fly {
            reason: Reason::Refused,
            after: Duration::ZERO,
        }
    }

    /// Renews ahead of time, and has the caller wait for it. Where that cannot be now, the token at
    /// hand has to do.
    fn prolong(&mut self, now: Moment) -> Action {
        let usable = self.held.filter(|held| !now.reached(held.usable_until));
        if usable.is_none() {
            return self.demand(Reason::Needed, now);
        }
        if self.flight.is_some() {
            return Action::Wait;
        }
        match self.ahead(now) {
            Action::ServeAndFly => Action::Fly {
                reason: Reason::Ahead,
                after: Duration::ZERO,
            },
            action => action,
        }
    }

    /// Tells whether this is the token at hand. One that expired meanwhile is renewed as such, and
    /// its refusal proves nothing.
    fn is_usable(&self, generation: Generation, now: Moment) -> bool {
        self.held
            .is_some_and(|held| held.generation == generation && !now.reached(held.usable_until))
    }

    /// An API that refuses every token must neither hold the vendor busy nor drain the quota: a
    /// renewal that follows one that did not help waits its turn, and leaves the reserve alone.
    fn is_damped(&self, now: Moment) -> bool {
        let waits = !now.waited_for(self.damping.until);
        let reserve = !now.waited_for(self.ledger.free_at(Slots::Doubtful));
        self.damping.streak > 0 && self.flight.is_none() && (waits || reserve)
    }

    fn accepted(&mut self, generation: Generation) -> Action {
        if self.held.is_some_and(|held| held.generation == generation) {
            self.damping.streak = 0;
        }
        Action::Nothing
    }

    fn fetched(&mut self, policy: &RefreshPolicy, token: Fetched, now: Moment) -> Action {
        let Fetched {
            sent,
            hint,
            same,
            jitter,
            ..
        } = token;
        let lifetime = policy.lifetime(token.lifetime);
        // The vendor counts by what it said, whatever the policy makes of it.
        self.close_slot(token.exchanged, now, token.lifetime);
        self.flight = None;
        self.failures = 0;
        if std::mem::take(&mut self.damping.pending) {
            self.damping.streak = self.damping.streak.saturating_add(1);
            self.damping.until = now + policy.damping(self.damping.streak);
        }
        // One text has one number, so that a late refusal of it is not taken for an old token's.
        let generation = same.unwrap_or_else(|| Generation::after(self.last));
        self.last = self.last.max(Some(generation));
        let usable_until = sent + RefreshPolicy::usable_for(lifetime);
        if now.reached(usable_until) {
            // Expired on arrival: good for those who wait, not kept. What is at hand stays.
            self.gate = Some(Gate {
                until: now + policy.floor(Duration::ZERO),
                floor: true,
            });
            return Action::Deliver(generation);
        }
        let refresh_at = sent + policy.refresh_after(lifetime, hint, jitter);
        self.held = Some(Held {
            generation,
            lifetime,
            refresh_at,
            usable_until,
        });
        self.gate = Some(Gate {
            until: sent + policy.floor(lifetime),
            floor: true,
        });
        Action::Publish(generation)
    }

    fn failed(
        &mut self,
        policy: &RefreshPolicy,
        failure: Failure,
        retry_after: Option<Duration>,
        jitter: Jitter,
        now: Moment,
    ) -> Action {
        self.flight = None;
        self.failures = self.failures.saturating_add(1);
        let usable = self.held.filter(|held| !now.reached(held.usable_until));
        let wait = match (failure, retry_after, usable) {
            (Failure::Terminal, ..) => policy.probe_after(jitter),
            // What is kept for an expired token is for it as soon as it has expired.
            (Failure::OwnQuota, Some(asked), Some(held)) => {
                policy.retry_after(asked).min(now.until(held.usable_until))
            }
            (_, Some(asked), _) => policy.retry_after(asked),
            (Failure::Quota | Failure::OwnQuota, None, _) => {
                let slot = now.wait_until(self.ledger.free_at(Slots::All));
                slot.max(policy.quota_backoff(self.ledger.spacing()))
            }
            (Failure::Transient, None, Some(held)) => {
                let left = now.until(held.usable_until);
                policy.backoff_while_usable(self.failures, jitter, left, held.lifetime)
            }
            (Failure::Transient, None, None) => policy.backoff_after(self.failures, jitter),
        };
        self.gate = Some(Gate {
            until: now + wait,
            floor: false,
        });
        Action::Report
    }

    fn credential_changed(&mut self, now: Moment) -> Action {
        // The failure is not reported yet, so the flight goes on, if there is a slot for it.
        self.ledger.close(now, None);
        if self.ledger.take(Slots::All, now).is_ok() {
            Action::Again
        } else {
            Action::Nothing
        }
    }

    fn close_slot(&mut self, exchanged: bool, now: Moment, token_lives: Option<Duration>) {
        if exchanged {
            self.ledger.close(now, token_lives);
        } else {
            self.ledger.cancel();
        }
    }

    fn closed_gate(&self, now: Moment) -> Option<Gate> {
        self.gate.filter(|gate| !now.waited_for(gate.until))
    }
}

#[cfg(test)]
mod explore;
#[cfg(test)]
mod tests;
