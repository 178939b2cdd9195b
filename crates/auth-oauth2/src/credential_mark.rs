use auth_core::{CredentialMark, Secret};
use sha2::{Digest as _, Sha256};

/// Makes the mark of a credential, by which processes that share a store know whether a verdict on a
/// credential is one on theirs: the same in every process and release.
///
/// For sources of a vendor's own: give all parts that the vendor's verdict depends on, in an order
/// that stays, and a name that no other kind of credential has.
///
/// # Example
///
/// ```
/// use auth_core::Secret;
/// use auth_oauth2::credential_mark;
///
/// let (user, password) = (Secret::new("me"), Secret::new("fake-password"));
/// let mark = credential_mark("example-login", &[&user, &password]);
/// assert_eq!(mark.get(), 0xb304);
/// ```
///
/// # Security
///
/// Of a SHA-256 over the parts it is the first 16 bits: one in 65,536 passwords has the same, so
/// whoever reads the store can rule passwords out, but never find one.
#[must_use]
pub fn credential_mark(kind: &str, parts: &[&Secret]) -> CredentialMark {
    let mut hash = Sha256::new();
    // With its length each, so that no two lists run into one.
    let texts = parts.iter().map(|part| part.expose());
    for text in [DOMAIN, kind].into_iter().chain(texts) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let hash: [u8; 32] = hash.finalize().into();
    CredentialMark::new(u16::from_be_bytes([hash[0], hash[1]]))
}

/// What the hash is for, and no other one is.
const DOMAIN: &str = "auth-oauth2 credential mark 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: &str, parts: &[&str]) -> u16 {
        let parts: Vec<_> = parts.iter().copied().map(Secret::new).collect();
        credential_mark(kind, &parts.iter().collect::<Vec<_>>()).get()
    }

    /// A fleet may run two releases at once: these never change.
    #[test]
    fn a_mark_is_the_same_in_every_release() {
        assert_eq!(mark("", &[]), 0x6364);
        assert_eq!(mark("example", &["fake-secret-1"]), 0xa56e);
        assert_eq!(mark("example", &["fake-secret-2"]), 0xffc8);
        assert_eq!(mark("example", &["fake", "\u{20ac}-1"]), 0x2013);
    }

    #[test]
    fn no_two_lists_run_into_one() {
        let lists: [(&str, &[&str]); 6] = [
            ("ab", &[]),
            ("a", &["b"]),
            ("a", &["b", ""]),
            ("a", &["", "b"]),
            ("", &["a", "b"]),
            ("", &["ab"]),
        ];
        let mut marks: Vec<_> = lists
            .iter()
            .map(|(kind, parts)| mark(kind, parts))
            .collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), lists.len());
    }
}
