//! The status of a generated client's call if there is no token, or no signature.

use std::error::Error as StdError;

use auth_core::ErrorKind;
use auth_testkit::Reply;
use auth_tower::{AuthLayer, Error};
use tonic::{Code, Status, transport};
use tonic_health::pb::health_client::HealthClient;
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    client::{
        Health, about, assert_counts, authenticator, boxed, channel, check, health, streaming,
    },
    server::GrpcServer,
};

#[tokio::test]
async fn without_a_token_the_status_has_the_layers_error_as_its_source() {
    let server = GrpcServer::start().await;
    let mut client = health(&server, streaming(&server, authenticator(&server)));
    server.tokens.change_client_secret("fake-secret-2");
    let status = check(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    let error = status.source().unwrap().downcast_ref();
    let Some(Error::<transport::Error>::Auth(error)) = error else {
        panic!("the layer's error is the source: {status:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_counts(&server, 1, 0);
}

/// A layer of two lines gives the errors of `AuthLayer` the code that a program needs.
fn coded(server: &GrpcServer) -> Health {
    let service = ServiceBuilder::new()
        .map_err(|error: Error<transport::Error>| match error {
            Error::Auth(error) if error.is_transient() => Status::unavailable(error.to_string()),
            Error::Auth(error) => Status::unauthenticated(error.to_string()),
            Error::Inner(error) => Status::from_error(error.into()),
        })
        .layer(
            AuthLayer::new(authenticator(server))
                .grpc(true)
                .replay_off(),
        )
        .service(channel(server));
    health(server, boxed(service))
}

#[tokio::test]
async fn a_program_can_choose_the_code() {
    let server = GrpcServer::start().await;
    server.tokens.token().then(Reply::status(503));
    let mut client = coded(&server);
    let status = check(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_counts(&server, 1, 0);

    let server = GrpcServer::start().await;
    let mut client = coded(&server);
    server.tokens.change_client_secret("fake-secret-2");
    let status = check(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_counts(&server, 1, 0);
}

/// A channel that reaches no server returns tonic's own error, as without the layer.
#[tokio::test]
async fn an_error_of_the_channel_keeps_its_code() {
    let server = GrpcServer::start().await;
    let authenticator = authenticator(&server);
    authenticator.token().await.unwrap();
    let dead = transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let mut bare = health(&server, boxed(dead.clone()));
    let without = check(&mut bare, "").await.unwrap_err();

    let layer = AuthLayer::new(authenticator).grpc(true).replay_off();
    let signed = ServiceBuilder::new().layer(layer).service(dead);
    let mut signed = health(&server, boxed(signed));
    let with = check(&mut signed, "").await.unwrap_err();
    assert_eq!(with.code(), Code::Unavailable);
    assert_eq!(
        (with.code(), with.message()),
        (without.code(), without.message())
    );
}

/// tonic's channel adds scheme and host below the layer. A client without an origin sends a request
/// without a destination, which is not signed.
#[tokio::test]
async fn a_client_without_an_origin_is_not_signed() {
    let server = GrpcServer::start().await;
    let service = streaming(&server, authenticator(&server));
    let mut client = HealthClient::new(service.boxed_clone());
    let status = client.check(about("")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_counts(&server, 0, 1);
}
