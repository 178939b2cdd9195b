use std::{fmt, sync::Arc};

use auth_core::{Error, ErrorKind, HttpHosts};
use http::Uri;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Deserializer as Json, value::RawValue};

use super::issuer::{FIELD, Issuer};
use crate::token_url;

/// The metadata of an authorization server (RFC 8414 section 2) that a token request needs.
/// Validated. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct Metadata(Arc<Members>);

#[derive(Debug)]
struct Members {
    issuer: String,
    token_endpoint: Uri,
    auth_methods: Option<Vec<String>>,
    signing_algorithms: Vec<String>,
}

impl Metadata {
    /// Returns the issuer identifier. It equals the configured issuer byte for byte.
    ///
    /// A client assertion has this text as its audience (`aud`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Returns the token endpoint's URL.
    #[must_use]
    pub fn token_endpoint(&self) -> &Uri {
        &self.0.token_endpoint
    }

    /// Returns the client authentication methods of the token endpoint, for example
    /// `client_secret_basic`, `client_secret_post` and `private_key_jwt`. Default if the metadata
    /// have no such member: `client_secret_basic` (RFC 8414 section 2).
    ///
    /// The list is information only, because many servers publish incomplete lists. This crate
    /// always uses the method in the settings.
    pub fn token_endpoint_auth_methods_supported(&self) -> impl Iterator<Item = &str> {
        let stated = self.0.auth_methods.as_deref();
        let default = stated.is_none().then_some("client_secret_basic");
        let stated = stated.unwrap_or_default().iter().map(String::as_str);
        stated.chain(default)
    }

    /// Returns the algorithms that the token endpoint accepts for signed assertions, for example
    /// `ES256`. Empty if the metadata have no such member.
    pub fn token_endpoint_auth_signing_alg_values_supported(&self) -> impl Iterator<Item = &str> {
        self.0.signing_algorithms.iter().map(String::as_str)
    }

    /// Reads a document that is a JSON object or begins like one.
    pub(super) fn parse(issuer: &Issuer, http: &HttpHosts, body: &[u8]) -> Result<Self, Error> {
        let raw = raw(issuer, body)?;
        let names: String = required(issuer, ISSUER, raw.issuer)?;
        if names != issuer.as_str() {
            return Err(other_issuer(issuer, &names));
        }
        let url: String = required(issuer, TOKEN_ENDPOINT, raw.token_endpoint)?;
        Ok(Self(Arc::new(Members {
            issuer: names,
            token_endpoint: token_endpoint(issuer, http, &url)?,
            auth_methods: optional(issuer, AUTH_METHODS, raw.auth_methods)?,
            signing_algorithms: optional(issuer, ALGORITHMS, raw.algorithms)?.unwrap_or_default(),
        })))
    }
}

fn token_endpoint(issuer: &Issuer, http: &HttpHosts, url: &str) -> Result<Uri, Error> {
    let invalid = |problem| Err(fault(issuer, TOKEN_ENDPOINT, problem));
    let uri = match token_url::check(TOKEN_ENDPOINT, url, http) {
        Ok(uri) => uri,
        Err(_) if url.to_ascii_lowercase().starts_with("http://") => {
            return invalid(
                "is not https, and no credentials are sent there; have it corrected, or, if \
                 nobody can listen on the way to that host, permit it with `danger_allow_http`",
            );
        }
        Err(_) => {
            return invalid(
                "is no https URL that credentials may go to (absolute, without user information \
                 and fragment); have it corrected",
            );
        }
    };
    if token_url::check_query(TOKEN_ENDPOINT, &uri, std::iter::empty()).is_err() {
        return invalid(
            "has a parameter of a token request in its query; ask the server's operator to correct it",
        );
    }
    Ok(uri)
}

/// The members that this crate reads.
#[derive(Default)]
struct Raw<'a> {
    issuer: Option<&'a RawValue>,
    token_endpoint: Option<&'a RawValue>,
    auth_methods: Option<&'a RawValue>,
    algorithms: Option<&'a RawValue>,
}

