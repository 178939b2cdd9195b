//! Flights: they receive facts, and their orders are executed.

use super::*;

impl Node {
    pub(super) fn begin(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let now = self.now;
        match &self.processes[p].air {
            Some(air) if matches!(air.step, Step::Begins(ready) if ready <= now) => {
                self.goes_on(world, p, false, Fact::Begun)
            }
            _ => Ok(()),
        }
    }

    /// Gives a flight a fact, and executes the orders that concern this process only.
    fn goes_on(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        fact: Fact,
    ) -> Result<(), Violation> {
        let now = self.clock(p);
        let true_now = self.now;
        let mut fact = fact;
        loop {
            let secret = self.secret;
            let process = &mut self.processes[p];
            let mut air = if ghost {
                process.ghost.take()
            } else {
                process.air.take()
            }
            .ok_or("no flight")?;
            if let Fact::Ended(ended) = &fact {
                let times = match process.rejected {
                    (known, times, _) if known == secret => times,
                    _ => 0,
                };
                match air.flight.verdict(&ended.result) {
                    Some(Verdict::Accepted(_)) => process.rejected = (secret, 0, 0),
                    Some(Verdict::Rejected { times: more, .. }) => {
                        process.rejected = (secret, times + more, true_now);
                    }
                    None => {}
                }
            }
            let number = u64::from(air.number) << 8
                | u64::from(process.starts) << 4
                | u64::try_from(p).unwrap_or_default();
            let number = match world.quota {
                Some(_) => number,
                None => number & 0x1ff,
            };
            let draw = Draw {
                jitter: Jitter(0),
                number,
            };
            let rules = world.rules(owner(p, process.starts));
            let order = process
                .key
                .fly(&mut air.flight, !ghost, &rules, fact, now, draw);
            air.orders += 1;
            if air.orders > 100 {
                return Err("100 orders without time passing".to_owned());
            }
            if let Order::Land(landing) = order {
                return self.land(world, p, ghost, air, *landing);
            }
            let local = match &order {
                Order::Read => Some(Fact::Read(Ok(own(world, process, secret, true_now)))),
                Order::AskAgain => {
                    let again = !ghost && process.key.may_try_again(&world.policy, now);
                    Some(Fact::MayAgain(again))
                }
                _ => None,
            };
            air.step = match &order {
                Order::Sleep { time, .. } => Step::Sleeps(true_now + ceil(*time).max(1)),
                _ => Step::Does(order),
            };
            if ghost {
                process.ghost = Some(air)
            } else {
                process.air = Some(air)
            }
            match local {
                Some(next) => fact = next,
                None => return Ok(()),
            }
        }
    }

    /// Executes an order.
    pub(super) fn step(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        result: Result_,
    ) -> Result<(), Violation> {
        let buried = self.buried;
        let process = &mut self.processes[p];
        let air = if ghost {
            &mut process.ghost
        } else {
            &mut process.air
        };
        let Some(air) = air else { return Ok(()) };
        let number = air.number;
        if matches!(air.step, Step::Does(Order::Load)) {
            air.told_refused = buried;
        }
        let fact = match air.step.clone() {
            Step::Begins(_) => Fact::Begun,
            Step::Sleeps(_) => Fact::Slept,
            Step::Does(Order::Request {
                reason,
                refresh_token,
                deadline,
            }) => return self.send(world, p, ghost, (reason, refresh_token, deadline), result),
            Step::Does(order) => {
                let fails = matches!(result, Result_::FailsBefore | Result_::FailsAfter);
                let denied = result == Result_::Denied || self.store_denies;
                self.so_far.store |= fails || denied || self.store_down;
                match result {
                    Result_::FailsBefore => Fact::StoreFailed,
                    _ if self.store_down => Fact::StoreFailed,
                    _ => {
                        let fact = self.ask_store(world, p, number, order, denied);
                        if fails { Fact::StoreFailed } else { fact }
                    }
                }
            }
            Step::Waits {
                reply,
                sent,
                ends,
                refresh,
            } => {
                air.heard = Some(refresh);
                let late = self.now > ends;
                let result = reply.unwrap_or_else(|| Err(lost()));
                // The reply that arrived before the process stood still is handled now.
                let retry_after = result.as_ref().err().and_then(Error::retry_after);
                if let Some(asked) = retry_after {
                    let until = self.now + ceil(world.policy.retry_after(asked));
                    process.told_until = process.told_until.max(until);
                }
                Fact::Ended(Ended { result, sent, late })
            }
        };
        self.goes_on(world, p, ghost, fact)
    }
}

fn own(world: &World, process: &Process, secret: u8, now: u32) -> Own {
    let lockable = world.vendor.lockable;
    let id = IDS.with(|ids| ids[usize::from(secret)]);
    let (known, times, last) = process.rejected;
    let wait = Counted::Credentials.forbidden_for(times, secs(now - last));
    let wait = wait.filter(|_| lockable && known == secret);
    Own {
        id: Some(id),
        lockable,
        first: Ok(
            (world.vendor.rotates && world.vendor.needs_refresh_token).then(|| Secret::new("r0"))
        ),
        forbidden: wait.map(|wait| Forbidden {
            counted: Counted::Credentials,
            cause: None,
            wait,
        }),
    }
}

fn owner(p: usize, starts: u8) -> String {
    format!("{p}.{starts}")
}

thread_local! {
    static IDS: [CredentialsId; 2] = ["fake-secret-0", "fake-secret-1"].map(|text| {
        let credentials = Credentials::lockable(&["a"], [Secret::new(text)]);
        credentials.id().expect("credentials with a secret have an identity")
    });
}
