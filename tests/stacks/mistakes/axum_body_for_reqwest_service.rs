//! says: `ReqwestService` cannot send a body of type `
//! hints: are not `Sync`
//! hints: `auth_tower::ReplayBodyLayer` above `AuthLayer`

use auth_reqwest::ReqwestService;
use axum::body::Body;
use http::Request;
use tower::Service;

fn client(http: ReqwestService) -> impl Service<Request<Body>> {
    http
}

fn main() {}
