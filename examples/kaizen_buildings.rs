//! Lists the buildings of a Kaizen account (CopperTree Analytics), on either of its servers.
//!
//! ```console
//! $ KAIZEN_REGION=central KAIZEN_CLIENT_ID=... KAIZEN_CLIENT_SECRET=... \
//!       cargo run --example kaizen_buildings
//! ```
//!
//! `KAIZEN_BASE_URL` and `KAIZEN_TOKEN_URL` set other URLs: of a gateway, a staging system, or a
//! fake server on 127.0.0.1 (`cargo run --example fake_vendor kaizen`).

use std::{error::Error, process::ExitCode};

use auth_core::SecretEnv;
use auth_kaizen::{Central, East, Kaizen, Region, RegionName};
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use clap::Parser;
use tower::ServiceBuilder;

#[path = "support/program.rs"]
mod program;
#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{http, list};

/// Lists the buildings of a Kaizen account (CopperTree Analytics). The client secret is read from
/// the environment variable KAIZEN_CLIENT_SECRET.
#[derive(Parser)]
struct Arguments {
    /// The server of your account: `central` or `east`.
    #[arg(long, env = "KAIZEN_REGION")]
    region: RegionName,
    /// The client identifier. CopperTree Analytics' customer service issues it, one per region.
    #[arg(long, env = "KAIZEN_CLIENT_ID")]
    client_id: String,
    /// The API's base URL: of a gateway, a staging system or the fake server. An `http` URL sends
    /// the token unencrypted. Default: the
    /// region's.
    #[arg(long, env = "KAIZEN_BASE_URL")]
    base_url: Option<String>,
    /// The token endpoint. Default: the region's.
    #[arg(long, env = "KAIZEN_TOKEN_URL")]
    token_url: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::finish(run(Arguments::parse()).await)
}

/// The region is known only here; from here on it is part of the type.
async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    match arguments.region {
        RegionName::Central => list_buildings::<Central>(arguments).await,
        RegionName::East => list_buildings::<East>(arguments).await,
        other => Err(format!(
            "the region `{other}` is not known to this program; use `central` or `east`"
        )
        .into()),
    }
}

async fn list_buildings<R: Region>(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let client_secret = SecretEnv::new("KAIZEN_CLIENT_SECRET");
    let base_url = arguments.base_url.unwrap_or_else(|| R::BASE_URL.to_owned());
    let token_url = arguments.token_url;

    let mut kaizen =
        Kaizen::<R>::builder(arguments.client_id, client_secret, ReqwestTransport::new()?)
            .base_url(&base_url);
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
