//! The rules for callers: who gets the cached token, who waits, who starts a token request, who is
//! told of a failure. No await, no lock, no clock, no randomness.

use std::time::Duration;

use super::backoff::{self, Failure, Situation};
use crate::{
    CredentialsId, Generation, Moment, Quota, Reason, RefreshPolicy,
    policy::Jitter,
    quota::{Ledger, Slots},
};

/// All that decides what a caller gets, for one key in one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The number of the newest token.
    last: Option<Generation>,
    held: Option<Held>,
    /// The token before the cached one, while the cached one is on trial.
    previous: Option<Previous>,
    /// Tokens in a row that the API refused while they were on trial.
    unproven: u8,
    /// Somebody reports what the API accepts.
    is_reported_to: bool,
    flight: Option<UnderWay>,
    gate: Option<Gate>,
    failing: Option<Failing>,
    refusals: Refusals,
    ledger: Ledger,
}

/// The cached token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    generation: Generation,
    lifetime: Duration,
    refresh_at: Moment,
    usable_until: Moment,
    doubt: Option<Doubt>,
    /// The API has not accepted the token yet: it may not know the token.
    trial: Option<Trial>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Previous {
    generation: Generation,
    usable_until: Moment,
}

/// APIs learn of new tokens late. While a token is on trial, its refusal starts no token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Trial {
    until: Moment,
    /// Refusals, counted at most once in [`SAME_REFUSAL`].
    refusals: u8,
    counted: Moment,
    /// Until then the previous token is used.
    rests_until: Moment,
}

/// The API refused the cached token, and has not accepted it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Doubt {
    /// Refusals in a row, counted at most once in [`SAME_REFUSAL`].
    row: u8,
    counted: Moment,
}

/// A token request that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    reason: Reason,
    since: Moment,
    /// Somebody joined who needs more than a renewal ahead of expiry.
    urgent: bool,
}

/// No token request starts before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Gate {
    until: Moment,
    kind: GateKind,
    /// The credentials that a rejection is about: other credentials may be tried at once.
    about: Option<CredentialsId>,
    /// How often the credentials may still be read to see whether they changed.
    looks: u8,
    looked: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum GateKind {
    /// The floor between two token requests is short enough to be waited for.
    Floor,
    /// Callers are told of the failure.
    BackOff,
}

/// Token requests fail since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Failing {
    since: Moment,
    last: Failure,
    /// Failures of the last kind in a row.
    row: u32,
}

/// Renewals that followed a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Refusals {
    /// Renewals in a row whose token the API has not accepted.
    unaccepted: u32,
    /// Renewals of late; one is forgotten in each [`FORGET`].
    recent: u32,
    counted: Moment,
    /// No renewal follows a refusal before.
    until: Moment,
    /// The next token replaces a refused one.
    pending: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A caller wants a token.
    Demand,
    /// The API refused a token. A permanent one has no end: it is never dropped.
    Refused {
        generation: Generation,
        permanent: bool,
    },
    /// A caller wants a token that lives longer than the cached one will.
    Prolong,
    /// The API accepted a token.
    Accepted(Generation),
    /// A token came.
    Fetched(Fetched),
    /// No token came.
    Failed(Failed),
    /// After a rejection, the credentials turned out to be others.
    CredentialsChanged,
    /// The flight's task went away without a result.
    Abandoned,
}

/// What the rules need to know of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetched {
    /// Just before the token request was sent, or the token was found.
    pub(crate) sent: Moment,
    /// How old the token was then.
    pub(crate) age: Duration,
    /// The vendor was asked; the token was not found with another process.
    pub(crate) requested: bool,
    pub(crate) lifetime: Option<Duration>,
    /// When the vendor wants the token to be renewed.
    pub(crate) hint: Option<Duration>,
    /// Another process may have made the vendor replace the token already.
    pub(crate) contested: bool,
    /// The token is the one of this number once more.
    pub(crate) same: Option<Generation>,
    pub(crate) jitter: Jitter,
}

