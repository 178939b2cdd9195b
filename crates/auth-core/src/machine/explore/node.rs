//! One state of a whole world, and how it goes on. Obeys the machine as shared_state.rs and driver.rs do.

use std::hash::Hash;

use super::*;

#[derive(Clone, Hash)]
pub(super) struct Node {
    pub(super) now: u32,
    pub(super) processes: Vec<Process>,
    pub(super) store: Store,
    pub(super) vendor: Vendor,
    pub(super) faults: u8,
    /// What has gone wrong so far, as far as promises depend on it.
    pub(super) so_far: SoFar,
    pub(super) secret: u8,
    /// The store answers nothing.
    pub(super) store_down: bool,
    pub(super) store_denies: bool,
    /// Until when all processes know that the vendor wants no token request.
    told_all_until: u32,
    /// Tokens whose refusal the store knows.
    buried: u64,
    /// Renewals since the last acceptance that followed a refusal.
    repeats: u8,
}

#[derive(Clone, Copy, Default, Hash)]
pub(super) struct SoFar {
    /// The store failed, lied, was emptied or rolled back.
    pub(super) store: bool,
    pub(super) crashes: u8,
    /// A process stood still, or a flight was given up.
    pub(super) stopped: bool,
    pub(super) clock: bool,
    pub(super) lost: bool,
}

#[derive(Clone, Hash)]
pub(super) struct Process {
    starts: u8,
    flights: u8,
    state: State,
    memory: Memory,
    air: Option<Air>,
    /// A flight that was given up.
    ghost: Option<Air>,
    newest: Option<(Generation, Print)>,
    /// The tokens of the newest generations.
    tokens: Vec<(Generation, u8)>,
    waits: bool,
    waits_instead: Option<Generation>,
    rounds: u8,
    /// Rejected credentials, how often, and when last.
    rejected: (u8, u32, u32),
    stopped: bool,
    stopped_until: u32,
    wall: i32,
    /// The vendor told this process to wait until then.
    told_until: u32,
    refused: u64,
    /// When the flight started that replaces a refused token.
    replaces_since: Option<u32>,
    /// Since when this process has had no valid token although somebody asks.
    pub(super) satisfied: bool,
}

#[derive(Clone, Hash)]
struct Air {
    number: u8,
    flight: Flight,
    step: Step,
    since: u32,
    orders: u8,
    asked_again: bool,
    refused: u64,
    /// Tokens whose refusal the store knew when the flight last looked.
    told_refused: u64,
    /// The store, as it was when the flight began.
    before: (Option<Record>, usize),
    not_sent: bool,
    clean: bool,
    /// A reply came to this refresh token, and may not be written down yet.
    heard: Option<Option<u8>>,
}

#[derive(Clone, Hash)]
enum Step {
    Begins(u32),
    Does(Order),
    Sleeps(u32),
    Waits {
        reply: Option<Result<AccessToken, Error>>,
        sent: Moment,
        /// The refresh token that was sent.
        refresh: Option<u8>,
        ends: u32,
    },
}

#[derive(Clone, Default, Hash)]
pub(super) struct Store {
    entry: Option<Entry<Option<Record>>>,
    old: Option<Entry<Option<Record>>>,
    account: Option<Entry<Account>>,
    logins: Option<Entry<Logins>>,
    lease: Option<(usize, u8, u8, u32)>,
}

#[derive(Clone, Hash)]
struct Entry<T> {
    version: Version,
    content: T,
    written: u32,
}

#[derive(Clone, Default, Hash)]
pub(super) struct Vendor {
    /// When each token was issued.
    issued: Vec<u32>,
    revoked: u64,
    /// Refresh tokens that are good, and those that were replaced.
    good: u64,
    replaced: u64,
    /// How many refresh tokens there were.
    refresh_tokens: u8,
    /// A refresh token whose reply was lost, and how often it was sent again.
    uncertain: Vec<(u8, u8)>,
    /// Until when token requests count.
    counted: Vec<u32>,
    /// Rejected logins with each secret.
    rejected: Vec<u8>,
}

pub(super) type Violation = String;

