use super::{canonical::View, count::Count, *};

/// What an onlooker remembers who sees the events and the machine's answers, but not its state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// The token that is published; it was not refused, unless the refusal was damped.
    token: Option<Known>,
    newest: Option<Generation>,
    flight: Option<Flown>,
    /// No exchange is sent before this: after a token that was kept, `floor(lifetime)` (the
    /// minimum interval, or half of a shorter life) from when its exchange was sent; else from
    /// when the exchange ended, the minimum interval after a dead token or no result, and after a
    /// failure what was promised then. That is the minimum interval at least, or a tenth of a
    /// shorter life with a token at hand, which nothing outlasts: its end ends the wait. The second
    /// exchange of a flight, with a changed credential, alone follows at once.
    not_before: Moment,
    /// Until then a caller without a token is told of the last failure.
    failing_until: Moment,
    failures: u32,
    /// Tokens in a row that replaced a refused one and were not accepted.
    streak: u32,
    damped_until: Moment,
    replacing: bool,
    count: Count,
    /// When the hot path has to ask.
    hint: Moment,
    jumps: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Known {
    generation: Generation,
    lifetime: Duration,
    refresh_at: Moment,
    usable_until: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flown {
    sent: Moment,
    /// The second exchange of a flight.
    again: bool,
    /// The verdict stands, and has to be reported yet.
    lost: bool,
}

type Verdict = Result<(), String>;

fn require(holds: bool, promise: &str) -> Verdict {
    holds.then_some(()).ok_or_else(|| promise.to_owned())
}

impl History {
    pub(super) fn new(quota: Option<(u32, u32)>) -> Self {
        Self {
            token: None,
            newest: None,
            flight: None,
            not_before: START,
            failing_until: START,
            failures: 0,
            streak: 0,
            damped_until: START,
            replacing: false,
            count: Count::new(quota),
            hint: START,
            jumps: 0,
        }
    }

    // --- what may happen next ---

    /// When the exchange under way was sent, or will be.
    pub(super) fn sent(&self) -> Option<Moment> {
        self.flight.map(|flight| flight.sent)
    }

    pub(super) fn may_try_again(&self) -> bool {
        self.flight.is_some_and(|flight| !flight.again)
    }

    pub(super) fn may_succeed(&self) -> bool {
        self.flight.is_some_and(|flight| !flight.lost)
    }

    pub(super) fn held(&self) -> Option<Generation> {
        self.token.map(|token| token.generation)
    }

    /// Every generation that a caller may come back with, but for those long replaced.
    pub(super) fn generations(&self) -> Vec<Generation> {
        let held = self.token.map(|token| token.generation);
        let mut known: Vec<_> = held.into_iter().chain(self.newest).collect();
        known.dedup();
        known
    }

    pub(super) fn holds(&self, generation: Generation) -> bool {
        self.token
            .is_some_and(|token| token.generation == generation)
    }

    pub(super) fn hint(&self) -> Option<Moment> {
        self.token.map(|_| self.hint)
    }

    /// Where something changes.
    pub(super) fn landmarks(&self) -> Vec<Moment> {
        let token = self.token.map(|token| token.usable_until);
        let sent = self.sent().into_iter().chain(token);
        let waits = [self.hint, self.not_before, self.damped_until];
        sent.chain(waits).chain(self.count.ends()).collect()
    }

    pub(super) fn jumps(&self) -> u8 {
        self.jumps
    }

    pub(super) fn jumped(&mut self) {
        self.jumps += 1;
    }

    // --- what was promised ---

    /// Judges an answer, and remembers it.
    pub(super) fn observe(
        &mut self,
        policy: &RefreshPolicy,
        event: Event,
        action: Action,
        now: Moment,
    ) -> Verdict {
        match event {
            Event::Demand => self.asked(action, now),
            Event::Prolong => self.prolonged(action, now),
            Event::Refused(generation) => self.refused(generation, action, now),
            Event::Doubted(generation) => self.doubted(generation, action, now),
            Event::Accepted(generation) => {
                if self.holds(generation) {
                    self.streak = 0;
                }
                require(action == Action::Nothing, "an acceptance needs no answer")
            }
            Event::Fetched(fetched) => self.fetched(policy, fetched, action, now),
            Event::Failed {
                failure,
                exchanged,
                retry_after,
                jitter,
            } => {
                self.ended(now, exchanged.then_some(None));
                self.failed(policy, failure, retry_after, jitter, now)?;
                require(action == Action::Report, "a failure is reported")
            }
            Event::CredentialChanged => {
                self.ended(now, Some(None));
                let free = self.free(Slots::All, now);
                self.flight = Some(Flown {
                    sent: now,
                    again: true,
                    lost: !free,
                });
                let once_more = if free { Action::Again } else { Action::Nothing };
                require(action == once_more, "G6: once more, if it may")
            }
            Event::Abandoned => {
                self.ended(now, Some(None));
                self.wait_for(policy.floor(ZERO), now);
                require(action == Action::Nothing, "nothing came of it")
            }
        }
    }

    /// Compares with what the machine tells those who publish its token, as they do.
    pub(super) fn follow(&mut self, state: &State, event: Event, now: Moment) -> Verdict {
        if matches!(event, Event::Accepted(_) | Event::CredentialChanged) {
            return Ok(());
        }
        let told = state.usable_until();
        if told.is_none() {
            let over = |token: Known| now.reached(token.usable_until);
            let kept = self.token.is_none_or(over);
            require(kept, "I14: a token that nobody refused stays")?;
            self.token = None;
        }
        self.hint = state.check_at(now);
        let known = self.token.map(|token| token.usable_until);
        require(told == known, "usable as long as its lifetime says")
    }

    /// Somebody asked for a token.
    fn asked(&mut self, action: Action, now: Moment) -> Verdict {
        let usable = self.token.filter(|token| !now.reached(token.usable_until));
        let idle = self.flight.is_none();
        let gate = now.wait_until(self.not_before);
        let failing = now.wait_until(self.failing_until);
        let free = |slots| self.free(slots, now);
        if let Some(token) = usable {
            let may = idle && now.reached(token.refresh_at) && gate.is_zero();
            return match action {
                Action::Serve => require(!may || !free(Slots::ButReserve), "G2: renews ahead"),
                Action::ServeAndFly => {
                    require(may && free(Slots::ButReserve), "G4, G11: not yet")?;
                    self.flies(now)
                }
                _ => Err("I14: a usable token is served".into()),
            };
        }
        match action {
            Action::Wait => require(!idle, "G3: nobody waits for nothing"),
            Action::Fail { wait } => {
                require(idle && !wait.is_zero(), "G5: fails without need")?;
                require(wait == failing, "G5: the wait is the back-off's")
            }
            Action::OverQuota { wait } => {
                let full = failing.is_zero() && !free(Slots::All);
                require(idle && full, "G11: a slot was free")?;
                let after = self.free(Slots::All, now + wait);
                let sooner = self.free(Slots::All, now + (wait - Duration::from_nanos(1)));
                require(after && !sooner, "G11: the wait is the next slot's")
            }
            Action::Fly { after, .. } => {
                require(failing.is_zero(), "G5: no exchange during a back-off")?;
                require(after == gate, "G10: waits for the floor, and no longer")?;
                require(free(Slots::All), "G11: no exchange without a slot")?;
                self.flies(now + after)
            }
            _ => Err("nothing usable is there to be served".into()),
        }
    }

    fn flies(&mut self, sent: Moment) -> Verdict {
        require(self.flight.is_none(), "G3: never two flights")?;
        let apart = sent.waited_for(self.not_before);
        require(apart, "G10: the floor between two exchanges")?;
        self.flight = Some(Flown {
            sent,
            again: false,
            lost: false,
        });
        Ok(())
    }

    fn refused(&mut self, generation: Generation, action: Action, now: Moment) -> Verdict {
        let usable = self.token.filter(|token| !now.reached(token.usable_until));
        if usable.is_some_and(|token| token.generation == generation) {
            let waits = !now.waited_for(self.damped_until);
            let reserve = !self.free(Slots::Doubtful, now);
            let damped = self.streak > 0 && self.flight.is_none() && (waits || reserve);
            require(damped == (action == Action::Damped), "G9: damped in need")?;
            if damped {
                return Ok(());
            }
            // From here on it counts as served by mistake.
            self.token = None;
            self.replacing = true;
        }
        if let Action::Fly { reason, .. } = action {
            require(reason == Reason::Refused, "a refusal is the reason")?;
        }
        self.asked(action, now)
    }

    /// As somebody who asks when it is time to renew, but for who waits.
    fn prolonged(&mut self, action: Action, now: Moment) -> Verdict {
        let usable = self.token.filter(|token| !now.reached(token.usable_until));
        if usable.is_none() {
            return self.asked(action, now);
        }
        let idle = self.flight.is_none();
        let may = idle && now.waited_for(self.not_before) && self.free(Slots::ButReserve, now);
        match action {
            Action::Serve => require(idle && !may, "renews if it may"),
            Action::Wait => require(!idle, "G3: nobody waits for nothing"),
            Action::Fly { reason, after } => {
                let at_once = reason == Reason::Ahead && after.is_zero();
                require(may && at_once, "G4, G11: not yet")?;
                self.flies(now)
            }
            _ => Err("I14: a usable token is served or renewed".into()),
        }
    }

    /// What is at hand stays there, whatever comes of it.
    fn doubted(&mut self, generation: Generation, action: Action, now: Moment) -> Verdict {
        let usable = self.token.filter(|token| !now.reached(token.usable_until));
        if usable.is_none_or(|token| token.generation != generation) {
            return self.asked(action, now);
        }
        let idle = self.flight.is_none();
        let waits = !now.waited_for(self.damped_until) || !self.free(Slots::Doubtful, now);
        let shut = !now.waited_for(self.not_before) || !self.free(Slots::ButReserve, now);
        let damped = self.streak > 0 && waits;
        match action {
            Action::Damped => require(idle && (damped || shut), "looks again if it may"),
            Action::Wait => {
                self.replacing = true;
                require(!idle, "G3: nobody waits for nothing")
            }
            Action::Fly { reason, after } => {
                let at_once = reason == Reason::Refused && after.is_zero();
                require(at_once && !damped && !shut, "looks again only if it may")?;
                self.replacing = true;
                self.flies(now)
            }
            _ => Err("a credential in doubt is looked at again, or not".into()),
        }
    }

    fn fetched(
        &mut self,
        policy: &RefreshPolicy,
        fetched: Fetched,
        action: Action,
        now: Moment,
    ) -> Verdict {
        let Fetched {
            sent,
            exchanged,
            lifetime: stated,
            hint,
            same,
            jitter,
        } = fetched;
        self.ended(now, exchanged.then_some(stated));
        self.failures = 0;
        let lifetime = policy.lifetime(stated);
        if std::mem::take(&mut self.replacing) {
            self.streak += 1;
            self.damped_until = now + policy.damping(self.streak);
        }
        let usable_until = sent + RefreshPolicy::usable_for(lifetime);
        let (generation, wait) = match action {
            Action::Publish(generation) => (generation, policy.floor(lifetime)),
            Action::Deliver(generation) => (generation, policy.floor(ZERO)),
            _ => return Err("a token goes to somebody".into()),
        };
        let dead = now.reached(usable_until);
        let delivered = matches!(action, Action::Deliver(_));
        require(dead == delivered, "kept if it is good for anything")?;
        let again = self.held().filter(|_| same.is_some());
        let grown = again.is_none() && Some(generation) > self.newest;
        require(grown || again == Some(generation), "generations only grow")?;
        self.newest = self.newest.max(Some(generation));
        self.wait_for(wait, if dead { now } else { sent });
        if !dead {
            let refresh_at = sent + policy.refresh_after(lifetime, hint, jitter);
            self.token = Some(Known {
                generation,
                lifetime,
                refresh_at,
                usable_until,
            });
        }
        Ok(())
    }

    fn failed(
        &mut self,
        policy: &RefreshPolicy,
        failure: Failure,
        retry_after: Option<Duration>,
        jitter: Jitter,
        now: Moment,
    ) -> Verdict {
        self.failures += 1;
        let usable = self.token.filter(|token| !now.reached(token.usable_until));
        let wait = match failure {
            Failure::Terminal => policy.probe_after(jitter),
            Failure::OwnQuota if retry_after.is_some() && usable.is_some() => {
                let left = usable.map_or(ZERO, |token| now.until(token.usable_until));
                policy
                    .retry_after(retry_after.unwrap_or_default())
                    .min(left)
            }
            _ if retry_after.is_some() => policy.retry_after(retry_after.unwrap_or_default()),
            Failure::Quota | Failure::OwnQuota => {
                let ends = self.count.ends().filter(|end| self.free(Slots::All, *end));
                let slot = ends.map(|end| now.wait_until(end)).min();
                let slot = slot.filter(|_| !self.free(Slots::All, now));
                let spacing = policy.quota_backoff(self.count.spacing());
                slot.unwrap_or_default().max(spacing)
            }
            Failure::Transient => match usable {
                None => policy.backoff_after(self.failures, jitter),
                Some(Known {
                    usable_until,
                    lifetime,
                    ..
                }) => {
                    let left = now.until(usable_until);
                    let wait = policy.backoff_while_usable(self.failures, jitter, left, lifetime);
                    let within = usable_until.waited_for(now + wait);
                    require(within, "G4: not past the end of use")?;
                    wait
                }
            },
        };
        self.wait_for(wait, now);
        self.failing_until = self.not_before;
        Ok(())
    }

    fn wait_for(&mut self, wait: Duration, from: Moment) {
        self.not_before = from + wait;
        self.failing_until = START;
    }

    /// The flight ended, if there still was one, with an exchange or without.
    fn ended(&mut self, now: Moment, exchanged: Option<Option<Duration>>) {
        let counts = self.flight.take().is_some_and(|flight| !flight.lost);
        if let Some(stated) = exchanged.filter(|_| counts) {
            self.count.add(now, stated);
        }
    }

    /// Tells whether the vendor allows one more exchange.
    fn free(&self, slots: Slots, at: Moment) -> bool {
        let under_way = self.flight.is_some_and(|flight| !flight.lost);
        self.count.used(at) + u32::from(under_way) < self.count.allowed(slots)
    }

    pub(super) fn seen(&self, view: View, number: impl Fn(Generation) -> Generation) -> Self {
        Self {
            token: self.token.map(|token| Known {
                generation: number(token.generation),
                lifetime: token.lifetime,
                refresh_at: view.deadline(token.refresh_at),
                usable_until: view.deadline(token.usable_until),
            }),
            newest: self.newest.map(number),
            flight: self.flight.map(|flight| Flown {
                sent: view.moment(flight.sent),
                ..flight
            }),
            not_before: view.wait(self.not_before),
            failing_until: view.wait(self.failing_until),
            failures: self.failures.min(view.enough),
            streak: self.streak.min(view.enough),
            damped_until: view.wait(self.damped_until),
            count: self.count.seen(view),
            hint: self.token.map_or(START, |_| view.deadline(self.hint)),
            ..*self
        }
    }
}
