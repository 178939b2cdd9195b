use jsonwebtoken::Algorithm;

use crate::key::KeyKind;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// ECDSA with the curve P-256 and SHA-256.
    Es256,
    /// ECDSA with the curve P-384 and SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256. All servers support it.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// EdDSA with the curve Ed25519.
    EdDsa,
    /// HMAC with SHA-256, for `client_secret_jwt`. The key is the client secret.
    Hs256,
}

impl JwtAlgorithm {
    /// Returns the name in a JWT's header, for example `ES256`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    /// Returns the kind of private key. `None` for a shared secret.
    pub(crate) const fn key_kind(self) -> Option<KeyKind> {
        match self {
            Self::Es256 => Some(KeyKind::P256),
            Self::Es384 => Some(KeyKind::P384),
            Self::Rs256 | Self::Ps256 => Some(KeyKind::Rsa),
            Self::EdDsa => Some(KeyKind::Ed25519),
            Self::Hs256 => None,
        }
    }

    /// Returns whether a JWK's member `alg` names this algorithm. RFC 9864 renames EdDSA.
    pub(crate) fn is_named(self, alg: &str) -> bool {
        alg == self.as_str() || (self == Self::EdDsa && alg == "Ed25519")
    }

    pub(crate) const fn of_jose(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::Rs256 => Algorithm::RS256,
            Self::Ps256 => Algorithm::PS256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Hs256 => Algorithm::HS256,
        }
    }
}
