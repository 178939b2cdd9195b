//! Sends requests to all four vendors, each a fake server in this process, and shows every request
//! on the wire, with its secrets hidden.
//!
//! ```console
//! $ cargo run --example all_vendors
//! ```
//!
//! No account is needed, and no network: the fake servers listen on 127.0.0.1, and reject and
//! refuse the same requests as the vendors.

use std::{error::Error, process::ExitCode};

use auth_axonize::Axonize;
use auth_core::{Authenticator, Secret};
use auth_kaizen::{Central, East, Kaizen, Region};
use auth_kayzen::Kayzen;
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_testkit::TestServer;
use auth_tower::AuthLayer;
use auth_verdigris::Verdigris;
use bytes::Bytes;
use clap::Parser;
use http::{Request, header::ACCEPT};
use http_body_util::Full;
use tokio::try_join;
use tower::{ServiceBuilder, ServiceExt};

#[path = "support/program.rs"]
mod program;

use program::println;

/// Calls the APIs of all four vendors, each a fake in this process, and shows every request as it
/// was sent, without its secrets.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let verdigris = auth_verdigris::fake::server().start().await;
    let central = auth_kaizen::fake::central().start().await;
    let east = auth_kaizen::fake::east().start().await;
    let kayzen = auth_kayzen::fake::server().start().await;
    let axonize = auth_axonize::fake::login().start().await;
    let keys = auth_axonize::fake::api_keys().start().await;

    try_join!(
        get(&verdigris, of_verdigris(&verdigris)?, "/core/v1/buildings/"),
        get(&central, of_kaizen::<Central>(&central)?, BUILDINGS),
        get(&east, of_kaizen::<East>(&east)?, BUILDINGS),
        get(
            &kayzen,
            of_kayzen(&kayzen)?,
            "/v1/meta/campaigns?page=1&per_page=25"
        ),
        get(&axonize, of_axonize(&axonize)?, DEVICES),
        get(&keys, of_axonize_keys(&keys)?, DEVICES),
    )?;

    for (vendor, server) in [
        ("Verdigris", verdigris),
        ("Kaizen (CopperTree Analytics), Central", central),
        ("Kaizen (CopperTree Analytics), East", east),
        ("Kayzen", kayzen),
        ("Axonize, login", axonize),
        ("Axonize, API keys", keys),
    ] {
        println!("=== {vendor}\n");
        println!("{}", server.wire_hidden(&[""; 0]));
        server.shutdown().await;
    }
    Ok(())
}

/// Sends one API request through the layer.
async fn get(
    server: &TestServer,
    authenticator: Authenticator,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(ReqwestService::new()?);
    let request = Request::get(format!("{}{path}", server.origin()))
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())?;
    let status = client.oneshot(request).await?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{} answered {status}", server.origin()).into())
    }
}

fn of_verdigris(server: &TestServer) -> Result<Authenticator, auth_core::Error> {
    Verdigris::builder(
        server.client_id(),
        Secret::new(server.client_secret()),
        ReqwestTransport::new()?,
    )
    .token_url(server.token_url())
    .base_url(server.origin())
    .danger_allow_http(server.origin())?
    .danger_allow_http(&server.token_url())?
    .build()
}

/// One type per region, so that a token of one region cannot be sent to the other.
fn of_kaizen<R: Region>(server: &TestServer) -> Result<Authenticator, auth_core::Error> {
    let secret = Secret::new(server.client_secret());
    let kaizen = Kaizen::<R>::builder(server.client_id(), secret, ReqwestTransport::new()?)
        .token_url(server.token_url())
        .base_url(server.origin())
        .danger_allow_http(server.origin())?
        .danger_allow_http(&server.token_url())?
        .build()?;
    Ok(kaizen.into())
}

fn of_kayzen(server: &TestServer) -> Result<Authenticator, auth_core::Error> {
    let api_secret = Secret::new(server.client_secret());
    let password = Secret::new(server.user_password());
    Kayzen::builder(
        server.client_id(),
        api_secret,
        server.user_name(),
        password,
        ReqwestTransport::new()?,
    )
    .token_url(server.token_url())
    .base_url(server.origin())
    .danger_allow_http(server.origin())?
    .danger_allow_http(&server.token_url())?
    .build()
}

fn of_axonize(server: &TestServer) -> Result<Authenticator, auth_core::Error> {
    let password = Secret::new(server.user_password());
    Axonize::login(
        server.origin(),
        server.client_id(),
        server.user_name(),
        password,
        ReqwestTransport::new()?,
    )
    .danger_allow_http(server.origin())?
    .build()
}

fn of_axonize_keys(server: &TestServer) -> Result<Authenticator, auth_core::Error> {
    let secret = Secret::new(server.client_secret());
    Axonize::api_keys(server.origin(), server.client_id(), secret)
        .danger_allow_http(server.origin())?
        .build()
}

const BUILDINGS: &str = "/api/v3/buildings?page_size=100&page=1";
const DEVICES: &str = "/odata/devices/";
