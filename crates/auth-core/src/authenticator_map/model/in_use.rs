//! Models of the reference counts that keep an entry in the map. Loom has no types for the locks of
//! the map's shards, so here one lock stands for a shard, and one place for its table.

use loom::{
    sync::{Arc, Mutex},
    thread,
};

use super::*;
use crate::{Moment, authenticator::residue::Residue, sync::model::check};

const PREEMPTIONS: usize = 3;

type Shard = Arc<Mutex<Option<Counted<Entry>>>>;

fn shard() -> Shard {
    let entry = Counted::new(Entry {
        authenticator: authenticator().expect("an authenticator"),
        last_used: AtomicU64::new(0),
    });
    Arc::new(Mutex::new(Some(entry)))
}

/// As [`AuthenticatorMap::get`] of a key that has an entry.
fn get(shard: &Shard) -> Option<Authenticator> {
    let entry = shard.lock().expect("the shard").clone()?;
    Some(Entry::handle_for_caller(entry, GRAIN))
}

/// As the eviction by the sweep or by `max_entries`.
fn evict(shard: &Shard) -> Option<Counted<Entry>> {
    let mut shard = shard.lock().expect("the shard");
    shard.take_if(|entry| !Entry::is_in_use(entry))
}

fn has_entry(shard: &Shard) -> bool {
    shard.lock().expect("the shard").is_some()
}

#[test]
fn t23_an_entry_in_use_is_not_evicted() {
    check("one gets, one evicts", PREEMPTIONS, || {
        let shard = shard();
        let other = Arc::clone(&shard);
        let evicts = thread::spawn(move || evict(&other).is_some());
        let held = get(&shard);
        let evicted = evicts.join().expect("it evicts");
        assert_eq!(held.is_some(), has_entry(&shard));
        assert_eq!(held.is_none(), evicted);
    });
}

#[test]
fn t23_an_entry_of_which_another_thread_drops_a_handle_is_not_evicted() {
    check("one gets, one gets and drops, one evicts", 2, || {
        let shard = shard();
        let [other, third] = [Arc::clone(&shard), Arc::clone(&shard)];
        let drops = thread::spawn(move || drop(get(&other)));
        let evicts = thread::spawn(move || evict(&third).is_some());
        let held = get(&shard);
        drops.join().expect("it drops");
        let evicted = evicts.join().expect("it evicts");
        assert_eq!(held.is_some(), has_entry(&shard));
        assert_eq!(held.is_none(), evicted);
    });
}

#[test]
fn g04_the_residue_contains_what_the_last_caller_left() {
    check("one changes and drops, one evicts", PREEMPTIONS, || {
        let shard = shard();
        let other = Arc::clone(&shard);
        let changes = thread::spawn(move || {
            let held = get(&other)?;
            held.restore(Residue::example(7, Moment::NEVER));
            Some(())
        });
        let evicted = evict(&shard);
        let residue = evicted.and_then(|entry| entry.authenticator.residue());
        let changed = changes.join().expect("it changes");
        let is_kept = has_entry(&shard) || residue.is_some();
        assert_eq!(changed.is_some(), is_kept);
    });
}
