//! The moves in a state.

use super::*;

impl Node {
    pub(in crate::machine::explore) fn happens(
        &mut self,
        world: &World,
        happens: Move,
    ) -> Result<(), Violation> {
        let judged = self.executes(world, happens);
        for process in &mut self.processes {
            process.satisfied = false;
        }
        judged
    }

    fn executes(&mut self, world: &World, happens: Move) -> Result<(), Violation> {
        let costs = match happens {
            Move::Tick | Move::Demand(_) | Move::Prolong(_) | Move::Accept(_) => false,
            Move::Refuse(p) => {
                let token = self.processes[p].serving(self.clock(p));
                token.is_some_and(|token| self.is_good(world, token))
            }
            Move::Step(_, _, result) => !matches!(result, Result_::Well | Result_::Arrives),
            _ => true,
        };
        self.faults -= u8::from(costs);
        match happens {
            Move::Tick => self.tick(world),
            Move::Demand(p) => {
                self.processes[p].waits = false;
                self.ask(world, p, Event::Demand)
            }
            Move::Prolong(p) => self.ask(world, p, Event::Prolong),
            Move::Renew(p) => self.ask(world, p, Event::Renew),
            Move::Invalidate(p) => {
                self.invalidate(world, p);
                Ok(())
            }
            Move::Accept(p) => {
                self.accept(world, p);
                Ok(())
            }
            Move::Refuse(p) => self.refuse(world, p),
            Move::Step(p, ghost, result) => self.step(world, p, ghost, result),
            Move::Crash(p) => {
                let starts = self.processes[p].starts + 1;
                self.so_far.crashes += 1;
                self.note_lost_reply(p);
                self.processes[p] = Process::new(world, starts);
                Ok(())
            }
            Move::Stop(p) => {
                self.so_far.stopped = true;
                let lease = ceil(world.rules(String::new()).lease_time());
                self.processes[p].stopped = true;
                self.processes[p].stopped_until = self.now + lease;
                Ok(())
            }
            Move::GiveUp(p) => {
                self.so_far.stopped = true;
                let now = self.clock(p);
                let process = &mut self.processes[p];
                process.ghost = process.air.take();
                process.replaces_since = None;
                process.key.abandoned(&world.policy, now);
                process.follow();
                self.wake(world, p)
            }
            Move::SetClock(p, seconds) => {
                self.so_far.clock = true;
                self.processes[p].wall += seconds;
                Ok(())
            }
            Move::SetStoreBack(seconds) => {
                self.store.behind += seconds;
                Ok(())
            }
            Move::Wipe => {
                self.so_far.store = true;
                self.store.entry = None;
                Ok(())
            }
            Move::RollBack => {
                self.so_far.store = true;
                self.store.entry = self.store.old.clone();
                Ok(())
            }
            Move::Rubbish => {
                self.so_far.store = true;
                let version = EntryVersion::new(u128::from(u64::MAX - 10) << 64);
                self.store.entry = Some(Entry {
                    version,
                    content: None,
                    written: self.store.now(self.now),
                });
                Ok(())
            }
            Move::Revoke => {
                self.vendor.revoked = u64::MAX;
                for token in self.vendor.issued.len()..64 {
                    self.vendor.revoked &= !(1 << token);
                }
                Ok(())
            }
        }
    }

    pub(super) fn tick(&mut self, world: &World) -> Result<(), Violation> {
        self.now += 1;
        let now = self.now;
        for process in &mut self.processes {
            process.stopped &= process.stopped_until > now;
            for air in process.air.iter_mut().chain(&mut process.ghost) {
                air.orders = 0;
            }
        }
        // Callers ask again when a flight takes long.
        for p in 0..self.processes.len() {
            let process = &mut self.processes[p];
            let long = |air: &&mut Air| !air.asked_again && now >= air.since + 2;
            if let Some(air) = process.air.as_mut().filter(long) {
                air.asked_again = true;
                if std::mem::take(&mut process.waits) {
                    self.ask(world, p, Event::Demand)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, world: &World, p: usize) {
        let now = self.clock(p);
        self.repeats = 0;
        let process = &mut self.processes[p];
        let Some(generation) = process.key.state.serves(now) else {
            return;
        };
        if let Some(token) = process.token(generation) {
            process.refused &= !bit(token);
        }
        process.key.accepted(&world.policy, generation, now);
        process.follow();
    }

    /// The operator does not trust the cached token: from now on it is sent by nobody here.
    fn invalidate(&mut self, world: &World, p: usize) {
        let now = self.clock(p);
        let process = &mut self.processes[p];
        process.key.invalidate(&world.policy, now);
        process.refused |= process.tokens.first().map_or(0, |(_, token)| bit(*token));
        process.follow();
    }

    fn refuse(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let now = self.clock(p);
        let process = &mut self.processes[p];
        let Some(generation) = process.key.state.serves(now) else {
            return Ok(());
        };
        if let Some(token) = process.token(generation) {
            process.refused |= bit(token);
        }
        let event = Event::Refused {
            generation,
            permanent: false,
        };
        self.ask(world, p, event)
    }
}
