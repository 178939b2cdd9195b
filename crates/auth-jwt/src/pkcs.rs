//! Converts private keys to the forms that `jsonwebtoken` accepts: PKCS#1 for RSA, PKCS#8 for the
//! others.

use der::{
    Decode as _, Encode as _,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef},
};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use crate::key::{DAMAGED, Key, KeyKind, Problem};

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Reads PKCS#8 (RFC 5958).
pub(crate) fn pkcs8(bytes: &[u8]) -> Result<Key, Problem> {
    let info = PrivateKeyInfoRef::from_der(bytes).map_err(|_| DAMAGED)?;
    let algorithm = info.algorithm;
    if algorithm.oid == pkcs1::ALGORITHM_OID {
        return pkcs1(info.private_key.as_bytes());
    }
    let kind = if algorithm.oid == ED25519 {
        KeyKind::Ed25519
    } else if algorithm.oid == sec1::ALGORITHM_OID {
        let curve = algorithm.parameters_oid().ok();
        curve.map_or(KeyKind::Other, curve_kind)
    } else {
        KeyKind::Other
    };
    Ok(Key::new(kind, bytes.to_vec()))
}

/// Reads PKCS#1 (RFC 8017 appendix A.1.2).
pub(crate) fn pkcs1(bytes: &[u8]) -> Result<Key, Problem> {
    RsaPrivateKeyRef::from_der(bytes).map_err(|_| DAMAGED)?;
    Ok(Key::new(KeyKind::Rsa, bytes.to_vec()))
}

/// Reads the form of RFC 5915, which contains the name of its curve.
pub(crate) fn sec1(bytes: &[u8]) -> Result<Key, Problem> {
    let key = EcPrivateKey::from_der(bytes).map_err(|_| DAMAGED)?;
    let curve = key
        .parameters
        .and_then(|parameters| parameters.named_curve());
    match curve {
        Some(curve) => elliptic(curve_kind(curve), curve, bytes),
        None => Ok(Key::new(KeyKind::Other, Vec::new())),
    }
}

/// Makes a key on a curve from its parts. `point` is empty if unknown.
pub(crate) fn from_curve(kind: KeyKind, scalar: &[u8], point: &[u8]) -> Result<Key, Problem> {
    let (curve, size) = match kind {
        KeyKind::P256 => (P256, 32),
        KeyKind::P384 => (P384, 48),
        _ => return Err(DAMAGED),
    };
    if scalar.len() != size || !(point.is_empty() || point.len() == 2 * size + 1) {
        return Err(DAMAGED);
    }
    let key = EcPrivateKey {
        private_key: scalar,
        parameters: None,
        public_key: Some(point).filter(|point| !point.is_empty()),
    };
    let key = Zeroizing::new(key.to_der().map_err(|_| DAMAGED)?);
    elliptic(kind, curve, &key)
}

/// Makes an Ed25519 key (RFC 8410 section 7).
pub(crate) fn from_ed25519(seed: &[u8]) -> Result<Key, Problem> {
    if seed.len() != 32 {
        return Err(DAMAGED);
    }
    let inner = OctetStringRef::new(seed).and_then(|seed| seed.to_der());
    let inner = Zeroizing::new(inner.map_err(|_| DAMAGED)?);
    wrapped(KeyKind::Ed25519, ED25519, None, &inner)
}

/// The numbers of an RSA key, by their names in RFC 7518 section 6.3.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) dp: &'a [u8],
    pub(crate) dq: &'a [u8],
    pub(crate) qi: &'a [u8],
}

pub(crate) fn from_rsa(numbers: &RsaNumbers<'_>) -> Result<Key, Problem> {
    let number = |bytes| UintRef::new(bytes).map_err(|_| DAMAGED);
    let key = RsaPrivateKeyRef {
        modulus: number(numbers.n)?,
        public_exponent: number(numbers.e)?,
        private_exponent: number(numbers.d)?,
        prime1: number(numbers.p)?,
        prime2: number(numbers.q)?,
        exponent1: number(numbers.dp)?,
        exponent2: number(numbers.dq)?,
        coefficient: number(numbers.qi)?,
        other_prime_infos: None,
    };
    let der = key.to_der().map_err(|_| DAMAGED)?;
    Ok(Key::new(KeyKind::Rsa, der))
}

fn curve_kind(curve: ObjectIdentifier) -> KeyKind {
    match curve {
        P256 => KeyKind::P256,
        P384 => KeyKind::P384,
        _ => KeyKind::Other,
    }
}

fn elliptic(kind: KeyKind, curve: ObjectIdentifier, inner: &[u8]) -> Result<Key, Problem> {
    wrapped(kind, sec1::ALGORITHM_OID, Some(AnyRef::from(&curve)), inner)
}

fn wrapped(
    kind: KeyKind,
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    inner: &[u8],
) -> Result<Key, Problem> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    let inner = OctetStringRef::new(inner).map_err(|_| DAMAGED)?;
    let der = PrivateKeyInfoRef::new(algorithm, inner).to_der();
    Ok(Key::new(kind, der.map_err(|_| DAMAGED)?))
}
