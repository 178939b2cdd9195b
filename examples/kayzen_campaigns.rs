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

use std::{error::Error, path::PathBuf, process::ExitCode};

use auth_core::SecretEnv;
use auth_kayzen::Kayzen;
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use clap::Parser;
use tower::ServiceBuilder;

#[path = "support/program.rs"]
mod program;
#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{http, list, secret};

/// Lists the campaigns of a Kayzen account. The API secret is read from the environment variable
/// KAYZEN_API_SECRET.
#[derive(Parser)]
struct Arguments {
    /// The API key. The Kayzen console shows it with its secret.
    #[arg(long, env = "KAYZEN_API_KEY")]
    api_key: String,
    /// The user who logs in to the Kayzen console.
    #[arg(long, env = "KAYZEN_EMAIL")]
    email: String,
    /// A file with the user's password. Default: the password is read from the environment variable
    /// KAYZEN_PASSWORD.
    #[arg(long, env = "KAYZEN_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// The API's base URL: of a gateway, a staging system or the fake server. An `http` URL sends
    /// the token unencrypted.
    #[arg(long, env = "KAYZEN_BASE_URL", default_value = Kayzen::BASE_URL)]
    base_url: String,
    /// The token endpoint. Default: the vendor's.
    #[arg(long, env = "KAYZEN_TOKEN_URL")]
    token_url: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::finish(list_campaigns(Arguments::parse()).await)
}

async fn list_campaigns(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments {
        api_key,
        email,
        password_file,
        base_url,
        token_url,
    } = arguments;
    let api_secret = SecretEnv::new("KAYZEN_API_SECRET");
    let password = secret("KAYZEN_PASSWORD", password_file);

    let mut kayzen = Kayzen::builder(
        api_key,
        api_secret,
        email,
        password,
        ReqwestTransport::new()?,
    )
    .base_url(&base_url);
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
