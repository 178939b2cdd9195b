//! Models of the list of waiters and of the hand-over of an outcome. Loom runs each in every order
//! of the threads' steps with at most [`PREEMPTIONS`] preemptions, and fails where a thread waits
//! for ever: `cargo xtask models`.

use std::{future::poll_fn, task::Poll};

use loom::{
    future::block_on,
    sync::Arc,
    thread::{self, JoinHandle},
};

use super::*;
use crate::sync::model;

const PREEMPTIONS: usize = 3;

/// What a waiter saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Published,
    Abandoned,
    AskAgain,
}

fn seen(outcome: &Outcome) -> Seen {
    match outcome {
        Outcome::Published => Seen::Published,
        Outcome::Abandoned => Seen::Abandoned,
        other => panic!("{other:?}"),
    }
}

/// Runs a model with a new flight each time.
fn check(name: &str, model: impl Fn(Arc<Flight>) + Sync + Send + 'static) {
    let runtime = runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime").handle().id();
    model::check(name, PREEMPTIONS, move || {
        let reason = TokenRequestReason::Needed;
        model(Arc::new(Flight::new(1, reason, Moment::NEVER, runtime)));
    });
}

/// Waits as `Acquire` does.
fn waiter(flight: &Arc<Flight>) -> JoinHandle<Seen> {
    let flight = Arc::clone(flight);
    let round = flight.round();
    thread::spawn(move || {
        let mut place = None;
        block_on(poll_fn(|cx| match flight.poll(&mut place, cx.waker()) {
            Some(outcome) => Poll::Ready(seen(outcome)),
            None if round != flight.round() => Poll::Ready(Seen::AskAgain),
            None => Poll::Pending,
        }))
    })
}

/// Nobody is left in the list, whose wakers would keep tasks alive.
fn is_empty(flight: &Flight) -> bool {
    flight.waiters().wakers().is_empty()
}

#[test]
fn g03_no_waiter_misses_the_outcome() {
    check("two waiters, one outcome", |flight| {
        let waiters = [waiter(&flight), waiter(&flight)];
        flight.resolve(Outcome::Published);
        for waiter in waiters {
            assert_eq!(waiter.join().expect("a waiter"), Seen::Published);
        }
        assert!(is_empty(&flight));
    });
}

#[test]
fn g03_a_waiter_that_leaves_takes_no_wake_up_with_it() {
    check("one waiter leaves, one stays", |flight| {
        let stays = waiter(&flight);
        let leaver = Arc::clone(&flight);
        let leaves = thread::spawn(move || {
            let mut place = None;
            if leaver.poll(&mut place, Waker::noop()).is_none() {
                leaver.leave(place.expect("a place"));
            }
        });
        flight.resolve(Outcome::Published);
        assert_eq!(stays.join().expect("a waiter"), Seen::Published);
        leaves.join().expect("a waiter");
        assert!(is_empty(&flight));
    });
}

#[test]
fn g03_of_two_ends_all_see_the_same_one() {
    check("a stalled flight is given up while it ends", |flight| {
        let waits = waiter(&flight);
        let other = Arc::clone(&flight);
        let gives_up = thread::spawn(move || other.resolve(Outcome::Abandoned));
        flight.resolve(Outcome::Published);
        gives_up.join().expect("it resolves");
        let waited = waits.join().expect("a waiter");
        let last = flight.poll(&mut None, Waker::noop()).map(seen);
        assert_eq!(last, Some(waited));
        assert!(is_empty(&flight));
    });
}

#[test]
fn no_waiter_misses_that_it_has_to_ask_again() {
    check("one waiter is told to ask again", |flight| {
        let waits = waiter(&flight);
        flight.ask_again();
        assert_eq!(waits.join().expect("a waiter"), Seen::AskAgain);
    });
}

#[test]
fn a_waiter_that_asks_again_and_stays_gets_the_outcome() {
    check("ask again, then the outcome", |flight| {
        let waits = waiter(&flight);
        flight.ask_again();
        let round = flight.round();
        flight.resolve(Outcome::Published);
        assert_eq!(round, 1);
        let first = waits.join().expect("a waiter");
        assert!(matches!(first, Seen::AskAgain | Seen::Published));
        assert!(is_empty(&flight));
    });
}
