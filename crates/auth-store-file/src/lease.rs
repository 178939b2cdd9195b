use std::{io, path::Path};

use auth_core::LONGEST_LEASE;

use crate::{
    entry::{self, Found},
    name::Name,
    stamp::{Stamp, millis},
};

/// The content of a lease's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owner: String,
    pub(crate) since: Stamp,
    /// The time to live in milliseconds.
    pub(crate) time: u64,
    /// The locked file of the process that took the lease.
    pub(crate) guard: u64,
}

impl Lease {
    /// Returns the remaining time: `None` if the lease has ended or is longer than the longest
    /// lease. A lease from a clock that was ahead starts when it is read, and must be written again
    /// with that start.
    pub(crate) fn left(&self, now: &Stamp) -> Option<Self> {
        if self.time > millis(LONGEST_LEASE) {
            return None;
        }
        match now.used_since(&self.since) {
            Some(used) => (used < self.time).then(|| self.clone()),
            None => Some(Self {
                since: *now,
                ..self.clone()
            }),
        }
    }

    pub(crate) fn encode(&self, name: Name) -> Vec<u8> {
        let since = self.since.encode();
        let time = self.time.to_be_bytes();
        let guard = self.guard.to_be_bytes();
        let owner = self.owner.as_bytes();
        let sum = name.checksum(&[MAGIC, &since, &time, &guard, owner]);
        [MAGIC, &since, &time, &guard, &sum, owner].concat()
    }

    pub(crate) fn decode(name: Name, file: &[u8]) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (since, rest) = rest.split_first_chunk::<{ Stamp::SIZE }>()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (guard, rest) = rest.split_first_chunk()?;
        let (sum, owner) = rest.split_first_chunk()?;
        if name.checksum(&[MAGIC, since, time, guard, owner]) != *sum {
            return None;
        }
        Some(Self {
            owner: std::str::from_utf8(owner).ok()?.to_owned(),
            since: Stamp::decode(since)?.0,
            time: u64::from_be_bytes(*time),
            guard: u64::from_be_bytes(*guard),
        })
    }

    /// A file that cannot be read as a lease is no process's lease.
    pub(crate) fn read(name: Name, path: &Path) -> io::Result<Option<Self>> {
        Ok(match entry::read(path, MAX)? {
            Found::Good(file) => Self::decode(name, &file),
            Found::Nothing | Found::Foreign => None,
        })
    }
}

const MAGIC: &[u8] = b"auth-store-file lease 1\n";
/// Longer than any owner's name, in bytes.
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
            owner in ".{0,8}",
            (time, guard) in any::<(u64, u64)>(),
            at in any::<prop::sample::Index>(),
        ) {
            let since = Stamp::now(None);
            let lease = Lease { owner, since, time, guard };
            let mut file = lease.encode(name("a"));
            prop_assert_eq!(Lease::decode(name("b"), &file), None);
            let at = at.index(file.len());
            prop_assert_eq!(Lease::decode(name("a"), &file[..at]), None);
            prop_assert_eq!(Lease::decode(name("a"), &file), Some(lease));
            file[at] ^= 1;
            prop_assert_eq!(Lease::decode(name("a"), &file), None);
        }

        #[test]
        fn none_lasts_longer_than_it_was_taken_for(
            (taken, now) in any::<(u32, u32)>(),
            time in prop_oneof![0..100_000_u64, any::<u64>()],
        ) {
            // Both times by the wall clock only, as after a restart of the machine.
            let stamp = |seconds: u32| {
                let wall = seconds.to_be_bytes();
                let bytes = [&[0; 4], &wall[..], &[0; 24]].concat();
                Stamp::decode(&bytes).unwrap().0
            };
            let lease = Lease { owner: String::new(), since: stamp(taken), time, guard: 0 };
            let now = stamp(now);
            if let Some(left) = lease.left(&now) {
                prop_assert!(left.time <= millis(LONGEST_LEASE));
                let used = now.used_since(&left.since).unwrap();
                prop_assert!(used < time || time == 0);
                // Unchanged, or rewritten with its start now.
                prop_assert!(left == lease || left.since == now);
            }
        }
    }
}
