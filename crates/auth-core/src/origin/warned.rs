use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// The warnings that were given, so that each is given once. Clones of `Origins` share it.
///
/// Holds at most [`MAX_WARNINGS`] hashes, 512 bytes, allocated with the first warning. When it is
/// full, each further warning counts as given: a caller that makes up hosts must not flood the log.
///
/// Takes no lock, because each request to another origin reads it.
#[derive(Debug, Default)]
pub(super) struct Warned(OnceLock<Box<[AtomicU64; MAX_WARNINGS]>>);

impl Warned {
    pub(super) fn is_first(&self, cause: &str, destination: &str) -> bool {
        let hash = hash_of([cause, destination]);
        let given = self
            .0
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; MAX_WARNINGS]));
        // From the hash's own place on, the first free place.
        let (before, after) = given.split_at(hash as usize % MAX_WARNINGS);
        for place in after.iter().chain(before) {
            let held = place.load(Ordering::Relaxed);
            let held = match held {
                0 => place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed),
                held => Err(held),
            };
            match held {
                Ok(_) => return true,
                Err(held) if held == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

/// Returns a hash that is never 0.
pub(crate) fn hash_of(texts: [&str; 2]) -> u64 {
    let mut hash = 0;
    for text in texts {
        let mut rest = text.as_bytes();
        while let Some((word, more)) = rest.split_first_chunk() {
            hash = mix(hash ^ u64::from_le_bytes(*word));
            rest = more;
        }
        // At most 7 bytes are left. The length tells them from a text that ends with zeros.
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        last[7] = rest.len() as u8;
        hash = mix(hash ^ u64::from_le_bytes(last));
    }
    hash.max(1)
}

/// Part of the finalizer of SplitMix64.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^ (word >> 27)
}

const MAX_WARNINGS: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_warning_is_given_once_and_their_number_is_bounded() {
        let warned = Warned::default();
        let given = |cause: &str| {
            let hosts = (0..1_000).map(|number| format!("host-{number}"));
            hosts.filter(|host| warned.is_first(cause, host)).count()
        };
        assert!(warned.is_first("a", "x"));
        assert!(!warned.is_first("a", "x"));
        assert!(warned.is_first("b", "x"));
        assert_eq!(given("a"), MAX_WARNINGS - 2);
        assert_eq!(given("a"), 0);
        let mut held = warned.0.get().unwrap().iter();
        assert!(held.all(|held| held.load(Ordering::Relaxed) != 0));
    }

    /// Also those whose hashes begin at the same place.
    #[test]
    fn each_of_the_first_64_destinations_is_warned_about() {
        let warned = Warned::default();
        let first = |number: &usize| warned.is_first("a", &format!("host-{number}"));
        assert_eq!((0..MAX_WARNINGS).filter(first).count(), MAX_WARNINGS);
        assert_eq!((0..MAX_WARNINGS).filter(first).count(), 0);
    }

    #[test]
    fn different_texts_have_different_hashes() {
        let mut hosts: Vec<String> = (0..=u8::MAX).map(|byte| char::from(byte).into()).collect();
        // All lengths around a word of 8 bytes, and zeros at the end.
        for length in 0..20 {
            hosts.push("ab".repeat(length));
            hosts.push(format!("x{}", "\0".repeat(length)));
        }
        // One bit of a whole word differs.
        for place in 0..8 {
            for bit in 0..7 {
                let mut host = *b"host-001.example";
                host[place] ^= 1 << bit;
                hosts.push(String::from_utf8_lossy(&host).into_owned());
            }
        }
        let hosts: HashSet<_> = hosts.into_iter().collect();
        let causes = ["", "a", "other_origin", "other_host"];
        let pairs = causes.iter().flat_map(|cause| {
            let hosts = hosts.iter();
            hosts.map(|host| hash_of([cause, host]))
        });
        let hashes: HashSet<_> = pairs.collect();
        assert_eq!(hashes.len(), causes.len() * hosts.len());
        assert!(!hashes.contains(&0));
        assert_ne!(hash_of(["ab", "c"]), hash_of(["a", "bc"]));
    }
}
