use std::fmt;

use auth_core::{Error, ErrorKind};
use http::{Response, StatusCode};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{ReplyRules, response::Reading, retry_after::retry_after};

/// What a vendor says about why there is no token (RFC 6749 section 5.2), as it came.
#[derive(Default)]
pub(crate) struct ErrorReply {
    pub(crate) code: Option<String>,
    pub(crate) description: Option<String>,
}

/// How much of an error reply is looked at, in bytes.
const MAX_LOOK: usize = 8 * 1024;
/// How much of an error's code and description is kept, in bytes.
const MAX_CODE: usize = 64;
const MAX_DESCRIPTION: usize = 256;

impl ErrorReply {
    /// Reads what can be read: of a body that is too long, or broken, what comes before the break.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut this = Self::default();
        let body = body.get(..MAX_LOOK).unwrap_or(body);
        let body = body.strip_prefix(BOM).unwrap_or(body);
        if let Some(chunk) = body.utf8_chunks().next() {
            let mut json = serde_json::Deserializer::from_str(chunk.valid());
            let _ = Members(&mut this).deserialize(&mut json);
        }
        this
    }
}

/// UTF-8's byte order mark, which JSON must not have (RFC 8259 section 8.1) and some servers send.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Collects members as they come, so that those before an error are kept.
struct Members<'a>(&'a mut ErrorReply);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<&RawValue>()?;
            let member = match name.as_str() {
                "error" => &mut self.0.code,
                "error_description" => &mut self.0.description,
                _ => continue,
            };
            *member = string(value);
        }
        Ok(())
    }
}

/// Reads a string that holds something.
pub(crate) fn string(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get())
        .ok()
        .filter(|text: &String| !text.is_empty())
}

/// Makes an error of a reply that brings no token. Nothing but the code and the description gets
/// from the reply's body into it, and those scrubbed.
pub(crate) fn refusal<B>(reading: &Reading<'_>, reply: &Response<B>, said: &ErrorReply) -> Error {
    let Reading {
        vendor,
        rules,
        scrubber,
        now,
    } = *reading;
    let status = reply.status();
    let pause = retry_after(reply.headers(), now);
    let (kind, remark) = verdict(status, said.code.as_deref(), pause.is_some(), rules);
    let clean = |text: &Option<String>, max| {
        text.as_deref()
            .map(|text| scrubber.clean(text, max))
            .filter(|text| !text.is_empty())
    };
    let code = clean(&said.code, MAX_CODE);
    let mut message = format!(
        "{vendor}: token endpoint answered {}{remark}",
        status.as_u16()
    );
    if let Some(code) = &code {
        message.push_str(&format!(" with `{code}`"));
    }
    if let Some(description) = clean(&said.description, MAX_DESCRIPTION) {
        message.push_str(&format!(": {description}"));
    }
    let mut error = Error::new(kind, message).with_status(status);
    if let Some(code) = code {
        error = error.with_code(code);
    }
    match pause {
        Some(pause) if error.is_transient() => error.with_retry_after(pause),
        _ => error,
    }
}

/// Says what to do: the code decides where it is a standard one, the status where it is not.
fn verdict(
    status: StatusCode,
    code: Option<&str>,
    asks_to_wait: bool,
    rules: &ReplyRules,
) -> (ErrorKind, &'static str) {
    if status.is_redirection() {
        return (ErrorKind::Rejected, ", a redirect, which is never followed");
    }
    if let Some(kind) = code.and_then(standard) {
        return (kind, "");
    }
    if rules.is_quota(status) {
        return (ErrorKind::Quota, ", which means that the quota is used up");
    }
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        StatusCode::SERVICE_UNAVAILABLE if asks_to_wait => ErrorKind::Throttled,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => ErrorKind::Unavailable,
        _ if status.is_server_error() => ErrorKind::Unavailable,
        // A code that nobody knows on a success is a refusal too: asking less is the safer error.
        _ if status.is_client_error() || status.is_success() => ErrorKind::Rejected,
        _ => ErrorKind::Protocol,
    };
    (kind, "")
}

/// The codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5 and RFC 8707 section 2.
fn standard(code: &str) -> Option<ErrorKind> {
    match code {
        "access_denied"
        | "invalid_client"
        | "invalid_grant"
        | "invalid_request"
        | "invalid_scope"
        | "invalid_target"
        | "unauthorized_client"
        | "unsupported_grant_type" => Some(ErrorKind::Rejected),
        "server_error" | "slow_down" | "temporarily_unavailable" => Some(ErrorKind::Unavailable),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
