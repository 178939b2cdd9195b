//! Lists the buildings of a Kaizen account (CopperTree Analytics), on either of its servers.
//!
//! ```console
//! $ KAIZEN_REGION=central KAIZEN_CLIENT_ID=... KAIZEN_CLIENT_SECRET=... \
//!       cargo run --example kaizen_buildings
//! ```
//!
//! `KAIZEN_BASE_URL` and `KAIZEN_TOKEN_URL` set other URLs: of a gateway, a staging system, or a
//! fake server on 127.0.0.1 (`cargo run --example fake_vendor kaizen`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{error::Error, process::ExitCode};

use auth_core::SecretEnv;
use auth_kaizen::{Central, East, Kaizen, Region, RegionName};
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use tower::ServiceBuilder;

#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{finish, http, list, optional, required};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish("kaizen_buildings", run().await)
}

/// The region is known only here; from here on it is part of the type.
async fn run() -> Result<(), Box<dyn Error>> {
    let region = required("KAIZEN_REGION", "`central` or `east`, as your account is")?;
    match region.parse()? {
        RegionName::Central => list_buildings::<Central>().await,
        RegionName::East => list_buildings::<East>().await,
        other => {
            Err(format!("KAIZEN_REGION: `{other}` is not a region; use `central` or `east`").into())
        }
    }
}

async fn list_buildings<R: Region>() -> Result<(), Box<dyn Error>> {
    let asked = "CopperTree Analytics' customer service issues it, a different one per region";
    let client_id = required("KAIZEN_CLIENT_ID", asked)?;
    let client_secret = SecretEnv::new("KAIZEN_CLIENT_SECRET");
    let base_url = optional("KAIZEN_BASE_URL")?.unwrap_or_else(|| R::BASE_URL.to_owned());

    let mut kaizen = Kaizen::<R>::builder(client_id, client_secret, ReqwestTransport::new()?)
        .base_url(&base_url);
    let token_url = optional("KAIZEN_TOKEN_URL")?;
    if let Some(token_url) = &token_url {
        kaizen = kaizen.token_url(token_url);
    }
    // The operator chose these URLs, and so states that no third party can read the traffic.
    for url in token_url.iter().chain([&base_url]) {
        if url.starts_with("http:") {
            kaizen = kaizen.danger_allow_http(url)?;
        }
    }

    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(kaizen.build()?))
        .service(http()?);
    list(client, &base_url, "/api/v3/buildings?page_size=100&page=1").await
}
