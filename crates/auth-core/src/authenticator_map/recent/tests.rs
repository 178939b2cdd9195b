use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::*;
use crate::{
    ApiKey, AuthenticatorMap, AuthenticatorMapBuilder, Clock, Origins, Secret, SharedClock,
};

#[derive(Clone, Debug, Default)]
struct Turned(Arc<Mutex<Duration>>);

impl Turned {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Turned {
    fn now(&self) -> Moment {
        Moment::PAST + *self.0.lock().unwrap()
    }
}

pub(super) fn key(user: usize) -> Key {
    let subject = Secret::new(user.to_string());
    Key::builder("example").subject(&subject).build()
}

/// A map that counts the authenticators that it makes.
fn counting(made: &Arc<AtomicUsize>) -> AuthenticatorMapBuilder {
    let made = Arc::clone(made);
    AuthenticatorMap::builder(move |_| {
        made.fetch_add(1, Ordering::Relaxed);
        let source = ApiKey::new(Secret::new("fake-key"));
        Authenticator::builder(source, Origins::new(["https://api.example.com"])?).build()
    })
}

fn map(builder: AuthenticatorMapBuilder) -> AuthenticatorMap {
    builder.build().unwrap()
}

/// Looks a key up until the thread's table has it.
fn local(map: &AuthenticatorMap, user: usize) -> Local<Authenticator> {
    for _ in 0..2 {
        map.local(&key(user)).unwrap();
    }
    match map.local(&key(user)).unwrap() {
        LocalAuthenticator::Local(authenticator) => authenticator,
        LocalAuthenticator::Shared(_) => panic!("the table has no handle"),
    }
}

fn place_of(authenticator: &Authenticator) -> usize {
    std::ptr::from_ref(authenticator.origins()) as usize
}

#[test]
fn a_repeated_key_comes_from_the_threads_table() {
    let map = map(counting(&Arc::default()));
    let first = map.local(&key(1)).unwrap();
    assert!(matches!(first, LocalAuthenticator::Shared(_)));
    let one = local(&map, 1);
    assert!(std::ptr::eq(&*one, &*local(&map, 1)), "the same handle");
    assert_eq!(place_of(&one), place_of(&first));
    // Threads get their numbers in turn, so one of these has another table.
    let handle = || std::ptr::from_ref(&*local(&map, 1)) as usize;
    let others = [(); 2].map(|()| thread::scope(|scope| scope.spawn(handle).join().unwrap()));
    let has_several = default_shards() > 1;
    let is_other = others
        .iter()
        .any(|other| *other != std::ptr::from_ref(&*one) as usize);
    assert_eq!(is_other, has_several);
}

#[test]
fn a_key_that_is_used_once_stays_in_no_table() {
    let map = map(counting(&Arc::default()).max_entries(10_000));
    for _ in 0..3 {
        // 3000 keys in 64 places: another key takes the place of a key before it comes again.
        for user in 0..3000 {
            let found = map.local(&key(user)).unwrap();
            assert!(matches!(found, LocalAuthenticator::Shared(_)));
        }
    }
}

#[test]
fn t23_a_handle_in_a_table_prevents_no_eviction() {
    let made = Arc::default();
    let map = map(counting(&made).max_entries(1));
    for user in 0..50 {
        drop(local(&map, user));
        assert_eq!(map.len(), 1);
    }
    let clock = Turned::default();
    let idle = Duration::from_secs(60);
    let map = counting(&made).idle_after(idle).clock(clock.clone());
    let map = self::map(map);
    for user in 0..50 {
        clock.pass(idle);
        drop(local(&map, user));
        assert_eq!(map.len(), 1);
    }
}

#[test]
fn t23_an_authenticator_with_a_handle_from_a_table_is_not_evicted() {
    let map = map(counting(&Arc::default()).max_entries(1));
    let held = local(&map, 0);
    for user in 1..200 {
        drop(local(&map, user));
        assert!(map.len() <= 2);
    }
    assert_eq!(place_of(&held), place_of(&map.get(&key(0)).unwrap()));
}

#[test]
fn t23_a_key_that_is_used_repeatedly_is_kept() {
    let made = Arc::new(AtomicUsize::new(0));
    let map = map(counting(&made).max_entries(40));
    for user in 1..1_000 {
        drop(local(&map, 0));
        map.get(&key(user)).unwrap();
    }
    assert_eq!(made.load(Ordering::Relaxed), 1_000, "each was made once");
}

#[test]
fn use_from_a_table_counts_as_use() {
    let made = Arc::new(AtomicUsize::new(0));
    let clock = Turned::default();
    let hour = Duration::from_secs(3600);
    let map = map(counting(&made).idle_after(hour).clock(clock.clone()));
    for minute in 0..300 {
        clock.pass(Duration::from_secs(60));
        drop(local(&map, 0));
        if minute % 50 == 0 {
            // Sweeps, and changes the tables.
            map.get(&key(1_000 + minute)).unwrap();
        }
    }
    assert_eq!(made.load(Ordering::Relaxed), 7, "key 0 was made once");
}

#[test]
fn a_removed_key_is_in_no_table() {
    let map = map(counting(&Arc::default()));
    let (asks, answers) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let other = map.clone();
    let thread = thread::spawn(move || {
        for () in asks.1 {
            answers.0.send(local(&other, 1)).unwrap();
        }
    });
    let ask = || {
        asks.0.send(()).unwrap();
        answers.1.recv().unwrap()
    };
    for _ in 0..3 {
        let (here, there) = (local(&map, 1), ask());
        assert_eq!(place_of(&here), place_of(&there));
        map.remove(&key(1));
        assert!(map.is_empty());
        let (new_here, new_there) = (map.local(&key(1)).unwrap(), ask());
        assert_ne!(place_of(&new_here), place_of(&here));
        assert_eq!(place_of(&new_there), place_of(&new_here));
    }
    drop(asks.0);
    thread.join().unwrap();
}

#[test]
fn g19_a_dropped_map_leaves_nothing_in_a_table() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let map = map(AuthenticatorMap::builder(move |_| {
        let clock = Held(Arc::clone(&held));
        let options = crate::AuthenticatorOptions::new().clock(clock);
        let source = ApiKey::new(Secret::new("fake-key"));
        let origins = Origins::new(["https://api.example.com"])?;
        Authenticator::builder(source, origins)
            .options(options)
            .build()
    }));
    drop(local(&map, 1));
    drop(local(&map, 2));
    // The closure has one.
    assert_eq!(Arc::strong_count(&alive), 4);
    map.remove(&key(1));
    assert_eq!(Arc::strong_count(&alive), 3);
    drop(map);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[derive(Debug)]
struct Held(#[allow(dead_code, reason = "its references are counted")] Arc<()>);

impl Clock for Held {
    fn now(&self) -> Moment {
        SharedClock::default().now()
    }
}

#[test]
fn t23_no_key_has_two_authenticators_under_concurrent_use_from_tables_and_eviction() {
    let clock = Turned::default();
    let map = counting(&Arc::default())
        .max_entries(3)
        .clock(clock.clone());
    let map = self::map(map.idle_after(Duration::from_secs(2)));
    let held: Mutex<HashMap<usize, (usize, usize)>> = Mutex::default();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (map, held, clock) = (&map, &held, &clock);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                let mut user = 0;
                for _ in 0..5_000 {
                    // Keys are repeated, so that tables have them.
                    if rng.u8(0..4) == 0 {
                        user = rng.usize(0..6);
                    }
                    let authenticator = map.local(&key(user)).unwrap();
                    let place = place_of(&authenticator);
                    {
                        let mut held = held.lock().unwrap();
                        let (known, holders) = held.entry(user).or_insert((place, 0));
                        assert!(*holders == 0 || *known == place, "two for one key");
                        (*known, *holders) = (place, *holders + 1);
                    }
                    if rng.u8(0..8) == 0 {
                        clock.pass(Duration::from_secs(rng.u64(0..4)));
                        thread::yield_now();
                    }
                    let mut held = held.lock().unwrap();
                    held.get_mut(&user).unwrap().1 -= 1;
                    drop(authenticator);
                }
            });
        }
    });
}

