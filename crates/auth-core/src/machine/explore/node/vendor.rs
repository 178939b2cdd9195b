//! The vendor, and the promises about token requests.

use super::*;

#[derive(Clone, Default, Hash)]
pub(super) struct Vendor {
    /// When each token was issued.
    pub(super) issued: Vec<u32>,
    pub(super) revoked: u64,
    /// Valid refresh tokens, and those that were replaced.
    pub(super) good: u64,
    pub(super) replaced: u64,
    /// The number of refresh tokens so far.
    pub(super) refresh_tokens: u8,
    /// A refresh token whose reply was lost, and how often it was sent again.
    pub(super) uncertain: Vec<(u8, u8)>,
    /// Until when token requests count.
    pub(super) counted: Vec<u32>,
    /// Rejected logins with each secret.
    pub(super) rejected: Vec<u8>,
}

impl Vendor {
    /// Returns the reply of a vendor without faults.
    fn answer(
        &mut self,
        world: &World,
        refresh: Option<u8>,
        secret: u8,
        now: u32,
    ) -> Result<AccessToken, Error> {
        let rejected = |part| {
            error(ErrorKind::Rejected, TokenRequestOutcome::Rejected).with_rejected_part(part)
        };
        if let Some(sent) = refresh {
            if self.good & bit(sent) == 0 {
                // Sent twice: another party may have stolen the tokens of this family (RFC 9700
                // section 4.14).
                self.good = 0;
                return Err(rejected(RejectedPart::RefreshToken));
            }
        } else if world.vendor.lockable && secret == 0 {
            self.rejected.resize(2, 0);
            self.rejected[0] += 1;
            return Err(rejected(RejectedPart::Credentials));
        }
        let number = u8::try_from(self.issued.len()).unwrap_or(u8::MAX);
        if world.vendor.one_live {
            self.revoked |= (1 << number) - 1;
        }
        self.issued.push(now);
        let lifetime = if world.vendor.expired {
            0
        } else {
            world.lifetime
        };
        let token = AccessToken::new(format!("t{number}")).expires_in(secs(lifetime));
        if !world.vendor.rotates {
            return Ok(token);
        }
        if let Some(sent) = refresh {
            self.good &= !bit(sent);
            self.replaced |= bit(sent);
        }
        self.refresh_tokens += 1;
        self.good |= bit(self.refresh_tokens);
        Ok(token.refresh_token(format!("r{}", self.refresh_tokens)))
    }
}

impl Node {
    /// Sends a token request. Most promises are checked here.
    pub(super) fn send(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        (reason, refresh_token, deadline): (TokenRequestReason, Option<Secret>, Duration),
        result: Result_,
    ) -> Result<(), Violation> {
        let now = self.now;
        let so_far = self.so_far;
        let undisturbed = !so_far.store && !so_far.stopped && so_far.crashes == 0;
        // A process that was denied the lease for longer than a lease lasts continues without the
        // store.
        let lease = ceil(world.rules(String::new()).lease_time());
        let others = self
            .processes
            .iter()
            .enumerate()
            .flat_map(|(other, process)| {
                let air = process.air.as_ref().filter(|_| other != p);
                air.into_iter().chain(&process.ghost)
            });
        // Since when the token requests in progress have had no answer.
        let out: Vec<_> = others
            .filter(|air| !(air.flight.is_without_store() && now >= air.since + lease))
            .filter_map(|air| match air.step {
                Step::Waits { sent, ends, .. } if ends > now => Some(sent),
                _ => None,
            })
            .collect();
        // One more is allowed when the first has had no answer for half of its time. Where the
        // lease was denied for too long before, one second is enough, which is one tick.
        let doubts = |process: &Process| process.key.memory.doubts_lease();
        let doubts = self.processes.iter().any(doubts);
        let half = world.policy.token_request_deadline() / 2;
        let is_silent = |sent: &Moment| doubts || self.clock(p).wait_since(*sent) >= half;
        let at_work = out.len() > 1 || !out.iter().all(is_silent);
        let air = self.processes[p].air.as_ref();
        let denied =
            air.is_some_and(|air| air.flight.is_without_store() && now >= air.since + lease);
        if at_work && undisturbed && world.shares && !denied {
            return Err(format!(
                "process {p} sends a token request beside {out:?} at {:?}",
                self.clock(p)
            ));
        }
        if now < self.processes[p].told_until {
            return Err("a token request before the Retry-After is over".to_owned());
        }
        if now < self.told_all_until && !so_far.store {
            return Err(format!(
                "process {p} sends a token request at {now}, and all know to wait until {}",
                self.told_all_until
            ));
        }
        let secret = self.secret;
        let sent = self.clock(p);
        let number = refresh_token.as_ref().map(number_of);
        self.count(world, reason, result)?;
        if result != Result_::NotSent {
            self.judge_refresh(number, result)?;
        }
        let reply = match result {
            Result_::NotSent => Some(Err(error(
                ErrorKind::Unavailable,
                TokenRequestOutcome::NotSent,
            ))),
            Result_::LostBefore => None,
            Result_::Page => Some(Err(error(
                ErrorKind::Protocol,
                TokenRequestOutcome::NotUnderstood,
            ))),
            Result_::Throttled => {
                let asked = secs(world.may.throttle.unwrap_or_default());
                let error = error(ErrorKind::Throttled, TokenRequestOutcome::Throttled);
                Some(Err(error.with_retry_after(asked)))
            }
            _ => {
                let reply = self.vendor.answer(world, number, secret, now);
                if let Err(error) = &reply {
                    if error.rejected_part() == Some(RejectedPart::Credentials) {
                        let times = self.vendor.rejected[usize::from(secret)];
                        if times > 2 && !so_far.store && so_far.crashes == 0 && !so_far.lost {
                            return Err(format!("rejected credentials are sent {times} times"));
                        }
                    }
                }
                Some(reply).filter(|_| result != Result_::LostAfter)
            }
        };
        self.so_far.lost |= matches!(result, Result_::LostBefore | Result_::LostAfter);
        if self.so_far.lost && reply.is_none() {
            self.note_uncertain(number);
        }
        let process = &mut self.processes[p];
        let air = if ghost {
            &mut process.ghost
        } else {
            &mut process.air
        };
        if let Some(air) = air {
            air.not_sent = result == Result_::NotSent && air.heard.is_none();
            if reason == TokenRequestReason::Refused {
                self.repeats += 1;
            }
            air.step = Step::Waits {
                reply,
                sent,
                refresh: number,
                ends: now + ceil(deadline),
            };
        }
        Ok(())
    }

