//! Models of the copies: which thread uses which, and how long a copy lives. Loom runs each in every
//! order of the threads' steps with at most [`PREEMPTIONS`] preemptions: `cargo xtask models`.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::*;
use crate::sync::model::check;

const PREEMPTIONS: usize = 3;

/// A value that counts how often it was dropped.
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn drops(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The place of the current thread's copy. The thread keeps its copy.
fn place(sharded: &Sharded<()>) -> usize {
    let place = |_| std::ptr::from_ref::<()>(sharded.local()) as usize;
    let [first, second] = [1, 2].map(place);
    assert_eq!(first, second);
    first
}

#[test]
fn g01_no_two_threads_share_a_copy_while_there_are_enough() {
    check("three threads take a copy each", PREEMPTIONS, || {
        let sharded = Arc::new(Sharded::new(4, || ()));
        let others: [JoinHandle<usize>; 2] = std::array::from_fn(|_| {
            let sharded = Arc::clone(&sharded);
            thread::spawn(move || place(&sharded))
        });
        let mut places = vec![place(&sharded)];
        places.extend(others.map(|other| other.join().expect("a place")));
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 3);
    });
}

#[test]
fn a_copy_lives_as_long_as_a_handle_and_no_longer() {
    check("a handle is taken while the rest goes", PREEMPTIONS, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let counting = Counting(Arc::clone(&drops));
        let sharded = Local::new(counting);
        let weak = sharded.downgrade();
        let takes = thread::spawn(move || {
            let taken = weak.upgrade();
            if let Some(local) = &taken {
                assert_eq!(local.clone().drops(), 0);
            }
            (weak, taken)
        });
        drop(sharded);
        let (weak, taken) = takes.join().expect("it takes");
        assert_eq!(drops.load(Ordering::SeqCst), usize::from(taken.is_none()));
        drop(taken);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(weak.upgrade().is_none(), "g18: a weak handle keeps nothing");
    });
}
