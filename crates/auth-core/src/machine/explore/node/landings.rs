//! What becomes of a flight's result, and what promises it keeps.

use super::*;

enum Outcome {
    AskAgain,
    Told,
}

impl Node {
    pub(super) fn land(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        air: Air,
        landing: Landing,
    ) -> Result<(), Violation> {
        self.judge_landing(world, p, &air, &landing)?;
        let now = self.clock(p);
        let process = &mut self.processes[p];
        if ghost {
            let End::Token(token, age) = &landing.end else {
                return Ok(());
            };
            let until = process.state.usable_until();
            if until.is_some_and(|until| !now.reached(until)) {
                return Ok(());
            }
            let before = process.state.clone();
            let published = process.publish(world, token, *age, &landing, now);
            process.state.flies_as(&before);
            if published.is_ok() && std::mem::take(&mut process.waits) {
                return self.ask(world, p, Event::Demand);
            }
            return Ok(());
        }
        process.replaces_since = None;
        let outcome = match &landing.end {
            End::Token(token, age) => match process.publish(world, token, *age, &landing, now) {
                Ok(outcome) => outcome,
                Err(error) => process.fail(world, &landing, &error, None, now),
            },
            End::Failed(error) => process.fail(world, &landing, error, None, now),
            End::Told(error, wait) => process.fail(world, &landing, error, Some(*wait), now),
            End::OverQuota(wait) => {
                let error = Error::new(ErrorKind::Quota, "quota").with_retry_after(*wait);
                process.fail(world, &landing, &error, None, now)
            }
            End::Unchanged => {
                process.state.unchanged();
                Outcome::Told
            }
        };
        match outcome {
            Outcome::AskAgain => self.wake(world, p),
            Outcome::Told => {
                process.waits = false;
                process.waits_instead = None;
                process.rounds = 0;
                Ok(())
            }
        }
    }

    fn judge_landing(
        &mut self,
        world: &World,
        p: usize,
        air: &Air,
        landing: &Landing,
    ) -> Result<(), Violation> {
        let so_far = self.so_far;
        let process = &self.processes[p];
        if let End::Token(token, _) = &landing.end {
            let token = number_of(token.secret());
            let found = !landing.requested;
            if found && process.refused & bit(token) != 0 {
                return Err(format!(
                    "t{token} is taken from the store, although it was refused"
                ));
            }
            if found && air.told_refused & bit(token) != 0 && !so_far.store {
                return Err(format!(
                    "t{token} is taken from the store, although others know better"
                ));
            }
            let issued = self.vendor.issued[usize::from(token)];
            if found && self.now >= issued + world.lives && !so_far.stopped {
                return Err(format!("t{token} is taken from the store after its end"));
            }
        }
        if so_far.store {
            return Ok(());
        }
        if world.shares && air.clean {
            self.buried |= air.refused & process.refused;
            if let (End::Failed(error) | End::Told(error, _), true) =
                (&landing.end, landing.requested)
            {
                if error.kind() == ErrorKind::Throttled && process.told_until > self.now {
                    self.told_all_until = self.told_all_until.max(process.told_until);
                }
            }
        }
        let alone = self.processes.len() == 1 && process.ghost.is_none() && !so_far.stopped;
        if air.not_sent && alone && so_far.crashes == 0 && !landing.requested {
            let now = self.now;
            let after = self.store.entry.as_ref().and_then(|entry| {
                let record = entry.content.clone()?;
                Some(record.aged(secs(now - entry.written)))
            });
            let seen = |record: &Option<Record>| {
                let record = record.clone().unwrap_or_default();
                let uncertain = record.refresh.as_ref().map_or(0, |known| known.uncertain);
                (
                    record.pause,
                    record.failures,
                    record.failing_for,
                    record.failed_by,
                    uncertain,
                )
            };
            let (before, slots) = &air.before;
            let age = secs(now - air.since);
            let before = before.clone().map(|record| record.aged(age));
            if seen(&before) != seen(&after) || self.slots() > *slots {
                return Err("what never reached the vendor leaves a trace in the store".to_owned());
            }
        }
        Ok(())
    }
}

impl Process {
    fn publish(
        &mut self,
        world: &World,
        token: &AccessToken,
        age: Duration,
        landing: &Landing,
        now: Moment,
    ) -> Result<Outcome, Error> {
        let print = Print::of(token.secret());
        if self.memory.refused.contains(print) {
            return Err(Error::new(ErrorKind::Refused, "the same token"));
        }
        let fetched = Fetched {
            sent: landing.sent,
            age,
            requested: landing.requested,
            contested: landing.contested,
            lifetime: token.lifetime(),
            hint: None,
            same: self
                .newest
                .and_then(|(generation, newest)| (newest == print).then_some(generation)),
            jitter: Jitter(0),
        };
        let action = self.state.step(&world.policy, Event::Fetched(fetched), now);
        let (Action::Publish(generation) | Action::Deliver(generation)) = action else {
            return Err(Error::new(ErrorKind::Closed, "no token"));
        };
        let delivered = matches!(action, Action::Deliver(_));
        if !delivered || self.tokens.is_empty() {
            self.newest = Some((generation, print));
            self.memory.current = Some(print);
        }
        if delivered {
            self.satisfied = true;
            return Ok(Outcome::Told);
        }
        self.tokens.retain(|(known, _)| *known != generation);
        self.tokens
            .insert(0, (generation, number_of(token.secret())));
        self.tokens.truncate(2);
        Ok(Outcome::AskAgain)
    }

    fn fail(
        &mut self,
        world: &World,
        landing: &Landing,
        error: &Error,
        told: Option<Duration>,
        now: Moment,
    ) -> Outcome {
        let failure = match landing.end {
            End::OverQuota(_) => Failure::OwnQuota,
            _ => Failure::of(error),
        };
        let event = Event::Failed(Failed {
            failure,
            requested: landing.requested,
            retry_after: told.or(error.retry_after()),
            told: told.is_some(),
            cut_short: failure == Failure::OwnQuota || error.kind() == ErrorKind::TimedOut,
            failing_for: landing.failing_for,
            about: landing.about,
            lockable: landing.lockable,
            jitter: Jitter(0),
        });
        match self.state.step(&world.policy, event, now) {
            Action::Retry => Outcome::AskAgain,
            _ => Outcome::Told,
        }
    }
}