/// What the rules need to know of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// The vendor was asked.
    pub(crate) requested: bool,
    /// For how long the vendor asked to be left alone; for a failure of another process, how long
    /// the back-off of all processes lasts.
    pub(crate) retry_after: Option<Duration>,
    /// Another process failed; its back-off is obeyed as it is.
    pub(crate) told: bool,
    /// The flight ended early: its time was up, or it had to leave the quota's reserve alone.
    pub(crate) cut_short: bool,
    /// For how long other processes have been failing.
    pub(crate) failing_for: Duration,
    /// The credentials that were used.
    pub(crate) about: Option<CredentialsId>,
    pub(crate) lockable: bool,
    pub(crate) jitter: Jitter,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Nothing,
    /// Use the cached token.
    Serve,
    /// Use the cached token, and start a flight beside it.
    ServeAndFly(Start),
    /// Start a flight and wait for it.
    Fly(Start),
    /// Wait for the flight that is under way.
    Wait,
    /// No token before `wait` is over; the last failure says why.
    Fail {
        wait: Duration,
    },
    /// The quota is used up for `wait`.
    OverQuota {
        wait: Duration,
    },
    /// Use the token before the cached one, which the API may not know yet.
    ServePrevious,
    /// The API may not know the refused token yet: send it once more after this time.
    SendAgain {
        after: Duration,
    },
    /// Let the API's refusal stand, and keep the token.
    Damped,
    /// Put this token in place of all others, and wake those who wait.
    Publish(Generation),
    /// Give this token to those who wait, and to nobody else.
    Deliver(Generation),
    /// Tell those who wait of the failure.
    Report,
    /// Those who wait have to ask again.
    Retry,
    /// Make one more token request within the same flight.
    Again,
}

