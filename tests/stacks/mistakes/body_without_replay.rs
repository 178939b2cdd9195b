//! says: `ReplayCheap` cannot tell whether a body of type `Upload` can be sent again
//! hints: `ReplayBodyLayer` above
//! hints: `AuthLayer::replay_with(|body| ...)`
//! hints: `AuthLayer::replay_off()`

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use auth_core::Authenticator;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, util::BoxCloneService};

struct Upload;

impl Body for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(None)
    }
}

type Client = BoxCloneService<Request<Upload>, Response<Full<Bytes>>, std::io::Error>;

fn client(authenticator: Authenticator, client: Client) -> impl Service<Request<Upload>> {
    ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(client)
}

fn main() {}
