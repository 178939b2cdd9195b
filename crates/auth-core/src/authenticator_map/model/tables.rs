//! Models of the whole map with its tables of the authenticators that a thread used last.

use std::sync::{OnceLock, Weak};

use shuttle::thread::{self, JoinHandle};

use super::*;
use crate::{
    AccessToken, AuthenticatorOptions, TokenRequest, TokenSource,
    authenticator_map::tests::{HOUR, Turned, key, same},
    sync::model::check,
};

/// Of two threads.
const OF_TWO: usize = 2;
/// Of three threads, which have a hundred times as many orders.
const OF_THREE: usize = 1;

/// A map that has room for `max_entries` authenticators.
struct World {
    map: AuthenticatorMap,
    clock: Turned,
    /// One reference here, one in the map's closure, one in each authenticator.
    alive: Arc<()>,
}

struct Source {
    _alive: Arc<()>,
    /// The map that is used when the source is dropped.
    asks: Arc<OnceLock<Weak<Map>>>,
}

impl TokenSource for Source {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        Err(Error::config("source", "is not asked in a model"))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(map) = self.asks.get().and_then(Weak::upgrade) {
            let map = AuthenticatorMap(map);
            drop(map.local(&key(1)));
            // Locks every table.
            map.remove(&key(9));
        }
    }
}

impl World {
    fn new(max_entries: usize) -> Self {
        Self::whose_sources_ask(max_entries, Arc::default())
    }

    fn whose_sources_ask(max_entries: usize, asks: Arc<OnceLock<Weak<Map>>>) -> Self {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let clock = Turned::new();
        let map = AuthenticatorMap::builder(move |_| {
            let source = Source {
                _alive: Arc::clone(&held),
                asks: Arc::clone(&asks),
            };
            Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
                .options(AuthenticatorOptions::new().shards(1))
                .build()
        });
        let map = map.max_entries(max_entries).idle_after(HOUR);
        let map = map.clock(clock.clone()).build().expect("a map");
        Self { map, clock, alive }
    }

    /// Runs a part of a model in a separate thread.
    fn spawn<T: Send + 'static>(
        &self,
        part: impl FnOnce(AuthenticatorMap) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let map = self.map.clone();
        thread::spawn(move || part(map))
    }

    /// The number of authenticators that exist.
    fn alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 2
    }
}

fn local(map: &AuthenticatorMap, user: usize) -> LocalAuthenticator {
    map.local(&key(user)).expect("an authenticator")
}

/// Looks a key up until the thread's table has it.
fn fill(map: &AuthenticatorMap, user: usize) {
    for _ in 0..2 {
        drop(local(map, user));
    }
}

#[test]
fn t23_a_key_has_one_authenticator_also_from_tables() {
    check(
        "two use their tables, one gets another key",
        OF_THREE,
        || {
            let world = World::new(1);
            fill(&world.map, 1);
            let asks = world.spawn(|map| [(); 2].map(|()| local(&map, 1)));
            let evicts = world.spawn(|map| drop(local(&map, 2)));
            let here = local(&world.map, 1);
            let there = asks.join().expect("it asks");
            evicts.join().expect("it evicts");
            for there in &there {
                assert!(same(&here, there));
            }
            assert!(same(&here, &local(&world.map, 1)));
            drop((here, there));
            // Each needs the room.
            for user in 3..5 {
                fill(&world.map, user);
                assert_eq!((world.map.len(), world.alive()), (1, 1));
            }
        },
    );
}

#[test]
fn t23_the_sweep_evicts_nothing_in_use_also_from_tables() {
    check("one uses its table, one sweeps", OF_TWO, || {
        let world = World::new(8);
        fill(&world.map, 1);
        fill(&world.map, 2);
        world.clock.pass(2 * HOUR);
        let sweeps = world.spawn(|map| drop(local(&map, 3)));
        let held = local(&world.map, 1);
        sweeps.join().expect("it sweeps");
        assert!(same(&held, &local(&world.map, 1)));
        assert_eq!((world.map.len(), world.alive()), (2, 2), "2 is evicted");
    });
}

#[test]
fn a_removed_authenticator_is_returned_by_no_later_look_up() {
    check("one fills its table, one removes", OF_TWO, || {
        let world = World::new(8);
        drop(local(&world.map, 1));
        let first = world.map.get(&key(1)).expect("an authenticator");
        let removes = world.spawn({
            let first = first.clone();
            move |map| {
                map.remove(&key(1));
                assert!(!same(&first, &local(&map, 1)));
            }
        });
        fill(&world.map, 1);
        removes.join().expect("it removes");
        let second = local(&world.map, 1);
        assert!(!same(&first, &second));
        assert!(same(&second, &world.map.get(&key(1)).expect("the second")));
        drop((first, second));
        assert_eq!(world.alive(), 1);
        world.map.remove(&key(1));
        assert_eq!(world.alive(), 0);
    });
}

#[test]
fn a_key_that_is_removed_and_evicted_while_tables_have_it_is_forgotten() {
    check(
        "one uses its table, one removes, one evicts",
        OF_THREE,
        || {
            let world = World::new(1);
            fill(&world.map, 1);
            let removes = world.spawn(|map| map.remove(&key(1)));
            let evicts = world.spawn(|map| fill(&map, 2));
            fill(&world.map, 1);
            removes.join().expect("it removes");
            evicts.join().expect("it evicts");
            world.map.remove(&key(1));
            world.map.remove(&key(2));
            assert_eq!((world.map.len(), world.alive()), (0, 0));
        },
    );
}

#[test]
fn a_source_may_use_the_map_when_it_is_dropped() {
    check("sources ask, one removes, one evicts", 1, || {
        let asks = Arc::default();
        let world = World::whose_sources_ask(1, Arc::clone(&asks));
        let is_set = asks.set(Arc::downgrade(&world.map.0));
        assert!(is_set.is_ok());
        fill(&world.map, 2);
        let removes = world.spawn(|map| {
            fill(&map, 2);
            map.remove(&key(2));
        });
        fill(&world.map, 3);
        removes.join().expect("it removes");
        let World { map, alive, .. } = world;
        drop(map);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
