//! A command line tool that keeps its token for the next run.
//!
//! ```console
//! $ cargo run --example cli_with_store
//! run 1: 200 OK, token requests: 1
//! run 2: 200 OK, token requests: 0
//! ```
//!
//! The vendor is a server in this program, so that the example needs nothing else.

use std::{error::Error, path::Path, process::ExitCode};

use auth_core::{Authenticator, AuthenticatorOptions, Key, Origins, Secret};
use auth_oauth2::Client;
use auth_store_file::FileStore;
use auth_testkit::TestServer;
use auth_tower::AuthLayer;
use bytes::Bytes;
use clap::Parser;
use http::Request;
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt};

#[path = "support/program.rs"]
mod program;

use program::println;

/// Runs a command line tool twice: the second run uses the token that the first one stored.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let vendor = TestServer::builder().in_memory();
    // A real tool uses a directory of its user, for example "/home/me/.cache/my-tool/tokens".
    let temporary = tempfile::tempdir()?;
    let directory = temporary.path().join("tokens");
    for run in ["run 1", "run 2"] {
        let before = vendor.counters().token_requests;
        let status = tool(&vendor, &directory).await?;
        let token_requests = vendor.counters().token_requests - before;
        println!("{run}: {status}, token requests: {token_requests}");
    }
    Ok(())
}

/// One run of the tool: it starts with the directory only.
async fn tool(vendor: &TestServer, directory: &Path) -> Result<http::StatusCode, Box<dyn Error>> {
    let client = Client::builder(vendor.token_url(), vendor.client_id(), vendor.transport())
        .secret(Secret::new(vendor.client_secret()))
        .build()?;
    // Everything that distinguishes this token from others in the same directory.
    let key = Key::builder("example")
        .issuer(vendor.token_url())
        .client(vendor.client_id())
        .build();
    let origins = Origins::new([vendor.api_url()])?;
    let authenticator = Authenticator::builder(client.client_credentials(), origins)
        .key(key)
        .options(AuthenticatorOptions::new().store(FileStore::new(directory)?))
        .build()?;

    let api = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(vendor.service());
    let request = Request::get(vendor.api_url()).body(Full::<Bytes>::default())?;
    Ok(api.oneshot(request).await?.status())
}