/// How to start a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) reason: Reason,
    /// Not before this is over.
    pub(crate) after: Duration,
    /// How long the token request may take.
    pub(crate) deadline: Duration,
    /// A found token has to serve for longer than this, as the cached token does.
    pub(crate) beyond: Duration,
    /// These credentials were rejected: only other ones may be sent.
    pub(crate) unless: Option<CredentialsId>,
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
            failing: None,
            refusals: Refusals {
                unaccepted: 0,
                recent: 0,
                counted: Moment::PAST,
                until: Moment::PAST,
                pending: false,
            },
            ledger: Ledger::new(quota),
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
            Event::Accepted(generation) => self.accepted(policy, generation),
            Event::Fetched(fetched) => self.fetched(policy, fetched, now),
            Event::Failed(failed) => self.failed(policy, failed, now),
            Event::CredentialsChanged => self.credentials_changed(now),
            Event::Abandoned => {
                self.ledger.close(now, None);
                self.flight = None;
                // The token request may have been sent.
                self.close_gate(now + policy.floor(Duration::ZERO), GateKind::Floor, None);
                Action::Nothing
            }
        }
    }

    /// The earliest moment at which somebody with the cached token has to ask again.
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
        // No wall clock ends a wait: after a jump nobody has to ask for nothing.
        let wait = Moment::from_parts(gate.later(slot).parts().0, u64::MAX);
        let due = now.reached(held.refresh_at) || wait.waited_for(held.refresh_at);
        let ahead = if due { wait } else { held.refresh_at };
        ahead.earlier(held.usable_until)
    }

    /// Until when the cached token may be sent.
    pub(crate) fn usable_until(&self) -> Option<Moment> {
        self.held.map(|held| held.usable_until)
    }

    /// How long until the next token request may start.
    pub(crate) fn next_try(&self, now: Moment) -> Duration {
        let gate = self.gate.map_or(Moment::PAST, |gate| gate.until);
        now.wait_until(gate)
            .max(now.wait_until(self.ledger.free_at(Slots::All)))
    }

    /// The flight has become more urgent than a renewal ahead of expiry.
    pub(crate) fn is_urgent(&self) -> bool {
        self.flight.is_some_and(|flight| flight.urgent)
    }

    fn valid(&self, now: Moment) -> Option<Held> {
        self.held.filter(|held| !now.reached(held.usable_until))
    }

    /// Which token is used now: of which generation.
    pub(crate) fn serves(&self, now: Moment) -> Option<Generation> {
        let held = self.valid(now)?;
        let previous = self.previous(now).filter(|_| rests(held, now));
        Some(previous.map_or(held.generation, |previous| previous.generation))
    }

    pub(crate) fn previous_generation(&self) -> Option<Generation> {
        self.previous.map(|previous| previous.generation)
    }

    /// The cached token is on trial: its refusals prove nothing.
    pub(crate) fn is_young(&self, now: Moment) -> bool {
        self.held.is_some_and(|held| self.is_on_trial(held, now))
    }

    fn previous(&self, now: Moment) -> Option<Previous> {
        self.previous
            .filter(|previous| !now.reached(previous.usable_until))
    }

    /// A young token, or one that has a predecessor to serve in its place.
    fn is_on_trial(&self, held: Held, now: Moment) -> bool {
        held.trial
            .is_some_and(|trial| !now.reached(trial.until) || self.previous(now).is_some())
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
            return self.ahead(policy, now);
        }
        Action::Serve
    }

    /// A refused token is being replaced, and not for long yet.
    fn is_replacing(&self, now: Moment) -> bool {
        let recent = |flight: UnderWay| !now.waited_for(flight.since + DOUBT_WAIT);
        self.refusals.pending && self.flight.is_some_and(recent)
    }

    /// There is no valid token.
    fn need(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        if let Some(flight) = &mut self.flight {
            flight.urgent = true;
            return Action::Wait;
        }
        let repeats = self.refusals.unaccepted > 0 || self.refusals.recent > 1;
        let (mut after, mut unless) = (Duration::ZERO, None);
        if let Some(gate) = self.closed_gate(now) {
            match gate.kind {
                GateKind::Floor => after = now.wait_until(gate.until),
                GateKind::BackOff if self.may_look(now) => unless = gate.about,
                GateKind::BackOff => {
                    return Action::Fail {
                        wait: now.wait_until(gate.until),
                    };
                }
            }
        }
        // An API that refuses every token must not use up the quota's reserve.
        let (reason, slots) = match repeats && self.refusals.pending {
            true => (Reason::Refused, Slots::Doubtful),
            false => (Reason::Needed, Slots::All),
        };
        if reason == Reason::Refused && !now.waited_for(self.refusals.until) {
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
        reason: Reason,
        after: Duration,
        unless: Option<CredentialsId>,
        now: Moment,
    ) -> Action {
        self.flight = Some(UnderWay {
            reason,
            since: now + after,
            urgent: reason != Reason::Ahead,
        });
        let start = Start {
            reason,
            after,
            deadline: self.deadline(policy, reason, now),
            beyond: match reason {
                Reason::Ahead => self
                    .valid(now)
                    .map_or(Duration::ZERO, |held| now.until(held.usable_until)),
                _ => Duration::ZERO,
            },
            unless,
        };
        Action::Fly(start)
    }

    /// A renewal ahead of expiry takes at most half of what is left of the token.
    fn deadline(&self, policy: &RefreshPolicy, reason: Reason, now: Moment) -> Duration {
        let longest = policy.exchange_deadline();
        match self.valid(now) {
            Some(held) if reason == Reason::Ahead => longest.min(now.until(held.usable_until) / 2),
            _ => longest,
        }
    }

    /// The cached token serves, and one token request runs beside it.
    fn ahead(&mut self, policy: &RefreshPolicy, now: Moment) -> Action {
        let idle = self.flight.is_none() && self.closed_gate(now).is_none();
        if idle && self.ledger.take(Slots::ButReserve, now).is_ok() {
            let action = self.fly(policy, Reason::Ahead, Duration::ZERO, None, now);
            if let Action::Fly(start) = action {
                return Action::ServeAndFly(start);
            }
        }
        Action::Serve
    }

    fn refused(
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
            // The refusal of an expired token proves nothing, and of an older one neither.
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
        let doubt = match counts {
            true => Doubt {
                row: doubt.row.saturating_add(1),
                counted: now,
            },
            false => doubt,
        };
        self.held = Some(Held {
            doubt: Some(doubt),
            ..held
        });
        if let Some(flight) = &mut self.flight {
            self.refusals.pending = true;
            flight.urgent = true;
            return Action::Wait;
        }
        let repeats = self.refusals.unaccepted > 0 || self.recent(now) > 0;
        let slots = match repeats {
            true => Slots::Doubtful,
            false => Slots::All,
        };
        let gate = self.closed_gate(now);
        let backs_off = gate.is_some_and(|gate| gate.kind == GateKind::BackOff);
        let waits = backs_off || !now.waited_for(self.refusals.until);
        if waits || self.ledger.take(slots, now).is_err() {
            if doubt.row >= DROP && !permanent {
                self.held = None;
                self.refusals.pending = true;
            }
            return Action::Damped;
        }
        self.refusals.pending = true;
        let after = gate.map_or(Duration::ZERO, |gate| now.wait_until(gate.until));
        self.fly(policy, Reason::Refused, after, None, now)
    }

    /// The API may not know the token yet. The previous token serves; without one, the request is
    /// sent once more after a moment. Repeated refusals lengthen the moment.
    fn refused_on_trial(&mut self, held: Held, trial: Trial, now: Moment) -> Action {
        let counts = trial.refusals == 0 || now.waited_for(trial.counted + SAME_REFUSAL);
        let refusals = trial.refusals.saturating_add(u8::from(counts));
        if trial.refusals == 0 {
            self.unproven = self.unproven.saturating_add(1);
        }
        let doubled = |longest: Duration| {
            let factor = 1_u32.checked_shl(u32::from(refusals) - 1);
            MOMENT
                .saturating_mul(factor.unwrap_or(u32::MAX))
                .min(longest)
        };
        let previous = self.previous(now);
        let rest = match previous {
            Some(_) => doubled(LONGEST_REST),
            None => Duration::ZERO,
        };
        self.held = Some(Held {
            trial: Some(Trial {
                refusals,
                counted: if counts { now } else { trial.counted },
                rests_until: now + rest,
                ..trial
            }),
            ..held
        });
        match previous {
            Some(_) => Action::ServePrevious,
            // The API refuses everything: sending each request twice helps nobody.
            None if refusals > MOST_AGAIN => Action::Damped,
            None => Action::SendAgain {
                after: doubled(LONGEST_MOMENT),
            },
        }
    }

    /// Renews ahead of expiry, and has the caller wait. Where that cannot be now, the cached token
    /// has to do.
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

    fn accepted(&mut self, policy: &RefreshPolicy, generation: Generation) -> Action {
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
            let refusals = &mut self.refusals;
            if refusals.unaccepted > 0 {
                refusals.unaccepted = 0;
                refusals.until = refusals.counted + often(policy, refusals.recent);
            }
        }
        Action::Nothing
    }

    fn fetched(&mut self, policy: &RefreshPolicy, token: Fetched, now: Moment) -> Action {
        let Fetched {
            sent,
            age,
            hint,
            same,
            jitter,
            ..
        } = token;
        let lifetime = policy.lifetime(token.lifetime);
        // The vendor counts by what it said, whatever the policy makes of it.
        self.close_slot(token.requested, now, token.lifetime);
        self.flight = None;
        if std::mem::take(&mut self.refusals.pending) {
            self.count_renewal(policy, now);
        }
        // One text has one number, so that a late refusal of it is not taken for an old token's.
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
        let floor = match token.requested {
            true => policy.floor(lifetime),
            false => Duration::ZERO,
        };
        self.close_gate(sent + floor, GateKind::Floor, None);
        Action::Publish(generation)
    }

    /// The longer the API goes without accepting any token, the longer the newest one is left alone:
    /// an API that learns of tokens late must get the time to learn of this one.
    fn put_on_trial(&mut self, token: Fetched, now: Moment) -> Option<Trial> {
        let held = self.valid(now).filter(|held| held.doubt.is_none());
        // A predecessor that the API has accepted is worth more than one that is on trial itself.
        let proven = |held: &Held| held.trial.is_none_or(|trial| trial.refusals == 0);
        self.previous = match held.filter(proven).filter(|_| self.is_reported_to) {
            Some(held) => Some(Previous {
                generation: held.generation,
                usable_until: held.usable_until,
            }),
            None => self.previous(now),
        };
        if held.is_some_and(|held| held.trial.is_some_and(|trial| trial.refusals == 0)) {
            // Nobody says what the API accepts, and it refused nothing.
            self.unproven = 0;
        }
        let window = TRIALS[usize::from(self.unproven).min(TRIALS.len() - 1)];
        let left = window.saturating_sub(token.age);
        let permanent = token.lifetime == Some(Duration::MAX);
        let is_tried = !permanent && !token.contested && !left.is_zero();
        is_tried.then_some(Trial {
            until: now + left,
            refusals: 0,
            counted: now,
            rests_until: now,
        })
    }

    /// A token that is over when it comes is good for those who wait, and not kept. The next token
    /// request waits, and longer each time.
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
                failing_for: Duration::ZERO,
                about: None,
                lockable: false,
                jitter,
            },
            now,
        );
        let kind = match wait <= policy.interval() {
            true => GateKind::Floor,
            false => GateKind::BackOff,
        };
        self.close_gate(now + wait, kind, None);
        Action::Deliver(generation)
    }

    /// A renewal that followed a refusal brought a token.
    fn count_renewal(&mut self, policy: &RefreshPolicy, now: Moment) {
        let recent = self.recent(now).saturating_add(1);
        let unaccepted = self.refusals.unaccepted.saturating_add(1);
        self.refusals = Refusals {
            unaccepted,
            recent,
            counted: now,
            until: now + backoff::of_refusals(policy, unaccepted).max(often(policy, recent)),
            pending: false,
        };
    }

    /// Renewals of late that followed a refusal.
    fn recent(&self, now: Moment) -> u32 {
        // Refusals at the rate that the quota allows must not use up its reserve.
        let spacing = self.ledger.spacing().unwrap_or_default();
        let forget = spacing.saturating_mul(2).max(FORGET);
        let passed = now.wait_since(self.refusals.counted).as_nanos() / forget.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.refusals.recent.saturating_sub(passed)
    }

    fn failed(&mut self, policy: &RefreshPolicy, failed: Failed, now: Moment) -> Action {
        let Failed {
            failure,
            retry_after,
            told,
            about,
            ..
        } = failed;
        self.close_slot(failed.requested && failure.may_count(), now, None);
        let flight = self.flight.take();
        self.refusals.pending &= self.valid(now).is_none();
        if failure == Failure::SameToken {
            // The vendor knows no other token: the next refusal has to wait, and nobody else.
            self.count_renewal(policy, now);
            self.close_gate(now + policy.floor(Duration::ZERO), GateKind::Floor, None);
            if self.valid(now).is_some() {
                return Action::Report;
            }
            // The next token request follows from the refusal too.
            self.refusals.pending = true;
        }
        // Somebody who needs a token waited for a renewal that was cut short, or that left the
        // reserve of the quota alone.
        let waits = flight.is_some_and(|flight| flight.reason == Reason::Ahead && flight.urgent);
        if waits && failed.cut_short && !told {
            self.close_gate(now, GateKind::Floor, None);
            return Action::Retry;
        }
        let wait = match (told, retry_after) {
            (true, Some(wait)) => {
                self.note_failure(failure, now);
                wait
            }
            _ => self.back_off(policy, failed, now),
        };
        let about = about.filter(|_| failure.is_rejection() || failure == Failure::Wordless);
        self.close_gate(now + wait, GateKind::BackOff, about);
        Action::Report
    }

    fn back_off(&mut self, policy: &RefreshPolicy, failed: Failed, now: Moment) -> Duration {
        let failing = self.note_failure(failed.failure, now);
        let valid = self.valid(now);
        let situation = Situation {
            failure: failed.failure,
            retry_after: failed.retry_after,
            failing_for: now.wait_since(failing.since).max(failed.failing_for),
            row: failing.row,
            valid: valid.map(|held| (now.until(held.usable_until), held.lifetime)),
            spacing: self.ledger.spacing(),
            slot: now.wait_until(self.ledger.free_at(Slots::All)),
            lockable: failed.lockable,
            jitter: failed.jitter,
        };
        backoff::after(policy, situation)
    }

    fn note_failure(&mut self, failure: Failure, now: Moment) -> Failing {
        let failing = match self.failing {
            Some(failing) if failing.last == failure => Failing {
                row: failing.row.saturating_add(1),
                ..failing
            },
            Some(failing) => Failing {
                last: failure,
                row: 1,
                ..failing
            },
            None => Failing {
                since: now,
                last: failure,
                row: 1,
            },
        };
        if failure != Failure::OwnQuota {
            self.failing = Some(failing);
        }
        failing
    }

    /// The failure is not reported yet, so the flight goes on, if a slot is free.
    fn credentials_changed(&mut self, now: Moment) -> Action {
        self.ledger.close(now, None);
        match self.ledger.take(Slots::All, now) {
            Ok(()) => Action::Again,
            Err(_) => Action::Nothing,
        }
    }

    /// The operator wants rejected credentials to be tried again.
    pub(crate) fn clear_rejection(&mut self) {
        if self.gate.is_some_and(|gate| gate.about.is_some()) {
            self.gate = None;
            self.failing = None;
        }
    }

    fn close_slot(&mut self, requested: bool, now: Moment, token_lives: Option<Duration>) {
        if requested {
            self.ledger.close(now, token_lives);
        } else {
            self.ledger.cancel();
        }
    }

    fn close_gate(&mut self, until: Moment, kind: GateKind, about: Option<CredentialsId>) {
        // Reading the credentials once more found them unchanged: the rejection stands as long as
        // it did, and so does the number of looks that are left.
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

    /// Whether the rejected credentials may be read, to see whether they changed: a few times at
    /// once, then once in [`LOOK_AGAIN`].
    fn may_look(&mut self, now: Moment) -> bool {
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

    /// The same without a token and without a flight: what is left when nobody uses the key.
    pub(crate) fn without_token(&self) -> Self {
        let mut state = self.clone();
        state.held = None;
        state.previous = None;
        state.flight = None;
        state
    }

    /// Tells whether the state without a token decides as a new one would.
    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        self.closed_gate(now).is_none()
            && now.waited_for(self.refusals.until)
            && self.recent(now) == 0
            && self.ledger.is_empty(now)
    }

    /// Keeps the flight and the slots of before: a token came that no flight is waited for.
    pub(crate) fn flies_as(&mut self, before: &Self) {
        self.flight = before.flight;
        self.ledger = before.ledger.clone();
    }

    /// The rejected credentials were read and have not changed: all stays as it was.
    pub(crate) fn unchanged(&mut self) {
        self.ledger.cancel();
        self.flight = None;
    }

    fn closed_gate(&self, now: Moment) -> Option<Gate> {
        self.gate.filter(|gate| !now.waited_for(gate.until))
    }
}

