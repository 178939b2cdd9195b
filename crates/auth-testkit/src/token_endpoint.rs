//! The token endpoint's own rules: RFC 6749 to the letter.

use http::{Method, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use crate::{Answer, IssuedToken, VendorRequest, reply::Edit, state::State, upload::Upload};

mod client;
mod params;
mod refresh;
mod refusal;

pub use params::OAuthParams;
pub use refusal::OAuthRefusal;

pub(crate) fn answer(request: &VendorRequest<'_>) -> Answer {
    if *request.method() != Method::POST {
        return Answer::json(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "message": "use POST" }),
        )
        .header(header::ALLOW, "POST");
    }
    match standard(request) {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_answer(),
    }
}

fn standard(request: &VendorRequest<'_>) -> Result<Answer, OAuthRefusal> {
    let params = request.check_client()?;
    let rule = request.state.settings.refresh_tokens;
    if let (Some("refresh_token"), Some(rule)) = (params.get("grant_type"), rule) {
        return refresh::answer(request, &params, rule);
    }
    request.count(check_grant(request.state, &params))?;
    let scope = request.scope(&params);
    Ok(match (params.get("grant_type"), rule) {
        (Some("password"), Some(_)) => refresh::first(request, scope),
        _ => request.standard_reply(scope),
    })
}

pub(crate) fn params(
    state: &State,
    parts: &Parts,
    upload: &Upload,
) -> Result<OAuthParams, OAuthRefusal> {
    if !upload.complete || upload.len > upload.kept.len() as u64 {
        return Err(OAuthRefusal::request("the body is incomplete or too long"));
    }
    if has_credentials(parts.uri.query().unwrap_or_default()) {
        return Err(OAuthRefusal::request("credentials must not be in the URI"));
    }
    OAuthParams::read(&state.settings.body_formats, &parts.headers, &upload.kept)
}

pub(crate) fn check_client(
    state: &State,
    parts: &Parts,
    upload: &Upload,
) -> Result<OAuthParams, OAuthRefusal> {
    if parts.method != Method::POST {
        return Err(OAuthRefusal::request("use POST"));
    }
    let params = params(state, parts, upload)?;
    client::check(state, &parts.headers, &params)?;
    Ok(params)
}

pub(crate) fn check(
    state: &State,
    parts: &Parts,
    upload: &Upload,
) -> Result<OAuthParams, OAuthRefusal> {
    let params = check_client(state, parts, upload)?;
    check_grant(state, &params)?;
    Ok(params)
}

fn check_grant(state: &State, params: &OAuthParams) -> Result<(), OAuthRefusal> {
    match (params.get("grant_type"), state.user()) {
        (None, _) => Err(OAuthRefusal::request("grant_type is missing")),
        (Some("client_credentials"), _) => Ok(()),
        (Some("password"), Some((name, password))) => {
            match (params.get("username"), params.get("password")) {
                (None, _) | (_, None) => {
                    Err(OAuthRefusal::request("username or password is missing"))
                }
                (Some(sent_name), Some(sent)) if sent_name == name && sent == password => Ok(()),
                _ => Err(OAuthRefusal::login(
                    "invalid_grant",
                    "wrong user name or password",
                )),
            }
        }
        _ => Err(OAuthRefusal::new(
            "unsupported_grant_type",
            "no such grant here",
        )),
    }
}

pub(crate) fn mint(request: &VendorRequest<'_>) -> IssuedToken {
    let (state, mint) = (request.state, request.mint);
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
    state.slot_until(request.slot, until);
    IssuedToken {
        token,
        lifetime: until.saturating_sub(now),
    }
}

pub(crate) fn issue(request: &VendorRequest<'_>, scope: &str) -> Answer {
    issue_beside(request, &request.issue(), scope, None)
}

/// As [`issue`], for a token that is there already, with a refresh token beside it.
fn issue_beside(
    request: &VendorRequest<'_>,
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
    no_store(request.token_reply(members.into_iter().chain(refresh_token)))
}

pub(crate) fn reply<'m>(
    members: impl IntoIterator<Item = (&'m str, Value)>,
    edits: &[Edit],
) -> Answer {
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .collect();
    for edit in edits {
        edit.apply(&mut members);
    }
    Answer::json_text(StatusCode::OK, object(&members))
}

/// As RFC 6749 section 5.1 wants it.
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

/// Joins members as they stand: scripts want wrong JSON too.
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
