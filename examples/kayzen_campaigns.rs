//! Lists the campaigns of a Kayzen account.
//!
//! ```console
//! $ KAYZEN_API_KEY=... KAYZEN_API_SECRET=... KAYZEN_EMAIL=... KAYZEN_PASSWORD_FILE=... \
//!     cargo run --example kayzen_campaigns
//! ```
//!
//! The password comes from the file, or from `KAYZEN_PASSWORD` where there is none.
//! `KAYZEN_BASE_URL` and `KAYZEN_TOKEN_URL` point it elsewhere: at a gateway, a staging system, or
//! a test server on 127.0.0.1.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{env, error::Error, process::ExitCode};

use auth_core::{SecretEnv, SecretFile, SharedSecretSource};
use auth_kayzen::Kayzen;
use auth_reqwest::ReqwestTransport;
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, Response, header::ACCEPT};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match list_campaigns().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kayzen_campaigns: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn list_campaigns() -> Result<(), Box<dyn Error>> {
    let api_key = required(
        "KAYZEN_API_KEY",
        "the Kayzen console shows it with its secret",
    )?;
    let email = required(
        "KAYZEN_EMAIL",
        "the one to log in to the Kayzen console with",
    )?;
    let base_url = optional("KAYZEN_BASE_URL").unwrap_or_else(|| Kayzen::BASE_URL.to_owned());

    let api_secret = SecretEnv::new("KAYZEN_API_SECRET");
    let mut kayzen = Kayzen::builder(api_key, api_secret, email, password())
        .transport(ReqwestTransport::new()?)
        .base_url(&base_url);
    if let Some(token_url) = optional("KAYZEN_TOKEN_URL") {
        kayzen = kayzen.token_url(token_url);
    }
    if base_url.starts_with("http:") {
        // Taken for loopback addresses alone; anything else ends in an error.
        kayzen = kayzen.danger_allow_http_loopback();
    }
    let authenticator = kayzen.build()?;

    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(service_fn(move |request| send(http.clone(), request)));

    let base_url = base_url.trim_end_matches('/');
    let request = Request::get(format!("{base_url}/v1/meta/campaigns?page=1&per_page=25"))
        .header(ACCEPT, "application/json")
        .body(Full::default())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    if !status.is_success() {
        let outcome = AuthOutcome::of(&response);
        return Err(format!("the API answered {status} (sent {} times)", outcome.sends()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    print_campaigns(&serde_json::from_slice(&body)?);
    Ok(())
}

/// A file can be replaced while a program runs.
fn password() -> SharedSecretSource {
    match optional("KAYZEN_PASSWORD_FILE") {
        Some(path) => SharedSecretSource::new(SecretFile::new(path)),
        None => SharedSecretSource::new(SecretEnv::new("KAYZEN_PASSWORD")),
    }
}

/// The list stands alone or in a page of results.
fn print_campaigns(reply: &Value) {
    let pages = ["campaigns", "data", "results"];
    let listed = pages
        .iter()
        .find_map(|name| reply.get(name))
        .unwrap_or(reply);
    match listed.as_array() {
        Some(campaigns) if !campaigns.is_empty() => {
            for campaign in campaigns {
                let text = |name| {
                    campaign
                        .get(name)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                };
                println!("{:>8}  {}", text("id"), text("name").trim_matches('"'));
            }
        }
        Some(_) => println!("no campaigns"),
        None => println!("{reply:#}"),
    }
}

fn required(name: &str, what: &str) -> Result<String, String> {
    optional(name).ok_or_else(|| format!("set {name}: {what}"))
}

fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `reqwest` as a tower service for `http`'s types.
async fn send(
    client: reqwest::Client,
    request: Request<Full<Bytes>>,
) -> Result<Response<reqwest::Body>, reqwest::Error> {
    let request = request.map(reqwest::Body::wrap).try_into()?;
    Ok(client.execute(request).await?.into())
}
