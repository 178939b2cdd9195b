//! The rules of the protected API: RFC 6750.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{Answer, incoming::Incoming, state::State, upload::hex};

pub(crate) fn answer(incoming: &Incoming<'_>) -> Answer {
    let credential = credential(incoming.state, &incoming.parts.headers, incoming.query());
    let token = match credential {
        Ok(Some(token)) => token,
        Ok(None) => return challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"fake\""),
        Err(line) => return challenge(StatusCode::BAD_REQUEST, line),
    };
    match incoming.accept(&token) {
        Some(number) => ok(incoming, number),
        None => challenge(
            StatusCode::UNAUTHORIZED,
            "Bearer realm=\"fake\", error=\"invalid_token\", \
             error_description=\"The access token is unknown, expired or revoked\"",
        ),
    }
}

/// The answer to a valid request.
pub(crate) fn ok(incoming: &Incoming<'_>, number: u64) -> Answer {
    let path = incoming.path();
    match path.strip_prefix(incoming.api_path).unwrap_or(path) {
        "/forbidden" => challenge(
            StatusCode::FORBIDDEN,
            "Bearer realm=\"fake\", error=\"insufficient_scope\", scope=\"fake.admin\"",
        ),
        "/redirect" => redirect(incoming.query()),
        _ => Answer::json(
            StatusCode::OK,
            &json!({
                "method": incoming.parts.method.as_str(),
                "path": path,
                "token": number,
                "body_len": incoming.upload.len,
                "body_hash": hex(incoming.upload.hash),
            }),
        ),
    }
}

/// Returns the credential of a request.
///
/// # Errors
///
/// The challenge for a request with more than one credential, or with one in a wrong place.
fn credential(
    state: &State,
    headers: &HeaderMap,
    query: &str,
) -> Result<Option<String>, &'static str> {
    const INVALID: &str = "Bearer realm=\"fake\", error=\"invalid_request\"";
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token") {
        return Err(INVALID);
    }
    let header = state.settings.token_header.as_ref();
    let mut lines = headers
        .get_all(header.unwrap_or(&header::AUTHORIZATION))
        .iter();
    let (Some(line), more) = (lines.next(), lines.next()) else {
        return Ok(None);
    };
    let Ok(line) = line.to_str() else {
        return Err(INVALID);
    };
    if more.is_some() {
        return Err(INVALID);
    }
    if header.is_some() {
        return Ok(Some(line.to_owned()));
    }
    match line.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(token.to_owned()))
        }
        _ => Ok(None),
    }
}

fn redirect(query: &str) -> Answer {
    let find = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let status = find("status").and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let status = status.unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    let to = find("to").and_then(|to| HeaderValue::try_from(to).ok());
    match to {
        Some(to) if status.is_redirection() => {
            let mut answer = Answer::json(status, &json!({}));
            answer.headers.push((header::LOCATION, to));
            answer
        }
        _ => Answer::json(
            StatusCode::BAD_REQUEST,
            &json!({ "message": "a redirect needs `to` and a `status` of 3xx" }),
        ),
    }
}

fn challenge(status: StatusCode, line: &'static str) -> Answer {
    Answer::json(status, &json!({ "message": "no access" })).header(header::WWW_AUTHENTICATE, line)
}

#[cfg(test)]
mod tests;
