//! Kayzen as a server inside a test: its path, replies and refusals.
//!
//! Needs the feature `fake`, which adds `auth-testkit`; for `[dev-dependencies]` only. The function
//! returns a [`TestServerBuilder`]. Set what a test needs (lifetime, client, clock, quota), then
//! [start](TestServerBuilder::start) the server or keep it [in
//! memory](TestServerBuilder::in_memory).
//!
//! # Example
//!
//! ```
//! let server = auth_kayzen::fake::server().in_memory();
//! assert_eq!(server.token_url(), "https://kayzen.test/v1/authentication/token");
//! assert_eq!(server.user_name(), "api+reporting@kayzen.io");
//! ```

use std::time::Duration;

use auth_testkit::{
    Answer, BodyFormat, ClientAuth, TestServer, TestServerBuilder, VendorRequest, VendorRules,
};
use http::{Method, StatusCode};
use serde_json::json;

/// Kayzen: the password grant, raw Basic for the client, and replies that deviate from OAuth.
///
/// - The token endpoint is `/v1/authentication/token`. All other paths of the origin are the API.
/// - `Authorization: Basic base64(key:secret)`, both without encoding. With
///   [`client_auth`](TestServerBuilder::client_auth) [`Basic`](ClientAuth::Basic) both must be
///   form-encoded first (RFC 6749 section 2.3.1). The fake's secret differs in the two forms.
/// - A form or a JSON body with `grant_type=password`, `username` and `password`. The user name
///   contains `+`, so a body without form encoding names another user.
/// - The reply has `expires_in` as a string, an empty `scope` and no `token_type`.
/// - Wrong logins and wrong tokens are answered 401 `Authentication error`.
pub fn server() -> TestServerBuilder {
    TestServer::builder()
        .vendor(Kayzen)
        .name("kayzen")
        .client("fake-kayzen-key", "fake-kayzen-secret/1+2%3D")
        .client_auth([ClientAuth::BasicRaw])
        .user("api+reporting@kayzen.io", "fake-kayzen-password&1=+%41")
        .body_formats([BodyFormat::Form, BodyFormat::Json])
        .token_lifetime(Duration::from_secs(1799))
}

struct Kayzen;

impl VendorRules for Kayzen {
    fn token_paths(&self) -> Vec<String> {
        vec!["/v1/authentication/token".into()]
    }

    fn api_path(&self) -> &str {
        "/"
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        if *request.method() != Method::POST {
            return Answer::json(StatusCode::NOT_FOUND, &json!({}));
        }
        let params = match request.params() {
            Ok(params) => params,
            // The decoded text is not the user's name, so the login is wrong.
            Err(_) => {
                request.failed_login();
                return authentication_error("Invalid login credentials");
            }
        };
        let checked = match params.get("grant_type") {
            Some("password") => request.check_oauth(),
            _ => request.refuse("unsupported_grant_type", "the grant is not password"),
        };
        match checked {
            Ok(_) => {
                let issued = request.issue();
                request.token_reply([
                    ("access_token", json!(issued.token())),
                    ("expires_in", json!(issued.lifetime().as_secs().to_string())),
                    ("scope", json!("")),
                ])
            }
            Err(refusal) => match refusal.code() {
                "invalid_client" | "invalid_grant" => {
                    authentication_error("Invalid login credentials")
                }
                _ => Answer::json(
                    StatusCode::BAD_REQUEST,
                    &json!({ "error": "Bad request", "message": refusal.why() }),
                ),
            },
        }
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        match request.accept_bearer() {
            Some(number) => request.ok(number),
            None => authentication_error("Invalid API Key"),
        }
    }
}

fn authentication_error(message: &str) -> Answer {
    Answer::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "error": "Authentication error", "message": message }),
    )
}

#[cfg(test)]
mod tests;