fn authenticator() -> Authenticator {
    let source = ApiKey::new(Secret::new("fake-key"));
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    Authenticator::builder(source, origins).build().unwrap()
}

/// Looks a key up that has no handle in the table.
fn miss(recent: &Recent, key: &Key) -> Missed {
    match recent.find(key, Moment::PAST) {
        Err(missed) => missed,
        Ok(_) => panic!("the table has a handle"),
    }
}

#[test]
fn thread_that_alternates_between_keys_keeps_a_handle_for_each() {
    let map = map(counting(&Arc::default()));
    let mut from_table = 0;
    for round in 0..4 {
        for user in 0..16 {
            let found = map.local(&key(user)).unwrap();
            from_table += usize::from(round == 3 && matches!(found, LocalAuthenticator::Local(_)));
        }
    }
    // A few keys share a place: their hashes are random.
    assert!(from_table >= 4, "{from_table} of 16");
}

#[test]
fn handle_is_used_until_the_map_must_note_the_use() {
    let recent = Recent::new();
    let until = Moment::PAST + Duration::from_secs(60);
    let just_before = Moment::PAST + Duration::from_millis(59_999);
    miss(&recent, &key(1));
    let missed = miss(&recent, &key(1));
    recent.keep(&missed, &key(1), authenticator(), until);
    assert!(recent.find(&key(1), just_before).is_ok());
    assert!(recent.find(&key(1), until).is_err());
}

#[test]
fn handle_is_kept_only_if_neither_the_place_nor_the_map_changed_since_the_look_up() {
    let own = key(1);
    let other = (2..).map(key).find(|other| place(other) == place(&own));
    let other = other.unwrap();
    for (looks_up_other, adds, is_kept) in [
        (false, false, true),
        (true, false, false),
        (false, true, false),
    ] {
        let recent = Recent::new();
        let authenticator = authenticator();
        miss(&recent, &own);
        let missed = miss(&recent, &own);
        if looks_up_other {
            miss(&recent, &other);
        }
        if adds {
            recent.added();
        }
        drop(recent.keep(&missed, &own, authenticator.clone(), Moment::NEVER));
        assert_eq!(authenticator.is_shared(), is_kept, "the table has a handle");
    }
}
