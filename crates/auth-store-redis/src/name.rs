use auth_core::Key;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What a key is called in Redis: by a hash, as the key may hold a user's token. Where entries are
/// sealed, the key is itself a keyed hash.
#[derive(Clone, Copy)]
pub(crate) struct Name([u8; 32]);

impl Name {
    pub(crate) fn of(key: &Key) -> Self {
        let mut hash = Sha256::new_with_prefix(DOMAIN);
        hash.update(key.encoded());
        Self(hash.finalize().into())
    }

    /// Where its entry is.
    pub(crate) fn entry(self, prefix: &str) -> String {
        format!("{prefix}{{{}}}:entry", HEXLOWER.encode(&self.0))
    }

    /// Where its lease is: in braces is what says which node of a cluster it is on.
    pub(crate) fn lease(self, prefix: &str) -> String {
        format!("{prefix}{{{}}}:lease", HEXLOWER.encode(&self.0))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// So that no hash that somebody else makes of a key is a name here.
const DOMAIN: &[u8] = b"auth-store-redis 1\n";

#[cfg(test)]
mod tests {
    use auth_core::Secret;

    use super::*;

    #[test]
    fn names_hide_the_key_and_keep_what_is_one_keys_together() {
        let subject = Secret::new("fake-token-of-a-user");
        let name = Name::of(&Key::builder("example").subject(&subject).build());
        let tag = |name: &str| {
            let rest = name.strip_prefix("auth:{").unwrap();
            let (tag, rest) = rest.split_once('}').unwrap();
            assert!(tag.len() == 64 && tag.chars().all(|char| char.is_ascii_hexdigit()));
            (tag.to_owned(), rest.to_owned())
        };
        let (entry, lease) = (tag(&name.entry("auth:")), tag(&name.lease("auth:")));
        assert_eq!(entry.0, lease.0);
        assert_eq!((&*entry.1, &*lease.1), (":entry", ":lease"));
    }

    #[test]
    fn names_are_of_this_store_alone() {
        let key = Key::builder("example").build();
        let plain: [u8; 32] = Sha256::digest(key.encoded()).into();
        assert_ne!(*Name::of(&key).bytes(), plain);
    }
}
