use std::fmt;

use http::{HeaderMap, header};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::OAuthRefusal;
use crate::BodyFormat;

/// The parameters of a token request.
#[derive(Clone)]
pub struct OAuthParams(Vec<(String, String)>);

impl OAuthParams {
    pub(crate) fn read(
        formats: &[BodyFormat],
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, OAuthRefusal> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let is = |format, name| formats.contains(&format) && essence.eq_ignore_ascii_case(name);
        let pairs = if is(BodyFormat::Form, "application/x-www-form-urlencoded") {
            form(body).ok_or_else(|| OAuthRefusal::request("the body is not a well-formed form"))?
        } else if is(BodyFormat::Json, "application/json") {
            json(body)
                .ok_or_else(|| OAuthRefusal::request("the body is not a JSON object of strings"))?
        } else {
            return Err(OAuthRefusal::request(
                "the content type is not accepted here",
            ));
        };
        Self::unique(pairs)
    }

    /// Returns a parameter; a parameter without a value counts as omitted (RFC 6749 section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns all values of a parameter: `audience` and `resource` may be repeated.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Refuses repeated parameters (RFC 6749 section 3.2), except the two that may be repeated (RFC
    /// 8707 section 2, RFC 8693 section 2.1).
    fn unique(pairs: Vec<(String, String)>) -> Result<Self, OAuthRefusal> {
        for (i, (name, _)) in pairs.iter().enumerate() {
            let many = matches!(&**name, "resource" | "audience");
            if !many && pairs.iter().skip(i + 1).any(|(other, _)| other == name) {
                return Err(OAuthRefusal::request("a parameter is repeated"));
            }
        }
        Ok(Self(pairs))
    }
}

/// Shows names only: the values are secrets.
impl fmt::Debug for OAuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Decodes a form strictly.
fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let clean = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-._~+%=&".contains(byte);
    if !body.iter().all(clean) || !escapes_are_whole(body) {
        return None;
    }
    let pairs = form_urlencoded::parse(body)
        .into_owned()
        .collect::<Vec<_>>();
    let is_text = |text: &String| !text.contains(char::REPLACEMENT_CHARACTER);
    pairs
        .iter()
        .all(|(name, value)| is_text(name) && is_text(value))
        .then_some(pairs)
}

pub(crate) fn escapes_are_whole(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.iter().take(2).all(u8::is_ascii_hexdigit))
}

fn json(body: &[u8]) -> Option<Vec<(String, String)>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let text = |(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    };
    members.into_iter().map(text).collect()
}

/// The members of a JSON object, duplicates included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllMembers;

        impl<'de> Visitor<'de> for AllMembers {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(AllMembers)
    }
}
