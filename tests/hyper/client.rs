//! The clients: hyper-util's with hyper-rustls, for API requests and token requests.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, RefreshPolicy, Secret};
use auth_tower::{Auth, AuthLayer, ServiceTransport};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::Layer;

use crate::{
    front::{Front, Wire},
    tls::Authority,
};

pub(crate) type Body = Full<Bytes>;
pub(crate) type Http = Client<HttpsConnector<HttpConnector>, Body>;

/// A client that uses this protocol and trusts this authority.
pub(crate) fn http(wire: Wire, authority: &Authority) -> Http {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(authority.trust())
        .https_or_http();
    let mut client = Client::builder(TokioExecutor::new());
    client.retry_canceled_requests(false);
    match wire {
        Wire::Http1 | Wire::Https1 => client.build(connector.enable_http1().build()),
        Wire::Https2 => client.build(connector.enable_http2().build()),
        // Without TLS the version is not negotiated, so it must be known.
        Wire::Http2 => client
            .http2_only(true)
            .build(connector.enable_http2().build()),
    }
}

/// The layer above a client, and a separate client for token requests.
pub(crate) fn signed(front: &Front) -> Auth<Http> {
    signed_over(front, &front.authority)
}

pub(crate) fn signed_over(front: &Front, authority: &Authority) -> Auth<Http> {
    let source = auth_oauth2::Client::builder(
        front.token_url(),
        front.server.client_id(),
        ServiceTransport::new(http(front.wire, authority)),
    )
    .secret(Secret::new(front.server.client_secret()));
    let (source, origins) = if front.wire.is_tls() {
        (source, Origins::new([front.origin()]))
    } else {
        (
            source.danger_allow_http(&front.token_url()).unwrap(),
            Origins::danger_allow_http([front.origin()]),
        )
    };
    let authenticator = Authenticator::builder(
        source.build().unwrap().client_credentials(),
        origins.unwrap(),
    )
    .vendor("testkit")
    .options(AuthenticatorOptions::new().policy(policy()))
    .build()
    .unwrap();
    AuthLayer::new(authenticator).layer(http(front.wire, authority))
}

/// The default of one second between two token requests would be real time here.
pub(crate) fn policy() -> RefreshPolicy {
    RefreshPolicy::default()
        .min_interval(Duration::from_millis(1))
        .unwrap()
}
