//! A client of the crate reqwest-middleware that signs its requests, against a vendor in this
//! process.
//!
//! ```console
//! $ cargo run --example reqwest_middleware
//! ```

use std::{error::Error, process::ExitCode};

use auth_core::{Authenticator, Origins, Secret};
use auth_oauth2::Client;
use auth_reqwest::{AuthMiddleware, ReqwestTransport, client_builder};
use auth_testkit::TestServer;
use auth_tower::AuthOutcome;
use clap::Parser;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

#[path = "support/program.rs"]
mod program;

use program::println;

/// A client of reqwest-middleware that signs its requests, against a server in this process.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let vendor = TestServer::start().await;
    // Add other middlewares before this one: they are outside and do not see tokens.
    let client = ClientBuilder::new(client_builder().build()?)
        .with(AuthMiddleware::new(authenticator(&vendor)?))
        .build();

    let url = format!("{}/things", vendor.api_url());
    let sends = post(&client, &url).await?;
    println!("the first request was sent {sends} time");

    vendor.revoke_all();
    let sends = post(&client, &url).await?;
    println!("after the vendor had revoked the token, the next one was sent {sends} times");

    let seen = vendor.counters();
    println!("token requests: {}", seen.token_requests);
    vendor.shutdown().await;
    if (seen.token_requests, seen.api_requests) == (2, 3) {
        Ok(())
    } else {
        Err("the server's counts are not as expected".into())
    }
}

/// Returns how often the request was sent.
async fn post(client: &ClientWithMiddleware, url: &str) -> Result<u8, Box<dyn Error>> {
    let request = client.post(url).body(r#"{"name":"a thing"}"#);
    let response = request.send().await?.error_for_status()?;
    Ok(AuthOutcome::in_extensions(response.extensions()).sends())
}

fn authenticator(vendor: &TestServer) -> Result<Authenticator, auth_core::Error> {
    let source = Client::builder(
        vendor.token_url(),
        vendor.client_id(),
        ReqwestTransport::new()?,
    )
    .secret(Secret::new(vendor.client_secret()))
    // The vendor is in this process. Real ones are reached over https.
    .danger_allow_http(&vendor.token_url())?
    .build()?
    .client_credentials();
    Authenticator::builder(source, Origins::danger_allow_http([vendor.origin()])?)
        .vendor("testkit")
        .build()
}
