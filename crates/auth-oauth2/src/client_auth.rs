use std::mem;

use auth_core::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::request::push_form_encoded;

/// How a client authenticates at the token endpoint (RFC 6749 sections 2.1 and 2.3.1).
///
/// Each request uses exactly one method. No other method is tried after a rejection, because that
/// doubles the failed logins that a vendor counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_basic`: HTTP Basic. Identifier and secret are each form-encoded before they
    /// are joined (RFC 6749 section 2.3.1 and appendix B).
    #[default]
    #[cfg_attr(feature = "serde", serde(alias = "client_secret_basic"))]
    Basic,
    /// HTTP Basic with identifier and secret not encoded (RFC 7617), for servers that do not decode
    /// them. The result differs from [`Basic`](Self::Basic) only if one of the two has characters
    /// other than letters, digits, `*`, `-`, `.` and `_`.
    BasicRaw,
    /// `client_secret_post`: `client_id` and `client_secret` in the body.
    #[cfg_attr(feature = "serde", serde(alias = "client_secret_post"))]
    Post,
    /// Same as [`Basic`](Self::Basic), and `client_id` in the body too, for servers that look up
    /// the client by the body.
    BasicWithId,
    /// Same as [`BasicRaw`](Self::BasicRaw), and `client_id` in the body too.
    BasicRawWithId,
    /// HTTP Basic with the identifier, a colon and an empty secret (`id:`), for a public client
    /// whose server requires the header.
    BasicEmptySecret,
    /// An assertion in the body (RFC 7523 section 2.2): `private_key_jwt`, `client_secret_jwt`, or
    /// an assertion that another program issues. Set by
    /// [`client_assertion`](crate::ClientBuilder::client_assertion).
    Assertion,
    /// `none`: a public client (RFC 6749 section 2.1), which has no secret and sends only
    /// `client_id` in the body. Also for a client that its TLS certificate identifies (RFC 8705),
    /// if the transport has the certificate.
    None,
}

impl ClientAuth {
    /// Returns the method's name in the account of credentials. Stores keep a hash of it, so it
    /// must never change.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::BasicRaw => "basic-raw",
            Self::Post => "post",
            Self::BasicWithId => "basic-with-id",
            Self::BasicRawWithId => "basic-raw-with-id",
            Self::Assertion => "assertion",
            // Neither method proves anything, so a rejection of one applies to the other.
            Self::BasicEmptySecret | Self::None => "none",
        }
    }

    /// Returns whether the method sends a client secret.
    pub(crate) fn sends_secret(self) -> bool {
        !matches!(self, Self::Assertion | Self::BasicEmptySecret | Self::None)
    }

    /// Returns whether a colon in the identifier would end it early.
    pub(crate) fn is_raw(self) -> bool {
        matches!(self, Self::BasicRaw | Self::BasicRawWithId)
    }

    /// Returns whether `client_id` is sent in the body in addition to an `Authorization` header.
    pub(crate) fn repeats_id(self) -> bool {
        matches!(self, Self::BasicWithId | Self::BasicRawWithId)
    }

    /// Returns `None` if the body carries the credentials, and for a public client.
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

    /// Returns the text after the scheme, which is as secret as its parts.
    pub(crate) fn credentials(&self) -> &Secret {
        &self.credentials
    }

    /// Returns the whole header value.
    pub(crate) fn into_line(self) -> Secret {
        self.line
    }
}

/// Joins identifier and secret with a colon. The capacity is for three bytes per byte, the worst
/// case of the encoding: a buffer that grows leaves unwiped copies.
fn pair(encode: fn(&mut String, &str), id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    encode(&mut pair, id);
    pair.push(':');
    encode(&mut pair, secret);
    pair
}

/// Encodes as padded base64 in the standard alphabet, without copies that are not wiped.
pub(crate) fn base64(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
    STANDARD
        .encode_slice(bytes, &mut text[..])
        .expect("the buffer has the encoding's size");
    Zeroizing::new(String::from_utf8(mem::take(&mut *text)).expect("base64 is ASCII"))
}

#[cfg(test)]
mod tests;
