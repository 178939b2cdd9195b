//! What an authenticator leaves behind when the bounded map evicts it.

use crate::{Authenticator, Moment};

/// What must not be forgotten of a key: a verdict of the vendor, a back-off, used quota slots, a
/// refresh token.
#[derive(Debug)]
pub(crate) struct Residue {
    #[cfg(test)]
    example: tests::Example,
}

impl Residue {
    /// Tells whether nothing of it matters any longer.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        #[cfg(test)]
        return now.reached(self.example.end);
        #[cfg(not(test))]
        {
            let _ = now;
            true
        }
    }
}

impl Authenticator {
    /// Returns what of this authenticator must not be forgotten; `None` if nothing.
    pub(crate) fn residue(&self) -> Option<Residue> {
        #[cfg(test)]
        return tests::take(self);
        #[cfg(not(test))]
        None
    }

    /// Hands in what an earlier authenticator of the same key left behind, before anybody uses this
    /// one.
    pub(crate) fn restore(&self, residue: Residue) {
        #[cfg(test)]
        tests::put(self, residue);
        #[cfg(not(test))]
        let _ = residue;
    }
}

/// Stands in until authenticators have residues: a test restores an example, and finds it again in
/// the next authenticator of the key.
#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        sync::{LazyLock, Mutex},
    };

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Example {
        pub(crate) number: u64,
        pub(crate) end: Moment,
    }

    static EXAMPLES: LazyLock<Mutex<HashMap<usize, Example>>> = LazyLock::new(Mutex::default);

    fn place(authenticator: &Authenticator) -> usize {
        std::ptr::from_ref(authenticator.origins()) as usize
    }

    pub(super) fn put(authenticator: &Authenticator, residue: Residue) {
        let mut examples = EXAMPLES.lock().unwrap();
        examples.insert(place(authenticator), residue.example);
    }

    pub(super) fn take(authenticator: &Authenticator) -> Option<Residue> {
        let example = EXAMPLES.lock().unwrap().remove(&place(authenticator))?;
        Some(Residue { example })
    }

    impl Residue {
        pub(crate) fn example(number: u64, end: Moment) -> Self {
            Self {
                example: Example { number, end },
            }
        }

        pub(crate) fn number(&self) -> u64 {
            self.example.number
        }
    }
}