fn raw<'a>(issuer: &Issuer, body: &'a [u8]) -> Result<Raw<'a>, Error> {
    let mut twice = None;
    let mut json = Json::from_slice(body);
    let read = json.deserialize_map(Object(&mut twice));
    let read = read.and_then(|raw| json.end().map(|()| raw));
    if let Some(member) = twice {
        let problem = "occurs twice, so another sender may have added one; ask the server's operator to correct it";
        return Err(fault(issuer, member, problem));
    }
    read.map_err(|error| {
        // Only the category and the position: serde's text may quote the document.
        let message = format!(
            "the metadata are no valid JSON from line {}, column {} on; check what the server \
             answers at `{}`",
            error.line(),
            error.column(),
            issuer.documents()[0].path(),
        );
        issuer.failed(ErrorKind::Protocol, message)
    })
}

struct Object<'m>(&'m mut Option<&'static str>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut raw = Raw::default();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<&RawValue>()?;
            let (name, place) = match &*name {
                ISSUER => (ISSUER, &mut raw.issuer),
                TOKEN_ENDPOINT => (TOKEN_ENDPOINT, &mut raw.token_endpoint),
                AUTH_METHODS => (AUTH_METHODS, &mut raw.auth_methods),
                ALGORITHMS => (ALGORITHMS, &mut raw.algorithms),
                _ => continue,
            };
            if place.replace(value).is_some() {
                *self.0 = Some(name);
                return Err(A::Error::custom("a member that occurs twice"));
            }
        }
        Ok(raw)
    }
}

fn required(
    issuer: &Issuer,
    member: &'static str,
    value: Option<&RawValue>,
) -> Result<String, Error> {
    match value.map(|value| value.get()) {
        None | Some("null") => {
            let problem = "is missing; check that `issuer` is an authorization server's";
            Err(fault(issuer, member, problem))
        }
        Some(json) => read(json).ok_or_else(|| {
            fault(
                issuer,
                member,
                "is not a string; ask the server's operator to correct it",
            )
        }),
    }
}

fn optional(
    issuer: &Issuer,
    member: &'static str,
    value: Option<&RawValue>,
) -> Result<Option<Vec<String>>, Error> {
    match value.map(|value| value.get()) {
        None | Some("null") => Ok(None),
        Some(json) => read(json).map(Some).ok_or_else(|| {
            fault(
                issuer,
                member,
                "is not a list of strings; ask the server's operator to correct it",
            )
        }),
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// The error of invalid metadata, which only the server's operator can correct.
fn fault(issuer: &Issuer, member: &'static str, problem: &str) -> Error {
    let message = format!("metadata member `{member}` {problem}{BY_HAND}");
    issuer
        .failed(ErrorKind::Protocol, message)
        .with_field(member)
}

const BY_HAND: &str = ", or set the token endpoint with `Client::builder`";

/// Does not show the other issuer's name, which is a text of the sender.
fn other_issuer(issuer: &Issuer, names: &str) -> Error {
    let ours = issuer.as_str();
    let difference = if ours.strip_suffix('/') == Some(names) {
        "without the final slash; remove the slash from `issuer`"
    } else if names.strip_suffix('/') == Some(ours) {
        "with a final slash; add the slash to `issuer`"
    } else if names.eq_ignore_ascii_case(ours) {
        "in other letter case; write `issuer` as the server does"
    } else {
        "as another issuer; write `issuer` exactly as the metadata do, or, if that issuer is not \
         the one that you know, send it no credentials"
    };
    let problem = format!(
        "discovery: the server names itself {difference} (RFC 8414 section 3.3: both have to be \
         equal)"
    );
    issuer.located(Error::config(FIELD, problem))
}

const ISSUER: &str = "issuer";
const TOKEN_ENDPOINT: &str = "token_endpoint";
const AUTH_METHODS: &str = "token_endpoint_auth_methods_supported";
const ALGORITHMS: &str = "token_endpoint_auth_signing_alg_values_supported";
