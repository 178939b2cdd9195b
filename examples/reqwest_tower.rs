//! A reqwest client at the bottom of a tower stack that signs its requests, against a vendor in
//! this process.
//!
//! ```console
//! $ cargo run --example reqwest_tower
//! ```

use std::{error::Error, process::ExitCode};

use auth_core::{Authenticator, Origins, Secret};
use auth_oauth2::Client;
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_testkit::TestServer;
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use clap::Parser;
use reqwest::Body;
use tower::{ServiceBuilder, ServiceExt};

#[path = "support/program.rs"]
mod program;

use program::println;

/// A reqwest client below a tower layer that signs its requests, against a server in this process.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let vendor = TestServer::start().await;
    let http = ReqwestService::new()?;
    // The request builders of this client are used below.
    let builder = http.get_ref().clone();
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator(&vendor)?).replay_with(again))
        .service(http);

    let url = format!("{}/things", vendor.api_url());
    for _ in 0..2 {
        let request = builder.post(&url).body(r#"{"name":"a thing"}"#).build()?;
        let request = http::Request::try_from(request)?;
        let response = client.clone().oneshot(request).await?;
        let sends = AuthOutcome::of(&response).sends();
        let response = reqwest::Response::from(response).error_for_status()?;
        println!(
            "{} from {} after sends: {sends}",
            response.status(),
            response.url()
        );
        vendor.revoke_all();
    }

    let seen = vendor.counters();
    println!("token requests: {}", seen.token_requests);
    vendor.shutdown().await;
    if (seen.token_requests, seen.api_requests) == (2, 3) {
        Ok(())
    } else {
        Err("the server's counts are not as expected".into())
    }
}

/// A body in memory is sent again if the token is refused; a stream is not.
fn again(body: &Body) -> Option<Body> {
    Some(Bytes::copy_from_slice(body.as_bytes()?).into())
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
