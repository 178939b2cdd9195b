use std::mem;

use auth_core::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::request::push_form_encoded;

/// How a client proves to the token endpoint who it is (RFC 6749 section 2.3.1).
///
/// Exactly one method is used per request, and never another one after a refusal: trying both
/// doubles the failed logins that a vendor counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_basic`: HTTP Basic, the identifier and the secret each form-encoded before
    /// they are joined (RFC 6749 section 2.3.1 and appendix B).
    #[default]
    Basic,
    /// HTTP Basic with the identifier and the secret as they are (RFC 7617), for servers that leave
    /// out the decoding. It differs from [`Basic`](Self::Basic) where one of them has characters
    /// other than letters, digits, `*`, `-`, `.` and `_`.
    BasicRaw,
    /// `client_secret_post`: `client_id` and `client_secret` in the body.
    Post,
}

impl ClientAuth {
    /// Returns the name in the account of credentials. Stores keep a hash of it, so it never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::BasicRaw => "basic-raw",
            Self::Post => "post",
        }
    }

    /// `None` where the body carries the credentials.
    pub(crate) fn authorization(self, id: &str, secret: &Secret) -> Option<Authorization> {
        let encode = match self {
            Self::Basic => push_form_encoded,
            Self::BasicRaw => String::push_str,
            Self::Post => return None,
        };
        let pair = pair(encode, id, secret.expose());
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
