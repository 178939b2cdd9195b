use auth_core::{Error, Key, StoredEntry};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::key::SealingKey;

/// How the store behind a seal calls an entry.
pub(crate) enum Names {
    Keyed(SealingKey),
    Plain,
}

impl Names {
    /// Returns the key by which the store behind knows an entry or a lease.
    pub(crate) fn inner(&self, key: &Key) -> Key {
        let Self::Keyed(name_key) = self else {
            return key.clone();
        };
        // All parts have one length, so that no text can be made longer to hit another name.
        let hash = Sha256::new_with_prefix(NAME_DOMAIN)
            .chain_update(name_key.bytes())
            .chain_update(Sha256::digest(key.encoded()));
        let hash: [u8; 32] = hash.finalize().into();
        Key::builder(SEALED)
            .extra("name", HEXLOWER.encode(&hash))
            .build()
    }

    /// Returns the key of the entry that says with which key all names were made.
    pub(crate) fn marker_key() -> Key {
        Key::builder(SEALED).extra("names", "").build()
    }

    /// Returns what that entry says.
    pub(crate) fn marker(&self) -> Bytes {
        let id = match self {
            Self::Keyed(name_key) => HEXLOWER.encode(&name_key.id()),
            Self::Plain => String::from(PLAIN),
        };
        Bytes::from([MARKER, id.as_bytes()].concat())
    }

    /// Fails if the entries of a store were named otherwise.
    pub(crate) fn check(&self, marker: StoredEntry) -> Result<(), Error> {
        let (there, ours) = (marker.content?, self.marker());
        if there == ours {
            return Ok(());
        }
        let shown = |marker: &Bytes| {
            let id = marker.strip_prefix(MARKER).unwrap_or_default();
            let is_id =
                id == PLAIN.as_bytes() || id.len() == 16 && id.iter().all(u8::is_ascii_hexdigit);
            match std::str::from_utf8(id) {
                Ok(id) if is_id => format!("`{id}`"),
                _ => String::from("that of a later release"),
            }
        };
        let problem = format!(
            "is {}, and the store's entries were named with {}: none of them would be found. Give \
             it that key again; or use another prefix or directory, to begin with an empty store",
            shown(&ours),
            shown(&there)
        );
        Err(Error::config("name_key", problem))
    }
}

const NAME_DOMAIN: &[u8] = b"auth-store-seal name 1\n";
const MARKER: &[u8] = b"auth-store-seal names 1\n";
const PLAIN: &str = "no key";
/// In place of a vendor's name.
const SEALED: &str = "auth-store-seal";

#[cfg(test)]
mod tests {
    use auth_core::Secret;

    use super::*;

    fn names(digit: &str) -> Names {
        let key = SealingKey::parse("name_key", &Secret::new(digit.repeat(64)));
        Names::Keyed(key.unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn names_differ_by_key_and_by_name_key() {
        let keys = ["a", "b"].map(|client| Key::builder("example").client(client).build());
        let mut all = vec![Names::marker_key()];
        for names in [names("1"), names("2"), Names::Plain] {
            all.extend(keys.iter().map(|key| names.inner(key)));
        }
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(all[1], names("1").inner(&keys[0]));
        assert_eq!(all[5], keys[0]);
    }

    #[test]
    fn nothing_of_a_key_is_in_its_name() {
        let subject = Secret::new("fake-token-of-a-user");
        let key = Key::builder("example")
            .client("fake-client")
            .subject(&subject)
            .build();
        let inner = names("1").inner(&key);
        let shown = String::from_utf8_lossy(inner.encoded());
        assert!(
            !shown.contains("fake") && !shown.contains("example"),
            "{shown}"
        );
    }
}
