//! Lists the buildings of a Kaizen account (CopperTree Analytics), on either of its servers.
//!
//! ```console
//! $ KAIZEN_REGION=central KAIZEN_CLIENT_ID=... KAIZEN_CLIENT_SECRET=... \
//!       cargo run --example kaizen_buildings
//! ```
//!
//! `KAIZEN_BASE_URL` and `KAIZEN_TOKEN_URL` point it elsewhere: at a gateway, a staging system, or
//! a test server on 127.0.0.1.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{env, error::Error, process::ExitCode};

use auth_core::Secret;
use auth_kaizen::{Central, East, Kaizen, Region, RegionName};
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, header::ACCEPT};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kaizen_buildings: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// The server is known only now; from here on it is part of the type.
async fn run() -> Result<(), Box<dyn Error>> {
    let region = required("KAIZEN_REGION", "`central` or `east`, as your account is")?;
    match region.parse()? {
        RegionName::Central => list_buildings::<Central>().await,
        RegionName::East => list_buildings::<East>().await,
        other => Err(format!("this program does not know the region `{other}`").into()),
    }
}

async fn list_buildings<R: Region>() -> Result<(), Box<dyn Error>> {
    let asked = "CopperTree Analytics' customer service gives it out, for each region its own";
    let client_id = required("KAIZEN_CLIENT_ID", asked)?;
    let client_secret = Secret::new(required("KAIZEN_CLIENT_SECRET", asked)?);
    let base_url = optional("KAIZEN_BASE_URL")?.unwrap_or_else(|| R::BASE_URL.to_owned());

    let mut settings = Kaizen::<R>::builder(client_id, client_secret)
        .transport(ReqwestTransport::new()?)
        .base_url(&base_url);
    if let Some(token_url) = optional("KAIZEN_TOKEN_URL")? {
        settings = settings.token_url(token_url);
    }
    if base_url.starts_with("http:") {
        // Taken for loopback addresses alone; anything else ends in an error.
        settings = settings.danger_allow_http_loopback();
    }
    let kaizen = settings.build()?;

    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(kaizen.into()))
        .service(ReqwestService::new()?);

    let base_url = base_url.trim_end_matches('/');
    let request = Request::get(format!("{base_url}/api/v3/buildings?page_size=100&page=1"))
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    if !status.is_success() {
        let sends = AuthOutcome::of(&response).sends();
        return Err(format!("the API answered {status} (sent {sends} times)").into());
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
                println!(
                    "{:>8}  {}",
                    text("id").trim_matches('"'),
                    text("name").trim_matches('"')
                );
            }
        }
        Some(_) => println!("no buildings"),
        None => println!("{reply:#}"),
    }
}

fn required(name: &str, hint: &str) -> Result<String, String> {
    optional(name)?.ok_or_else(|| format!("set {name}: {hint}"))
}

/// What is set to nothing counts as not set.
fn optional(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}
