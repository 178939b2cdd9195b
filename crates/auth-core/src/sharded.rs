use std::{
    cell::Cell,
    fmt,
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A few equal copies of a value, of which each thread keeps to one.
///
/// What stops several threads from using one shared value side by side is not a lock but its
/// reference count: whoever clones a handle takes the count's cache line from all others. Here each
/// copy has a count on cache lines of its own, so that threads clone [`local`](Self::local) handles
/// without meeting.
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

/// A handle on one copy of a [`Sharded`] value; keeps that copy alive.
pub struct Local<T>(Arc<Padded<T>>);

/// A handle that keeps nothing alive.
#[derive(Debug)]
pub(crate) struct WeakLocal<T>(Weak<Padded<T>>);

/// Two lines, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Sharded<T> {
    /// Makes `count` copies, rounded up to a power of two.
    pub fn new(count: usize, mut copy: impl FnMut() -> T) -> Self {
        let count = count.max(1).next_power_of_two();
        let copies = (0..count).map(|_| Local(Arc::new(Padded(copy()))));
        Self {
            copies: copies.collect(),
        }
    }

    /// Returns the copy that the current thread keeps to.
    #[must_use]
    #[inline]
    pub fn local(&self) -> &Local<T> {
        // A power of two, so this keeps the index in range.
        &self.copies[slot() & (self.copies.len() - 1)]
    }
}

impl<T> Local<T> {
    /// Makes a handle on a value that has no other copy.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Padded(value)))
    }

    pub(crate) fn downgrade(&self) -> WeakLocal<T> {
        WeakLocal(Arc::downgrade(&self.0))
    }
}

impl<T> WeakLocal<T> {
    pub(crate) const NONE: Self = Self(Weak::new());

    #[inline]
    pub(crate) fn upgrade(&self) -> Option<Local<T>> {
        self.0.upgrade().map(Local)
    }
}

impl<T> Clone for Local<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
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

/// A number that the current thread keeps, counted up from thread to thread.
#[inline]
fn slot() -> usize {
    const UNSET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(UNSET) };
    }
    #[cold]
    fn assign() -> usize {
        let slot = NEXT.fetch_add(1, Ordering::Relaxed);
        SLOT.set(slot);
        slot
    }
    let slot = SLOT.get();
    if slot == UNSET { assign() } else { slot }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lie_on_lines_of_their_own() {
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
    fn a_thread_keeps_to_its_copy_and_the_next_takes_another() {
        let sharded = Sharded::new(2, || ());
        let here = &raw const *sharded.local().0;
        assert_eq!(here, &raw const *sharded.local().0);
        let shared = &sharded;
        let other = || std::thread::spawn(|| slot() & 1).join().unwrap();
        assert_ne!(other(), other());
        assert_eq!(Arc::strong_count(&shared.local().0), 1);
    }
}
