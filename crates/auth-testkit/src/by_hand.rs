//! Handwritten requests, for tests of a vendor's fake: our clients do not send what a fake must
//! refuse.
//!
//! Each function panics if the server gives no complete answer.

use std::fmt;

use auth_core::Transport as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;

use crate::TestServer;

/// The content type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The content type of a JSON body.
pub const JSON: &str = "application/json";

/// A complete response.
#[non_exhaustive]
pub struct Received {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// Returns the body, which must be JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Returns the member `access_token` of a token reply.
    ///
    /// # Panics
    ///
    /// If the response is not a token reply.
    #[track_caller]
    pub fn token(&self) -> String {
        assert_eq!(self.status, 200, "{:?}", self.body);
        let reply = self.json();
        reply["access_token"].as_str().expect("a token").to_owned()
    }

    /// Returns the member `error` of a refusal; empty if it is missing.
    #[must_use]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the text of a header; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("the header is text"))
    }
}

impl From<Response<Bytes>> for Received {
    fn from(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

/// Shows only the length, because the body may contain a token.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Sends a request in memory.
pub async fn ask(server: &TestServer, request: Request<Bytes>) -> Received {
    let answer = server.transport().send(request, 1 << 20).await;
    answer.expect("a complete answer").into()
}

/// Sends a POST to the token endpoint.
pub async fn post(
    server: &TestServer,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Received {
    post_to(server, &server.token_url(), content_type, headers, body).await
}

/// Sends a POST to a URL.
pub async fn post_to(
    server: &TestServer,
    url: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Received {
    let mut request = Request::post(url).header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(body.to_owned()));
    ask(server, request.expect("a well-formed request")).await
}

/// Sends a GET of a path below the API, with these headers.
pub async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Received {
    let mut request = Request::get(format!("{}{path}", server.api_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::new());
    ask(server, request.expect("a well-formed request")).await
}

/// Sends a GET of a path below the API with a bearer token, or without one if it is empty.
pub async fn call_api(server: &TestServer, path: &str, token: &str) -> Received {
    let line = format!("Bearer {token}");
    let headers = [("authorization", line.as_str())];
    let headers = if token.is_empty() { &[] } else { &headers[..] };
    get(server, path, headers).await
}

/// Encodes pairs as a form.
#[must_use]
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

/// Encodes one value as in a form.
#[must_use]
pub fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Encodes pairs as a JSON object.
#[must_use]
pub fn object(pairs: &[(&str, &str)]) -> String {
    let members = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Value::Object(members.collect()).to_string()
}

/// Creates the value `Basic ...` from a user and a password without encoding.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
