//! Sends a request again after a 401, with tower's retry layer.

use std::future::{Ready, ready};

use http::{Request, Response, StatusCode};
use tower::retry::Policy;

/// The usual policy that sends a request again after a 401.
#[derive(Clone)]
pub(crate) struct OnceMore;

impl<B: Clone, ResB, E> Policy<Request<B>, Response<ResB>, E> for OnceMore {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<ResB>, E>,
    ) -> Option<Self::Future> {
        match result {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => Some(ready(())),
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
