use std::time::Duration;

use auth_core::{EntryVersion, NewEntry, StoredEntry};
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
    let time_to_live = millis(entry.time_to_live).to_be_bytes();
    [&head(name)[..], &version, &time_to_live, &entry.bytes].concat()
}

/// `None` for whatever is not to the letter what [`encode`] makes; `left` is of its life.
pub(crate) fn decode(name: Name, value: Vec<u8>, left: u64) -> Option<StoredEntry> {
    let value = Bytes::from(value);
    let rest = value.strip_prefix(&head(name))?;
    let (version, rest) = rest.split_first_chunk()?;
    let (time_to_live, content) = rest.split_first_chunk()?;
    let time_to_live = u64::from_be_bytes(*time_to_live);
    // More is left than there was: the server's clock was set back, or the end was put off.
    let age = if left <= time_to_live.saturating_add(CORRECTION) {
        Duration::from_millis(time_to_live.saturating_sub(left))
    } else {
        StoredEntry::UNKNOWN_AGE
    };
    Some(StoredEntry::new(
        EntryVersion::new(u128::from_be_bytes(*version)),
        value.slice_ref(content),
        age,
    ))
}

/// What stands at a lease's name: whose it is, after what tells it from what others put there.
pub(crate) fn holder(name: Name, owner: &str) -> Vec<u8> {
    [LEASE_MAGIC, name.bytes(), owner.as_bytes()].concat()
}

/// Whole milliseconds, and no more than Redis can count.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// Names the layout.
const MAGIC: &[u8; 8] = b"auth rd1";
const LEASE_MAGIC: &[u8] = b"auth rl1";
const HEAD: usize = MAGIC.len() + 32;
/// The longest content, in bytes.
pub(crate) const MAX: usize = 1024 * 1024;
/// By how many milliseconds a clock is set back in the course of being corrected.
const CORRECTION: u64 = 5_000;
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
        let entry = NewEntry::new(EntryVersion::new(7), content, Duration::from_secs(10));
        encode(name("a"), &entry)
    }

    #[test]
    fn what_is_written_is_read_and_nothing_short_or_of_another_key() {
        let entry = decode(name("a"), value(), 4_000).unwrap();
        assert_eq!(entry.version, EntryVersion::new(7));
        assert_eq!(&entry.content.unwrap()[..], b"content");
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
    fn no_time_is_too_long() {
        assert_eq!(millis(Duration::MAX), LONGEST);
        assert_eq!(millis(Duration::from_micros(2_999)), 2);
    }

    /// The value lives 10 s.
    #[test]
    fn g20_an_entry_that_has_more_left_than_its_life_is_of_unknown_age() {
        for (left, age) in [
            (9_999, Duration::from_millis(1)),
            (10_000, Duration::ZERO),
            (15_000, Duration::ZERO),
            (15_001, StoredEntry::UNKNOWN_AGE),
            (u64::MAX, StoredEntry::UNKNOWN_AGE),
        ] {
            let entry = decode(name("a"), value(), left).unwrap();
            assert_eq!(entry.age, age, "{left}");
        }
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
        let holder = include_str!("scripts/holder.lua");
        assert_eq!(super::holder(name("a"), "").len(), 40);
        assert!(holder.contains("string.sub(value, 1, 40) ~= string.sub(ARGV[1], 1, 40)"));
        let longest = millis(auth_core::LONGEST_LEASE);
        assert!(holder.contains(&format!("left > {longest} ")));
    }
}
