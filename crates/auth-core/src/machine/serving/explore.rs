//! Visits every reachable state of the machine in small worlds, for all time: moments are kept
//! relative to now and generations relative to each other, which makes the worlds finite. Each
//! transition is judged by a [`History`] that knows nothing of the machine but its answers.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
    time::Duration,
};

use super::*;

mod canonical;
mod count;
mod history;
mod walks;
mod worlds;

use canonical::{START, canonical};
use history::History;
use worlds::World;

const UNIT: Duration = Duration::from_secs(1);
const ZERO: Duration = Duration::ZERO;

/// A state, and what an onlooker remembers; now is [`START`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    state: State,
    history: History,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Pass(Duration),
    Jump(i64),
    Happen(Event),
}

/// How each node came about.
type Reached = HashMap<Rc<Node>, Option<(Rc<Node>, Move)>, BuildHasherDefault<Mix>>;

/// The standard hasher takes half the time of a test.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.write_u64(discriminant.unsigned_abs() as u64);
    }

    fn write_usize(&mut self, length: usize) {
        self.write_u64(length as u64);
    }
}

/// Visits all that can be reached, breadth first, so that a complaint comes with a shortest story.
fn explore(world: &World, least_states: usize, least_transitions: usize) {
    let root = Rc::new(Node::new(world));
    let mut reached = Reached::default();
    reached.insert(Rc::clone(&root), None);
    let mut queue = VecDeque::from([root]);
    let mut transitions = 0;
    while let Some(node) = queue.pop_front() {
        if let Err(complaint) = node.judge(world) {
            panic!("{complaint}\n{}", story(&reached, &node));
        }
        assert!(transitions < 1_000_000, "no end in sight of {node:#?}");
        for step in node.moves(world) {
            transitions += 1;
            match node.after(world, step) {
                Ok(next) => {
                    if let Entry::Vacant(entry) = reached.entry(Rc::new(next)) {
                        queue.push_back(Rc::clone(entry.key()));
                        entry.insert(Some((Rc::clone(&node), step)));
                    }
                }
                Err(complaint) => panic!("{complaint}\n{step:?}\n{}", story(&reached, &node)),
            }
        }
    }
    println!("{} states, {transitions} transitions", reached.len());
    assert!(reached.len() >= least_states && transitions >= least_transitions);
}

/// How a state came about, last move first.
fn story(reached: &Reached, node: &Rc<Node>) -> String {
    let mut lines = vec![format!("in {node:#?}")];
    let mut at = node;
    while let Some(Some((from, step))) = reached.get(at) {
        lines.push(format!("after {step:?}"));
        at = from;
    }
    lines.join("\n")
}

impl Node {
    fn new(world: &World) -> Self {
        Self {
            state: State::new(world.quota()),
            history: History::new(world.quota),
        }
    }

    fn moves(&self, world: &World) -> Vec<Move> {
        let mut moves = vec![Move::Happen(Event::Demand)];
        if world.prolongs {
            moves.push(Move::Happen(Event::Prolong));
        }
        let sent = self.history.sent();
        if sent.is_none_or(|sent| !START.waited_for(sent + world.deadline * UNIT)) {
            moves.push(Move::Pass(UNIT));
        }
        if self.history.jumps() < world.jumps {
            moves.extend(world.steps.iter().copied().map(Move::Jump));
        }
        let ancient = Generation::after(None);
        for generation in self.history.generations().into_iter().chain([ancient]) {
            moves.push(Move::Happen(Event::Refused(generation)));
            moves.push(Move::Happen(Event::Doubted(generation)));
            moves.push(Move::Happen(Event::Accepted(generation)));
        }
        if let Some(sent) = sent {
            moves.push(Move::Happen(Event::Abandoned));
            if START.waited_for(sent) {
                self.land(world, sent, &mut moves);
            }
        }
        moves
    }

    fn land(&self, world: &World, sent: Moment, moves: &mut Vec<Move>) {
        let units = |units: Option<u32>| units.map(|units| units * UNIT);
        for &(lifetime, hint, jitter) in world.tokens {
            for (same, exchanged) in [(false, true), (true, true), (false, false), (true, false)] {
                if !exchanged && !world.shares {
                    continue;
                }
                let event = Event::Fetched(Fetched {
                    sent,
                    exchanged,
                    lifetime: units(lifetime),
                    hint: units(hint),
                    same: self.history.held().filter(|_| same),
                    jitter,
                });
                if self.history.may_succeed() && (!same || self.history.held().is_some()) {
                    moves.push(Move::Happen(event));
                }
            }
        }
        for &(failure, retry_after, jitter) in world.failures {
            for exchanged in [true, false] {
                let event = Event::Failed {
                    failure,
                    exchanged,
                    retry_after: units(retry_after),
                    jitter,
                };
                if exchanged || world.shares {
                    moves.push(Move::Happen(event));
                }
            }
        }
        let terminal = |&(failure, ..): &(Failure, _, _)| failure == Failure::Terminal;
        if self.history.may_try_again() && world.failures.iter().any(terminal) {
            moves.push(Move::Happen(Event::CredentialChanged));
        }
    }

