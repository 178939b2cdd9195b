//! Fingerprints, by which a token is recognized without being kept.

use sha2::{Digest as _, Sha256};

use crate::Secret;

/// A fingerprint of a token: 64 bits of its SHA-256 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Print(u64);

impl Print {
    pub(crate) fn of(secret: &Secret) -> Self {
        Self::of_text(secret.expose())
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(text).into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    pub(crate) const fn new(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// A few fingerprints, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Prints(Vec<Print>);

impl Prints {
    pub(crate) const NONE: Self = Self(Vec::new());
    /// The largest number of fingerprints.
    pub(crate) const MOST: usize = 4;

    pub(crate) fn add(&mut self, print: Print) {
        self.0.retain(|known| *known != print);
        self.0.truncate(Self::MOST - 1);
        self.0.insert(0, print);
    }

    /// Adds a fingerprint as the oldest one.
    pub(crate) fn add_last(&mut self, print: Print) {
        if self.0.len() < Self::MOST && !self.contains(print) {
            self.0.push(print);
        }
    }

    pub(crate) fn remove(&mut self, print: Print) {
        self.0.retain(|known| *known != print);
    }

    pub(crate) fn contains(&self, print: Print) -> bool {
        self.0.contains(&print)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Print> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests;
