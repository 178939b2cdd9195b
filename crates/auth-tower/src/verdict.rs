//! Decides what a response says about the token of its request.

use auth_core::TokenRefused;
use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::{StepUp, challenge, challenge::Hint};

/// The head of a response, for a rule of the application, see
/// [`AuthLayer::refused_when`](crate::AuthLayer::refused_when).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The extensions, into which layers below put marks.
    pub extensions: &'a Extensions,
}

/// The settings for reading responses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) refused_when: Option<fn(ResponseHead<'_>) -> bool>,
    pub(crate) require_challenge: bool,
    pub(crate) grpc: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The API accepted the token, with any other statement.
    Accepted,
    /// The API refused the token: another one may help.
    Refused,
    /// The API requires another login of the user (RFC 9470): another token of the same kind does
    /// not help.
    StepUp(StepUp),
    /// The response says nothing about the token.
    Unclear,
}

impl Rules {
    pub(crate) fn read<B>(&self, response: &Response<B>) -> Verdict {
        let head = ResponseHead {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        };
        let ResponseHead {
            status,
            headers,
            extensions,
        } = head;
        let marked = !extensions.is_empty() && extensions.get::<TokenRefused>().is_some();
        if marked || self.refused_when.is_some_and(|rule| rule(head)) {
            return Verdict::Refused;
        }
        if status == StatusCode::UNAUTHORIZED {
            return self.unauthorized(headers);
        }
        if self.grpc && status == StatusCode::OK {
            // A trailers-only reply has its status in the head; 16 is UNAUTHENTICATED.
            match headers.get("grpc-status").map(|code| code.as_bytes()) {
                Some(b"16") => return Verdict::Refused,
                Some(b"0") | None => {}
                Some(_) => return Verdict::Unclear,
            }
        }
        let before_the_token = [
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if status.is_server_error() || before_the_token.contains(&status) {
            return Verdict::Unclear;
        }
        Verdict::Accepted
    }

    fn unauthorized(&self, headers: &HeaderMap) -> Verdict {
        match challenge::read(headers) {
            Hint::InvalidToken => Verdict::Refused,
            Hint::Nothing if self.require_challenge => Verdict::Unclear,
            Hint::Nothing => Verdict::Refused,
            Hint::StepUp(step_up) => Verdict::StepUp(step_up),
            Hint::InsufficientScope(_) | Hint::InvalidRequest | Hint::UseDpopNonce => {
                Verdict::Unclear
            }
        }
    }
}

#[cfg(test)]
mod tests;