    fn after(&self, world: &World, step: Move) -> Result<Self, String> {
        let mut next = self.clone();
        let now = match step {
            Move::Pass(duration) => START + duration,
            Move::Jump(seconds) => {
                next.history.jumped();
                let wall = START
                    .since_unix_epoch()
                    .as_secs()
                    .saturating_add_signed(seconds);
                Moment::new(START.monotonic(), Duration::from_secs(wall))
            }
            Move::Happen(event) => {
                let action = next.state.step(&world.policy, event, START);
                if let Event::Refused(generation) | Event::Doubted(generation) = event {
                    self.judge_refusal(world, generation, action, &next)?;
                }
                let history = &mut next.history;
                history.observe(&world.policy, event, action, START)?;
                history.follow(&next.state, event, START)?;
                START
            }
        };
        Ok(canonical(world, &next, now))
    }

    /// G8: a refusal of any but the token at hand is no more than a demand.
    fn judge_refusal(
        &self,
        world: &World,
        refused: Generation,
        action: Action,
        after: &Self,
    ) -> Result<(), String> {
        if self.history.holds(refused) {
            return Ok(());
        }
        let mut demand = self.state.clone();
        let mut expected = demand.step(&world.policy, Event::Demand, START);
        if let Action::Fly { reason, .. } = &mut expected {
            *reason = Reason::Refused;
            demand.flight = Some(Reason::Refused);
        }
        let same = action == expected && after.state == demand;
        same.then_some(())
            .ok_or(format!("late refusal: {action:?}, not {expected:?}"))
    }

    /// What has to hold while nothing happens.
    fn judge(&self, world: &World) -> Result<(), String> {
        self.judge_hint(world)?;
        self.judge_recovery(world)
    }

    /// The hot path asks when there is something to decide, and not before.
    fn judge_hint(&self, world: &World) -> Result<(), String> {
        let Some(hint) = self.history.hint() else {
            return Ok(());
        };
        let mut asked = self.state.clone();
        let action = asked.step(&world.policy, Event::Demand, START);
        let idle = action == Action::Serve;
        if !START.reached(hint) {
            let unchanged = idle && asked == self.state;
            return unchanged
                .then_some(())
                .ok_or(format!("overslept {action:?}"));
        }
        // One question too many is due to a jump, and answered by a better hint.
        let wiser = self.history.jumps() > 0 && !START.reached(asked.check_at(START));
        (!idle || wiser)
            .then_some(())
            .ok_or("asks for nothing".into())
    }

    /// I9: once faults stop, a demand has its token as soon as the back-off or the quota ends, and
    /// is told exactly when that is.
    fn judge_recovery(&self, world: &World) -> Result<(), String> {
        let mut state = self.state.clone();
        let mut now = START;
        let mut step = |event, now| state.step(&world.policy, event, now);
        if self.history.sent().is_some() {
            step(Event::Abandoned, now);
        }
        let (mut failures, mut refusals) = (0, 0);
        loop {
            match step(Event::Demand, now) {
                Action::Serve | Action::ServeAndFly => return Ok(()),
                Action::Fail { wait } if wait <= world.longest_gate() && failures == 0 => {
                    failures += 1;
                    let before = now + (wait - Duration::from_nanos(1));
                    if !matches!(step(Event::Demand, before), Action::Fail { .. }) {
                        return Err("told to wait for longer than needed".into());
                    }
                    now = now + wait;
                }
                Action::OverQuota { wait } if wait <= world.window() && refusals == 0 => {
                    refusals += 1;
                    now = now + wait;
                }
                Action::Fly { after, .. } if after <= UNIT => {
                    let sent = now + after;
                    let event = Event::Fetched(Fetched {
                        sent,
                        exchanged: true,
                        lifetime: Some(4 * UNIT),
                        hint: None,
                        same: None,
                        jitter: Jitter(0),
                    });
                    let landed = step(event, sent);
                    let served = step(Event::Demand, sent);
                    let good = matches!(landed, Action::Publish(_)) && served == Action::Serve;
                    return good
                        .then_some(())
                        .ok_or(format!("no recovery: {landed:?} {served:?}"));
                }
                action => return Err(format!("no recovery: {action:?}")),
            }
        }
    }
}
