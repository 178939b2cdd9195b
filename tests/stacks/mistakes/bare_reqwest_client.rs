//! says: `AuthLayer` cannot send `http::Request<http_body_util::Full<bytes::Bytes>>` with `reqwest::Client`
//! hints: instead of a `reqwest::Client`, use `auth_reqwest::ReqwestService::new()?`

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Service, ServiceBuilder};

fn client(authenticator: Authenticator) -> impl Service<Request<Full<Bytes>>> {
    let layer = AuthLayer::new(authenticator);
    ServiceBuilder::new()
        .layer(layer)
        .service(reqwest::Client::new())
}

fn main() {}
