//! Verdigris as a server inside a test: its paths, replies, quota and refusals.
//!
//! Needs the feature `fake`, which adds `auth-testkit`; for `[dev-dependencies]` only. The function
//! returns a [`TestServerBuilder`]. Set what a test needs (lifetime, client, clock, quota), then
//! [start](TestServerBuilder::start) the server or keep it [in
//! memory](TestServerBuilder::in_memory).
//!
//! # Example
//!
//! ```
//! let server = auth_verdigris::fake::server().in_memory();
//! assert_eq!(server.token_url(), "https://auth.verdigris.test/oauth/token");
//! ```

use std::time::Duration;

use auth_testkit::{
    Answer, BodyFormat, ClientAuth, TestServer, TestServerBuilder, VendorRequest, VendorRules,
};
use http::{StatusCode, header};
use serde_json::json;

/// Verdigris: client credentials with an audience, and a quota.
///
/// - The token endpoint `/oauth/token` and the API have different origins. All paths of the API's
///   origin are the API.
/// - A form or a JSON body, with `client_id`, `client_secret` and exactly the audience
///   `https://api.verdigris.co/`. `Authorization: Basic` is refused.
/// - The scope in a reply spans several lines and contains several kinds of whitespace.
/// - At most 20 token requests in an hour; an expired token is not counted. More are answered 429
///   without an OAuth error code, or 400 if set by
///   [`quota_status`](TestServerBuilder::quota_status).
/// - The API refuses a token with 401.
/// - The older API, at paths below `/data/`, refuses with 404 and `{"error":"Couldn't find ApiKey
///   with access_token = ..."}`, which contains the token.
/// - Paths that end with `/missing` answer 404 to a valid token: the object does not exist.
pub fn server() -> TestServerBuilder {
    TestServer::builder()
        .vendor(Verdigris)
        .name("verdigris")
        .two_origins()
        .client("fake-verdigris-client", "fake-verdigris-secret/1+2&3=")
        .client_auth([ClientAuth::Post])
        .body_formats([BodyFormat::Form, BodyFormat::Json])
        .default_scope("read:buildings\n  read:circuits\r\n\tread:data\n")
        .token_lifetime(Duration::from_secs(3600))
        .quota(20, Duration::from_secs(3600))
        .quota_of_live_tokens()
}

struct Verdigris;

impl VendorRules for Verdigris {
    fn token_paths(&self) -> Vec<String> {
        vec!["/oauth/token".into()]
    }

    fn api_path(&self) -> &str {
        "/"
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        request.client_credentials(&[AUDIENCE])
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        let token = request.bearer_token();
        match token.and_then(|token| request.accept(token)) {
            Some(_) if request.path().ends_with("/missing") => not_found("Circuit with id = 7"),
            Some(number) => request.ok(number),
            None if request.path().starts_with("/data/") => {
                let token = token.unwrap_or_default();
                not_found(&format!("ApiKey with access_token = {token}"))
            }
            None => Answer::json(
                StatusCode::UNAUTHORIZED,
                &json!({ "message": "Unauthorized" }),
            )
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
        }
    }
}

fn not_found(what: &str) -> Answer {
    Answer::json(
        StatusCode::NOT_FOUND,
        &json!({ "error": format!("Couldn't find {what}") }),
    )
}

/// The slash at the end is part of the audience.
const AUDIENCE: &str = "https://api.verdigris.co/";

#[cfg(test)]
mod tests;
