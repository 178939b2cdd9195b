use std::{cell::Cell, fmt, ops::Deref, sync::Arc};

use crate::sync::{
    Counted, WeakCounted,
    atomic::{AtomicUsize, Ordering},
};

/// Several equal copies of a value. Each thread uses one of them.
///
/// When several threads use one shared value, its reference count slows them down, not a lock: a
/// thread that clones a handle takes the count's cache line from all other threads. Here each copy
/// has its count on separate cache lines, so threads clone [`local`](Self::local) handles without
/// contention.
///
/// # Example
///
/// ```
/// use auth_core::Sharded;
///
/// let settings = Sharded::new(4, || "settings".to_owned());
/// let handle = settings.local().clone();
/// assert_eq!(*handle, "settings");
/// ```
#[derive(Debug)]
pub struct Sharded<T> {
    copies: Box<[Local<T>]>,
}

/// A handle on one copy of a [`Sharded`] value. It keeps the copy alive.
pub struct Local<T>(Counted<Padded<T>>);

/// A handle that does not keep the copy alive.
#[derive(Debug)]
pub(crate) struct WeakLocal<T>(WeakCounted<Padded<T>>);

/// Two cache lines, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Sharded<T> {
    /// Makes `count` copies, rounded up to a power of two.
    pub fn new(count: usize, mut copy: impl FnMut() -> T) -> Self {
        let count = count.max(1).next_power_of_two();
        let copies = (0..count).map(|_| Local(Counted::new(Padded(copy()))));
        Self {
            copies: copies.collect(),
        }
    }

    /// Returns the current thread's copy.
    #[must_use]
    #[inline]
    pub fn local(&self) -> &Local<T> {
        // The length is a power of two, so the mask keeps the index in range.
        &self.copies[slot() & (self.copies.len() - 1)]
    }
}

impl<T> Sharded<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Local<T>> {
        self.copies.iter()
    }
}

impl<T> Local<T> {
    /// Makes a handle on a value without other copies.
    pub fn new(value: T) -> Self {
        Self(Counted::new(Padded(value)))
    }

    pub(crate) fn downgrade(&self) -> WeakLocal<T> {
        WeakLocal(Counted::downgrade(&self.0))
    }
}

impl<T> WeakLocal<T> {
    pub(crate) const NONE: Self = Self(WeakCounted::new());

    #[inline]
    pub(crate) fn upgrade(&self) -> Option<Local<T>> {
        self.0.upgrade().map(Local)
    }
}

impl<T> Clone for Local<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Counted::clone(&self.0))
    }
}

impl<T> Deref for Local<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The copies of a value whose handles take no room for cache lines if there is only one copy.
#[derive(Debug)]
pub(crate) enum Copies<T> {
    One(Arc<T>),
    Several(Sharded<T>),
}

/// A handle on one of the [`Copies`]. It keeps the copy alive.
#[derive(Debug)]
pub(crate) enum OneCopy<T> {
    Only(Arc<T>),
    Local(Local<T>),
}

impl<T> Copies<T> {
    /// Returns a handle on the current thread's copy.
    pub(crate) fn local(&self) -> OneCopy<T> {
        match self {
            Self::One(only) => OneCopy::Only(Arc::clone(only)),
            Self::Several(copies) => OneCopy::Local(copies.local().clone()),
        }
    }

    /// Returns any of the copies.
    pub(crate) fn any(&self) -> &T {
        match self {
            Self::One(only) => only,
            Self::Several(copies) => copies.local(),
        }
    }
}

impl<T> Clone for OneCopy<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Only(only) => Self::Only(Arc::clone(only)),
            Self::Local(local) => Self::Local(local.clone()),
        }
    }
}

impl<T> Deref for OneCopy<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Only(only) => only,
            Self::Local(local) => local,
        }
    }
}

/// A number for the current thread; each new thread gets the next number.
#[inline]
fn slot() -> usize {
    const UNSET: usize = usize::MAX;
    #[cfg(not(model))]
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    #[cfg(not(model))]
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(UNSET) };
    }
    #[cfg(model = "loom")]
    use loom::{lazy_static, thread_local};
    #[cfg(model = "shuttle")]
    use shuttle::{lazy_static, thread_local};
    // Each order of a model starts with the first number.
    #[cfg(model)]
    lazy_static! {
        static ref NEXT: AtomicUsize = AtomicUsize::new(0);
    }
    #[cfg(model)]
    thread_local! {
        static SLOT: Cell<usize> = Cell::new(UNSET);
    }
    #[cold]
    fn assign() -> usize {
        let slot = NEXT.fetch_add(1, Ordering::Relaxed);
        SLOT.with(|place| place.set(slot));
        slot
    }
    let slot = SLOT.with(Cell::get);
    if slot == UNSET { assign() } else { slot }
}

#[cfg(all(test, model = "loom"))]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lie_on_separate_cache_lines() {
        let sharded = Sharded::new(3, || 0_u8);
        let addresses: Vec<_> = sharded
            .copies
            .iter()
            .map(|copy| &raw const copy.0.0 as usize / 128)
            .collect();
        assert_eq!(addresses.len(), 4);
        assert!(addresses.is_sorted_by(|a, b| a != b));
    }

    #[test]
    fn one_copy_is_not_padded() {
        let address = |copies: &Copies<[u64; 2]>| copies.any() as *const _ as usize;
        let is_padded = |copies| address(copies) % 128 == 0;
        // The only copies lie behind two counts each, so not all of them are aligned.
        let only: Vec<_> = (0..8).map(|_| Copies::One(Arc::new([0; 2]))).collect();
        assert!(!only.iter().all(is_padded));
        let several = || Copies::Several(Sharded::new(2, || [0; 2]));
        let several: Vec<_> = (0..8).map(|_| several()).collect();
        assert!(several.iter().all(is_padded));
    }

    #[test]
    fn thread_keeps_its_copy_and_the_next_thread_uses_another() {
        let sharded = Sharded::new(2, || ());
        let here = &raw const *sharded.local().0;
        assert_eq!(here, &raw const *sharded.local().0);
        let shared = &sharded;
        let other = || std::thread::spawn(|| slot() & 1).join().unwrap();
        assert_ne!(other(), other());
        assert_eq!(Counted::strong_count(&shared.local().0), 1);
    }
}
