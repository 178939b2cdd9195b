//! What every [`TokenStore`] promises, as tests that a store's crate runs against the real thing.
//!
//! Describe where the store keeps its entries by a [`Place`] and have
//! [`store_contract!`](crate::store_contract!) make a test of each clause.
//!
//! # Example
//!
//! ```
//! use auth_core::MemoryStore;
//! use auth_testkit::store_contract::Place;
//!
//! struct Memory(MemoryStore);
//!
//! impl Place for Memory {
//!     type Store = MemoryStore;
//!
//!     async fn new() -> Self {
//!         Self(MemoryStore::new())
//!     }
//!
//!     async fn open(&self) -> MemoryStore {
//!         self.0.clone()
//!     }
//! }
//!
//! // In `tests/contract.rs`:
//! auth_testkit::store_contract!(Memory);
//! ```

use std::{
    future::{self, Future},
    time::Duration,
};

use auth_core::TokenStore;

mod clocks;
mod entries;
mod leases;
mod stand;
mod versions;

pub use clocks::{
    a_clock_that_is_set_back_makes_no_entry_younger,
    a_clock_that_is_set_back_makes_no_lease_longer, an_entry_grows_older_while_the_machine_sleeps,
};
pub use entries::{
    a_dropped_future_leaves_nothing_half, a_large_entry_is_kept, an_entry_ends_with_its_life,
    an_entry_grows_older, an_unreadable_entry_is_not_a_missing_one, connecting_changes_nothing,
    keys_do_not_touch_each_other, nothing_is_there_at_first, what_is_put_is_got,
};
pub use leases::{
    a_lease_ends_by_release, a_lease_ends_by_time, a_lease_has_one_owner,
    a_lease_is_kept_by_its_owner, no_lease_lasts_longer_than_the_longest,
    of_many_who_want_a_lease_one_has_it,
};
pub use versions::{
    a_wrong_version_changes_nothing, of_many_who_replace_one_wins, versions_are_kept,
};

/// Where stores of one kind keep their entries: a directory, a server, this process's memory.
pub trait Place: Send + Sync + Sized {
    /// The store under test.
    type Store: TokenStore;

    /// Whether the store's time is tokio's, so that the clauses can run under a paused clock. Where
    /// it is not, lives are so short that waiting for their end takes less than half a second.
    const PAUSED: bool = true;

    /// Makes a place where nothing is kept yet. What it needs may go when it is dropped.
    fn new() -> impl Future<Output = Self> + Send;

    /// Opens a store there, with nothing in common with others but the place: as another process
    /// would.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Sets the wall clock of all stores here back. Returns whether that can be done; where it
    /// cannot, the clauses about it have nothing to show. Default: it cannot.
    fn set_clock_back(&self, _by: Duration) -> bool {
        false
    }

    /// Lets the machine sleep. Returns whether that can be done. Default: it cannot.
    fn sleep(&self, _time: Duration) -> bool {
        false
    }

    /// Opens a store that cannot read what the others put there: it has another key, for example.
    /// Default: there is none.
    fn open_blind(&self) -> impl Future<Output = Option<Self::Store>> + Send {
        future::ready(None)
    }
}

/// Runs a clause for a place, on a runtime of its own.
///
/// # Panics
///
/// If a promise is broken, or the clause does not end.
pub fn run<P: Place>(clause: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(P::PAUSED)
        .build();
    let limit = if P::PAUSED {
        Duration::from_secs(365 * 24 * 3600)
    } else {
        Duration::from_secs(60)
    };
    let in_time = async { tokio::time::timeout(limit, clause).await };
    let ended = runtime.map(|runtime| runtime.block_on(in_time));
    assert!(
        matches!(ended, Ok(Ok(()))),
        "the clause did not end: {ended:?}"
    );
}

/// Makes a test of each clause of the [`store_contract`](mod@crate::store_contract) for a
/// [`Place`](crate::store_contract::Place).
///
/// The tests stand where the macro is called: give each place a module of its own. Where the test
/// runner is another one than Rust's, `store_contract!(Place => list)` is an array of the clauses'
/// names and functions.
#[macro_export]
macro_rules! store_contract {
    ($place:ty) => {
        $crate::store_contract! { @all tests $place }
    };
    ($place:ty => list) => {
        $crate::store_contract! { @all list $place }
    };
    (@all $form:ident $place:ty) => {
        $crate::store_contract! { @$form $place:
            nothing_is_there_at_first,
            connecting_changes_nothing,
            what_is_put_is_got,
            a_large_entry_is_kept,
            an_entry_grows_older,
            an_entry_ends_with_its_life,
            an_unreadable_entry_is_not_a_missing_one,
            keys_do_not_touch_each_other,
            a_dropped_future_leaves_nothing_half,
            versions_are_kept,
            a_wrong_version_changes_nothing,
            of_many_who_replace_one_wins,
            a_lease_has_one_owner,
            a_lease_is_kept_by_its_owner,
            a_lease_ends_by_release,
            a_lease_ends_by_time,
            no_lease_lasts_longer_than_the_longest,
            of_many_who_want_a_lease_one_has_it,
            a_clock_that_is_set_back_makes_no_entry_younger,
            a_clock_that_is_set_back_makes_no_lease_longer,
            an_entry_grows_older_while_the_machine_sleeps,
        }
    };
    (@list $place:ty: $($clause:ident,)*) => {
        [$((stringify!($clause), {
            fn clause() {
                $crate::store_contract::run::<$place>($crate::store_contract::$clause::<$place>());
            }
            clause as fn()
        })),*]
    };
    (@tests $place:ty: $($clause:ident,)*) => {
        $(
            #[test]
            fn $clause() {
                $crate::store_contract::run::<$place>($crate::store_contract::$clause::<$place>());
            }
        )*
    };
}
