//! says: `AuthLayer` cannot stand above `Client`, which is not `Clone`
//! says: a refused request could not be sent again
//! hints: implement `Clone` for `Client`
//! hints: `tower::buffer::BufferLayer`

use std::{
    future::Ready,
    task::{Context, Poll},
};

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt};

struct Client;

impl Service<Request<Full<Bytes>>> for Client {
    type Response = Response<Full<Bytes>>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

async fn send(authenticator: Authenticator, request: Request<Full<Bytes>>) {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(Client);
    let _response = client.oneshot(request).await;
}

fn main() {}
