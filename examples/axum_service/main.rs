//! A service that calls an API: as itself, and on behalf of its users.
//!
//! `cargo run --example axum_service` needs no account: it starts a vendor on
//! 127.0.0.1 that exchanges tokens (RFC 8693), and the service; three users call, one of whom the
//! vendor has dismissed, and then the service shuts down. The program exits non-zero
//! if a user received another user's data. With `-- --stay`, the service stays up, so that you can
//! look at its status page.
//!
//! What to take from it:
//!
//! - `outbound.rs`: one authenticator for the service, and one for each active user;
//! - `service.rs`: routes, readiness, shutdown;
//! - `journal.rs` and `page.rs`: what operators see, as `/healthz` (JSON), `/metrics`
//!   (Prometheus) and `/tokens` (a page for people);
//! - `failure.rs`: which failure the caller sees as which HTTP status.

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use auth_core::{Origins, Secret, SharedClock, SharedTransport, TokenRequestLimit};
use auth_testkit::TestServer;
use auth_tower::ServiceTransport;
use bytes::Bytes;
use clap::Parser;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::oneshot};

mod failure;
mod inbound;
mod journal;
mod outbound;
mod page;
#[path = "../support/program.rs"]
mod program;
mod service;
mod vendor;

use journal::Journal;
use metrics_exporter_prometheus::PrometheusBuilder;
use outbound::{Outbound, Settings, http};
use program::println;
use service::Operator;
use vendor::TokenRequest;

/// A service that calls an API as itself and on behalf of its users, with three users and the
/// vendor in this process.
#[derive(Parser)]
struct Arguments {
    /// Keep the service up until Ctrl-C, to look at its status page.
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { stay } = Arguments::parse();
    match run(stay).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => program::fail(&*error),
    }
}

async fn run(stay: bool) -> Result<bool, Box<dyn Error>> {
    let vendor = TestServer::builder()
        .vendor(TokenRequest::default())
        .start()
        .await;
    // Before the first token request.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let journal = Arc::new(Journal::default());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let clock = SharedClock::default();
    let outbound = Outbound::new(
        Settings {
            token_url: vendor.token_url(),
            client_id: vendor.client_id().to_owned(),
            client_secret: Secret::new(vendor.client_secret()),
            api_url: vendor.api_url(),
            // With a vendor that is not on this machine: `Origins::new`.
            origins: Origins::danger_allow_http([vendor.origin()])?,
            transport: SharedTransport::new(ServiceTransport::new(client.clone())),
            limit: TokenRequestLimit::new(16)?,
            max_users: 10_000,
            clock: clock.clone(),
            journal: Arc::clone(&journal),
        },
        http(client),
    )?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let verify = Arc::new(vendor::expiry_of);
    let router = service::router(
        outbound,
        verify,
        clock.clone(),
        Operator { journal, metrics },
    );
    let serving = tokio::spawn(service::serve(listener, router, async {
        let _ = stopped.await;
    }));

    if let Some(rules) = vendor.rules::<TokenRequest>() {
        rules.dismiss("carol");
    }
    let expires = clock.now().since_unix_epoch() + Duration::from_secs(300);
    let alice = vendor::token_of("alice", expires);
    let bob = vendor::token_of("bob", expires);
    let carol = vendor::token_of("carol", expires);
    let mut well = true;
    for (what, path, token, expected, contains) in [
        ("is it ready?", "/readyz", None, StatusCode::OK, "ready"),
        ("as itself", "/things", None, StatusCode::OK, vendor::ITSELF),
        ("alice", "/my/things", Some(&alice), StatusCode::OK, "alice"),
        ("bob", "/my/things", Some(&bob), StatusCode::OK, "bob"),
        (
            "alice again",
            "/my/things",
            Some(&alice),
            StatusCode::OK,
            "alice",
        ),
        (
            "carol, dismissed",
            "/my/things",
            Some(&carol),
            StatusCode::UNAUTHORIZED,
            "",
        ),
        ("nobody", "/my/things", None, StatusCode::UNAUTHORIZED, ""),
        (
            "how is it?",
            "/healthz",
            None,
            StatusCode::OK,
            "\"usable\":true",
        ),
    ] {
        let (status, body) = get(&format!("{url}{path}"), token).await?;
        let right = status == expected && body.contains(contains);
        well &= right;
        let mark = program::mark(right);
        println!(
            "{mark} {what:<17} {path:<11} {} {}",
            status.as_u16(),
            body.trim_end()
        );
    }

    if stay {
        println!("\nSee {url}/tokens, {url}/healthz and {url}/metrics. Ctrl-C ends the program.");
        tokio::signal::ctrl_c().await?;
    }
    let _ = stop.send(());
    serving.await??;
    let seen = vendor.counters();
    println!(
        "\nThe vendor counted {} token requests and {} API requests; no request is in progress.",
        seen.token_requests, seen.api_requests
    );
    // One for the service, and one for each user.
    well &= (seen.token_requests, seen.api_requests, seen.api_in_flight) == (4, 4, 0);
    vendor.shutdown().await;
    Ok(well)
}

async fn get(url: &str, token: Option<&Secret>) -> Result<(StatusCode, String), Box<dyn Error>> {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Full::default())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
