//! says: `?` couldn't convert the error
//! says: add `.map_err(auth_tower::Error::into_boxed)` directly above `AuthLayer`
//! hints: to implement `std::error::Error`

use std::time::Duration;

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneService};

type Client = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, std::io::Error>;

async fn send(
    authenticator: Authenticator,
    client: Client,
    request: Request<Full<Bytes>>,
) -> Result<(), BoxError> {
    let layer = AuthLayer::new(authenticator);
    let client = ServiceBuilder::new()
        .layer(layer)
        .timeout(Duration::from_secs(10))
        .service(client);
    client.oneshot(request).await?;
    Ok(())
}

fn main() {}
