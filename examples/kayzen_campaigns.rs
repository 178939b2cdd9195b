//! Lists the campaigns of a Kayzen account.
//!
//! ```console
//! $ KAYZEN_API_KEY=... KAYZEN_API_SECRET=... KAYZEN_EMAIL=... KAYZEN_PASSWORD_FILE=... \
//!     cargo run --example kayzen_campaigns
//! ```
//!
//! The password comes from the file, or from `KAYZEN_PASSWORD` if no file is set. `KAYZEN_BASE_URL`
//! and `KAYZEN_TOKEN_URL` set other URLs: of a gateway, a staging system, or a fake server on
//! 127.0.0.1 (`cargo run --example fake_vendor kayzen`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{error::Error, process::ExitCode};

use auth_core::SecretEnv;
use auth_kayzen::Kayzen;
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use tower::ServiceBuilder;

#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{finish, http, list, optional, required, secret};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish("kayzen_campaigns", list_campaigns().await)
}

async fn list_campaigns() -> Result<(), Box<dyn Error>> {
    let api_key = required(
        "KAYZEN_API_KEY",
        "the Kayzen console shows it with its secret",
    )?;
    let api_secret = SecretEnv::new("KAYZEN_API_SECRET");
    let email = required(
        "KAYZEN_EMAIL",
        "the e-mail address with which you log in to the Kayzen console",
    )?;
    let password = secret("KAYZEN_PASSWORD", "KAYZEN_PASSWORD_FILE")?;
    let base_url = optional("KAYZEN_BASE_URL")?.unwrap_or_else(|| Kayzen::BASE_URL.to_owned());

    let mut kayzen = Kayzen::builder(
        api_key,
        api_secret,
        email,
        password,
        ReqwestTransport::new()?,
    )
    .base_url(&base_url);
    let token_url = optional("KAYZEN_TOKEN_URL")?;
    if let Some(token_url) = &token_url {
        kayzen = kayzen.token_url(token_url);
    }
    // The operator chose these URLs, and so states that no third party can read the traffic.
    for url in token_url.iter().chain([&base_url]) {
        if url.starts_with("http:") {
            kayzen = kayzen.danger_allow_http(url)?;
        }
    }

    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(kayzen.build()?))
        .service(http()?);
    list(client, &base_url, "/v1/meta/campaigns?page=1&per_page=25").await
}
