//! Models of the tables with one key. Loom has no types for the locks of the map's shards, so here
//! one lock stands for a shard, and one place for its table: `cargo xtask models`.

use std::sync::Arc as Reference;

use loom::{
    sync::{Arc, Mutex},
    thread,
};

use super::{tests::key, *};
use crate::{AccessToken, Error, Origins, TokenRequest, TokenSource, sync::model::check};

const PREEMPTIONS: usize = 3;

struct OneKey {
    key: Key,
    recent: Recent,
    shard: Mutex<Option<Counted<Entry>>>,
    /// One reference here, one in the authenticator.
    alive: Reference<()>,
}

struct Source(#[allow(dead_code, reason = "its references are counted")] Reference<()>);

impl TokenSource for Source {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        Err(Error::config("source", "is not asked in a model"))
    }
}

impl OneKey {
    /// The current thread has asked for the key `asked` times.
    fn asked(asked: usize) -> Arc<Self> {
        let alive = Reference::new(());
        let source = Source(Reference::clone(&alive));
        let origins = Origins::new(["https://api.example.com"]).expect("origins");
        let entry = Entry {
            authenticator: Authenticator::builder(source, origins)
                .build()
                .expect("an authenticator"),
            last_used: AtomicU64::new(0),
        };
        let one_key = Self {
            key: key(1),
            recent: Recent::new(),
            shard: Mutex::new(Some(Counted::new(entry))),
            alive,
        };
        for _ in 0..asked {
            drop(one_key.local());
        }
        Arc::new(one_key)
    }

    /// As `AuthenticatorMap::local` of a map that cannot make the authenticator again.
    fn local(&self) -> Option<LocalAuthenticator> {
        let missed = match self.recent.find(&self.key, Moment::PAST) {
            Ok(found) => return Some(LocalAuthenticator::Local(found)),
            Err(missed) => missed,
        };
        let entry = self.shard.lock().expect("the shard").clone()?;
        let authenticator = Entry::handle_for_caller(entry, 0);
        let kept = (self.recent).keep(&missed, &self.key, authenticator, Moment::NEVER);
        Some(kept)
    }

    /// As the eviction by the sweep or by `max_entries`.
    fn evict(&self) -> bool {
        let mut shard = self.shard.lock().expect("the shard");
        let evicted = shard.take_if(|entry| !self.recent.is_in_use(&self.key, entry));
        drop(shard);
        evicted.is_some()
    }

    fn remove(&self) {
        drop(self.shard.lock().expect("the shard").take());
        self.recent.removed(&self.key);
    }

    fn has_entry(&self) -> bool {
        self.shard.lock().expect("the shard").is_some()
    }

    fn is_alive(&self) -> bool {
        Reference::strong_count(&self.alive) > 1
    }
}

/// Two threads ask for the key, one evicts. `asked`: by the first thread, before.
fn evict_while_two_ask(asked: usize) {
    let one_key = OneKey::asked(asked);
    let [other, third] = [Arc::clone(&one_key), Arc::clone(&one_key)];
    let asks = thread::spawn(move || {
        let held = other.local();
        assert!(held.is_none() || other.has_entry());
    });
    let evicts = thread::spawn(move || third.evict());
    let held = one_key.local();
    assert_eq!(held.is_some(), one_key.has_entry());
    let evicted = evicts.join().expect("it evicts");
    asks.join().expect("it asks");
    assert_eq!(held.is_none(), evicted);
    drop(held);
    assert!(evicted || one_key.evict(), "a table prevents no eviction");
    assert!(!one_key.is_alive());
}

#[test]
fn t23_an_authenticator_from_a_table_is_not_evicted() {
    check("one uses its table, one asks, one evicts", 2, || {
        evict_while_two_ask(2);
    });
}

#[test]
fn t23_a_table_that_gets_a_handle_meanwhile_prevents_no_eviction() {
    check("one fills its table, one asks, one evicts", 2, || {
        evict_while_two_ask(1);
    });
}

#[test]
fn a_removed_authenticator_comes_from_no_table() {
    for (asked, name) in [
        (1, "one fills its table, one removes"),
        (2, "one uses its table, one removes"),
    ] {
        check(name, PREEMPTIONS, move || {
            let one_key = OneKey::asked(asked);
            let other = Arc::clone(&one_key);
            let removes = thread::spawn(move || {
                other.remove();
                assert!(other.local().is_none());
            });
            let held = one_key.local();
            removes.join().expect("it removes");
            // Before the next look-up, which drops what it replaces.
            assert_eq!(held.is_some(), one_key.is_alive());
            drop(held);
            assert!(!one_key.is_alive());
            assert!(one_key.local().is_none());
        });
    }
}

#[test]
fn a_removed_authenticator_that_is_being_evicted_is_dropped_once() {
    check("one uses its table, one removes, one evicts", 2, || {
        let one_key = OneKey::asked(2);
        let [other, third] = [Arc::clone(&one_key), Arc::clone(&one_key)];
        let removes = thread::spawn(move || other.remove());
        let evicts = thread::spawn(move || third.evict());
        drop(one_key.local());
        removes.join().expect("it removes");
        evicts.join().expect("it evicts");
        assert!(!one_key.is_alive());
        assert!(one_key.local().is_none());
    });
}
