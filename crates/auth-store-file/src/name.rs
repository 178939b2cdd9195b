use std::path::{Path, PathBuf};

use auth_core::Key;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What a key's files are called: by a hash, as the key may hold a user's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; 32]);

/// A key's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry,
    Lease,
    Lock,
    /// Shows that the process which took a lease is alive.
    Guard(u64),
    /// What was there and could not be understood, for a person to look at.
    Corrupt,
}

impl Name {
    pub(crate) fn of(key: &Key) -> Self {
        Self(Sha256::digest(key.encoded()).into())
    }

    pub(crate) fn path(self, dir: &Path, kind: Kind) -> PathBuf {
        let name = HEXLOWER.encode(&self.0);
        dir.join(match kind {
            Kind::Entry => name,
            Kind::Lease => name + ".lease",
            Kind::Lock => name + ".lock",
            Kind::Guard(id) => format!("{name}.{id:016x}.held"),
            Kind::Corrupt => name + ".corrupt",
        })
    }

    /// Returns a sum that fits these parts under this name alone, so that a file that was renamed
    /// is not taken for another key's.
    pub(crate) fn checksum(self, parts: &[&[u8]]) -> [u8; 8] {
        let mut hash = Sha256::new_with_prefix(self.0);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        [a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use auth_core::Secret;

    use super::*;

    #[test]
    fn names_hide_the_key_and_are_safe_in_a_path() {
        let subject = Secret::new("../fake-token-of-a-user");
        let key = Key::builder("example").subject(&subject).build();
        let path = Name::of(&key).path(Path::new("dir"), Kind::Entry);
        let name = path.strip_prefix("dir").unwrap().to_str().unwrap();
        assert_eq!(name.len(), 64);
        assert!(name.chars().all(|char| char.is_ascii_hexdigit()), "{name}");
    }

    #[test]
    fn checksums_differ_by_name_and_by_where_a_part_ends() {
        let name = |client| Name::of(&Key::builder("example").client(client).build());
        let sum = name("a").checksum(&[b"ab", b"c"]);
        assert_eq!(sum, name("a").checksum(&[b"ab", b"c"]));
        assert_ne!(sum, name("b").checksum(&[b"ab", b"c"]));
        assert_ne!(sum, name("a").checksum(&[b"a", b"bc"]));
    }
}
