//! Values that most keys never change.

use std::{
    hash::{Hash, Hasher},
    ops::{Deref, DerefMut},
};

/// A value that most keys never change, so that many keys take little memory: one word until the
/// first change.
#[derive(Clone, Debug)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// The value that a [`Seldom`] has before it is changed.
pub(crate) trait Unchanged: Clone + 'static {
    const UNCHANGED: &Self;
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Unchanged> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::UNCHANGED)
    }
}

impl<T: Unchanged> DerefMut for Seldom<T> {
    /// Takes memory. Check first whether the value has to change.
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::UNCHANGED.clone()))
    }
}

impl<T: Unchanged + PartialEq> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Unchanged + Eq> Eq for Seldom<T> {}

impl<T: Unchanged + Hash> Hash for Seldom<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Count {
        words: [u64; 4],
    }

    impl Unchanged for Count {
        const UNCHANGED: &Self = &Self { words: [0; 4] };
    }

    #[test]
    fn takes_one_word_and_is_compared_by_value() {
        assert_eq!(size_of::<Seldom<Count>>(), size_of::<usize>());
        let unchanged = Seldom::<Count>::default();
        let mut changed = unchanged.clone();
        changed.words[1] = 7;
        assert_eq!((unchanged.words[1], changed.words[1]), (0, 7));
        assert_ne!(unchanged, changed);
        changed.words[1] = 0;
        assert_eq!(unchanged, changed);
        let hasher = std::hash::RandomState::new();
        assert_eq!(hasher.hash_one(&unchanged), hasher.hash_one(&changed));
    }
}
