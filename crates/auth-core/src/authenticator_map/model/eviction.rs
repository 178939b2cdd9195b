//! Models of the whole map, with the locks of its shards. Shuttle runs each in every order of the
//! threads' steps with a bounded number of preemptions: a switch to another thread at the start, the
//! end or a wait of a thread is no preemption.

use shuttle::thread;

use super::*;
use crate::{
    Moment,
    authenticator_map::tests::{HOUR, Turned, key, residue_of, same, with_residue},
    sync::{atomic::AtomicUsize, model::check},
};

/// Of two threads.
const OF_TWO: usize = 2;
/// Of three threads, which have a hundred times as many orders.
const OF_THREE: usize = 1;

/// A map that has room for one authenticator.
fn small() -> AuthenticatorMapBuilder {
    AuthenticatorMap::builder(|_| authenticator()).max_entries(1)
}

fn map(builder: AuthenticatorMapBuilder) -> AuthenticatorMap {
    builder.build().expect("a map")
}

/// Runs a part of a model in a separate thread.
fn spawn<T: Send + 'static>(
    map: &AuthenticatorMap,
    part: impl FnOnce(AuthenticatorMap) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let map = map.clone();
    thread::spawn(move || part(map))
}

fn get(map: &AuthenticatorMap, user: usize) -> Authenticator {
    map.get(&key(user)).expect("an authenticator")
}

#[test]
fn t23_a_key_has_one_authenticator() {
    check("two get the same key, one another", OF_THREE, || {
        let map = map(small());
        let others = [(); 2].map(|()| spawn(&map, |map| get(&map, 1)));
        drop(get(&map, 2));
        let [one, other] = others.map(|other| other.join().expect("it gets"));
        assert!(same(&one, &other));
        assert!(same(&one, &get(&map, 1)));
    });
}

#[test]
fn t23_a_held_authenticator_is_not_evicted_and_the_bound_holds() {
    check("one holds a key, one gets two others", OF_TWO, || {
        let map = map(small());
        // The second is the next to be evicted.
        drop(get(&map, 0));
        drop(get(&map, 1));
        let holds = spawn(&map, |map| {
            let held = get(&map, 1);
            assert!(map.len() <= 2, "one for each thread");
            assert!(same(&held, &get(&map, 1)));
        });
        for user in 2..4 {
            drop(get(&map, user));
            assert!(map.len() <= 2, "one for each thread");
        }
        holds.join().expect("it holds");
        drop(get(&map, 4));
        assert_eq!(map.len(), 1);
    });
}

#[test]
fn g04_eviction_loses_no_residue() {
    check("two get a key that is evicted", OF_THREE, || {
        let map = map(small());
        with_residue(&map, 1, Moment::NEVER);
        let others = [(); 2].map(|()| {
            spawn(&map, |map| {
                let held = get(&map, 1);
                assert_eq!(held.residue().map(|residue| residue.number()), Some(1));
                held
            })
        });
        drop(get(&map, 2));
        let [one, other] = others.map(|other| other.join().expect("it gets"));
        assert!(same(&one, &other));
        drop((one, other));
        assert_eq!(residue_of(&map, 1), Some(1));
    });
}

#[test]
fn a_key_that_is_removed_while_it_is_evicted_leaves_no_residue() {
    check("one removes, one gets, one evicts", OF_THREE, || {
        let map = map(small());
        with_residue(&map, 1, Moment::NEVER);
        let removes = spawn(&map, |map| map.remove(&key(1)));
        let gets = spawn(&map, |map| drop(get(&map, 1)));
        drop(get(&map, 2));
        removes.join().expect("it removes");
        gets.join().expect("it gets");
        assert_eq!(residue_of(&map, 1), None);
    });
}

#[test]
fn t23_the_sweep_evicts_nothing_in_use_and_loses_no_residue() {
    check("two sweep, one gets an idle key", OF_THREE, || {
        let clock = Turned::new();
        let builder = small().max_entries(8).idle_after(HOUR);
        let map = map(builder.clock(clock.clone()));
        drop(get(&map, 1));
        with_residue(&map, 2, Moment::NEVER);
        let idle = get(&map, 3);
        clock.pass(2 * HOUR);
        let gets = spawn(&map, |map| get(&map, 1));
        let sweeps = [4, 5].map(|user| spawn(&map, move |map| drop(get(&map, user))));
        let used = gets.join().expect("it gets");
        for sweeps in sweeps {
            sweeps.join().expect("it sweeps");
        }
        assert!(same(&idle, &get(&map, 3)));
        assert!(same(&used, &get(&map, 1)));
        assert_eq!(residue_of(&map, 2), Some(2));
        assert_eq!(map.len(), 5);
    });
}

#[test]
fn failure_to_make_an_authenticator_loses_no_residue() {
    check("two get, the first fails, one evicts", OF_THREE, || {
        let calls = AtomicUsize::new(0);
        let fails = AuthenticatorMap::builder(move |key| {
            let is_first = *key == self::key(1) && calls.fetch_add(1, Ordering::SeqCst) == 1;
            let failure = Error::config("tenant", "is unknown");
            if is_first {
                Err(failure)
            } else {
                authenticator()
            }
        });
        let map = map(fails.max_entries(1));
        with_residue(&map, 1, Moment::NEVER);
        drop(get(&map, 2));
        let others = [(); 2].map(|()| spawn(&map, |map| map.get(&key(1)).is_ok()));
        drop(get(&map, 3));
        let ok = others.map(|other| other.join().expect("it gets"));
        assert_ne!(ok, [false; 2]);
        assert_eq!(residue_of(&map, 1), Some(1));
    });
}
