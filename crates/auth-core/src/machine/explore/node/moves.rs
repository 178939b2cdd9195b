//! The possible moves in a state.

use super::*;

impl Node {
    pub(in crate::machine::explore) fn moves(&self, world: &World) -> Vec<Move> {
        let may = &world.may;
        let mut moves = Vec::new();
        if self.now < world.horizon && self.may_tick() {
            moves.push(Move::Tick);
        }
        let costly = self.faults > 0;
        for (p, process) in self.processes.iter().enumerate() {
            // A process that waits for a lease looks often: before the callers of the next second
            // come.
            let looks = self.processes.iter().enumerate().any(|(other, process)| {
                let ready =
                    |air: &Air| matches!(air.step, Step::Sleeps(ready) if ready <= self.now);
                other != p && !process.stopped && process.air.as_ref().is_some_and(ready)
            });
            if !looks {
                moves.push(Move::Demand(p));
            }
            if may.prolong {
                moves.push(Move::Prolong(p));
            }
            if may.renew && costly {
                moves.push(Move::Renew(p));
            }
            if may.invalidate && costly && !process.tokens.is_empty() {
                moves.push(Move::Invalidate(p));
            }
            if let Some(token) = process.serving(self.clock(p)) {
                if self.is_good(world, token) {
                    if may.accept {
                        moves.push(Move::Accept(p));
                    }
                    if may.refuse_falsely && costly {
                        moves.push(Move::Refuse(p));
                    }
                } else {
                    moves.push(Move::Refuse(p));
                }
            }
            for ghost in [false, true] {
                for result in self.results(world, p, ghost) {
                    moves.push(Move::Step(p, ghost, result));
                }
            }
            if !costly {
                continue;
            }
            if may.crash {
                moves.push(Move::Crash(p));
            }
            if may.stop && !process.stopped && process.air.is_some() {
                moves.push(Move::Stop(p));
            }
            if may.give_up && process.ghost.is_none() && process.air.is_some() {
                moves.push(Move::GiveUp(p));
            }
            if may.set_clock {
                moves.extend([Move::SetClock(p, -50), Move::SetClock(p, 50)]);
            }
        }
        if costly {
            moves.extend(may.set_store_back.map(Move::SetStoreBack));
            let wipes = may.wipe && self.store.entry.is_some();
            moves.extend(wipes.then_some(Move::Wipe));
            let rolls = may.roll_back && self.store.old.is_some();
            moves.extend(rolls.then_some(Move::RollBack));
            moves.extend(may.rubbish.then_some(Move::Rubbish));
            let revokes = may.revoke && !self.vendor.issued.is_empty();
            moves.extend(revokes.then_some(Move::Revoke));
        }
        moves
    }

    /// Returns whether time may pass. Orders take no time, unless a process stands still.
    fn may_tick(&self) -> bool {
        self.processes.iter().all(|process| {
            let waits = |air: &Air| match &air.step {
                Step::Begins(ready) | Step::Sleeps(ready) => *ready > self.now,
                Step::Does(_) => false,
                Step::Waits { ends, .. } => *ends > self.now,
            };
            process.stopped || process.air.as_ref().is_none_or(waits)
        })
    }

    pub(super) fn results(&self, world: &World, p: usize, ghost: bool) -> Vec<Result_> {
        use Result_::{
            Arrives, Denied, FailsAfter, FailsBefore, LostAfter, LostBefore, NotSent, Page,
            Throttled, Well,
        };
        let may = &world.may;
        let process = &self.processes[p];
        if process.stopped {
            return Vec::new();
        }
        let air = if ghost { &process.ghost } else { &process.air };
        let Some(air) = air else { return Vec::new() };
        let mut results = Vec::new();
        match &air.step {
            Step::Begins(ready) | Step::Sleeps(ready) => {
                if *ready <= self.now {
                    results.push(Well);
                }
            }
            Step::Waits { reply, ends, .. } => {
                if reply.is_some() || *ends <= self.now {
                    results.push(Arrives);
                }
            }
            Step::Does(Order::Request { .. }) => {
                results.push(Well);
                if self.faults > 0 {
                    results.extend(may.not_sent.then_some(NotSent));
                    results.extend(may.reply_lost.then_some(LostBefore));
                    results.extend(may.reply_lost.then_some(LostAfter));
                    results.extend(may.page.then_some(Page));
                    results.extend(may.throttle.map(|_| Throttled));
                }
            }
            Step::Does(order) => {
                results.push(Well);
                if self.faults > 0 {
                    results.extend(may.store_fails.then_some(FailsBefore));
                    let changes = !matches!(
                        order,
                        Order::Load | Order::LoadAccount | Order::LoadLogins(_)
                    );
                    results.extend((may.store_fails && changes).then_some(FailsAfter));
                    let denies = may.store_denies && changes && !matches!(order, Order::Release);
                    results.extend(denies.then_some(Denied));
                }
            }
        }
        results
    }

    /// Returns whether the API accepts the token.
    pub(super) fn is_good(&self, world: &World, token: u8) -> bool {
        let revoked = self.vendor.revoked & bit(token) != 0;
        let ends = self.vendor.issued[usize::from(token)] + world.lifetime;
        !revoked && self.now < ends
    }
}
