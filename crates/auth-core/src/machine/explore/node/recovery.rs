//! Liveness (I15): when nothing goes wrong any more, each process has a token soon.

use super::*;

/// How the store is when all else is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine::explore) enum Mode {
    Answers,
    Fails,
    Denies,
}

impl Node {
    /// From here on nothing goes wrong: every process has a valid token soon.
    pub(in crate::machine::explore) fn recovers(
        &self,
        world: &World,
        mode: Mode,
    ) -> Result<(), Violation> {
        let mut node = self.clone();
        node.faults = 0;
        node.store_down = mode == Mode::Fails;
        node.store_denies = mode == Mode::Denies;
        if world.vendor.lockable {
            node.secret = 1;
        }
        if world.vendor.rotates {
            let without_refresh = world.vendor.needs_refresh_token || mode != Mode::Answers;
            if without_refresh || node.vendor.good == 0 && world.vendor.needs_refresh_token {
                return Ok(());
            }
        }
        let policy = &world.policy;
        let rules = world.rules(String::new());
        let lease = ceil(rules.lease_time());
        let mut bound = ceil(policy.backoff_range().1) + 2 + ceil(policy.exchange_deadline());
        bound += match mode {
            Mode::Denies => ceil(rules.lease_patience()),
            Mode::Answers | Mode::Fails => lease,
        };
        // What the vendor asked for, slots, and a process that stands still may take longer.
        bound += lease * u32::from(world.may.stop);
        bound += ceil(policy.retry_after(Duration::MAX)) * u32::from(world.may.throttle.is_some());
        if let Some((_, window)) = world.quota {
            bound += window + ceil(policy.exchange_deadline());
        }
        if world.vendor.rotates {
            bound += ceil(policy.probe_after(Jitter(0)));
        }
        let only = World {
            may: May::default(),
            horizon: u32::MAX,
            ..world.clone()
        };
        let end = node.now + bound + 1;
        for process in &mut node.processes {
            process.satisfied = false;
        }
        loop {
            // Everything that can be done is done, then somebody asks.
            for round in 0..400 {
                let mut idle = true;
                for p in 0..node.processes.len() {
                    for ghost in [false, true] {
                        if let Some(result) = node.results(&only, p, ghost).first().copied() {
                            idle = false;
                            node.step(&only, p, ghost, result)?;
                        }
                    }
                    if !node.processes[p].satisfied && round == 0 {
                        node.processes[p].waits = false;
                        node.ask(&only, p, Event::Demand)?;
                    }
                }
                if idle {
                    break;
                }
            }
            if node.processes.iter().all(|process| process.satisfied) {
                return Ok(());
            }
            if node.now >= end {
                let who = node.processes.iter().position(|process| !process.satisfied);
                let who = who.unwrap_or_default();
                let process = &node.processes[who];
                return Err(format!(
                    "process {who} has no token {bound} s after all is well ({mode:?}): {:?} {:?}",
                    process.key.state,
                    process.air.as_ref().map(|air| &air.flight)
                ));
            }
            node.tick(&only)?;
        }
    }
}
