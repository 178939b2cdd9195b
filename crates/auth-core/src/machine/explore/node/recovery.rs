//! Liveness (I15): when no more faults happen, each process soon has a token.

use std::collections::HashMap;

use super::*;

/// The state of the store while everything else works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine::explore) enum Mode {
    Answers,
    Fails,
    Denies,
}

/// Checks that the states of a world recover.
pub(in crate::machine::explore) struct Recovery {
    /// The world, without further faults.
    world: World,
    /// The number of seconds after each state until every process has a token. Without faults the
    /// moves are determined, so two stories that reach the same state continue equally.
    known: HashMap<u128, u32>,
}

impl Recovery {
    pub(in crate::machine::explore) fn new(world: &World) -> Self {
        Self {
            world: World {
                horizon: u32::MAX,
                ..world.clone()
            },
            known: HashMap::new(),
        }
    }

    /// Checks that every process soon has a valid token if no more faults happen.
    pub(in crate::machine::explore) fn judge(
        &mut self,
        node: &Node,
        mode: Mode,
    ) -> Result<(), Violation> {
        let Self { world, known } = self;
        let mut node = node.clone();
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
        let bound = bound(world, mode);
        let end = node.now + bound + 1;
        for process in &mut node.processes {
            process.satisfied = false;
        }
        let mut passed = Vec::new();
        let satisfied_at = loop {
            let hashed = node.hashed();
            if let Some(time) = known.get(&hashed) {
                break node.now + time;
            }
            passed.push((hashed, node.now));
            node.does_all(world)?;
            if node.processes.iter().all(|process| process.satisfied) {
                break node.now;
            }
            if node.now >= end {
                return Err(node.has_no_token(mode, bound));
            }
            node.tick(world)?;
        };
        if satisfied_at > end {
            return Err(format!(
                "some process has no token {bound} s after all is well ({mode:?})"
            ));
        }
        let times = passed.into_iter();
        known.extend(times.map(|(hashed, now)| (hashed, satisfied_at - now)));
        Ok(())
    }
}

/// Returns the number of seconds within which each process has a token.
fn bound(world: &World, mode: Mode) -> u32 {
    let policy = &world.policy;
    let rules = world.rules(String::new());
    let lease = ceil(rules.lease_time());
    let mut bound = ceil(policy.backoff_range().1) + 2 + ceil(policy.token_request_deadline());
    bound += match mode {
        Mode::Denies if world.vendor.rotates => ceil(rules.lease_patience()),
        Mode::Denies => ceil(rules.claim_after(TokenRequestReason::Ahead, true, false)),
        Mode::Answers | Mode::Fails => lease,
    };
    // A `Retry-After`, quota slots, and a process that stands still may take longer.
    bound += lease * u32::from(world.may.stop);
    bound += ceil(policy.retry_after(Duration::MAX)) * u32::from(world.may.throttle.is_some());
    if let Some((_, window)) = world.quota {
        bound += window + ceil(policy.token_request_deadline());
    }
    if world.vendor.rotates {
        bound += ceil(policy.probe_after(Jitter(0)));
    }
    bound
}

impl Node {
    /// Executes all orders; then a caller asks.
    fn does_all(&mut self, world: &World) -> Result<(), Violation> {
        for round in 0..400 {
            let mut idle = true;
            for p in 0..self.processes.len() {
                for ghost in [false, true] {
                    if let Some(result) = self.results(world, p, ghost).first().copied() {
                        idle = false;
                        self.step(world, p, ghost, result)?;
                    }
                }
                if !self.processes[p].satisfied && round == 0 {
                    self.processes[p].waits = false;
                    self.ask(world, p, Event::Demand)?;
                }
            }
            if idle {
                break;
            }
        }
        Ok(())
    }

    fn has_no_token(&self, mode: Mode, bound: u32) -> Violation {
        let mut processes = self.processes.iter().enumerate();
        let found = processes.find(|(_, process)| !process.satisfied);
        let state = found.map(|(p, process)| {
            let flight = process.air.as_ref().map(|air| &air.flight);
            format!("process {p}: {:?} {flight:?}", process.key.state)
        });
        format!("a process has no token {bound} s after all is well ({mode:?}): {state:?}")
    }
}
