//! Explores the machine completely in small worlds: 1 to 3 processes with one store, one vendor and
//! one API. The clock advances in whole seconds up to a horizon. Promises are checked by what the
//! vendor and the API see, never by the rules.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use super::{
    account::{Account, Logins},
    flight::{Flight, Verdict},
    key_state::{KeyState, Landed},
    orders::{Draw, End, Ended, Fact, Landing, Loaded, Order, Own, Rules},
    record::Record,
    serving::{Action, Event},
};
use crate::{
    AccessToken, Credentials, CredentialsId, EntryVersion, Error, ErrorKind, Generation, Moment,
    Quota, RefreshPolicy, RejectedPart, Secret, StoredEntry, TokenRequestOutcome,
    TokenRequestReason,
    policy::Jitter,
    secret::rejections::{Counted, Forbidden},
};

mod hash;
mod node;
mod world;
mod worlds;

use hash::Mix;
use node::{Mode, Node, Recovery};
use world::{Kind, May, Move, Result_, World};

fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Visits every state of a world. A state that breaks a promise fails the test with the shortest
/// sequence of moves that leads to it.
fn explore(world: &World) {
    let mut known = HashSet::new();
    // The move that led to each state.
    let mut stories: Vec<(u32, Move)> = Vec::new();
    let mut next = VecDeque::new();
    let (mut transitions, mut judged) = (0_u64, 0_u64);
    let mut recovery = Recovery::new(world);
    let start = Node::new(world);
    known.insert(start.hashed());
    stories.push((0, Move::Tick));
    next.push_back((0_u32, start));
    while let Some((number, node)) = next.pop_front() {
        for mode in [Mode::Answers, Mode::Fails, Mode::Denies] {
            if mode != Mode::Answers && !world.shares {
                continue;
            }
            judged += 1;
            if let Err(violation) = recovery.judge(&node, mode) {
                panic!(
                    "{}: {violation}, in recovery ({mode:?}){}",
                    world.name,
                    story(&stories, number, None)
                );
            }
        }
        for happens in node.moves(world) {
            let mut after = node.clone();
            transitions += 1;
            if let Err(violation) = after.happens(world, happens) {
                panic!(
                    "{}: {violation}{}",
                    world.name,
                    story(&stories, number, Some(happens))
                );
            }
            if known.insert(after.hashed()) {
                let index = u32::try_from(stories.len()).expect("a small world");
                stories.push((number, happens));
                next.push_back((index, after));
                assert!(index < MOST, "{}: not explored completely", world.name);
            }
        }
    }
    println!(
        "{}: {} states, {transitions} transitions, recovery judged {judged} times, from every state",
        world.name,
        stories.len(),
    );
    test_report::line(
        "world",
        [
            ("world", world.name.into()),
            ("states", stories.len().into()),
            ("transitions", transitions.into()),
            ("judged", judged.into()),
        ],
    );
}

fn story(stories: &[(u32, Move)], number: u32, last: Option<Move>) -> String {
    let mut moves: Vec<_> = last.into_iter().collect();
    let mut number = number as usize;
    while number > 0 {
        let (before, happens) = stories[number];
        moves.push(happens);
        number = before as usize;
    }
    let lines = moves.iter().rev().map(|happens| format!("\n  {happens:?}"));
    lines.collect()
}

const MOST: u32 = 400_000;
