use std::fmt;

use auth_core::{EntryVersion, Error, ErrorKind, Key};
use bytes::Bytes;
use chacha20poly1305::{
    AeadInOut as _, Tag, XNonce,
    aead::{Generate as _, inout::InOutBuf},
};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::key::{Id, SealingKey};

/// Where an entry belongs: it opens nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The key's hash, as the key may hold a user's token.
    pub(crate) key: [u8; 32],
    /// Holds the epoch.
    pub(crate) version: EntryVersion,
}

impl Place {
    pub(crate) fn new(key: &Key, version: EntryVersion) -> Self {
        let key = Sha256::digest(key.encoded()).into();
        Self { key, version }
    }

    /// The associated data. Each part has one length, so that no two places have the same.
    fn data(&self) -> [u8; MAGIC.len() + 32 + 16] {
        let mut data = [0; MAGIC.len() + 32 + 16];
        let parts = [MAGIC, &self.key, &self.version.get().to_be_bytes()];
        for (byte, part) in data.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *part;
        }
        data
    }
}

/// `MAGIC`, the key's id, nonce, encrypted text, tag.
pub(crate) fn seal(key: &SealingKey, place: &Place, text: &[u8]) -> Result<Bytes, Error> {
    let failed = |problem: &'static str| Error::new(ErrorKind::Store, problem);
    let nonce = XNonce::try_generate()
        .map_err(|_| failed("sealed store: the system gives no random numbers"))?;
    // Wiped, as the text stands in it before it is encrypted. Full size from the start: a buffer
    // that grows would leave unwiped copies behind.
    let mut sealed = Zeroizing::new(Vec::with_capacity(HEADER + text.len() + TAG));
    for part in [MAGIC, &key.id(), &nonce, text] {
        sealed.extend_from_slice(part);
    }
    let (_, text) = sealed.split_at_mut(HEADER);
    let tag = key
        .cipher()
        .encrypt_inout_detached(&nonce, &place.data(), InOutBuf::from(text))
        .map_err(|_| failed("sealed store: the entry is too long"))?;
    sealed.extend_from_slice(&tag);
    Ok(Bytes::from_owner(Wiped(sealed)))
}

/// An entry that looks like one, not yet opened.
pub(crate) struct Sealed<'a> {
    /// Which key opens it.
    pub(crate) id: Id,
    nonce: XNonce,
    text: &'a [u8],
    tag: Tag,
}

impl<'a> Sealed<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(match bytes {
                _ if MAGIC.starts_with(bytes) => Reason::Cut,
                _ if bytes.starts_with(NAME) => Reason::Later,
                _ => Reason::NotSealed,
            });
        };
        let (id, rest) = rest.split_first_chunk::<8>().ok_or(Reason::Cut)?;
        let (nonce, rest) = rest.split_first_chunk::<24>().ok_or(Reason::Cut)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(Reason::Cut)?;
        Ok(Self {
            id: *id,
            nonce: XNonce::from(*nonce),
            text,
            tag: Tag::from(*tag),
        })
    }

    pub(crate) fn open(&self, key: &SealingKey, place: &Place) -> Result<Bytes, Reason> {
        let mut text = Zeroizing::new(self.text.to_vec());
        let buffer = InOutBuf::from(text.as_mut_slice());
        let opened =
            key.cipher()
                .decrypt_inout_detached(&self.nonce, &place.data(), buffer, &self.tag);
        match opened {
            Ok(()) => Ok(Bytes::from_owner(Wiped(text))),
            Err(_) => Err(Reason::Changed),
        }
    }
}

/// Why an entry cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotSealed,
    Later,
    Cut,
    /// The key that sealed it.
    UnknownKey(Id),
    NoOtherKey(Id),
    Changed,
}

impl Reason {
    /// The error that stands in place of the content. `had` are the keys that were tried.
    pub(crate) fn error(self, had: &[Id]) -> Error {
        let had: Vec<_> = had.iter().map(|id| HEXLOWER.encode(id)).collect();
        let had = had.join(", ");
        let advice = match self {
            Self::UnknownKey(_) | Self::NoOtherKey(_) => {
                format!("it has {had}; give the missing key to `also_opens`")
            }
            Self::Later => String::from("use that release"),
            Self::NotSealed | Self::Cut | Self::Changed => String::from(
                "if nothing else writes to this place of the store, restore the entry, or remove it \
                 to begin without it",
            ),
        };
        let message = format!("sealed store: the entry cannot be opened: {self}: {advice}");
        Error::new(ErrorKind::Store, message)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSealed => "it is not sealed",
            Self::Later => "it was sealed by a later release",
            Self::Cut => "it is cut short",
            Self::UnknownKey(id) => {
                let id = HEXLOWER.encode(id);
                return write!(
                    f,
                    "it was sealed with key {id}, a key that this process does not have"
                );
            }
            Self::NoOtherKey(id) => {
                let id = HEXLOWER.encode(id);
                return write!(
                    f,
                    "it was sealed with key {id}, and the key that also opens cannot be had"
                );
            }
            Self::Changed => "it was changed, or belongs to another key or version",
        })
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Names the layout; what begins otherwise is nothing that this release knows.
const MAGIC: &[u8] = b"auth-store-seal 1\n";
/// What all layouts begin with.
const NAME: &[u8] = b"auth-store-seal ";
const HEADER: usize = MAGIC.len() + 8 + 24;
const TAG: usize = 16;
