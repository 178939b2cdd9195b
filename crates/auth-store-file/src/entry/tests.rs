use auth_core::Key;
use proptest::prelude::*;

use super::*;

fn name(client: &str) -> Name {
    Name::of(&Key::builder("example").client(client).build())
}

fn decode(name: Name, file: &[u8]) -> Option<Entry> {
    Entry::decode(name, Zeroizing::new(file.to_vec()))
}

type Parts = (u128, [u8; Stamp::SIZE], u64, Vec<u8>);

fn parts() -> impl Strategy<Value = Parts> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..64);
    (
        any::<u128>(),
        any::<[u8; Stamp::SIZE]>(),
        any::<u64>(),
        bytes,
    )
}

fn encode((version, written, time_to_live, bytes): &Parts) -> Zeroizing<Vec<u8>> {
    let entry = Entry {
        version: EntryVersion::new(*version),
        written: Stamp::decode(written).unwrap().0,
        time_to_live: *time_to_live,
        bytes: bytes.clone().into(),
    };
    entry.encode(name("a"))
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in parts()) {
        let read = decode(name("a"), &encode(&parts)).unwrap();
        let read = (
            read.version.get(),
            read.written.encode(),
            read.time_to_live,
            read.bytes.to_vec(),
        );
        prop_assert_eq!(read, parts);
    }

    #[test]
    fn g16_a_torn_file_is_not_read(parts in parts(), at in any::<prop::sample::Index>(), more in 1_usize..64) {
        let file = encode(&parts);
        let at = at.index(file.len());
        prop_assert!(decode(name("a"), &file[..at]).is_none());
        prop_assert!(decode(name("a"), &[&file[..], &vec![0; more]].concat()).is_none());
        // The right length, but only the beginning was written.
        let mut holes = file.to_vec();
        holes[at..].fill(0);
        prop_assert!(decode(name("a"), &holes).is_none() || holes == file[..]);
    }

    #[test]
    fn g16_a_file_with_a_flipped_bit_is_not_read(parts in parts(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut file = encode(&parts).to_vec();
        let at = at.index(file.len());
        file[at] ^= 1_u8 << bit;
        prop_assert!(decode(name("a"), &file).is_none());
    }

    #[test]
    fn t27_a_file_of_another_key_is_not_read(parts in parts()) {
        prop_assert!(decode(name("b"), &encode(&parts)).is_none());
    }

    #[test]
    fn g16_no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        prop_assert!(decode(name("a"), &bytes).is_none());
        prop_assert!(decode(name("a"), &[MAGIC, &bytes].concat()).is_none());
    }
}
