//! Lists the buildings of a Verdigris account.
//!
//! ```console
//! $ VERDIGRIS_CLIENT_ID=... VERDIGRIS_CLIENT_SECRET=... cargo run --example verdigris_buildings
//! ```
//!
//! `VERDIGRIS_BASE_URL` and `VERDIGRIS_TOKEN_URL` set other URLs: of a gateway, a staging system,
//! or a fake server on 127.0.0.1 (`cargo run --example fake_vendor verdigris`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{error::Error, process::ExitCode};

use auth_core::SecretEnv;
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use auth_verdigris::{LegacyRefusalLayer, Verdigris};
use tower::ServiceBuilder;

#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{finish, http, list, optional, required};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish("verdigris_buildings", list_buildings().await)
}

async fn list_buildings() -> Result<(), Box<dyn Error>> {
    let shown = "Verdigris' admin console shows it when an API client is made";
    let client_id = required("VERDIGRIS_CLIENT_ID", shown)?;
    let client_secret = SecretEnv::new("VERDIGRIS_CLIENT_SECRET");
    let base_url = optional("VERDIGRIS_BASE_URL")?.unwrap_or_else(|| Verdigris::BASE_URL.into());

    let mut verdigris =
        Verdigris::builder(client_id, client_secret, ReqwestTransport::new()?).base_url(&base_url);
    let token_url = optional("VERDIGRIS_TOKEN_URL")?;
    if let Some(token_url) = &token_url {
        verdigris = verdigris.token_url(token_url);
    }
    // The operator chose these URLs, and so states that no third party can read the traffic.
    for url in token_url.iter().chain([&base_url]) {
        if url.starts_with("http:") {
            verdigris = verdigris.danger_allow_http(url)?;
        }
    }

    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(verdigris.build()?))
        .layer(LegacyRefusalLayer::new())
        .service(http()?);
    list(client, &base_url, "/core/v1/buildings/").await
}