    /// Counts the token request against the quota.
    fn count(
        &mut self,
        world: &World,
        reason: TokenRequestReason,
        result: Result_,
    ) -> Result<(), Violation> {
        let Some((limit, window)) = world.quota else {
            return Ok(());
        };
        if matches!(result, Result_::NotSent | Result_::LostBefore) {
            return Ok(());
        }
        let now = self.now;
        // The slot of a token becomes free when the token expires.
        let lifetime = match result {
            Result_::Well | Result_::LostAfter => window.min(world.lifetime),
            _ => window,
        };
        self.vendor.counted.retain(|ends| *ends > now);
        self.vendor.counted.push(now + lifetime);
        let count = self.vendor.counted.len();
        let so_far = self.so_far;
        let forgets = so_far.store || !world.shares && so_far.crashes > 0;
        if count > limit as usize && !forgets {
            return Err(format!("{count} token requests where {limit} are allowed"));
        }
        let spare = (limit as usize * 4 / 5).max(1);
        if reason == TokenRequestReason::Refused && self.repeats > 0 && count > spare && !forgets {
            return Err(format!("repeated refusals take slot {count} of {limit}"));
        }
        Ok(())
    }

    /// A refresh token that was replaced is sent at most once more, and only if the outcome of its
    /// request is unknown.
    fn judge_refresh(&mut self, number: Option<u8>, _: Result_) -> Result<(), Violation> {
        let Some(number) = number else {
            return Ok(());
        };
        if self.vendor.replaced & bit(number) == 0 {
            return Ok(());
        }
        let known = self
            .vendor
            .uncertain
            .iter_mut()
            .find(|(known, _)| *known == number);
        match known {
            Some((_, times)) if *times == 0 => {
                *times += 1;
                Ok(())
            }
            _ => Err(format!("r{number} is sent again after it was replaced")),
        }
    }

    fn note_uncertain(&mut self, number: Option<u8>) {
        if let Some(number) = number {
            if !self
                .vendor
                .uncertain
                .iter()
                .any(|(known, _)| *known == number)
            {
                self.vendor.uncertain.push((number, 0));
            }
        }
    }

    /// A process that dies or is given up does not receive the reply.
    pub(super) fn note_lost_reply(&mut self, p: usize) {
        let process = &self.processes[p];
        let flights = [&process.air, &process.ghost].into_iter().flatten();
        let sent: Vec<_> = flights
            .filter_map(|air| match air.step {
                Step::Waits { refresh, .. } => Some(refresh),
                _ => air.heard,
            })
            .collect();
        for number in sent {
            self.so_far.lost = true;
            self.note_uncertain(number);
        }
    }
}
