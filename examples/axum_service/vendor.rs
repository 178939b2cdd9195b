//! A vendor that exchanges tokens (RFC 8693), and an API that returns the owner of a token.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::Secret;
use auth_testkit::{Answer, OAuthParams, OAuthRefusal, VendorRequest, VendorRules};
use http::{StatusCode, header};
use serde_json::json;

/// Whose token the service's own is.
pub(crate) const ITSELF: &str = "the service";

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const USER_TOKEN: &str = "fake-token-of-";

/// Makes a user's token, with its expiry since the Unix epoch: in place of a JSON Web Token.
pub(crate) fn token_of(user: &str, expires: Duration) -> Secret {
    Secret::new(format!("{USER_TOKEN}{user}.{}", expires.as_secs()))
}

/// Checks a user's token and returns when it expires, since the Unix epoch: in place of the check
/// of a signature.
pub(crate) fn expiry_of(token: &str) -> Option<Duration> {
    read(token).map(|(_, expires)| expires)
}

fn read(token: &str) -> Option<(&str, Duration)> {
    let (user, expires) = token.strip_prefix(USER_TOKEN)?.rsplit_once('.')?;
    let expires = Duration::from_secs(expires.parse().ok()?);
    (!user.is_empty()).then_some((user, expires))
}

/// The vendor's rules, and what it knows about its users.
#[derive(Default)]
pub(crate) struct TokenRequest(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Whose each token is.
    issued: HashMap<String, String>,
    dismissed: HashSet<String>,
}

#[allow(dead_code, reason = "the tests of this example ask for more")]
impl TokenRequest {
    /// Gives a user no more tokens.
    pub(crate) fn dismiss(&self, user: &str) {
        self.known().dismissed.insert(user.to_owned());
    }

    /// Returns the tokens that were issued for a user.
    pub(crate) fn tokens_of(&self, user: &str) -> Vec<String> {
        let known = self.known();
        let theirs = known.issued.iter().filter(|(_, whose)| *whose == user);
        theirs.map(|(token, _)| token.clone()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subject(
        &self,
        request: &VendorRequest<'_>,
        params: &OAuthParams,
    ) -> Result<String, OAuthRefusal> {
        match params.get("grant_type") {
            Some("client_credentials") => return Ok(ITSELF.to_owned()),
            Some(EXCHANGE) => {}
            _ => {
                return request
                    .refuse("unsupported_grant_type", "this grant is not supported here");
            }
        }
        if params.get("subject_token_type") != Some(ACCESS_TOKEN) {
            return request.refuse("invalid_request", "only access tokens are exchanged");
        }
        match params.get("subject_token").and_then(read) {
            // RFC 8693 section 2.2.2: not `invalid_grant`.
            None => request.refuse("invalid_request", "the subject token is invalid"),
            Some((user, _)) if self.known().dismissed.contains(user) => {
                request.refuse("invalid_grant", "the user was dismissed")
            }
            Some((user, _)) => Ok(user.to_owned()),
        }
    }
}

impl VendorRules for TokenRequest {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let checked = request.check_client();
        match checked.and_then(|params| self.subject(request, &params)) {
            Err(refusal) => refusal.into_answer(),
            Ok(subject) => {
                let issued = request.issue();
                let token = issued.token();
                self.known().issued.insert(token.to_owned(), subject);
                request.token_reply([
                    ("access_token", json!(token)),
                    ("issued_token_type", json!(ACCESS_TOKEN)),
                    ("token_type", json!("Bearer")),
                    ("expires_in", json!(issued.lifetime().as_secs())),
                ])
            }
        }
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        let line = request.header("authorization").unwrap_or_default();
        let token = line.strip_prefix("Bearer ").unwrap_or_default();
        match (request.accept(token), self.known().issued.get(token)) {
            (Some(number), Some(subject)) => Answer::json(
                StatusCode::OK,
                &json!({ "subject": subject, "token": number }),
            ),
            _ => Answer::json(StatusCode::UNAUTHORIZED, &json!({}))
                .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
        }
    }
}
