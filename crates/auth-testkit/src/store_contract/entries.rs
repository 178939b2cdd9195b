use std::{
    future::{self, Future},
    pin::pin,
    task::Poll,
    time::Duration,
};

use auth_core::{EntryVersion, ErrorKind, Key, NewEntry, Secret, TokenStore};
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Place,
    stand::{LONG, SHORT, Stand, content, good, key, load, outlive, replace, replace_for},
};

/// A new place has neither an entry nor a lease.
pub async fn nothing_is_there_at_first<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, .. } = &stand;
    assert!(
        load(one, &key()).await.is_none(),
        "a new place has an entry"
    );
    good(one.release(&key(), "nobody").await);
}

/// Connecting succeeds, also repeatedly and after a dropped future, and changes nothing.
pub async fn connecting_changes_nothing<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    for polls in 0..3 {
        drop_after(polls, other.connect()).await;
    }
    good(one.connect().await);
    let version = replace(one, &key(), None, "kept").await;
    assert!(version.is_some(), "no other writer was there");
    for store in [one, other] {
        good(store.connect().await);
        assert_eq!(content(store, &key()).await.as_deref(), Some(&b"kept"[..]));
    }
}

/// A process that cannot read an entry learns that there is one. It can replace the entry by its
/// version only; until then the others read it.
pub async fn an_unreadable_entry_is_not_a_missing_one<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { place, one, .. } = &stand;
    let Some(blind) = place.open_blind().await else {
        return;
    };
    let version = replace(one, &key(), None, "fake-secret-1").await;
    let seen = load(&blind, &key()).await;
    let (named, error) = match seen.map(|entry| (entry.version, entry.content)) {
        Some((version, Err(error))) => (Some(version), error),
        seen => panic!("the entry is readable: {seen:?}"),
    };
    assert_eq!(named, version);
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(!format!("{error} {error:?}").contains("fake"), "{error:?}");
    let over = replace(&blind, &key(), None, "over it").await;
    assert!(over.is_none(), "the entry was treated as missing");
    let there = content(one, &key()).await;
    assert_eq!(there.as_deref(), Some(&b"fake-secret-1"[..]));
    let over = replace(&blind, &key(), version, "over it").await;
    assert!(over.is_some(), "the entry cannot be replaced");
    let there = content(&blind, &key()).await;
    assert_eq!(there.as_deref(), Some(&b"over it"[..]));
}

/// Another process reads exactly the bytes and the version that one process wrote.
pub async fn what_is_put_is_got<P: Place>() {
    let stand = Stand::<P>::new().await;
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let mut version = None;
    for bytes in [&all[..], b"", b"\n", b"\r\n\0", "ä€𝄞".as_bytes(), b"nil"] {
        version = replace(&stand.one, &key(), version, bytes.to_vec()).await;
        assert!(version.is_some(), "no other writer was there");
        for store in [&stand.one, &stand.other, &stand.place.open().await] {
            let entry = load(store, &key()).await;
            let got = entry
                .as_ref()
                .and_then(|entry| entry.content.as_deref().ok());
            assert_eq!(got, Some(bytes));
            assert_eq!(entry.map(|entry| entry.version), version);
        }
    }
}

/// An entry of 64 KiB is kept as well: tokens with many claims are long.
pub async fn a_large_entry_is_kept<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let large: Bytes = (0..64 * 1024_u32).map(|n| (n % 251) as u8).collect();
    assert!(replace(one, &key(), None, large.clone()).await.is_some());
    assert!(content(other, &key()).await == Some(large), "not the same");
}

/// Every store reports the age of an entry.
pub async fn an_entry_grows_older<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let begun = Instant::now();
    let first = replace(one, &key(), None, "first").await;
    outlive().await;
    for store in [one, other] {
        let age = load(store, &key()).await.map(|entry| entry.age);
        let least = age.is_some_and(|age| SHORT <= age + TICK);
        assert!(least, "{age:?} is too young");
        let most = age.is_some_and(|age| age <= begun.elapsed() + TICK);
        assert!(most, "{age:?} is too old");
    }
    let begun = Instant::now();
    replace(one, &key(), first, "second").await;
    let age = load(other, &key()).await.map(|entry| entry.age);
    let most = age.is_some_and(|age| age <= begun.elapsed() + TICK);
    assert!(most, "{age:?} is the first one's");
}

