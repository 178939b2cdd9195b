//! Private keys and certificates in PEM form (RFC 7468).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pem::Pem;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    key::{Key, Problem},
    pkcs,
};

/// Reads all private keys. A certificate belongs to the key before it, or to the first key.
pub(crate) fn read(text: &str) -> Result<Vec<Key>, Problem> {
    let blocks = pem::parse_many(text).map_err(|_| NOT_WHOLE)?;
    if blocks.is_empty() {
        let is_cut = text.contains("-----BEGIN");
        return Err(if is_cut { NOT_WHOLE } else { NO_KEY_FORM });
    }
    let mut keys: Vec<Key> = Vec::new();
    let mut thumbprint = None;
    let mut public = false;
    for block in blocks {
        let tag = block.tag().to_owned();
        let encrypted = is_encrypted(&block);
        let bytes = Zeroizing::new(block.into_contents());
        let key = match tag.as_str() {
            _ if encrypted => return Err(ENCRYPTED),
            "PRIVATE KEY" => pkcs::pkcs8(&bytes)?,
            "RSA PRIVATE KEY" => pkcs::pkcs1(&bytes)?,
            "EC PRIVATE KEY" => pkcs::sec1(&bytes)?,
            "CERTIFICATE" => {
                let print = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
                match keys.last_mut() {
                    // The first certificate is that of the key. Others are those of its issuers.
                    Some(key) => key.thumbprint.get_or_insert(print),
                    None => thumbprint.get_or_insert(print),
                };
                continue;
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {
                public = true;
                continue;
            }
            _ => continue,
        };
        keys.push(Key {
            thumbprint: thumbprint.take(),
            ..key
        });
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    let is_public = public || thumbprint.is_some();
    Err(if is_public {
        PUBLIC_ONLY
    } else {
        "contains no private key; set a private key in PEM or JWK form"
    })
}

fn is_encrypted(block: &Pem) -> bool {
    let old_form = block.headers().get("Proc-Type");
    block.tag() == "ENCRYPTED PRIVATE KEY" || old_form.is_some_and(|it| it.contains("ENCRYPTED"))
}

const NOT_WHOLE: Problem = "a PEM block in it is damaged or cut off; write the file again under another name, and rename it to \
     this name";
const NO_KEY_FORM: Problem = "contains neither a private key in PEM form nor a JWK";
const ENCRYPTED: Problem = "contains an encrypted private key; decrypt it with `openssl pkey -in ENCRYPTED -out PLAIN` and \
     protect the file by its permissions";
const PUBLIC_ONLY: Problem = "contains only public keys or certificates; add the private key";
