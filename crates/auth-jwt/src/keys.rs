//! Chooses the key that signs.

use auth_core::{Error, Secret};
use jsonwebtoken::EncodingKey;

use crate::{
    JwtAlgorithm, jwk_keys,
    key::{Key, KeyKind},
    pem_keys,
};

/// The key that signs, and what a JWT's header says about it.
pub(crate) struct SigningKey {
    pub(crate) encoding: EncodingKey,
    pub(crate) kid: Option<String>,
    pub(crate) thumbprint: Option<String>,
}

/// Reads a text and chooses the key for an algorithm. If `kid` is set, only the key with this
/// identifier is chosen.
pub(crate) fn signing_key(
    text: &Secret,
    algorithm: JwtAlgorithm,
    kid: Option<&str>,
) -> Result<SigningKey, Error> {
    if text.expose().trim().is_empty() {
        return Err(bad("the text that was read is empty; check its source"));
    }
    let Some(kind) = algorithm.key_kind() else {
        let encoding = EncodingKey::from_secret(text.expose().as_bytes());
        return Ok(SigningKey {
            encoding: encoding
                .map_err(|_| bad("the text that was read is empty; check its source"))?,
            kid: kid.map(str::to_owned),
            thumbprint: None,
        });
    };
    let read = if text.expose().trim_start().starts_with('{') {
        jwk_keys::read(text.expose())
    } else {
        pem_keys::read(text.expose())
    };
    let keys = read.map_err(bad)?;
    let key = choose(keys, algorithm, kind, kid)?;
    let encoding = match kind {
        KeyKind::Rsa => EncodingKey::from_rsa_der(&key.der),
        KeyKind::Ed25519 => EncodingKey::from_ed_der(&key.der),
        _ => EncodingKey::from_ec_der(&key.der),
    };
    Ok(SigningKey {
        encoding,
        kid: key.kid,
        thumbprint: key.thumbprint,
    })
}

fn choose(
    mut keys: Vec<Key>,
    algorithm: JwtAlgorithm,
    kind: KeyKind,
    kid: Option<&str>,
) -> Result<Key, Error> {
    let name = algorithm.as_str();
    let found: Vec<&str> = keys.iter().map(|key| key.kind.as_str()).collect();
    let found = found.join(", ");
    keys.retain(|key| {
        let alg = key.alg.as_deref();
        key.kind == kind && alg.is_none_or(|alg| algorithm.is_named(alg))
    });
    if keys.is_empty() {
        let problem = format!(
            "contains no private key for {name}, which needs one of kind {}; found: {found}. Choose \
             the algorithm that fits the key",
            kind.as_str()
        );
        return Err(bad(&problem));
    }
    if let Some(kid) = kid {
        // A PEM key has no identifier.
        if let [
            Key {
                kid: own @ None, ..
            },
        ] = &mut keys[..]
        {
            *own = Some(kid.to_owned());
        }
        keys.retain(|key| key.kid.as_deref() == Some(kid));
        if keys.is_empty() {
            let problem = format!(
                "contains no key for {name} with the `kid` that `key_id` names; check `key_id`"
            );
            return Err(bad(&problem));
        }
    }
    let count = keys.len();
    if count > 1 && keys.iter().any(|key| key.kid.is_none()) {
        let problem = format!(
            "contains {count} keys for {name}, and not every key has a `kid`; add the server's `kid` \
             to each JWK, or keep only one key"
        );
        return Err(bad(&problem));
    }
    let mut kids: Vec<_> = keys.iter().map(|key| key.kid.as_deref()).collect();
    kids.sort_unstable();
    if kids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(bad(
            "contains two keys with the same `kid`; give each key its own `kid`",
        ));
    }
    // Of several equally new keys, the last one.
    let newest = keys.into_iter().max_by_key(|key| key.issued_at);
    newest.ok_or_else(|| bad("contains no private key; set a private key in PEM or JWK form"))
}

fn bad(problem: &str) -> Error {
    Error::config(FIELD, problem)
}

/// The name of the setting in errors.
pub(crate) const FIELD: &str = "signing_key";
