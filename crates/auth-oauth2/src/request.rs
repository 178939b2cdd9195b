use std::mem;

use auth_core::{Error, Secret};
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use zeroize::Zeroizing;

/// How the parameters of a token request are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, the form of the standard (RFC 6749 section 4.4.2).
    #[default]
    Form,
    /// A JSON object with one string per parameter, and an array for a parameter that occurs
    /// several times. In no standard; some vendors require it.
    Json,
}

impl BodyFormat {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        })
    }

    fn write(self, parameters: &[Parameter<'_>]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Form => form(parameters),
            Self::Json => json(parameters),
        }
    }
}

/// A parameter's name and value. The same name may occur several times.
pub(crate) type Parameter<'a> = (&'a str, &'a str);

/// Builds a token request (RFC 6749 section 3.2).
pub(crate) fn token_request(
    endpoint: &Uri,
    format: BodyFormat,
    own: &[(HeaderName, Secret)],
    parameters: &[Parameter<'_>],
) -> Result<Request<Bytes>, Error> {
    let mut request = Request::new(Bytes::from_owner(Wiped(format.write(parameters))));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.clone();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, format.content_type());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    // Some servers compress unless told not to, and this crate does not decompress.
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    for (name, value) in own {
        headers.append(name, sensitive(name, value)?);
    }
    Ok(request)
}

/// Makes a header value that is marked sensitive and is wiped with its last clone.
fn sensitive(name: &HeaderName, value: &Secret) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_maybe_shared(Bytes::from(value.clone()));
    let mut value = value.map_err(|_| {
        let problem =
            format_args!("`{name}` has characters that a header cannot carry; remove them");
        Error::config("header", problem)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Appends a text in form encoding (RFC 6749 appendix B).
pub(crate) fn push_form_encoded(to: &mut String, text: &str) {
    to.extend(byte_serialize(text.as_bytes()));
}

/// Encodes as a form. Capacity is reserved for the worst case: a buffer that grows leaves unwiped
/// copies.
fn form(parameters: &[Parameter<'_>]) -> Zeroizing<Vec<u8>> {
    let room = parameters
        .iter()
        .map(|(name, value)| 3 * (name.len() + value.len()) + 2)
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        push_form_encoded(&mut text, name);
        text.push('=');
        push_form_encoded(&mut text, value);
    }
    into_bytes(text)
}

/// Encodes as JSON. Capacity is reserved for six bytes per byte, the length of an escape.
fn json(parameters: &[Parameter<'_>]) -> Zeroizing<Vec<u8>> {
    let room = parameters
        .iter()
        .map(|(name, value)| 6 * (name.len() + value.len()) + 8);
    let mut body = Zeroizing::new(Vec::with_capacity(room.sum::<usize>() + 2));
    serde_json::to_writer(&mut *body, &JsonObject(parameters))
        .expect("texts have a JSON form, and a vector takes all bytes");
    body
}

struct JsonObject<'a>(&'a [Parameter<'a>]);

impl Serialize for JsonObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let values = || {
                self.0
                    .iter()
                    .filter(|(other, _)| other == name)
                    .map(|(_, value)| value)
            };
            if self.0.iter().take(index).any(|(other, _)| other == name) {
                continue;
            }
            match values().count() {
                1 => map.serialize_entry(name, value)?,
                _ => map.serialize_entry(name, &values().collect::<Vec<_>>())?,
            }
        }
        map.end()
    }
}

/// Returns the bytes of a text without a copy that is not wiped.
pub(crate) fn into_bytes(mut text: Zeroizing<String>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(mem::take(&mut *text).into_bytes())
}

/// Owns a body and wipes it with the last clone.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
