//! What an evicted authenticator leaves behind.

use super::*;

/// Evicts every authenticator that is not in use, by asking for new ones often.
fn evict_all(map: &AuthenticatorMap) {
    for user in 10_000..10_200 {
        for _ in 0..4 {
            map.get(&key(user)).unwrap();
        }
    }
}

#[tokio::test]
async fn g04_residue_survives_eviction() {
    let map = Vendor::default().map().max_entries(20).build().unwrap();
    for user in 0..20 {
        with_residue(&map, user, Moment::NEVER);
    }
    evict_all(&map);
    assert_eq!(map.0.residues.len(), 20);
    for user in 0..20 {
        assert_eq!(residue_of(&map, user), Some(user as u64));
    }
    evict_all(&map);
    assert_eq!(
        map.0.residues.len(),
        20,
        "each residue was restored, and left behind again"
    );
    assert_eq!(residue_of(&map, 7), Some(7));
}

#[tokio::test]
async fn g04_residue_survives_the_sweep() {
    let clock = Turned::new();
    let vendor = Vendor::with_clock(clock.clone());
    let map = vendor.map().idle_after(HOUR).build().unwrap();
    with_residue(&map, 1, Moment::PAST + 3 * HOUR);
    with_residue(&map, 2, Moment::PAST + 9 * HOUR);
    clock.pass(2 * HOUR);
    map.get(&key(100)).unwrap();
    assert_eq!((map.len(), map.0.residues.len()), (1, 2));
    clock.pass(2 * HOUR);
    map.get(&key(101)).unwrap();
    assert_eq!(map.0.residues.len(), 1, "one residue was over");
    assert_eq!(residue_of(&map, 1), None);
    assert_eq!(residue_of(&map, 2), Some(2));
}

#[tokio::test]
async fn g04_two_threads_that_ask_while_the_key_is_evicted_both_find_the_residue() {
    let map = Vendor::default().map().max_entries(1).build().unwrap();
    let map = &map;
    for round in 0..500 {
        with_residue(map, 0, Moment::NEVER);
        let start = Barrier::new(3);
        thread::scope(|scope| {
            let ask = || {
                start.wait();
                map.get(&key(0)).unwrap()
            };
            let (one, two) = (scope.spawn(ask), scope.spawn(ask));
            start.wait();
            map.get(&key(1)).unwrap();
            let (one, two) = (one.join().unwrap(), two.join().unwrap());
            assert!(same(&one, &two), "{round}");
            let number = one.residue().map(|residue| residue.number());
            assert_eq!(number, Some(0), "{round}");
        });
        map.remove(&key(0));
    }
}

#[tokio::test]
async fn a_user_who_signs_out_leaves_no_residue() {
    let map = Vendor::default().map().max_entries(1).build().unwrap();
    with_residue(&map, 0, Moment::NEVER);
    evict_all(&map);
    assert_eq!(map.0.residues.len(), 1);
    map.remove(&key(0));
    assert_eq!(map.0.residues.len(), 0);
    assert_eq!(residue_of(&map, 0), None);

    with_residue(&map, 0, Moment::NEVER);
    let held = map.get(&key(0)).unwrap();
    map.remove(&key(0));
    evict_all(&map);
    assert_eq!(map.0.residues.len(), 0);
    assert_eq!(residue_of(&map, 0), None);
    assert!(
        held.residue().is_some(),
        "it is dropped with its last handle"
    );
}

#[tokio::test]
async fn a_residue_waits_until_an_authenticator_can_be_made() {
    let fails = Arc::new(Mutex::new(false));
    let map = AuthenticatorMap::builder({
        let fails = Arc::clone(&fails);
        move |_| {
            if *fails.lock().unwrap() {
                Err(Error::config("tenant", "unknown"))
            } else {
                Authenticator::builder(
                    crate::ApiKey::new(Secret::new("fake-key")),
                    Origins::new(["https://api.example.com"])?,
                )
                .build()
            }
        }
    });
    let map = map.max_entries(1).build().unwrap();
    with_residue(&map, 0, Moment::NEVER);
    evict_all(&map);
    *fails.lock().unwrap() = true;
    assert!(map.get(&key(0)).is_err());
    *fails.lock().unwrap() = false;
    assert_eq!(residue_of(&map, 0), Some(0));
}

#[tokio::test]
async fn t23_residues_have_a_bound() {
    let map = Vendor::default().map().max_entries(2).build().unwrap();
    for user in 0..100 {
        with_residue(&map, user, Moment::NEVER);
        assert!(map.0.residues.len() <= 8);
    }
    evict_all(&map);
    assert_eq!(map.0.residues.len(), 8);
}

#[test]
fn t23_a_residue_is_as_small_as_documented() {
    let size = size_of::<Residue>();
    assert!(
        size <= 832,
        "{size} bytes: correct the documentation of AuthenticatorMap"
    );
}

#[test]
fn t23_the_oldest_residue_is_dropped_first() {
    let residues = Residues::new(3);
    let keep = |user| residues.keep(&key(user), Residue::example(user as u64, Moment::NEVER));
    (0..3).for_each(keep);
    // Evicted again, so now the newest.
    keep(0);
    keep(3);
    assert_eq!(residues.len(), 3);
    assert!(residues.take(&key(1)).is_none());
    for user in [0, 2, 3] {
        assert_eq!(residues.take(&key(user)).unwrap().number(), user as u64);
    }
    assert_eq!((residues.take_lost(), residues.take_lost()), (1, 0));
}
