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

/// Recognises a refused token in the answers of Verdigris' older data API, which says so by a 404.
///
/// A layer for *below* `AuthLayer`. A 404 is that API's ordinary "no such circuit" as well; the two
/// differ by the body alone. This layer looks at the body of a JSON 404, at most 4 KiB of it, and
/// marks the response with [`TokenRefused`](auth_core::TokenRefused) if it says
/// `{"error":"Couldn't find ApiKey with access_token = ..."}`. The caller gets every body as it
/// came: frames, trailers and errors. A JSON 404 is held until that much of its body is there; all
/// other responses pass at once.
///
/// Leave it out if you do not use the older API.
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
/// Dropping the response future drops the inner one, or the body that is being looked at.
///
/// # Security
///
/// That error text echoes the token. It is looked at in a buffer that is wiped, and neither logged
/// nor shown in `Debug`; what becomes of the body is up to the caller.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LegacyRefusalLayer;

impl LegacyRefusalLayer {
    /// Makes the layer.
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

/// Marks refusals of the older data API; made by [`LegacyRefusalLayer`].
///
/// Response bodies have to be `Unpin`, as those of HTTP clients are: a body is looked at before it
/// is handed over.
///
/// # Clone and readiness
///
/// Ready when the inner service is, and `call` uses the inner service that was made ready.
#[derive(Clone, Debug)]
pub struct LegacyRefusal<S> {
    inner: S,
}

impl<S> LegacyRefusal<S> {
    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out.
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
