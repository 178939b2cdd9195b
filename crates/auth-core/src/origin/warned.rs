use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

/// Which warnings were given, so that each is given once. Clones of `Origins` share it.
///
/// Holds at most [`MAX_WARNINGS`] hashes, about 1 KiB. When it is full, every further warning
/// counts as given: a caller that makes up hosts must not flood the log.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<HashSet<u64>>);

impl Warned {
    pub(super) fn is_first(&self, cause: &str, destination: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (cause, destination).hash(&mut hasher);
        // A set of numbers cannot be left half-changed.
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.len() < MAX_WARNINGS && given.insert(hasher.finish())
    }
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
        assert_eq!(warned.0.lock().unwrap().len(), MAX_WARNINGS);
    }
}
