//! A generated gRPC client that signs its calls, against a server in this process.
//!
//! ```console
//! $ cargo run --example grpc_client
//! ```

use std::{error::Error, process::ExitCode};

use auth_core::{Authenticator, Origins, Secret};
use auth_tower::{AuthLayer, ReplayBody, ReplayBodyLayer, ServiceTransport};
use bytes::Bytes;
use clap::Parser;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::{body::Body, transport::Endpoint};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};
use tower::ServiceBuilder;

use grpc_server::GrpcServer;

#[path = "support/grpc_server.rs"]
mod grpc_server;

#[path = "support/program.rs"]
mod program;

use program::println;

/// A gRPC client that signs its calls, against a server in this process.
#[derive(Parser)]
struct Arguments {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let server = GrpcServer::start().await;
    let tokens = &server.tokens;
    let things = "fake.Things";
    server
        .health
        .set_service_status(things, ServingStatus::Serving)
        .await;

    // Token requests are plain HTTP, so they use a separate client.
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let source = auth_oauth2::Client::builder(
        tokens.token_url(),
        tokens.client_id(),
        ServiceTransport::new(http),
    )
    .secret(Secret::new(tokens.client_secret()))
    .danger_allow_http(&tokens.token_url())?
    .build()?
    .client_credentials();
    let authenticator =
        Authenticator::builder(source, Origins::danger_allow_http([server.origin()])?).build()?;

    let channel = Endpoint::from_shared(server.origin().to_owned())?.connect_lazy();
    let signed = ServiceBuilder::new()
        // A message is a stream. It is kept while it is sent, up to this number of bytes.
        .layer(ReplayBodyLayer::new(64 * 1024))
        // gRPC refuses a token with a gRPC status.
        .layer(AuthLayer::new(authenticator).grpc(true))
        .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
        .service(channel);
    // Without an origin, the layer does not know the destination of a call and signs nothing.
    let mut client = HealthClient::with_origin(signed, server.origin().parse()?);

    for round in ["cold", "warm", "revoked"] {
        if round == "revoked" {
            tokens.revoke_all();
        }
        let request = HealthCheckRequest {
            service: things.into(),
        };
        let reply = client.check(request).await?.into_inner();
        println!("{round}: {:?}", reply.status());
    }
    // The test server checked the token of each call.
    println!("calls that arrived: {}", tokens.counters().api_requests);
    println!("token requests: {}", tokens.counters().token_requests);
    Ok(())
}
