//! Credentials and their identity, by which a change is noticed.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Secret;

/// Credentials as they were read for one token request: the secrets, their account, and an identity
/// by which a rejection is remembered.
///
/// [`TokenSource::credentials`](crate::TokenSource::credentials) returns them, and
/// [`TokenSource::fetch`](crate::TokenSource::fetch) receives the same value. So a rejection always
/// concerns the secrets that were sent.
///
/// # Example
///
/// ```
/// use auth_core::{Credentials, Secret};
///
/// let account = ["https://auth.example.com/token", "my-client"];
/// let old = Credentials::new(&account, [Secret::new("fake-secret-1")]);
/// let new = Credentials::new(&account, [Secret::new("fake-secret-2")]);
/// assert_ne!(old.id(), new.id());
/// assert_eq!(new.secret(0), Some(&Secret::new("fake-secret-2")));
/// ```
///
/// # Security
///
/// `Debug` shows no secret. The identity is a SHA-256 hash. Stores keep 16 bits of the hash: enough
/// to tell two passwords apart, and too little to identify a password, because about one of 65,536
/// guesses has the same bits.
#[derive(Clone, Default)]
pub struct Credentials {
    secrets: Vec<Secret>,
    id: Option<CredentialsId>,
    lockable: bool,
}

impl Credentials {
    /// Makes credentials without secrets and without identity, for sources that send none.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes the credentials of an account. `account` lists everything except the secrets that
    /// decides whether credentials are accepted: the token endpoint, the client, the user.
    pub fn new(account: &[&str], secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets: Vec<_> = secrets.into_iter().collect();
        let id = CredentialsId {
            account: hash("account", account.iter().copied()),
            secrets: hash("secrets", secrets.iter().map(Secret::expose)),
        };
        Self {
            secrets,
            id: Some(id),
            lockable: false,
        }
    }

    /// Makes the credentials of an account that the vendor may lock after a few rejected logins,
    /// for example a user's password. After a rejection, the same credentials are sent once more,
    /// and then once a day.
    ///
    /// A second factor is counted separately. After two errors in a row of kind
    /// [`Rejected`](crate::ErrorKind::Rejected) with
    /// [`RejectedPart::SecondFactor`](crate::RejectedPart::SecondFactor), the next login follows
    /// after 10 minutes, then after 20, 40 and so on, up to a day.
    pub fn lockable(account: &[&str], secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self {
            lockable: true,
            ..Self::new(account, secrets)
        }
    }

    /// Returns a secret by its index in the list that the credentials were made from.
    #[must_use]
    pub fn secret(&self, index: usize) -> Option<&Secret> {
        self.secrets.get(index)
    }

    /// Returns the identity. `None` for [`none`](Self::none).
    #[must_use]
    pub fn id(&self) -> Option<CredentialsId> {
        self.id
    }

    /// Returns whether the vendor may lock the account after a few rejected logins.
    #[must_use]
    pub fn is_lockable(&self) -> bool {
        self.lockable
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.lockable == other.lockable
    }
}

impl Eq for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .field("lockable", &self.lockable)
            .finish_non_exhaustive()
    }
}

/// Identity of [`Credentials`]: equal for equal accounts with equal secrets, in every process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialsId {
    account: u64,
    secrets: u64,
}

impl CredentialsId {
    /// Returns the part that depends on the account only.
    #[must_use]
    pub const fn account(self) -> u64 {
        self.account
    }

    /// Returns 16 bits of the identity, for stores.
    #[must_use]
    pub const fn mark(self) -> u16 {
        (self.account ^ self.secrets) as u16
    }
}

impl fmt::Debug for CredentialsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialsId({:04x})", self.mark())
    }
}

/// Hashes texts with their lengths, so that different lists of texts never have the same input.
pub(crate) fn hash<'a>(kind: &'a str, texts: impl Iterator<Item = &'a str>) -> u64 {
    let mut hash = Sha256::new();
    for text in [DOMAIN, kind].into_iter().chain(texts) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

const DOMAIN: &str = "auth-core credentials 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(account: &[&str], secrets: &[&str]) -> CredentialsId {
        let secrets = secrets.iter().copied().map(Secret::new);
        Credentials::new(account, secrets).id().unwrap()
    }

    #[test]
    fn different_lists_have_different_identities() {
        let lists: [(&[&str], &[&str]); 7] = [
            (&["ab"], &[]),
            (&["a", "b"], &[]),
            (&["a"], &["b"]),
            (&["a"], &["b", ""]),
            (&["a"], &["", "b"]),
            (&[""], &["a", "b"]),
            (&[""], &["ab"]),
        ];
        let mut marks: Vec<_> = lists.iter().map(|(a, s)| id(a, s).mark()).collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), lists.len());
    }

    #[test]
    fn an_identity_is_the_same_in_every_release() {
        let one = id(&["https://example.com/token", "client"], &["fake-secret-1"]);
        let two = id(&["https://example.com/token", "client"], &["fake-secret-2"]);
        // Other processes may run another release, and stores hold the marks.
        assert_eq!(one.account(), 0x175e_3552_56bf_c7c2);
        assert_eq!(two.account(), one.account());
        assert_eq!((one.mark(), two.mark()), (0xa1ca, 0xb466));
    }

    #[test]
    fn credentials_are_equal_if_identity_and_lockability_are() {
        let of = |secret| Credentials::new(&["a"], [Secret::new(secret)]);
        let one = of("fake-secret-1");
        assert_eq!(one, of("fake-secret-1"));
        assert_ne!(one, of("fake-secret-2"));
        let lockable = Credentials::lockable(&["a"], [Secret::new("fake-secret-1")]);
        assert_ne!(one, lockable);
        assert_eq!(lockable.id(), one.id());
        assert_eq!((one.is_lockable(), lockable.is_lockable()), (false, true));
        let secrets = (one.secret(0).map(Secret::expose), one.secret(1));
        assert_eq!(secrets, (Some("fake-secret-1"), None));
    }

    #[test]
    fn g18_debug_shows_no_secret() {
        let credentials = Credentials::lockable(&["a"], [Secret::new("fake-secret-1")]);
        assert!(!format!("{credentials:?}").contains("fake"));
    }
}
