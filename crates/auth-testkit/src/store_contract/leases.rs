use std::{sync::Arc, time::Duration};

use auth_core::LONGEST_LEASE;
use tokio::{task::JoinSet, time};

use super::{
    Place,
    stand::{LONG, SHORT, Stand, content, key, lease, outlive, release, replace},
};

/// A lease that somebody has is refused to everybody else, and has nothing to do with the entry.
pub async fn a_lease_has_one_owner<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", LONG).await);
    for store in [one, other] {
        assert!(!lease(store, &key(), "b", LONG).await, "it has two owners");
        assert!(!lease(store, &key(), "", LONG).await, "it has two owners");
        assert!(!lease(store, &key(), "a ", LONG).await, "it has two owners");
    }
    let version = replace(other, &key(), None, "put without it").await;
    assert!(version.is_some(), "entries need no lease");
    assert!(!lease(other, &key(), "b", LONG).await, "the entry ended it");
    release(one, &key(), "a").await;
    assert!(
        content(one, &key()).await.is_some(),
        "it took the entry along"
    );
}

/// Its owner can take it again, which begins its time anew: it ends no earlier and no later than
/// was asked for last.
pub async fn a_lease_is_kept_by_its_owner<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", SHORT).await);
    assert!(lease(one, &key(), "a", LONG).await, "its own");
    outlive().await;
    assert!(!lease(other, &key(), "b", LONG).await, "not made longer");
    assert!(lease(other, &key(), "a", SHORT).await, "its own");
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "not made shorter");
    assert!(!lease(one, &key(), "a", LONG).await, "it is b's now");
}

/// A lease that is given back is free at once; only its owner can give it back.
pub async fn a_lease_ends_by_release<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", LONG).await);
    release(other, &key(), "b").await;
    assert!(!lease(other, &key(), "b", LONG).await, "b gave it back");
    release(one, &key(), "a").await;
    assert!(
        lease(other, &key(), "b", LONG).await,
        "nobody's, but refused"
    );
    release(one, &key(), "a").await;
    assert!(!lease(one, &key(), "a", LONG).await, "a gave b's back");
}

/// A lease that nobody gives back, as its owner has died, is free when its time is over.
pub async fn a_lease_ends_by_time<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", SHORT).await);
    assert!(!lease(other, &key(), "b", LONG).await, "over too early");
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "it never ends");
    // The first owner is late, and must not undo that.
    release(one, &key(), "a").await;
    assert!(!lease(one, &key(), "a", LONG).await, "a took it back");
    let is_held = lease(one, &key(), "a", Duration::MAX).await;
    assert!(!is_held, "b's, however long a wants it");
}

/// However long a lease is asked for, it ends after [`LONGEST_LEASE`]; and its owner can make it
/// shorter.
pub async fn no_lease_lasts_longer_than_the_longest<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", Duration::MAX).await);
    assert!(
        !lease(other, &key(), "b", Duration::MAX).await,
        "two owners"
    );
    if P::PAUSED {
        time::sleep(LONGEST_LEASE - SHORT).await;
        assert!(!lease(other, &key(), "b", LONG).await, "over too early");
        time::sleep(2 * SHORT).await;
        assert!(lease(other, &key(), "b", LONG).await, "it never ends");
        return;
    }
    assert!(lease(one, &key(), "a", SHORT).await, "its own");
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "not made shorter");
}

/// Of 50 who want a free lease at once, from several processes, one has it.
pub async fn of_many_who_want_a_lease_one_has_it<P: Place>() {
    let Stand { place, one, other } = Stand::<P>::new().await;
    let stores = [one, other, place.open().await].map(Arc::new);
    let mut tasks = JoinSet::new();
    for number in 0..50_usize {
        let store = Arc::clone(&stores[number % stores.len()]);
        tasks.spawn(async move { lease(&*store, &key(), &number.to_string(), LONG).await });
    }
    let ended = tasks.join_all().await;
    let owners = ended.into_iter().filter(|is_held| *is_held).count();
    assert_eq!(owners, 1, "owners");
}