fn rests(held: Held, now: Moment) -> bool {
    held.trial
        .is_some_and(|trial| !now.waited_for(trial.rests_until))
}

/// The distance of two renewals that follow refusals, when there were so many of late. The API
/// accepts the tokens in between.
fn often(policy: &RefreshPolicy, recent: u32) -> Duration {
    match recent.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(more) => backoff::of_refusals(policy, more),
    }
}

/// Refusals so close together may have one cause, for example requests that were under way together.
const SAME_REFUSAL: Duration = Duration::from_secs(1);
/// After so many refusals in a row without an acceptance the token is dropped.
const DROP: u8 = 5;
/// How long other requests wait for the replacement of a refused token, before they go on with it.
const DOUBT_WAIT: Duration = Duration::from_secs(2);
/// So many renewals that follow refusals may come close together.
const FREE: u32 = 3;
/// After this time one renewal that followed a refusal is forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// How long a token is on trial: the first one, and those that follow without an acceptance.
const TRIALS: [Duration; 3] = [
    Duration::from_secs(6),
    Duration::from_secs(60),
    Duration::from_secs(600),
];
/// How long a request waits before a young token is sent once more, at first and at last.
const MOMENT: Duration = Duration::from_secs(1);
const LONGEST_MOMENT: Duration = Duration::from_secs(4);
/// After so many refusals of a young token, counted as for a doubted one, requests are sent once.
const MOST_AGAIN: u8 = 5;
/// How long the previous token serves before the young one is tried again, at last.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How often rejected credentials are read at once.
const LOOKS: u8 = 5;
/// How often rejected credentials are read after that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
