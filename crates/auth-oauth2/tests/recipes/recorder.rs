//! The vendors' servers as far as the recipes need them. Records the requests.

use std::sync::{Arc, Mutex};

use auth_core::{Clock as _, Error, SystemClock, Transport};
use bytes::Bytes;
use http::{Method, Request, Response};

use crate::jwt::readable;

/// Answers every request with success, and records it.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

/// For each recipe with an issuer: the token endpoint in the vendor's real metadata.
const ISSUERS: &[(&str, &str)] = &[
    (
        "https://my-tenant.eu.auth0.com/",
        "https://my-tenant.eu.auth0.com/oauth/token",
    ),
    (
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token",
    ),
    (
        "https://my-org.okta.com/oauth2/default",
        "https://my-org.okta.com/oauth2/default/v1/token",
    ),
    (
        "https://sso.example.com/realms/my-realm",
        "https://sso.example.com/realms/my-realm/protocol/openid-connect/token",
    ),
    (
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example",
        "https://my-domain.auth.eu-central-1.amazoncognito.com/oauth2/token",
    ),
];

const DOCUMENT: &str = "/.well-known/openid-configuration";

impl Recorder {
    /// Returns the requests in the format of `auth-testkit`: method and URL, sorted headers, an
    /// empty line and the body; a line `---` between two requests.
    pub(crate) fn wire(&self) -> String {
        let now = SystemClock::new().now().since_unix_epoch().as_secs();
        readable(&self.0.lock().unwrap().join("---\n"), now)
    }
}

impl Transport for Recorder {
    async fn send(&self, request: Request<Bytes>, _: usize) -> Result<Response<Bytes>, Error> {
        self.0.lock().unwrap().push(write(&request));
        let url = request.uri().to_string();
        let reply = if request.method() == Method::GET {
            metadata(&url)
        } else if url.starts_with("https://api.github.com/") {
            r#"{"token":"fake-token","expires_at":"2030-01-01T01:00:00Z"}"#.into()
        } else if url.contains("salesforce.com") {
            r#"{"access_token":"fake-token","token_type":"Bearer"}"#.into()
        } else {
            r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600}"#.into()
        };
        Ok(Response::new(Bytes::from(reply)))
    }
}

fn metadata(url: &str) -> String {
    let issuer = url.strip_suffix(DOCUMENT).unwrap();
    let has = |known: &str| known.strip_suffix('/').unwrap_or(known) == issuer;
    let (issuer, token_url) = ISSUERS.iter().find(|(known, _)| has(known)).unwrap();
    format!(r#"{{"issuer":"{issuer}","token_endpoint":"{token_url}"}}"#)
}

fn write(request: &Request<Bytes>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    let mut lines: Vec<_> = request.headers().iter().collect();
    lines.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in lines {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    if !request.body().is_empty() {
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        text.push_str(&format!("\n{body}\n"));
    }
    text
}
