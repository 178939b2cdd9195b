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
