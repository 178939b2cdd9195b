use std::mem;

use auth_core::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::request::push_form_encoded;

/// How a client proves to the token endpoint who it is (RFC 6749 sections 2.1 and 2.3.1).
///
/// Exactly one method is used per request, and never another one after a refusal: trying both
/// doubles the failed logins that a vendor counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_basic`: HTTP Basic, the identifier and the secret each form-encoded before
    /// they are joined (RFC 6749 section 2.3.1 and appendix B).
    #[default]
    #[cfg_attr(feature = "serde", serde(alias = "client_secret_basic"))]
    Basic,
    /// HTTP Basic with the identifier and the secret as they are (RFC 7617), for servers that leave
    /// out the decoding. It differs from [`Basic`](Self::Basic) where one of them has characters
    /// other than letters, digits, `*`, `-`, `.` and `_`.
    BasicRaw,
    /// `client_secret_post`: `client_id` and `client_secret` in the body.
    #[cfg_attr(feature = "serde", serde(alias = "client_secret_post"))]
    Post,
    /// As [`Basic`](Self::Basic), and `client_id` in the body too, for servers that look the client
    /// up by the body.
    BasicWithId,
    /// As [`BasicRaw`](Self::BasicRaw), and `client_id` in the body too.
    BasicRawWithId,
    /// HTTP Basic with the identifier, a colon and no secret (`id:`), for a public client and
    /// servers that want the header all the same.
    BasicEmptySecret,
    /// An assertion in the body (RFC 7523 section 2.2): `private_key_jwt`, `client_secret_jwt`, or
    /// one that another program issues. [`client_assertion`](crate::ClientBuilder::client_assertion)
    /// chooses it.
    Assertion,
    /// `none`: a public client (RFC 6749 section 2.1), which has no secret and only says its name:
    /// `client_id` in the body. Also for a client that its TLS certificate identifies (RFC 8705),
    /// if the transport has the certificate.
    None,
}

impl ClientAuth {
    /// Returns the name in the account of credentials. Stores keep a hash of it, so it never
    /// changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::BasicRaw => "basic-raw",
            Self::Post => "post",
            Self::BasicWithId => "basic-with-id",
            Self::BasicRawWithId => "basic-raw-with-id",
            Self::Assertion => "assertion",
            // Neither proves anything, so a verdict on one is a verdict on the other.
            Self::BasicEmptySecret | Self::None => "none",
        }
    }

    /// Tells whether the method needs a client secret, and sends it.
    pub(crate) fn sends_secret(self) -> bool {
        !matches!(self, Self::Assertion | Self::BasicEmptySecret | Self::None)
    }

    /// Tells whether an identifier with a colon would end at the colon.
    pub(crate) fn is_raw(self) -> bool {
        matches!(self, Self::BasicRaw | Self::BasicRawWithId)
    }

    /// Tells whether the body names the client beside an `Authorization` header.
    pub(crate) fn repeats_id(self) -> bool {
        matches!(self, Self::BasicWithId | Self::BasicRawWithId)
    }

    /// `None` where the body carries the credentials, or where a public client only says its name.
    pub(crate) fn authorization(self, id: &str, secret: Option<&Secret>) -> Option<Authorization> {
        let (encode, secret): (fn(&mut String, &str), _) = match (self, secret) {
            (Self::BasicEmptySecret, _) => (push_form_encoded, ""),
            (Self::Post | Self::Assertion | Self::None, _) | (_, None) => return None,
            (Self::Basic | Self::BasicWithId, Some(secret)) => (push_form_encoded, secret.expose()),
            (Self::BasicRaw | Self::BasicRawWithId, Some(secret)) => {
                (String::push_str, secret.expose())
            }
        };
        let pair = pair(encode, id, secret);
        Some(Authorization::basic(&base64(pair.as_bytes())))
    }
}

/// The value of an `Authorization` header.
pub(crate) struct Authorization {
    line: Secret,
    credentials: Secret,
}

impl Authorization {
    fn basic(credentials: &str) -> Self {
        const SCHEME: &str = "Basic ";
        let mut line = String::with_capacity(SCHEME.len() + credentials.len());
        line.push_str(SCHEME);
        line.push_str(credentials);
        Self {
            line: Secret::new(line),
            credentials: Secret::new(credentials),
        }
    }

    /// What follows the scheme: as secret as what it was made from.
    pub(crate) fn credentials(&self) -> &Secret {
        &self.credentials
    }

    /// The whole value.
    pub(crate) fn into_line(self) -> Secret {
        self.line
    }
}

/// Joins the two with a colon. Encoded, a byte takes up to three; a buffer that grows would leave
/// unwiped copies behind.
fn pair(encode: fn(&mut String, &str), id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    encode(&mut pair, id);
    pair.push(':');
    encode(&mut pair, secret);
    pair
}

/// Encodes in the standard alphabet, padded, without a copy that would not be wiped.
pub(crate) fn base64(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
    STANDARD
        .encode_slice(bytes, &mut text[..])
        .expect("the buffer has the encoding's size");
    Zeroizing::new(String::from_utf8(mem::take(&mut *text)).expect("base64 is ASCII"))
}

#[cfg(test)]
mod tests;
