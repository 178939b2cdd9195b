//! Private keys in JSON: a JWK, a JWK set (RFC 7517), or a service account's key file.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
};
use zeroize::Zeroizing;

use crate::{
    key::{DAMAGED, Key, KeyKind, Problem},
    pem_keys, pkcs,
};

/// Reads all private keys that can sign.
pub(crate) fn read(text: &str) -> Result<Vec<Key>, Problem> {
    let file: File = serde_json::from_str(text).map_err(|_| NOT_JSON)?;
    if let Some(pem) = file.private_key {
        let mut keys = pem_keys::read(&pem)?;
        if let [key] = &mut keys[..] {
            key.kid = file.private_key_id;
        }
        return Ok(keys);
    }
    let jwks = match file.keys {
        Some(keys) => keys,
        None => vec![serde_json::from_str(text).map_err(|_| NOT_JSON)?],
    };
    if jwks.is_empty() {
        return Err("contains a JWK set without keys; add a private key");
    }
    let mut keys = Vec::new();
    for jwk in jwks {
        if jwk.d.is_some() && jwk.usage.as_deref() != Some("enc") {
            keys.push(jwk.into_key()?);
        }
    }
    if keys.is_empty() {
        return Err("contains no private JWK for signatures; a private JWK has a member `d`");
    }
    Ok(keys)
}

/// The members of all three forms.
#[derive(Deserialize)]
struct File {
    keys: Option<Vec<Jwk>>,
    #[serde(default, deserialize_with = "wiped")]
    private_key: Option<Zeroizing<String>>,
    private_key_id: Option<String>,
}

fn wiped<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    let text = Option::<String>::deserialize(text)?;
    Ok(text.map(Zeroizing::new))
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    iat: Option<u64>,
    crv: Option<String>,
    x: Option<Number>,
    y: Option<Number>,
    d: Option<Number>,
    n: Option<Number>,
    e: Option<Number>,
    p: Option<Number>,
    q: Option<Number>,
    dp: Option<Number>,
    dq: Option<Number>,
    qi: Option<Number>,
}

impl Jwk {
    fn into_key(self) -> Result<Key, Problem> {
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa()?,
            ("EC", Some("P-256")) => self.elliptic(KeyKind::P256)?,
            ("EC", Some("P-384")) => self.elliptic(KeyKind::P384)?,
            ("OKP", Some("Ed25519")) => pkcs::from_ed25519(bytes(&self.d)?)?,
            _ => Key::new(KeyKind::Other, Vec::new()),
        };
        Ok(Key {
            kid: self.kid.filter(|kid| !kid.is_empty()),
            alg: self.alg,
            issued_at: self.iat,
            ..key
        })
    }

    fn elliptic(&self, kind: KeyKind) -> Result<Key, Problem> {
        // SEC 1 section 2.3.3: an uncompressed point.
        let point = match (&self.x, &self.y) {
            (Some(x), Some(y)) => [&[4], &x.0[..], &y.0[..]].concat(),
            _ => Vec::new(),
        };
        pkcs::from_curve(kind, bytes(&self.d)?, &point)
    }

    fn rsa(&self) -> Result<Key, Problem> {
        let crt = [&self.p, &self.q, &self.dp, &self.dq, &self.qi];
        if crt.iter().any(|number| number.is_none()) {
            return Err(
                "contains an RSA JWK without `p`, `q`, `dp`, `dq` and `qi`; export the key \
                        once more with them",
            );
        }
        pkcs::from_rsa(&pkcs::RsaNumbers {
            n: bytes(&self.n)?,
            e: bytes(&self.e)?,
            d: bytes(&self.d)?,
            p: bytes(&self.p)?,
            q: bytes(&self.q)?,
            dp: bytes(&self.dp)?,
            dq: bytes(&self.dq)?,
            qi: bytes(&self.qi)?,
        })
    }
}

fn bytes(number: &Option<Number>) -> Result<&[u8], Problem> {
    number.as_ref().map(|number| &number.0[..]).ok_or(DAMAGED)
}

/// Bytes in base64url (RFC 7515 section 2).
struct Number(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64Url;
        impl Visitor<'_> for Base64Url {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64url")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                let bytes = URL_SAFE_NO_PAD.decode(text);
                let bytes = bytes.map_err(|_| E::custom("not base64url"))?;
                Ok(Number(Zeroizing::new(bytes)))
            }
        }
        let number = deserializer.deserialize_str(Base64Url)?;
        if number.0.is_empty() {
            return Err(D::Error::custom("an empty number"));
        }
        Ok(number)
    }
}

const NOT_JSON: Problem = "begins like JSON, and is no JWK, JWK set or service account's key file, or only a part of \
     one; write it once more, and replace the file by renaming another one over it";
