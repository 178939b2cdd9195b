use std::sync::Arc;

use auth_core::{EntryVersion, NewEntry, TokenStore as _};
use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    Place,
    stand::{LONG, Stand, content, good, key, load, replace},
};

/// An entry keeps the version that it was written with, for any version.
pub async fn versions_are_kept<P: Place>() {
    let stand = Stand::<P>::new().await;
    let mut last = None;
    let numbers = [0, 1, u128::MAX, 1 << 64, u128::from(u64::MAX), 1 << 53 | 1];
    for (turn, version) in numbers.map(EntryVersion::new).into_iter().enumerate() {
        let store = [&stand.one, &stand.other][turn % 2];
        let entry = NewEntry::new(version, Bytes::from_static(b"same"), LONG);
        assert!(good(store.replace(&key(), last, entry).await), "{turn}");
        let there = load(&stand.place.open().await, &key()).await;
        assert_eq!(there.map(|entry| entry.version), Some(version));
        last = Some(version);
    }
}

/// A write without a version where there is an entry, with a version where there is no entry, or with
/// another version than the entry's is refused and changes nothing.
pub async fn a_wrong_version_changes_nothing<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let made_up = Some(EntryVersion::new(12345));
    assert!(replace(one, &key(), made_up, "wrong").await.is_none());
    assert!(
        load(one, &key()).await.is_none(),
        "the entry exists nevertheless"
    );

    let first = replace(one, &key(), None, "first").await;
    let second = replace(other, &key(), first, "second").await;
    assert!(second.is_some());
    for wrong in [None, made_up, first, Some(EntryVersion::new(u128::MAX))] {
        assert!(replace(one, &key(), wrong, "wrong").await.is_none());
        let entry = load(other, &key()).await;
        assert_eq!(entry.as_ref().map(|entry| entry.version), second);
        assert_eq!(content(one, &key()).await.as_deref(), Some(&b"second"[..]));
    }
}

/// Of 50 callers from several processes that replace one version at the same time, exactly one
/// wins, and the entry is the winner's.
pub async fn of_many_who_replace_one_wins<P: Place>() {
    let Stand { place, one, other } = Stand::<P>::new().await;
    let stores = [one, other, place.open().await].map(Arc::new);
    let mut version = None;
    for _ in 0..3 {
        let mut tasks = JoinSet::new();
        for number in 0..50_usize {
            let store = Arc::clone(&stores[number % stores.len()]);
            tasks.spawn(async move {
                let bytes = Bytes::from(number.to_string());
                let version = replace(&*store, &key(), version, bytes.clone()).await;
                version.map(|version| (version, bytes))
            });
        }
        let ended = tasks.join_all().await;
        let winners: Vec<_> = ended.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "winners");
        for (won, bytes) in winners {
            let entry = load(&*stores[0], &key()).await;
            let there = entry.map(|entry| (entry.version, good(entry.content)));
            assert_eq!(there, Some((won, bytes)), "not the winner's");
            version = Some(won);
        }
    }
}
