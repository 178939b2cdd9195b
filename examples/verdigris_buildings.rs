//! Lists the buildings of a Verdigris account.
//!
//! ```console
//! $ VERDIGRIS_CLIENT_ID=... VERDIGRIS_CLIENT_SECRET=... cargo run --example verdigris_buildings
//! ```
//!
//! `VERDIGRIS_BASE_URL` and `VERDIGRIS_TOKEN_URL` point it elsewhere: at a gateway, a staging
//! system, or a test server on 127.0.0.1.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{env, error::Error, process::ExitCode};

use auth_core::Secret;
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_tower::{AuthLayer, AuthOutcome};
use auth_verdigris::{LegacyRefusalLayer, Verdigris};
use bytes::Bytes;
use http::{Request, header::ACCEPT};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match list_buildings().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verdigris_buildings: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn list_buildings() -> Result<(), Box<dyn Error>> {
    let client_id = required("VERDIGRIS_CLIENT_ID")?;
    let client_secret = Secret::new(required("VERDIGRIS_CLIENT_SECRET")?);
    let base_url =
        env::var("VERDIGRIS_BASE_URL").unwrap_or_else(|_| "https://api.verdigris.co".to_owned());

    let mut verdigris = Verdigris::builder(client_id, client_secret)
        .transport(ReqwestTransport::new()?)
        .base_url(&base_url);
    if let Ok(token_url) = env::var("VERDIGRIS_TOKEN_URL") {
        verdigris = verdigris.token_url(token_url);
    }
    if base_url.starts_with("http:") {
        // Taken for loopback addresses alone; anything else ends in an error.
        verdigris = verdigris.danger_allow_http_loopback();
    }
    let authenticator = verdigris.build()?;

    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .layer(LegacyRefusalLayer::new())
        .service(ReqwestService::new()?);

    let url = format!("{}/core/v1/buildings/", base_url.trim_end_matches('/'));
    let request = Request::get(url)
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    if !status.is_success() {
        let outcome = AuthOutcome::of(&response);
        return Err(format!("the API answered {status} (sent {} times)", outcome.sends()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    print_buildings(&serde_json::from_slice(&body)?);
    Ok(())
}

/// The list stands alone or in a page of results.
fn print_buildings(reply: &Value) {
    let pages = ["results", "data", "buildings"];
    let listed = pages
        .iter()
        .find_map(|name| reply.get(name))
        .unwrap_or(reply);
    match listed.as_array() {
        Some(buildings) if !buildings.is_empty() => {
            for building in buildings {
                let text = |name| {
                    building
                        .get(name)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                };
                println!("{:>8}  {}", text("id"), text("name").trim_matches('"'));
            }
        }
        Some(_) => println!("no buildings"),
        None => println!("{reply:#}"),
    }
}

fn required(name: &str) -> Result<String, String> {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            format!("set {name}: Verdigris' admin console shows it when an API client is made")
        })
}
