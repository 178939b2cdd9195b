//! says: is not a `std::error::Error`, because the service below has boxed errors
//! says: add `.map_err(auth_tower::Error::into_boxed)` directly above `AuthLayer`
//! hints: a layer below `AuthLayer`, for example a timeout, boxes errors

use std::time::Duration;

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, util::BoxCloneService};

type Client = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, std::io::Error>;

fn client(authenticator: Authenticator, client: Client) -> impl Service<Request<Full<Bytes>>> {
    ServiceBuilder::new()
        .timeout(Duration::from_secs(30))
        .layer(AuthLayer::new(authenticator))
        .timeout(Duration::from_secs(10))
        .service(client)
}

fn main() {}
