//! The token endpoint's own rules: RFC 6749 to the letter.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use crate::{
    reply::{Edit, Mint},
    state::{Answer, State},
    token_endpoint::params::Params,
    upload::Upload,
};

mod client;
mod params;

/// A refusal by RFC 6749 section 5.2: its code, and what was wrong for whoever reads the test log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: &'static str,
    why: &'static str,
}

pub(crate) fn answer(
    state: &State,
    parts: &Parts,
    upload: &Upload,
    mint: &Mint,
    edits: &[Edit],
) -> Answer {
    if parts.method != Method::POST {
        return Answer::json(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "message": "use POST" }),
        )
        .header(header::ALLOW, "POST");
    }
    let answer = match check(state, parts, upload) {
        Ok(params) => issue(state, &params, mint, edits),
        Err(refusal) => {
            state.tally.refused(refusal.code);
            refusal.into_answer()
        }
    };
    answer
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache")
}

fn check(state: &State, parts: &Parts, upload: &Upload) -> Result<Params, Refusal> {
    if !upload.complete || upload.len > upload.kept.len() as u64 {
        return Err(Refusal::request("the body is incomplete or too long"));
    }
    if has_credentials(parts.uri.query().unwrap_or_default()) {
        return Err(Refusal::request("credentials must not be in the URI"));
    }
    let params = Params::read(&state.settings.body_formats, &parts.headers, &upload.kept)?;
    client::check(state, &parts.headers, &params)?;
    match (params.get("grant_type"), &state.settings.user) {
        (None, _) => Err(Refusal::request("grant_type is missing")),
        (Some("client_credentials"), _) => Ok(params),
        (Some("password"), Some((name, password))) => {
            match (params.get("username"), params.get("password")) {
                (None, _) | (_, None) => Err(Refusal::request("username or password is missing")),
                (Some(sent_name), Some(sent)) if sent_name == name && sent == password => {
                    Ok(params)
                }
                _ => Err(Refusal {
                    code: "invalid_grant",
                    why: "wrong user name or password",
                }),
            }
        }
        _ => Err(Refusal {
            code: "unsupported_grant_type",
            why: "no such grant here",
        }),
    }
}

fn issue(state: &State, params: &Params, mint: &Mint, edits: &[Edit]) -> Answer {
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
    let scope = params.get("scope").unwrap_or(&state.settings.scope);
    let mut members = vec![
        ("access_token".to_owned(), json!(token).to_string()),
        ("token_type".to_owned(), json!("Bearer").to_string()),
        (
            "expires_in".to_owned(),
            until.saturating_sub(now).as_secs().to_string(),
        ),
        ("scope".to_owned(), json!(scope).to_string()),
    ];
    for edit in edits {
        edit.apply(&mut members);
    }
    Answer::json_text(StatusCode::OK, object(&members))
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

impl Refusal {
    fn request(why: &'static str) -> Self {
        Self {
            code: "invalid_request",
            why,
        }
    }

    fn client(why: &'static str) -> Self {
        Self {
            code: "invalid_client",
            why,
        }
    }

    fn into_answer(self) -> Answer {
        let status = match self.code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({ "error": self.code, "error_description": self.why });
        let mut answer = Answer::json(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"fake\"");
            answer.headers.extend(HeaderMap::from_iter([(
                header::WWW_AUTHENTICATE,
                challenge,
            )]));
        }
        answer
    }
}

#[cfg(test)]
mod tests;
