//! The rules of the token endpoint: RFC 6749, strictly.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{Answer, incoming::Incoming, reply::Edit, state::State};

mod client;
mod issued;
mod params;
mod refresh;
mod refusal;

pub use issued::IssuedToken;
pub use params::OAuthParams;
pub use refusal::OAuthRefusal;

pub(crate) fn answer(incoming: &Incoming<'_>) -> Answer {
    if incoming.parts.method != Method::POST {
        return Answer::json(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "message": "use POST" }),
        )
        .header(header::ALLOW, "POST");
    }
    match standard(incoming) {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_answer(),
    }
}

fn standard(incoming: &Incoming<'_>) -> Result<Answer, OAuthRefusal> {
    let params = check_client(incoming)?;
    let rule = incoming.state.settings.refresh_tokens;
    if let (Some("refresh_token"), Some(rule)) = (params.get("grant_type"), rule) {
        return refresh::answer(incoming, &params, rule);
    }
    counted(incoming, check_grant(incoming.state, &params))?;
    let scope = scope(incoming, &params);
    Ok(match (params.get("grant_type"), rule) {
        (Some("password"), Some(_)) => refresh::first(incoming, scope),
        _ => issue(incoming, scope),
    })
}

/// Returns the scope that a request asks for, or the server's default.
pub(crate) fn scope<'a>(incoming: &Incoming<'a>, params: &'a OAuthParams) -> &'a str {
    params
        .get("scope")
        .unwrap_or(&incoming.state.settings.scope)
}

pub(crate) fn params(incoming: &Incoming<'_>) -> Result<OAuthParams, OAuthRefusal> {
    counted(incoming, read(incoming))
}

/// Checks everything except the grant.
pub(crate) fn check_client(incoming: &Incoming<'_>) -> Result<OAuthParams, OAuthRefusal> {
    counted(incoming, proven(incoming))
}

pub(crate) fn check(incoming: &Incoming<'_>) -> Result<OAuthParams, OAuthRefusal> {
    let params = check_client(incoming)?;
    counted(incoming, check_grant(incoming.state, &params))?;
    Ok(params)
}

/// Refuses a request and counts the refusal.
pub(crate) fn refuse<T>(
    incoming: &Incoming<'_>,
    code: &'static str,
    why: &'static str,
) -> Result<T, OAuthRefusal> {
    counted(incoming, Err(OAuthRefusal::new(code, why)))
}

fn counted<T>(incoming: &Incoming<'_>, result: Result<T, OAuthRefusal>) -> Result<T, OAuthRefusal> {
    result.inspect_err(|refusal| {
        let tally = &incoming.state.tally;
        tally.refused(refusal.code());
        if refusal.is_failed_login() {
            tally.failed_login();
        }
    })
}

fn read(incoming: &Incoming<'_>) -> Result<OAuthParams, OAuthRefusal> {
    let upload = incoming.upload;
    if !upload.complete || upload.len > upload.kept.len() as u64 {
        return Err(OAuthRefusal::request("the body is incomplete or too long"));
    }
    if has_credentials(incoming.query()) {
        return Err(OAuthRefusal::request("credentials must not be in the URI"));
    }
    let formats = &incoming.state.settings.body_formats;
    OAuthParams::read(formats, &incoming.parts.headers, &upload.kept)
}

fn proven(incoming: &Incoming<'_>) -> Result<OAuthParams, OAuthRefusal> {
    if incoming.parts.method != Method::POST {
        return Err(OAuthRefusal::request("use POST"));
    }
    let params = read(incoming)?;
    client::check(incoming.state, &incoming.parts.headers, &params)?;
    Ok(params)
}

fn check_grant(state: &State, params: &OAuthParams) -> Result<(), OAuthRefusal> {
    match params.get("grant_type") {
        None => Err(OAuthRefusal::request("grant_type is missing")),
        Some("client_credentials") => Ok(()),
        Some("password") if state.settings.user.is_some() => {
            match (params.get("username"), params.get("password")) {
                (None, _) | (_, None) => {
                    Err(OAuthRefusal::request("username or password is missing"))
                }
                (Some(name), Some(password)) if state.is_user(name, password) => Ok(()),
                _ => Err(OAuthRefusal::login(
                    "invalid_grant",
                    "wrong user name or password",
                )),
            }
        }
        _ => Err(OAuthRefusal::new(
            "unsupported_grant_type",
            "this grant is not supported here",
        )),
    }
}

pub(crate) fn mint(incoming: &Incoming<'_>) -> IssuedToken {
    let (state, mint) = (incoming.state, incoming.mint);
    let now = state.now();
    let lifetime = mint.lifetime.unwrap_or(state.settings.lifetime);
    let (token, until) = state.ledger(|ledger| {
        let again = if mint.again { ledger.newest() } else { None };
        again.unwrap_or_else(|| {
            let until = now.saturating_add(lifetime);
            (ledger.issue(if mint.dead { now } else { until }), until)
        })
    });
    state.tally.issued();
    state.slot_until(incoming.slot, until);
    IssuedToken {
        token,
        lifetime: until.saturating_sub(now),
    }
}

pub(crate) fn issue(incoming: &Incoming<'_>, scope: &str) -> Answer {
    issue_beside(incoming, &mint(incoming), scope, None)
}

/// As [`issue`], for an existing token, with a refresh token in addition.
fn issue_beside(
    incoming: &Incoming<'_>,
    issued: &IssuedToken,
    scope: &str,
    refresh_token: Option<String>,
) -> Answer {
    let members = [
        ("access_token", json!(issued.token())),
        ("token_type", json!("Bearer")),
        ("expires_in", json!(issued.lifetime().as_secs())),
        ("scope", json!(scope)),
    ];
    let refresh_token = refresh_token.map(|token| ("refresh_token", json!(token)));
    no_store(reply(incoming, members.into_iter().chain(refresh_token)))
}

pub(crate) fn reply<'m>(
    incoming: &Incoming<'_>,
    members: impl IntoIterator<Item = (&'m str, Value)>,
) -> Answer {
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .collect();
    for edit in incoming.edits {
        edit.apply(&mut members);
    }
    Answer::json_text(StatusCode::OK, object(&members))
}

/// As RFC 6749 section 5.1 requires.
fn no_store(answer: Answer) -> Answer {
    answer
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache")
}

impl Edit {
    fn apply(&self, members: &mut Vec<(String, String)>) {
        match self {
            Self::Set(name, json) => match members.iter_mut().find(|(old, _)| old == name) {
                Some((_, old)) => json.clone_into(old),
                None => members.push((name.clone(), json.clone())),
            },
            Self::Add(name, json) => members.push((name.clone(), json.clone())),
            Self::Remove(name) => members.retain(|(old, _)| old != name),
        }
    }
}

/// Joins members without checks: scripts need invalid JSON too.
fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, json)| format!("{}:{json}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn has_credentials(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| {
        matches!(
            &*name,
            "client_id" | "client_secret" | "username" | "password" | "grant_type"
        )
    })
}

#[cfg(test)]
mod tests;