/// Not every clock has a resolution of one millisecond, and two clocks may differ.
const TICK: Duration = Duration::from_millis(25);

/// An entry exists until its time to live is over, and then its place is free.
pub async fn an_entry_ends_with_its_life<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let version = replace_for(one, &key(), None, "short", SHORT).await;
    assert!(content(other, &key()).await.is_some(), "removed too early");
    outlive().await;
    assert!(content(one, &key()).await.is_none(), "still there");
    assert!(content(other, &key()).await.is_none(), "still there");
    let late = replace(one, &key(), version, "late").await;
    assert!(late.is_none(), "it replaced an expired entry");
    let next = replace(other, &key(), None, "next").await;
    assert!(next.is_some() && next != version, "its place is not free");
    assert_eq!(content(one, &key()).await.as_deref(), Some(&b"next"[..]));

    let ever = replace_for(one, &key(), next, "ever", Duration::MAX).await;
    assert!(ever.is_some(), "the longest time to live is accepted");
    assert_eq!(content(other, &key()).await.as_deref(), Some(&b"ever"[..]));
}

/// Two similar keys never share an entry or a lease.
pub async fn keys_do_not_touch_each_other<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let keys = alike();
    for (number, key) in keys.iter().enumerate() {
        let version = replace(one, key, None, number.to_string()).await;
        assert!(version.is_some(), "{number} existed already");
        let is_held = good(one.lease(key, &number.to_string(), LONG).await);
        assert!(is_held, "the lease of {number} was shared");
    }
    for (number, key) in keys.iter().enumerate() {
        let got = content(other, key).await;
        assert_eq!(got, Some(Bytes::from(number.to_string())));
    }
}

/// A future that is dropped at any point has done its work or not: what is read afterwards is
/// complete, and the store continues to work.
pub async fn a_dropped_future_leaves_nothing_half<P: Place>() {
    let stand = Stand::<P>::new().await;
    let Stand { one, other, .. } = &stand;
    let whole = |letter: u8| Bytes::from(vec![letter; 16 * 1024]);
    let first = replace(one, &key(), None, whole(b'a')).await;
    for polls in 0..8 {
        let before = load(other, &key()).await;
        let version = before.as_ref().map(|entry| entry.version);
        let next = NewEntry::new(EntryVersion::after(version, LONG), whole(b'b'), LONG);
        drop_after(polls, one.replace(&key(), version, next)).await;
        drop_after(polls, one.load(&key())).await;
        drop_after(polls, one.lease(&key(), "dropped", LONG)).await;
        drop_after(polls, one.release(&key(), "dropped")).await;
        let after = content(other, &key()).await.unwrap_or_default();
        assert!(
            after == whole(b'a') || after == whole(b'b'),
            "the entry is incomplete"
        );
    }
    // The dropped call may still complete, once.
    let mut tries = 0;
    let last = loop {
        let version = load(one, &key()).await.map(|entry| entry.version);
        if let Some(last) = replace(one, &key(), version, whole(b'c')).await {
            break last;
        }
        tries += 1;
        assert!(tries < 100, "the entry cannot be replaced any more");
    };
    assert_ne!(first, Some(last));
}

/// Polls at most this many times, and drops.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let now = future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if now.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Keys that are equal for a store that joins their parts with separators, truncates them or
/// changes their case.
fn alike() -> Vec<Key> {
    let v = || Key::builder("contract");
    let long = |end: &str| v().client("x".repeat(300) + end).build();
    vec![
        v().build(),
        v().client("").build(),
        v().client("a").build(),
        v().client("A").build(),
        v().client("a:b").audience("c").build(),
        v().client("a").audience("b:c").build(),
        v().client("a|b").audience("c").build(),
        v().client("a").audience("b|c").build(),
        v().client("a/b").build(),
        v().client("a/../a").build(),
        v().client("../a").build(),
        v().client("a\0").build(),
        v().client("a\n").build(),
        v().client("*").build(),
        v().client("{a}").build(),
        v().audience("a").build(),
        v().resource("a").build(),
        v().scope("a b").build(),
        v().scope("a,b").build(),
        v().scope("ab").build(),
        v().extra("a", "b").build(),
        v().extra("b", "a").build(),
        v().extra("ab", "").build(),
        v().subject(&Secret::new("fake-user-1")).build(),
        v().subject(&Secret::new("fake-user-2")).build(),
        long("1"),
        long("2"),
    ]
}
