//! says: `AuthLayer` cannot stand above `BoxService<
//! says: which is not `Clone`
//! hints: instead of a `BoxService`, use a `BoxCloneService`

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxService};

type Client = BoxService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

async fn send(authenticator: Authenticator, client: Client, request: Request<Full<Bytes>>) {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(client);
    let _response = client.oneshot(request).await;
}

fn main() {}
