//! The result of a flight, and the promises about it.

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
        let policy = &world.policy;
        if process.key.land_settled(policy, &landing, now) {
            return Ok(());
        }
        let carry = |token: &AccessToken| Ok(number_of(token.secret()));
        if ghost {
            let landed = process
                .key
                .land_late(policy, &landing, Jitter(0), now, carry);
            let Some(landed) = landed else {
                return Ok(());
            };
            process.take(landed);
            return if std::mem::take(&mut process.waits) {
                self.ask(world, p, Event::Demand)
            } else {
                Ok(())
            };
        }
        process.replaces_since = None;
        let over_quota = |wait| Error::new(ErrorKind::Quota, "quota").with_retry_after(wait);
        let landed = process
            .key
            .land(policy, &landing, Jitter(0), now, carry, over_quota);
        match process.take(landed) {
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
                    "t{token} is taken from the store, although other processes know that it was replaced"
                ));
            }
            let issued = self.vendor.issued[usize::from(token)];
            if found && self.now >= issued + world.lifetime && !so_far.stopped {
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
                Some(record.aged(self.store.age(entry, now)))
            });
            let seen = |record: &Option<Record>| {
                let record = record.clone().unwrap_or_default();
                let uncertain = record.refresh.as_ref().map_or(0, |known| known.uncertain);
                (
                    record.pause,
                    record.row,
                    record.failing_for,
                    record.failed_by,
                    uncertain,
                )
            };
            let (before, slots) = &air.before;
            let age = secs(now - air.since);
            let before = before.clone().map(|record| record.aged(age));
            if seen(&before) != seen(&after) || self.slots() > *slots {
                return Err("a request that never reached the vendor changes the store".to_owned());
            }
        }
        Ok(())
    }
}

impl Process {
    /// Keeps the machine's decision about a flight's result.
    fn take(&mut self, landed: Landed<u8>) -> Outcome {
        match landed {
            Landed::Published(generation, token) => {
                let previous = self.key.state.previous_generation();
                self.tokens
                    .retain(|(known, _)| Some(*known) == previous && *known != generation);
                self.tokens.insert(0, (generation, token));
                Outcome::AskAgain
            }
            Landed::Delivered(..) => {
                self.satisfied = true;
                Outcome::Told
            }
            Landed::Retry(_) => Outcome::AskAgain,
            Landed::Failed(_) | Landed::Unchanged => Outcome::Told,
        }
    }
}
