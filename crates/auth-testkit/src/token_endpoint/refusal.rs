use http::{StatusCode, header};
use serde_json::json;

use super::no_store;
use crate::Answer;

/// The reason for refusing a token request, in the words of RFC 6749 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthRefusal {
    code: &'static str,
    why: &'static str,
    failed_login: bool,
}

impl OAuthRefusal {
    pub(crate) fn new(code: &'static str, why: &'static str) -> Self {
        Self {
            code,
            why,
            failed_login: false,
        }
    }

    pub(crate) fn request(why: &'static str) -> Self {
        Self::new("invalid_request", why)
    }

    /// Missing or misplaced client authentication.
    pub(crate) fn client(why: &'static str) -> Self {
        Self::new("invalid_client", why)
    }

    /// Wrong credentials.
    pub(crate) fn login(code: &'static str, why: &'static str) -> Self {
        Self {
            code,
            why,
            failed_login: true,
        }
    }

    /// Returns the error code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the reason, for readers of the test's log.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// Returns whether the credentials were wrong, as opposed to missing or misplaced.
    #[must_use]
    pub fn is_failed_login(&self) -> bool {
        self.failed_login
    }

    /// Returns the answer of RFC 6749 section 5.2.
    pub fn into_answer(self) -> Answer {
        let status = match self.code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({ "error": self.code, "error_description": self.why });
        let answer = no_store(Answer::json(status, &body));
        match status {
            StatusCode::UNAUTHORIZED => {
                answer.header(header::WWW_AUTHENTICATE, "Basic realm=\"fake\"")
            }
            _ => answer,
        }
    }
}
