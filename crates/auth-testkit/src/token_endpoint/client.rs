use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};

use super::{
    OAuthRefusal,
    params::{OAuthParams, escapes_are_whole},
};
use crate::{ClientAuth, state::State};

/// Checks the client authentication: exactly one method, an allowed one, and the right credentials.
pub(crate) fn check(
    state: &State,
    headers: &HeaderMap,
    params: &OAuthParams,
) -> Result<(), OAuthRefusal> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    match (lines.next(), lines.next(), params.get("client_secret")) {
        (Some(_), Some(_), _) => Err(OAuthRefusal::request("there are two Authorization headers")),
        (Some(_), None, Some(_)) => Err(OAuthRefusal::request(
            "the client authenticates by two methods",
        )),
        (Some(line), None, None) => basic(state, line, params),
        (None, _, Some(secret)) => post(state, params, secret),
        (None, _, None) if is_public(state, params) => Ok(()),
        (None, _, None) => Err(OAuthRefusal::client("the client does not authenticate")),
    }
}

fn is_public(state: &State, params: &OAuthParams) -> bool {
    let allowed = state.settings.client_auth.contains(&ClientAuth::Public);
    allowed && params.get("client_id") == Some(&state.settings.client_id)
}

fn post(state: &State, params: &OAuthParams, secret: &str) -> Result<(), OAuthRefusal> {
    if !state.settings.client_auth.contains(&ClientAuth::Post) {
        return Err(OAuthRefusal::client(
            "client_secret in the body is not allowed here",
        ));
    }
    let id = params.get("client_id").unwrap_or_default();
    if id != state.settings.client_id || secret != state.client_secret() {
        return Err(OAuthRefusal::login(
            "invalid_client",
            "wrong client id or secret",
        ));
    }
    Ok(())
}

fn basic(state: &State, line: &HeaderValue, params: &OAuthParams) -> Result<(), OAuthRefusal> {
    let (id, secret) = decode(line)
        .ok_or_else(|| OAuthRefusal::client("the Authorization header is not Basic"))?;
    let expected = (state.settings.client_id.clone(), state.client_secret());
    let right = state
        .settings
        .client_auth
        .iter()
        .any(|method| match method {
            ClientAuth::Basic => {
                (form_decode(&id), form_decode(&secret))
                    == (Some(expected.0.clone()), Some(expected.1.clone()))
            }
            ClientAuth::BasicRaw => (&id, &secret) == (&expected.0, &expected.1),
            ClientAuth::Post | ClientAuth::Public => false,
        });
    if !right {
        return Err(OAuthRefusal::login(
            "invalid_client",
            "wrong client id or secret, or wrongly encoded",
        ));
    }
    match params.get("client_id") {
        Some(id) if id != expected.0 => Err(OAuthRefusal::request("there are two client ids")),
        _ => Ok(()),
    }
}

fn decode(line: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Decodes one form-encoded value, strictly: `None` for a text that no encoder writes.
fn form_decode(text: &str) -> Option<String> {
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._~+%".contains(&byte);
    if !text.bytes().all(clean) || !escapes_are_whole(text.as_bytes()) {
        return None;
    }
    // A value without separators parses as a name without a value.
    Some(
        form_urlencoded::parse(text.as_bytes())
            .next()
            .map_or_else(String::new, |(name, _)| name.into_owned()),
    )
}