impl Node {
    pub(super) fn new(world: &World) -> Self {
        let process = || Process::new(world, 0);
        Self {
            now: 0,
            processes: (0..world.processes).map(|_| process()).collect(),
            store: Store::default(),
            vendor: Vendor {
                good: 1,
                ..Vendor::default()
            },
            faults: world.faults,
            so_far: SoFar::default(),
            secret: 0,
            store_down: false,
            store_denies: false,
            told_all_until: 0,
            buried: 0,
            repeats: 0,
        }
    }

    pub(super) fn hashed(&self) -> u128 {
        let mut mix = Mix::default();
        self.hash(&mut mix);
        mix.both()
    }

    fn clock(&self, p: usize) -> Moment {
        let wall = u64::from(self.now) + WALL;
        let wall = wall.saturating_add_signed(self.processes[p].wall.into());
        Moment::new(secs(self.now) + BASE, Duration::from_secs(wall))
    }

    // --- what may happen ---

    pub(super) fn moves(&self, world: &World) -> Vec<Move> {
        let may = &world.may;
        let mut moves = Vec::new();
        if self.now < world.horizon && self.may_tick() {
            moves.push(Move::Tick);
        }
        let costly = self.faults > 0;
        for (p, process) in self.processes.iter().enumerate() {
            // Who waits for a lease looks often: before the callers of the next second come.
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

    /// Orders take no time, unless a process stands still.
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

    fn results(&self, world: &World, p: usize, ghost: bool) -> Vec<Result_> {
        use Result_::{
            Arrives, Denied, FailsAfter, FailsBefore, LostAfter, LostBefore, NotSent, Page,
            Throttled, Well,
        };
        let may = &world.may;
        let process = &self.processes[p];
        if process.stopped {
            return Vec::new();
        }
        let air = match ghost {
            true => &process.ghost,
            false => &process.air,
        };
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

    /// The API would accept the token.
    fn is_good(&self, world: &World, token: u8) -> bool {
        let revoked = self.vendor.revoked & bit(token) != 0;
        let ends = self.vendor.issued[usize::from(token)] + world.lives;
        !revoked && self.now < ends
    }

    // --- what happens ---

    pub(super) fn happens(&mut self, world: &World, happens: Move) -> Result<(), Violation> {
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
                process.state.step(&world.policy, Event::Abandoned, now);
                self.wake(world, p)
            }
            Move::SetClock(p, seconds) => {
                self.so_far.clock = true;
                self.processes[p].wall += seconds;
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
                let version = Version::new(u128::from(u64::MAX - 10) << 64);
                self.store.entry = Some(Entry {
                    version,
                    content: None,
                    written: self.now,
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

    fn tick(&mut self, world: &World) -> Result<(), Violation> {
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

    fn accept(&mut self, world: &World, p: usize) {
        let now = self.clock(p);
        self.repeats = 0;
        let process = &mut self.processes[p];
        let Some(generation) = process.state.serves(now) else {
            return;
        };
        if let Some((newest, print)) = process.newest {
            if newest == generation {
                process.memory.refused.remove(print);
            }
        }
        if let Some(token) = process.token(generation) {
            process.refused &= !bit(token);
        }
        let event = Event::Accepted(generation);
        process.state.step(&world.policy, event, now);
    }

    fn refuse(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let now = self.clock(p);
        let process = &mut self.processes[p];
        let Some(generation) = process.state.serves(now) else {
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

    // --- callers ---

    /// A caller asks the machine.
    fn ask(&mut self, world: &World, p: usize, event: Event) -> Result<(), Violation> {
        let now = self.clock(p);
        let true_now = self.now;
        let before = (
            self.store.entry.as_ref().and_then(|entry| {
                let record = entry.content.clone()?;
                Some(record.aged(secs(true_now - entry.written)))
            }),
            self.slots(),
        );
        let clean = !self.so_far.store;
        let process = &mut self.processes[p];
        if let (Event::Refused { generation, .. }, Some((newest, print))) = (event, process.newest)
        {
            if newest == generation
                && process
                    .state
                    .usable_until()
                    .is_some_and(|u| !now.reached(u))
            {
                process.memory.refused.add(print);
            }
        }
        let action = process.state.step(&world.policy, event, now);
        if matches!(action, Action::ServePrevious | Action::SendAgain { .. }) {
            if let (Event::Refused { generation, .. }, Some((newest, print))) =
                (event, process.newest)
            {
                if newest == generation {
                    process.memory.refused.remove(print);
                    if let Some(token) = process.token(generation) {
                        process.refused &= !bit(token);
                    }
                }
            }
        }
        if let Action::Fly(start) | Action::ServeAndFly(start) = action {
            process.flights = (process.flights + 1) % 16;
            if world.quota.is_none() {
                process.flights %= 4;
            }
            let ready = true_now + ceil(start.after);
            process.air = Some(Air {
                number: process.flights,
                flight: Flight::new(start),
                step: Step::Begins(ready),
                since: ready,
                orders: 0,
                asked_again: false,
                refused: process.refused,
                told_refused: 0,
                before,
                not_sent: false,
                clean,
                heard: None,
            });
        }
        let instead = match event {
            Event::Refused { generation, .. } => Some(generation),
            _ => None,
        };
        match action {
            Action::Serve | Action::ServePrevious | Action::ServeAndFly(_) => {
                self.serve(world, p, instead.is_some())?;
            }
            Action::Fly(_) | Action::Wait => {
                match instead {
                    Some(_) => process.waits_instead = instead,
                    None => process.waits = true,
                }
                if instead.is_some() {
                    process.replaces_since.get_or_insert(true_now);
                }
            }
            Action::Fail { .. }
            | Action::OverQuota { .. }
            | Action::Damped
            | Action::SendAgain { .. } => {}
            action => return Err(format!("a caller was told {action:?}")),
        }
        self.begin(world, p)
    }

    /// A request is signed with the token that the machine says.
    fn serve(&mut self, world: &World, p: usize, instead: bool) -> Result<(), Violation> {
        let now = self.clock(p);
        let process = &mut self.processes[p];
        let generation = process.state.serves(now);
        let Some(token) = generation.and_then(|generation| process.token(generation)) else {
            return Err("a token is served that is not there".to_owned());
        };
        process.satisfied = true;
        let issued = self.vendor.issued[usize::from(token)];
        // What a process writes that stood still looks younger than it is.
        let ages = !world.vendor.expired && !self.so_far.stopped;
        if self.now >= issued + world.lives && ages {
            return Err(format!(
                "t{token} is sent {} s after it was issued",
                self.now - issued
            ));
        }
        let is_refused = process.refused & bit(token) != 0;
        if is_refused && instead {
            return Err(format!("t{token} is sent again to who was refused with it"));
        }
        let recent = process
            .replaces_since
            .is_some_and(|since| self.now < since + 2);
        if is_refused && recent && process.air.is_some() {
            return Err(format!(
                "t{token} is sent while its replacement is under way"
            ));
        }
        Ok(())
    }

    /// Those who wait ask again.
    fn wake(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let process = &mut self.processes[p];
        let waits = std::mem::take(&mut process.waits);
        let instead = process.waits_instead.take();
        process.rounds += 1;
        if process.rounds > 6 {
            return Err("callers wait for one flight after another".to_owned());
        }
        if waits {
            self.ask(world, p, Event::Demand)?;
        }
        if let Some(generation) = instead {
            let event = Event::Refused {
                generation,
                permanent: false,
            };
            self.ask(world, p, event)?;
        }
        let process = &mut self.processes[p];
        if process.air.is_none() && (process.waits || process.waits_instead.is_some()) {
            return Err("a caller waits for no flight".to_owned());
        }
        if process.air.is_none() {
            process.rounds = 0;
        }
        Ok(())
    }

    // --- flights ---

    fn begin(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let now = self.now;
        match &self.processes[p].air {
            Some(air) if matches!(air.step, Step::Begins(ready) if ready <= now) => {
                self.goes_on(world, p, false, Fact::Begun)
            }
            _ => Ok(()),
        }
    }

    /// A flight hears of a fact, and does what concerns this process only.
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
            let mut air = match ghost {
                true => process.ghost.take(),
                false => process.air.take(),
            }
            .ok_or("no flight")?;
            if !ghost && process.state.is_urgent() {
                air.flight.hurry();
            }
            if let Fact::Ended(ended) = &fact {
                if let Some((_, accepted)) = air.flight.judged(&ended.result) {
                    let times = match process.rejected {
                        (known, times, _) if known == secret => times,
                        _ => 0,
                    };
                    let more = 1 + u32::from(air.flight.is_without_store());
                    process.rejected = match accepted {
                        true => (secret, 0, 0),
                        false => (secret, times + more, true_now),
                    };
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
            let order = air
                .flight
                .step(&rules, &mut process.memory, fact, now, draw);
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
                    let event = Event::CredentialsChanged;
                    let again =
                        !ghost && process.state.step(&world.policy, event, now) == Action::Again;
                    Some(Fact::MayAgain(again))
                }
                _ => None,
            };
            air.step = match &order {
                Order::Sleep { time, .. } => Step::Sleeps(true_now + ceil(*time).max(1)),
                _ => Step::Does(order),
            };
            match ghost {
                true => process.ghost = Some(air),
                false => process.air = Some(air),
            }
            match local {
                Some(next) => fact = next,
                None => return Ok(()),
            }
        }
    }

    /// An order is executed.
    fn step(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        result: Result_,
    ) -> Result<(), Violation> {
        let buried = self.buried;
        let process = &mut self.processes[p];
        let air = match ghost {
            true => &mut process.ghost,
            false => &mut process.air,
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
                        match fails {
                            true => Fact::StoreFailed,
                            false => fact,
                        }
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
                // What came before the process stood still lies there.
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

    fn ask_store(
        &mut self,
        world: &World,
        p: usize,
        number: u8,
        order: Order,
        denied: bool,
    ) -> Fact {
        let now = self.now;
        let asked = self.clock(p);
        let starts = self.processes[p].starts;
        let store = &mut self.store;
        match order {
            Order::Load => {
                let entry = store.entry.as_ref().filter(|entry| {
                    let lives = entry.content.as_ref().map(Record::time_to_live);
                    lives.is_none_or(|lives| secs(now - entry.written) < lives)
                });
                Fact::Loaded(Box::new(Loaded {
                    version: entry.map(|entry| entry.version),
                    record: entry.and_then(|entry| {
                        let record = entry.content.clone()?;
                        Some(record.aged(secs(now - entry.written)))
                    }),
                    sealed: None,
                }))
            }
            Order::Write(write) => {
                let lives = |entry: &&Entry<Option<Record>>| {
                    let lives = entry.content.as_ref().map(Record::time_to_live);
                    lives.is_none_or(|lives| secs(now - entry.written) < lives)
                };
                let there = store.entry.as_ref().filter(lives);
                if denied || there.map(|entry| entry.version) != write.expected {
                    return Fact::Wrote(false);
                }
                let new = Entry {
                    version: write.version,
                    content: Some(write.record),
                    written: now,
                };
                let old = store.entry.replace(new);
                if world.may.roll_back {
                    store.old = old;
                }
                Fact::Wrote(true)
            }
            Order::Lease => {
                let me = (p, starts, number);
                let others = store
                    .lease
                    .filter(|lease| lease.3 > now && (lease.0, lease.1, lease.2) != me);
                if denied || others.is_some() {
                    return Fact::Leased(None);
                }
                let time = ceil(world.rules(String::new()).lease_time());
                store.lease = Some((p, starts, number, now + time));
                Fact::Leased(Some(asked))
            }
            Order::Release => {
                let mine = store
                    .lease
                    .is_some_and(|lease| (lease.0, lease.1, lease.2) == (p, starts, number));
                if mine {
                    store.lease = None;
                }
                Fact::Released
            }
            Order::LoadAccount => {
                let entry = store.account.as_ref();
                let account = entry.map(|entry| {
                    let age = secs(now - entry.written);
                    entry.content.clone().aged(age)
                });
                Fact::LoadedAccount(entry.map(|entry| entry.version), account)
            }
            Order::WriteAccount(expected, version, account) => {
                let there = store.account.as_ref().map(|entry| entry.version);
                if denied || there != expected {
                    return Fact::Wrote(false);
                }
                store.account = Some(Entry {
                    version,
                    content: account,
                    written: now,
                });
                Fact::Wrote(true)
            }
            Order::LoadLogins(_) => {
                let entry = store.logins.as_ref();
                let logins = entry.map(|entry| {
                    let age = secs(now - entry.written);
                    entry.content.clone().aged(age)
                });
                Fact::LoadedLogins(entry.map(|entry| entry.version), logins)
            }
            Order::WriteLogins(_, expected, version, logins) => {
                let there = store.logins.as_ref().map(|entry| entry.version);
                if denied || there != expected {
                    return Fact::Wrote(false);
                }
                store.logins = Some(Entry {
                    version,
                    content: logins,
                    written: now,
                });
                Fact::Wrote(true)
            }
            _ => Fact::StoreFailed,
        }
    }

    fn slots(&self) -> usize {
        let now = self.now;
        self.store.account.as_ref().map_or(0, |entry| {
            let age = secs(now - entry.written);
            entry.content.clone().aged(age).len()
        })
    }

    // --- the vendor ---

    /// A token request is sent; here most promises are kept or broken.
    fn send(
        &mut self,
        world: &World,
        p: usize,
        ghost: bool,
        (reason, refresh_token, deadline): (Reason, Option<Secret>, Duration),
        result: Result_,
    ) -> Result<(), Violation> {
        let now = self.now;
        let so_far = self.so_far;
        let undisturbed = !so_far.store && !so_far.stopped && so_far.crashes == 0;
        // Who was denied the lease for longer than a lease lasts goes on without the store.
        let lease = ceil(world.rules(String::new()).lease_time());
        let at_work = self.processes.iter().enumerate().any(|(other, process)| {
            let waits = |air: &Option<Air>| {
                air.as_ref().is_some_and(|air| {
                    let denied = air.flight.is_without_store() && now >= air.since + lease;
                    !denied && matches!(air.step, Step::Waits { ends, .. } if ends > now)
                })
            };
            other != p && waits(&process.air) || waits(&process.ghost)
        });
        let air = self.processes[p].air.as_ref();
        let denied =
            air.is_some_and(|air| air.flight.is_without_store() && now >= air.since + lease);
        if at_work && undisturbed && world.shares && !denied {
            return Err("two token requests at the same time".to_owned());
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
            Result_::NotSent => Some(Err(error(ErrorKind::Unavailable, RequestOutcome::NotSent))),
            Result_::LostBefore => None,
            Result_::Page => Some(Err(error(
                ErrorKind::Protocol,
                RequestOutcome::NotUnderstood,
            ))),
            Result_::Throttled => {
                let asked = secs(world.may.throttle.unwrap_or_default());
                let error = error(ErrorKind::Throttled, RequestOutcome::Throttled);
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
        let air = match ghost {
            true => &mut process.ghost,
            false => &mut process.air,
        };
        if let Some(air) = air {
            air.not_sent = result == Result_::NotSent && air.heard.is_none();
            if reason == Reason::Refused {
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
    fn count(&mut self, world: &World, reason: Reason, result: Result_) -> Result<(), Violation> {
        let Some((limit, window)) = world.quota else {
            return Ok(());
        };
        if matches!(result, Result_::NotSent | Result_::LostBefore) {
            return Ok(());
        }
        let now = self.now;
        // The slot of a token frees with the token.
        let lives = match result {
            Result_::Well | Result_::LostAfter => window.min(world.lives),
            _ => window,
        };
        self.vendor.counted.retain(|ends| *ends > now);
        self.vendor.counted.push(now + lives);
        let count = self.vendor.counted.len();
        let so_far = self.so_far;
        let forgets = so_far.store || !world.shares && so_far.crashes > 0;
        if count > limit as usize && !forgets {
            return Err(format!("{count} token requests where {limit} are allowed"));
        }
        let spare = (limit as usize * 4 / 5).max(1);
        if reason == Reason::Refused && self.repeats > 0 && count > spare && !forgets {
            return Err(format!("repeated refusals take slot {count} of {limit}"));
        }
        Ok(())
    }

    /// A refresh token that was replaced is sent once more at most, and only if nobody knows what
    /// became of it.
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

    /// A process that dies, or is given up, does not hear the reply.
    fn note_lost_reply(&mut self, p: usize) {
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

    // --- landings ---

    fn land(
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

    // --- liveness ---

    /// From here on nothing goes wrong: every process has a valid token soon.
    pub(super) fn recovers(&self, world: &World, mode: Mode) -> Result<(), Violation> {
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
                    process.state,
                    process.air.as_ref().map(|air| &air.flight)
                ));
            }
            node.tick(&only)?;
        }
    }
}

/// How the store is when all else is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Answers,
    Fails,
    Denies,
}

enum Outcome {
    AskAgain,
    Told,
}

impl Process {
    fn new(world: &World, starts: u8) -> Self {
        Self {
            starts,
            flights: 0,
            state: State::new(world.quota()),
            memory: Memory::new(world.quota()),
            air: None,
            ghost: None,
            newest: None,
            tokens: Vec::new(),
            waits: false,
            waits_instead: None,
            rounds: 0,
            rejected: (0, 0, 0),
            stopped: false,
            stopped_until: 0,
            wall: 0,
            told_until: 0,
            refused: 0,
            replaces_since: None,
            satisfied: false,
        }
    }

    fn token(&self, generation: Generation) -> Option<u8> {
        let mut known = self.tokens.iter().filter(|(known, _)| *known == generation);
        known.next().map(|(_, token)| *token)
    }

    fn serving(&self, now: Moment) -> Option<u8> {
        self.state
            .serves(now)
            .and_then(|generation| self.token(generation))
    }

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

impl Vendor {
    /// What a vendor that is well says.
    fn answer(
        &mut self,
        world: &World,
        refresh: Option<u8>,
        secret: u8,
        now: u32,
    ) -> Result<AccessToken, Error> {
        let rejected =
            |part| error(ErrorKind::Rejected, RequestOutcome::Rejected).with_rejected_part(part);
        if let Some(sent) = refresh {
            if self.good & bit(sent) == 0 {
                // Sent twice: whoever has the family's tokens may have stolen them.
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
        let lives = match world.vendor.expired {
            true => 0,
            false => world.lives,
        };
        let token = AccessToken::new(format!("t{number}")).expires_in(secs(lives));
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

fn own(world: &World, process: &Process, secret: u8, now: u32) -> Own {
    let lockable = world.vendor.lockable;
    let id = IDS.with(|ids| ids[usize::from(secret)]);
    let (known, times, last) = process.rejected;
    let wait = rejections::forbidden_for(times, secs(now - last));
    let wait = wait.filter(|_| lockable && known == secret);
    Own {
        id: Some(id),
        lockable,
        first: Ok(
            (world.vendor.rotates && world.vendor.needs_refresh_token).then(|| Secret::new("r0"))
        ),
        forbidden: wait.map(|wait| Forbidden { cause: None, wait }),
    }
}

thread_local! {
    static IDS: [CredentialsId; 2] = ["fake-secret-0", "fake-secret-1"].map(|text| {
        let credentials = Credentials::lockable(&["a"], [Secret::new(text)]);
        credentials.id().expect("credentials with a secret have an identity")
    });
}

fn owner(p: usize, starts: u8) -> String {
    format!("{p}.{starts}")
}

fn number_of(secret: &Secret) -> u8 {
    secret.expose()[1..].parse().unwrap_or(u8::MAX)
}

fn bit(token: u8) -> u64 {
    1 << token
}

fn error(kind: ErrorKind, outcome: RequestOutcome) -> Error {
    Error::new(kind, "fake").with_outcome(outcome)
}

fn lost() -> Error {
    error(ErrorKind::TimedOut, RequestOutcome::Unknown)
}

fn ceil(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

const BASE: Duration = Duration::from_secs(1_000_000);
const WALL: u64 = 2_000_000_000;
