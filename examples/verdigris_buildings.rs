//! Lists the buildings of a Verdigris account.
//!
//! ```console
//! $ VERDIGRIS_CLIENT_ID=... VERDIGRIS_CLIENT_SECRET=... cargo run --example verdigris_buildings
//! ```
//!
//! `VERDIGRIS_BASE_URL` and `VERDIGRIS_TOKEN_URL` set other URLs: of a gateway, a staging system,
//! or a fake server on 127.0.0.1 (`cargo run --example fake_vendor verdigris`).

use std::{error::Error, process::ExitCode};

use auth_core::SecretEnv;
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use auth_verdigris::{LegacyRefusalLayer, Verdigris};
use clap::Parser;
use tower::ServiceBuilder;

#[path = "support/program.rs"]
mod program;
#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{http, list};

/// Lists the buildings of a Verdigris account. The client secret is read from the environment
/// variable VERDIGRIS_CLIENT_SECRET.
#[derive(Parser)]
struct Arguments {
    /// The client identifier. Verdigris' admin console shows it when an API client is created.
    #[arg(long, env = "VERDIGRIS_CLIENT_ID")]
    client_id: String,
    /// The API's base URL: of a gateway, a staging system or the fake server. An `http` URL sends
    /// the token unencrypted.
    #[arg(long, env = "VERDIGRIS_BASE_URL", default_value = Verdigris::BASE_URL)]
    base_url: String,
    /// The token endpoint. Default: the vendor's.
    #[arg(long, env = "VERDIGRIS_TOKEN_URL")]
    token_url: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::finish(list_buildings(Arguments::parse()).await)
}

async fn list_buildings(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let client_secret = SecretEnv::new("VERDIGRIS_CLIENT_SECRET");
    let Arguments {
        client_id,
        base_url,
        token_url,
    } = arguments;

    let mut verdigris =
        Verdigris::builder(client_id, client_secret, ReqwestTransport::new()?).base_url(&base_url);
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
