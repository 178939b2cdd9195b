//! says: cannot send
//! says: axum::body::Body
//! hints: `auth_tower::ReplayBodyLayer` above `AuthLayer`

use auth_core::Authenticator;
use auth_reqwest::ReqwestService;
use auth_tower::AuthLayer;
use axum::body::Body;
use http::Request;
use tower::{Service, ServiceBuilder};

fn client(authenticator: Authenticator, http: ReqwestService) -> impl Service<Request<Body>> {
    ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(http)
}

fn main() {}
