use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

mod body;
mod future;
mod peek;

pub use body::PeekedBody;
pub use future::LegacyFuture;

/// Detects refused tokens in the answers of Verdigris' older data API, which refuses with 404.
///
/// Place this layer *below* `AuthLayer`. The API also answers 404 for an unknown object ("no such
/// circuit"); only the body differs. This layer reads at most 4 KiB of the body of a JSON 404, and
/// marks the response with [`TokenRefused`](auth_core::TokenRefused) if the body is
/// `{"error":"Couldn't find ApiKey with access_token = ..."}`. The caller gets every body
/// unchanged: frames, trailers and errors. A JSON 404 is delayed until that part of its body has
/// arrived; all other responses pass at once.
///
/// Not needed if you do not use the older API.
///
/// # Example
///
/// ```
/// # use auth_core::Authenticator;
/// use auth_tower::AuthLayer;
/// use auth_verdigris::LegacyRefusalLayer;
/// use tower::ServiceBuilder;
///
/// # fn stack<S: Clone>(authenticator: Authenticator, http: S) {
/// let client = ServiceBuilder::new()
///     .layer(AuthLayer::new(authenticator))
///     .layer(LegacyRefusalLayer::new())
///     .service(http);
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the response future drops the inner future, or the body that is being read.
///
/// # Security
///
/// The error text of the older API contains the token. The layer reads it in a buffer that is
/// wiped, and neither logs it nor shows it in `Debug`. The caller receives the body and must not
/// log it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LegacyRefusalLayer;

impl LegacyRefusalLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for LegacyRefusalLayer {
    type Service = LegacyRefusal<S>;

    fn layer(&self, inner: S) -> LegacyRefusal<S> {
        LegacyRefusal { inner }
    }
}

/// Marks refusals of the older data API. Created by [`LegacyRefusalLayer`].
///
/// Response bodies must be `Unpin`, as those of HTTP clients are, because a body is read before it
/// is returned.
///
/// # Clone and readiness
///
/// Ready when the inner service is ready. `call` uses the inner service that was made ready.
#[derive(Clone, Debug)]
pub struct LegacyRefusal<S> {
    inner: S,
}

impl<S> LegacyRefusal<S> {
    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, B> Service<R> for LegacyRefusal<S>
where
    S: Service<R, Response = Response<B>>,
    B: Body + Unpin,
{
    type Response = Response<PeekedBody<B>>;
    type Error = S::Error;
    type Future = LegacyFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        LegacyFuture::new(self.inner.call(request))
    }
}

#[cfg(test)]
mod tests;
