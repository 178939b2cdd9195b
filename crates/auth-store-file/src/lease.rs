use std::{io, path::Path};

use crate::{
    entry::{self, Found},
    name::Name,
};

/// What stands in a lease's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owner: String,
    /// In milliseconds since the Unix epoch.
    pub(crate) until: u64,
    /// For how many milliseconds it was taken.
    pub(crate) time: u64,
}

impl Lease {
    pub(crate) fn new(owner: &str, now: u64, time: u64) -> Self {
        Self {
            owner: owner.to_owned(),
            until: now.saturating_add(time),
            time,
        }
    }

    /// Returns what is left of it: `None` if it is over. A clock that was set back makes none longer
    /// than it ever was.
    pub(crate) fn left(&self, now: u64) -> Option<Self> {
        let left = self.until.saturating_sub(now).min(self.time);
        (left > 0).then(|| Self {
            until: now.saturating_add(left),
            ..self.clone()
        })
    }

    pub(crate) fn encode(&self, name: Name) -> Vec<u8> {
        let until = self.until.to_be_bytes();
        let time = self.time.to_be_bytes();
        let owner = self.owner.as_bytes();
        let sum = name.checksum(&[MAGIC, &until, &time, owner]);
        [MAGIC, &until, &time, &sum, owner].concat()
    }

    pub(crate) fn decode(name: Name, file: &[u8]) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (until, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (sum, owner) = rest.split_first_chunk()?;
        if name.checksum(&[MAGIC, until, time, owner]) != *sum {
            return None;
        }
        Some(Self {
            owner: std::str::from_utf8(owner).ok()?.to_owned(),
            until: u64::from_be_bytes(*until),
            time: u64::from_be_bytes(*time),
        })
    }

    /// Whatever cannot be understood is nobody's lease.
    pub(crate) fn read(name: Name, path: &Path) -> io::Result<Option<Self>> {
        Ok(match entry::read(path, MAX)? {
            Found::Good(file) => Self::decode(name, &file),
            Found::Nothing | Found::Foreign => None,
        })
    }
}

const MAGIC: &[u8] = b"auth-store-file lease 1\n";
/// Longer than any owner is called, in bytes.
const MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use auth_core::Key;
    use proptest::prelude::*;

    use super::*;

    fn name(client: &str) -> Name {
        Name::of(&Key::builder("example").client(client).build())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_torn(
            (owner, until, time) in (".{0,8}", any::<u64>(), any::<u64>()),
            at in any::<prop::sample::Index>(),
        ) {
            let lease = Lease { owner, until, time };
            let mut file = lease.encode(name("a"));
            prop_assert_eq!(Lease::decode(name("b"), &file), None);
            let at = at.index(file.len());
            prop_assert_eq!(Lease::decode(name("a"), &file[..at]), None);
            prop_assert_eq!(Lease::decode(name("a"), &file), Some(lease));
            file[at] ^= 1;
            prop_assert_eq!(Lease::decode(name("a"), &file), None);
        }

        #[test]
        fn none_lasts_longer_than_it_was_taken_for(taken: u64, time: u64, now: u64) {
            let lease = Lease::new("a", taken, time);
            if let Some(left) = lease.left(now) {
                prop_assert!(left.until - now <= time);
                prop_assert!(left.until <= lease.until);
                prop_assert!(now < lease.until);
            }
        }
    }
}
