use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The next events: a queue of single events, and one for an empty queue.
#[derive(Debug)]
pub(crate) struct Queue<T>(Mutex<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    next: VecDeque<T>,
    otherwise: T,
}

impl<T: Clone + Default> Queue<T> {
    pub(crate) fn push(&self, times: usize, event: &T) {
        lock(&self.0)
            .next
            .extend(std::iter::repeat_n(event, times).cloned());
    }

    pub(crate) fn otherwise(&self, event: T) {
        lock(&self.0).otherwise = event;
    }

    pub(crate) fn clear(&self) {
        *lock(&self.0) = Inner {
            next: VecDeque::new(),
            otherwise: T::default(),
        };
    }

    pub(crate) fn next(&self) -> T {
        let mut inner = lock(&self.0);
        inner
            .next
            .pop_front()
            .unwrap_or_else(|| inner.otherwise.clone())
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).next.len()
    }
}

impl<T: Default> Default for Queue<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            next: VecDeque::new(),
            otherwise: T::default(),
        }))
    }
}

/// Locks, also after a panic in another thread: a failed test must not make others hang or panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
