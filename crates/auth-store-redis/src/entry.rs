use std::time::Duration;

use auth_core::{NewEntry, StoredEntry, Version};
use bytes::Bytes;

use crate::name::Name;

/// What each entry under this name begins with, so that another key's, which a confused connection
/// or a hand brought here, is none.
pub(crate) fn head(name: Name) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (magic, hash) = head.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    hash.copy_from_slice(name.bytes());
    head
}

/// `head`, version, life in milliseconds, content. The scripts know these places.
pub(crate) fn encode(name: Name, entry: &NewEntry) -> Vec<u8> {
    let version = entry.version.get().to_be_bytes();
    let lives = millis(entry.lives).to_be_bytes();
    [&head(name)[..], &version, &lives, &entry.bytes].concat()
}

/// `None` for whatever is not to the letter what [`encode`] makes; `left` is of its life.
pub(crate) fn decode(name: Name, value: Vec<u8>, left: u64) -> Option<StoredEntry> {
    let value = Bytes::from(value);
    let rest = value.strip_prefix(&head(name))?;
    let (version, rest) = rest.split_first_chunk()?;
    let (lives, content) = rest.split_first_chunk()?;
    let age = u64::from_be_bytes(*lives).saturating_sub(left);
    Some(StoredEntry::new(
        Version::new(u128::from_be_bytes(*version)),
        value.slice_ref(content),
        Duration::from_millis(age),
    ))
}

/// Whole milliseconds, and no more than Redis can count.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// Names the layout.
const MAGIC: &[u8; 8] = b"auth rd1";
const HEAD: usize = MAGIC.len() + 32;
/// The longest content, in bytes.
pub(crate) const MAX: usize = 1024 * 1024;
/// A hundred years: Redis adds it to its clock and refuses what overflows.
const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use auth_core::Key;

    use super::*;

    fn name(client: &str) -> Name {
        Name::of(&Key::builder("example").client(client).build())
    }

    fn value() -> Vec<u8> {
        let content = Bytes::from_static(b"content");
        let entry = NewEntry::new(Version::new(7), content, Duration::from_secs(10));
        encode(name("a"), &entry)
    }

    #[test]
    fn what_is_written_is_read_and_nothing_short_or_of_another_key() {
        let entry = decode(name("a"), value(), 4_000).unwrap();
        assert_eq!(entry.version, Version::new(7));
        assert_eq!(&entry.bytes[..], b"content");
        assert_eq!(entry.age, Duration::from_secs(6));
        assert!(decode(name("b"), value(), 4_000).is_none());
        for length in 0..64 {
            let short = value()[..length].to_vec();
            assert!(decode(name("a"), short, 4_000).is_none(), "{length}");
        }
        for place in 0..HEAD {
            let mut odd = value();
            odd[place] ^= 1;
            assert!(decode(name("a"), odd, 4_000).is_none(), "{place}");
        }
    }

    #[test]
    fn no_time_is_too_long_and_no_age_below_nothing() {
        assert_eq!(millis(Duration::MAX), LONGEST);
        assert_eq!(millis(Duration::from_micros(2_999)), 2);
        let entry = decode(name("a"), value(), u64::MAX).unwrap();
        assert_eq!(entry.age, Duration::ZERO);
    }

    /// The scripts count with these.
    #[test]
    fn the_places_are_the_scripts() {
        let head = include_str!("scripts/entry.lua");
        assert_eq!(HEAD, 40);
        assert!(head.contains("string.sub(value, 1, 40)") && head.contains("#value < 64"));
        assert!(head.contains(&format!("#value > {}", MAX + 64)));
        let replace = include_str!("scripts/replace.lua");
        assert!(replace.contains("string.sub(value, 41, 56)"));
        assert_eq!(value()[40..56], 7_u128.to_be_bytes());
    }
}
