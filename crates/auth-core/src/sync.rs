//! What threads share state with: the standard library's types, or in models those of loom or
//! shuttle, which run every order of the threads' steps (`cargo xtask models`).

#[cfg(not(model))]
pub(crate) use std::sync::{
    Arc as Counted, Mutex, MutexGuard, OnceLock, Weak as WeakCounted, atomic,
};

#[cfg(model)]
pub(crate) use self::model::{Counted, OnceLock, WeakCounted};
#[cfg(model = "loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(model = "shuttle")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};

use self::atomic::Ordering;

/// Returns whether another handle exists.
///
/// After `false`, the caller sees everything that other threads did before they dropped their
/// handles. `Arc::strong_count` does not promise that, because it is a relaxed load.
pub(crate) fn is_shared<T>(handle: &Counted<T>) -> bool {
    let is_shared = Counted::strong_count(handle) > 1;
    atomic::fence(Ordering::Acquire);
    is_shared
}

#[cfg(model)]
pub(crate) mod model;
