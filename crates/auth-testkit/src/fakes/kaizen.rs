use std::time::Duration;

use http::{StatusCode, header};
use serde_json::json;

use super::verdigris::bearer;
use crate::{
    Answer, BodyFormat, ClientAuth, TestServer, TestServerBuilder, VendorRequest, VendorRules,
};

/// Kaizen by CopperTree Analytics, the server Central: client credentials, tokens for 30 days.
///
/// - Token endpoint `/oauth2/token` and API on an origin each; the API has its whole origin.
/// - A form body with `client_id` and `client_secret`. `Authorization: Basic`, JSON and an
///   `audience` are refused.
/// - The API refuses with 401.
/// - The other server has its own client and its own tokens, and takes none of this one's.
pub fn kaizen_central() -> TestServerBuilder {
    kaizen("kaizen-central", Kaizen::CURRENT)
        .client("fake-kaizen-central-client", "fake-central-secret/1+2&3=")
}

/// Kaizen by CopperTree Analytics, the server East; as [`kaizen_central`], with another client.
pub fn kaizen_east() -> TestServerBuilder {
    kaizen("kaizen-east", Kaizen::CURRENT)
        .client("fake-kaizen-east-client", "fake-east-secret/1+2&3=")
}

/// Kaizen by CopperTree Analytics, the token endpoints until July 2023: as [`kaizen_central`], but
/// at `/oauth/token`, and `audience=organize` is required.
pub fn kaizen_legacy() -> TestServerBuilder {
    kaizen("kaizen-legacy", Kaizen::LEGACY)
        .client("fake-kaizen-legacy-client", "fake-legacy-secret/1+2&3=")
}

fn kaizen(name: &str, rules: Kaizen) -> TestServerBuilder {
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
        let checked = request
            .check_oauth()
            .and_then(|params| match params.get("grant_type") {
                Some("client_credentials") => Ok(params),
                _ => request.refuse("unauthorized_client", "no such grant here"),
            })
            .and_then(
                |params| match params.all("audience").eq(self.audience.iter().copied()) {
                    true => Ok(params),
                    false => request.refuse("invalid_request", "the audience is wrong here"),
                },
            );
        match checked {
            Ok(params) => request.standard_reply(request.scope(&params)),
            Err(refusal) => refusal.into_answer(),
        }
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        match bearer(request).and_then(|token| request.accept(token)) {
            Some(number) => request.ok(number),
            None => Answer::json(
                StatusCode::UNAUTHORIZED,
                &json!({ "message": "Unauthorized" }),
            )
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
        }
    }
}
