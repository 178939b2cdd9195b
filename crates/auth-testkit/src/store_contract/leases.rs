use std::{sync::Arc, time::Duration};

use auth_core::LONGEST_LEASE;
use tokio::{task::JoinSet, time};

use super::{
    Place,
    stand::{LONG, SHORT, Stand, content, key, lease, outlive, release, replace},
};

/// A lease that an owner holds is denied to all others, and is independent of the entry.
pub async fn a_lease_has_one_owner<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", LONG).await);
    for store in [one, other] {
        assert!(
            !lease(store, &key(), "b", LONG).await,
            "the lease has two owners"
        );
        assert!(
            !lease(store, &key(), "", LONG).await,
            "the lease has two owners"
        );
        assert!(
            !lease(store, &key(), "a ", LONG).await,
            "the lease has two owners"
        );
    }
    let version = replace(other, &key(), None, "put without the lease").await;
    assert!(version.is_some(), "entries need no lease");
    assert!(
        !lease(other, &key(), "b", LONG).await,
        "the entry ended the lease"
    );
    release(one, &key(), "a").await;
    assert!(
        content(one, &key()).await.is_some(),
        "the lease removed the entry"
    );
}

/// The owner can take the lease again, which restarts its time: it ends exactly as asked for last.
pub async fn a_lease_is_kept_by_its_owner<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", SHORT).await);
    assert!(lease(one, &key(), "a", LONG).await, "the owner's own lease");
    outlive().await;
    assert!(!lease(other, &key(), "b", LONG).await, "not made longer");
    assert!(
        lease(other, &key(), "a", SHORT).await,
        "the owner's own lease"
    );
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "not made shorter");
    assert!(!lease(one, &key(), "a", LONG).await, "the lease is b's now");
}

/// A released lease is free at once; only its owner can release it.
pub async fn a_lease_ends_by_release<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", LONG).await);
    release(other, &key(), "b").await;
    assert!(!lease(other, &key(), "b", LONG).await, "b released it");
    release(one, &key(), "a").await;
    assert!(lease(other, &key(), "b", LONG).await, "free, but denied");
    release(one, &key(), "a").await;
    assert!(!lease(one, &key(), "a", LONG).await, "a released b's lease");
}

/// A lease that is not released, because its owner died, is free when its time is over.
pub async fn a_lease_ends_by_time<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    assert!(lease(one, &key(), "a", SHORT).await);
    assert!(!lease(other, &key(), "b", LONG).await, "over too early");
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "it never ends");
    // The first owner is late, and must not change that.
    release(one, &key(), "a").await;
    assert!(!lease(one, &key(), "a", LONG).await, "a took b's lease");
    let is_held = lease(one, &key(), "a", Duration::MAX).await;
    assert!(!is_held, "the lease stays b's");
}

/// A lease ends after [`LONGEST_LEASE`] at the latest, and its owner can shorten it.
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
    assert!(
        lease(one, &key(), "a", SHORT).await,
        "the owner's own lease"
    );
    outlive().await;
    assert!(lease(other, &key(), "b", LONG).await, "not made shorter");
}

/// Of 50 callers from several processes that request a free lease at the same time, exactly one
/// gets it.
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
