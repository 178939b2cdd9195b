//! Kaizen as a server inside a test: the servers Central and East, and a token endpoint from before
//! July 2023.
//!
//! Needs the feature `fake`, which adds `auth-testkit`; for `[dev-dependencies]` only. Each
//! function returns a [`TestServerBuilder`]. Set what a test needs (lifetime, client, clock,
//! quota), then [start](TestServerBuilder::start) the server or keep it [in
//! memory](TestServerBuilder::in_memory).
//!
//! # Example
//!
//! ```
//! let server = auth_kaizen::fake::east().in_memory();
//! assert_eq!(server.token_url(), "https://auth.kaizen-east.test/oauth2/token");
//! ```

use std::time::Duration;

use auth_testkit::{
    Answer, BodyFormat, ClientAuth, TestServer, TestServerBuilder, VendorRequest, VendorRules,
};
use http::{StatusCode, header};
use serde_json::json;

/// Kaizen's server Central: client credentials, tokens for 30 days.
///
/// - The token endpoint `/oauth2/token` and the API have different origins. All paths of the API's
///   origin are the API.
/// - A form body with `client_id` and `client_secret`. `Authorization: Basic`, JSON and an
///   `audience` are refused.
/// - The API refuses a token with 401.
/// - The other server has its own client and tokens, and accepts none of this server's.
pub fn central() -> TestServerBuilder {
    server("kaizen-central", Kaizen::CURRENT)
        .client("fake-kaizen-central-client", "fake-central-secret/1+2&3=")
}

/// Kaizen's server East: as [`central`], with another client.
pub fn east() -> TestServerBuilder {
    server("kaizen-east", Kaizen::CURRENT)
        .client("fake-kaizen-east-client", "fake-east-secret/1+2&3=")
}

/// Kaizen's token endpoints until July 2023: as [`central`], but at `/oauth/token`, and
/// `audience=organize` is required.
pub fn legacy() -> TestServerBuilder {
    server("kaizen-legacy", Kaizen::LEGACY)
        .client("fake-kaizen-legacy-client", "fake-legacy-secret/1+2&3=")
}

fn server(name: &str, rules: Kaizen) -> TestServerBuilder {
    TestServer::builder()
        .vendor(rules)
        .name(name)
        .two_origins()
        .client_auth([ClientAuth::Post])
        .body_formats([BodyFormat::Form])
        .default_scope("read:buildings")
        .token_lifetime(Duration::from_secs(30 * 24 * 3600))
}

struct Kaizen {
    token_path: &'static str,
    audience: &'static [&'static str],
}

impl Kaizen {
    const CURRENT: Self = Self {
        token_path: "/oauth2/token",
        audience: &[],
    };
    const LEGACY: Self = Self {
        token_path: "/oauth/token",
        audience: &["organize"],
    };
}

impl VendorRules for Kaizen {
    fn token_paths(&self) -> Vec<String> {
        vec![self.token_path.into()]
    }

    fn api_path(&self) -> &str {
        "/"
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        request.client_credentials(self.audience)
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        match request.accept_bearer() {
            Some(number) => request.ok(number),
            None => Answer::json(
                StatusCode::UNAUTHORIZED,
                &json!({ "message": "Unauthorized" }),
            )
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
        }
    }
}

#[cfg(test)]
mod tests;
