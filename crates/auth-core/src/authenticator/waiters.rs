use std::task::Waker;

/// The wakers of all callers that wait for one flight: 16 bytes each, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Slot>,
    free: Option<Index>,
}

/// Identifies a waiter. The waiter [`remove`](Waiters::remove)s itself when it leaves.
pub(crate) type Index = u32;

#[derive(Debug)]
enum Slot {
    Waiting(Waker),
    /// The waiter has left. Holds the next free slot.
    Free(Option<Index>),
}

impl Waiters {
    /// Adds a waiter. `None` if four billion callers wait already: poll again later.
    pub(crate) fn add(&mut self, waker: &Waker) -> Option<Index> {
        let slot = Slot::Waiting(waker.clone());
        if let Some(index) = self.free {
            if let Some(place @ &mut Slot::Free(next)) = self.slots.get_mut(index as usize) {
                self.free = next;
                *place = slot;
                return Some(index);
            }
        }
        let index = Index::try_from(self.slots.len()).ok()?;
        self.slots.push(slot);
        Some(index)
    }

    /// Replaces the waiter's waker by its newest one.
    pub(crate) fn update(&mut self, index: Index, waker: &Waker) {
        if let Some(Slot::Waiting(old)) = self.slots.get_mut(index as usize) {
            old.clone_from(waker);
        }
    }

    /// Removes a waiter that does not wait any longer.
    pub(crate) fn remove(&mut self, index: Index) {
        if let Some(place @ Slot::Waiting(_)) = self.slots.get_mut(index as usize) {
            *place = Slot::Free(self.free);
            self.free = Some(index);
        }
    }

    /// Returns all wakers. The waiters stay.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        let waiting = self.slots.iter().filter_map(|slot| match slot {
            Slot::Waiting(waker) => Some(waker.clone()),
            Slot::Free(_) => None,
        });
        waiting.collect()
    }

    /// Removes all waiters.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.free = None;
        std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Waiting(waker) => Some(waker),
                Slot::Free(_) => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_two_words() {
        assert_eq!(size_of::<Slot>(), size_of::<Waker>());
    }

    #[test]
    fn slots_are_used_again() {
        let mut waiters = Waiters::default();
        let [a, b, c] = [(); 3].map(|()| waiters.add(Waker::noop()).unwrap());
        waiters.remove(a);
        waiters.remove(c);
        waiters.remove(c);
        assert_eq!(waiters.add(Waker::noop()), Some(c));
        assert_eq!(waiters.add(Waker::noop()), Some(a));
        assert_eq!(waiters.add(Waker::noop()), Some(3));
        waiters.remove(b);
        assert_eq!(waiters.take().count(), 3);
        assert_eq!(waiters.take().count(), 0);
        assert_eq!(waiters.add(Waker::noop()), Some(0));
    }
}
