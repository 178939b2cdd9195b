use std::time::Duration;

use auth_core::StoredEntry;

use super::{
    Place,
    stand::{LONG, SHORT, Stand, content, key, lease, load, outlive, replace, replace_for},
};

/// An entry is never reported as younger than it is because the clock was set back, if it was
/// written before by a right clock or by one that was ahead. The entry still exists.
pub async fn a_clock_that_is_set_back_makes_no_entry_younger<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { place, one, other } = &stand;
    for back in [SHORT, LONG, 24 * LONG] {
        let before = load(one, &key()).await.map(|entry| entry.version);
        let version = replace_for(one, &key(), before, "kept", 100 * LONG).await;
        assert!(version.is_some(), "no other writer was there");
        outlive().await;
        if !place.set_clock_back(back) {
            return;
        }
        for store in [one, other, &place.open().await] {
            let entry = load(store, &key()).await;
            let age = entry.map(|entry| entry.age);
            assert!(age.is_some_and(|age| SHORT <= age), "{age:?} is too young");
        }
        outlive().await;
        let age = load(other, &key()).await.map(|entry| entry.age);
        let is_known = age.is_some_and(|age| age != StoredEntry::UNKNOWN_AGE);
        assert!(!is_known || age >= Some(2 * SHORT), "{age:?} stands still");
        // It can be replaced, and then it is new.
        let next = replace(other, &key(), version, "new").await;
        assert!(next.is_some(), "it cannot be replaced");
        let age = load(one, &key()).await.map(|entry| entry.age);
        assert!(age.is_some_and(|age| age < SHORT), "{age:?} is too old");
        assert_eq!(content(one, &key()).await.as_deref(), Some(&b"new"[..]));
    }
}

/// A lease from a clock that was ahead ends at most its time to live from now.
pub async fn a_clock_that_is_set_back_makes_no_lease_longer<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { place, one, other } = &stand;
    for (owner, next) in [("a", "b"), ("b", "c")] {
        assert!(lease(one, &key(), owner, SHORT).await);
        if !place.set_clock_back(LONG) {
            return;
        }
        assert!(!lease(other, &key(), next, SHORT).await, "over too early");
        outlive().await;
        assert!(lease(other, &key(), next, SHORT).await, "it never ends");
    }
}

/// Time that the machine was suspended makes an entry older.
pub async fn an_entry_grows_older_while_the_machine_sleeps<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { place, one, other } = &stand;
    assert!(replace(one, &key(), None, "kept").await.is_some());
    if !place.sleep(SLEEP) {
        return;
    }
    for store in [one, other, &place.open().await] {
        let age = load(store, &key()).await.map(|entry| entry.age);
        let slept = age.is_some_and(|age| SLEEP <= age && age < SLEEP + SHORT);
        assert!(slept, "{age:?} is not {SLEEP:?}");
    }
}

const SLEEP: Duration = Duration::from_secs(2 * 3600);
