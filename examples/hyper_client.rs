//! hyper-util's client that signs its requests, against a server in this process.
//!
//! ```console
//! $ cargo run --example hyper_client
//! ```

use std::{error::Error, process::ExitCode};

use auth_core::{Authenticator, Origins, Secret};
use auth_testkit::TestServer;
use auth_tower::{AuthLayer, AuthOutcome, ServiceTransport};
use bytes::Bytes;
use clap::Parser;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};

#[path = "support/program.rs"]
mod program;

use program::println;

/// hyper's client that signs its requests, against a server in this process.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start().await;

    // For https, use `build` with a connector such as hyper-rustls' in place of `build_http`.
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let source = auth_oauth2::Client::builder(
        server.token_url(),
        server.client_id(),
        ServiceTransport::new(http.clone()),
    )
    .secret(Secret::new(server.client_secret()))
    .danger_allow_http(&server.token_url())?
    .build()?
    .client_credentials();
    let authenticator =
        Authenticator::builder(source, Origins::danger_allow_http([server.origin()])?).build()?;
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(http);

    for round in ["cold", "warm", "revoked"] {
        if round == "revoked" {
            server.revoke_all();
        }
        let request = Request::post(format!("{}/things", server.api_url()))
            .body(Full::from(format!("a thing, {round}")))?;
        let response = client.clone().oneshot(request).await?;
        let sends = AuthOutcome::of(&response).sends();
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!(
            "{round}: {status} after {sends} sends: {}",
            String::from_utf8_lossy(&body)
        );
    }
    println!("token requests: {}", server.counters().token_requests);
    server.shutdown().await;
    Ok(())
}
