//! Whose fault it is, as the caller is told. Never a word of the vendor's: that goes into the log,
//! where it was scrubbed of secrets.

use std::time::Duration;

use auth_core::{Error as AuthError, ErrorKind};
use auth_tower::{AuthOutcome, Error, NotReplayed};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tower::BoxError;

/// Why a caller does not get what they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 401: sign in (again).
    SignIn,
    /// 403: signed in, and not allowed.
    Forbidden,
    /// 502: the API, or the vendor in front of it, does what it should not, or does not like our
    /// settings. Nothing that the caller can do about.
    BadGateway,
    /// 503: come back, and when if that is known.
    Unavailable(Option<Duration>),
}

/// On whose behalf the API was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behalf {
    Itself,
    User,
}

impl Failure {
    /// No token could be had.
    pub(crate) fn of_token(error: &AuthError, behalf: Behalf) -> Self {
        tracing::warn!(%error, ?behalf, "no token for the API");
        match error.kind() {
            ErrorKind::Rejected if behalf == Behalf::User && is_about_the_user(error) => {
                Self::SignIn
            }
            ErrorKind::Rejected | ErrorKind::Config | ErrorKind::Origin | ErrorKind::Protocol => {
                Self::BadGateway
            }
            _ => Self::Unavailable(error.retry_after()),
        }
    }

    /// There is no answer.
    pub(crate) fn of_call(error: Error<BoxError>, behalf: Behalf) -> Self {
        match error {
            Error::Auth(error) => Self::of_token(&error, behalf),
            Error::Inner(error) => {
                tracing::warn!(error, "no answer from the API");
                Self::Unavailable(None)
            }
        }
    }

    /// There is one, but not what was hoped for. A 401 of the API's is about our token: the layer
    /// has tried another one, or says why not.
    pub(crate) fn of_answer<B>(response: &http::Response<B>, behalf: Behalf) -> Self {
        let status = response.status();
        match (status, AuthOutcome::of(response).not_replayed()) {
            (StatusCode::UNAUTHORIZED, Some(NotReplayed::NoToken(error))) => {
                Self::of_token(error, behalf)
            }
            (StatusCode::FORBIDDEN, _) if behalf == Behalf::User => Self::Forbidden,
            _ => {
                tracing::warn!(%status, "the API did not do it");
                Self::BadGateway
            }
        }
    }
}

/// Tells a user's token that is not good (any more) from a client that is not: the latter is this
/// service's own trouble, and no user can sign in to mend it.
fn is_about_the_user(error: &AuthError) -> bool {
    match error.code() {
        // RFC 8693 section 2.2.2, and what many vendors answer in place of it.
        Some(code) => matches!(code, "invalid_request" | "invalid_grant" | "access_denied"),
        // Nobody was asked: the user's token has expired meanwhile.
        None => error.status().is_none(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::SignIn => (StatusCode::UNAUTHORIZED, "sign in\n"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "not allowed\n"),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "something behind is broken\n"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "not now\n"),
        };
        let mut response = (status, text).into_response();
        let (name, value) = match self {
            Self::SignIn => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                (header::WWW_AUTHENTICATE, challenge)
            }
            // In whole seconds, and none too early.
            Self::Unavailable(Some(after)) => {
                let seconds = after.as_millis().div_ceil(1000).max(1) as u64;
                (header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            _ => return response,
        };
        response.headers_mut().insert(name, value);
        response
    }
}
