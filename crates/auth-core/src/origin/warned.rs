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
        let last = rest
            .iter()
            .fold(0, |last, byte| last << 8 | u64::from(*byte));
        hash = mix(hash ^ (last << 8 | rest.len() as u64));
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
}
