//! tonic's health client over a channel with the layer.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, RefreshPolicy, Secret};
use auth_tower::{AuthLayer, ReplayBody, ReplayBodyLayer, ServiceTransport};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneService};

use crate::server::GrpcServer;

/// Errors are converted to `Status`, as generated clients do. A future with a boxed error cannot be
/// spawned, because of a limit of rustc.
pub(crate) type Signed = BoxCloneService<Request<Body>, Response<Body>, Status>;
pub(crate) type Health = HealthClient<Signed>;

pub(crate) fn authenticator(server: &GrpcServer) -> Authenticator {
    let tokens = &server.tokens;
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let source = auth_oauth2::Client::builder(
        tokens.token_url(),
        tokens.client_id(),
        ServiceTransport::new(http),
    )
    .secret(Secret::new(tokens.client_secret()))
    .danger_allow_http(&tokens.token_url())
    .unwrap()
    .build()
    .unwrap()
    .client_credentials();
    let origins = Origins::danger_allow_http([server.origin()]).unwrap();
    // The default of one second between two token requests would be real time here.
    let policy = RefreshPolicy::default()
        .min_interval(Duration::from_millis(1))
        .unwrap();
    Authenticator::builder(source, origins)
        .vendor("testkit")
        .options(AuthenticatorOptions::new().policy(policy))
        .build()
        .unwrap()
}

pub(crate) fn channel(server: &GrpcServer) -> Channel {
    let endpoint = Endpoint::from_shared(server.origin().to_owned()).unwrap();
    endpoint.connect_lazy()
}

/// For unary calls, which are replayed: tonic's body is a stream, so it is kept while it is sent.
pub(crate) fn unary(server: &GrpcServer, authenticator: Authenticator) -> Signed {
    let service = ServiceBuilder::new()
        .layer(ReplayBodyLayer::new(MAX_MESSAGE))
        .layer(AuthLayer::new(authenticator).grpc(true))
        .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
        .service(channel(server));
    boxed(service)
}

/// For streaming calls, which are not replayed.
pub(crate) fn streaming(server: &GrpcServer, authenticator: Authenticator) -> Signed {
    let layer = AuthLayer::new(authenticator).grpc(true).replay_off();
    boxed(layer.layer(channel(server)))
}

/// The generated client. It needs the origin, because the layer signs for a destination.
pub(crate) fn health(server: &GrpcServer, service: Signed) -> Health {
    HealthClient::with_origin(service, server.origin().parse().unwrap())
}

pub(crate) fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

pub(crate) async fn check(
    health: &mut Health,
    service: &str,
) -> Result<HealthCheckResponse, Status> {
    Ok(health.check(about(service)).await?.into_inner())
}

/// Asserts the number of token requests, and of calls that reached the server.
#[track_caller]
pub(crate) fn assert_counts(server: &GrpcServer, tokens: u64, calls: u64) {
    let seen = server.tokens.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (tokens, calls));
}

/// Boxes a service to the type that tonic's clients call.
pub(crate) fn boxed<S>(service: S) -> Signed
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    service
        .map_err(|error| Status::from_error(error.into()))
        .boxed_clone()
}

/// The number of bytes of a message that are kept.
pub(crate) const MAX_MESSAGE: usize = 256 * 1024;
