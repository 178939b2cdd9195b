use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// A vendor's answer by its own rules; see [`VendorRules`](crate::VendorRules).
///
/// Answers that break the rules are [`Reply`](crate::Reply) values in a script.
///
/// # Example
///
/// ```
/// use auth_testkit::Answer;
/// use http::StatusCode;
/// use serde_json::json;
///
/// let answer = Answer::json(StatusCode::FORBIDDEN, &json!({ "message": "not for you" }));
/// assert_eq!(answer.status(), 403);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Answer {
    pub(crate) status: StatusCode,
    /// A list, so that the answer is small enough to be the error of a check.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Creates an answer from a status and a body.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Creates an answer with a JSON body.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::json_text(status, body.to_string())
    }

    /// Adds a header line.
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn json_text(status: StatusCode, body: String) -> Self {
        Self::new(status, body).header(header::CONTENT_TYPE, "application/json")
    }
}

/// Shows only the length, because the body may contain a token.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}
