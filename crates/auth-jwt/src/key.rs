use zeroize::Zeroizing;

/// A private key that was read and not yet chosen.
pub(crate) struct Key {
    pub(crate) kind: KeyKind,
    /// PKCS#1 for RSA, PKCS#8 for the others.
    pub(crate) der: Zeroizing<Vec<u8>>,
    /// The key's identifier.
    pub(crate) kid: Option<String>,
    /// The only algorithm that the key is for.
    pub(crate) alg: Option<String>,
    /// The SHA-256 thumbprint of the key's certificate (RFC 7515 section 4.1.8).
    pub(crate) thumbprint: Option<String>,
    /// When the key was made, in seconds since the Unix epoch.
    pub(crate) issued_at: Option<u64>,
}

impl Key {
    pub(crate) fn new(kind: KeyKind, der: Vec<u8>) -> Self {
        Self {
            kind,
            der: Zeroizing::new(der),
            kid: None,
            alg: None,
            thumbprint: None,
            issued_at: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
    /// A key for which no algorithm of this crate exists.
    Other,
}

impl KeyKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::Other => "another kind",
        }
    }
}

/// The fault of a text that should contain a key. Contains no part of the text.
pub(crate) type Problem = &'static str;

pub(crate) const DAMAGED: Problem = "a key in it is damaged or cut off; write it once more, and replace the file by renaming \
     another one over it";
