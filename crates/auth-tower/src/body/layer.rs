use std::task::{Context, Poll};

use http::Request;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::ReplayBody;

/// Lets [`AuthLayer`](crate::AuthLayer) send a request again whose body is a stream. Put it
/// directly above `AuthLayer`.
///
/// The layer converts a `Request<B>` into a `Request<ReplayBody<B>>`. [`ReplayBody`] describes what
/// is kept and for how long. A body that is empty at the start costs a few instructions and no
/// allocation (see [costs](crate::_documentation::costs)). Any other body costs a few allocations.
/// A client with a fixed body type must be built for `ReplayBody<B>`; with hyper-util:
/// `Client::builder(...).build::<_, ReplayBody<B>>(connector)`.
///
/// # Example
///
/// ```
/// use std::{convert::Infallible, io};
/// # use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// # use auth_core::{AccessToken, Authenticator, Error, TokenRequest, Origins, TokenSource};
///
/// use auth_tower::{AuthLayer, AuthOutcome, ReplayBody, ReplayBodyLayer};
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// // It may be a stream: nobody can clone it.
/// type Upload = BoxBody<Bytes, Infallible>;
///
/// # struct FromAgent(AtomicU32);
/// # impl TokenSource for FromAgent {
/// #     async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
/// #         let number = self.0.fetch_add(1, Ordering::Relaxed);
/// #         let token = AccessToken::new(format!("fake-token-{number}"));
/// #         Ok(token.expires_in(Duration::from_secs(600)))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let origins = Origins::new(["https://api.example.com"])?;
/// # let authenticator = Authenticator::builder(FromAgent(AtomicU32::new(0)), origins)
/// #     .build()?;
/// # // The API has accepted the token before.
/// # let token = authenticator.token().await?;
/// # authenticator.report_accepted(token.generation());
/// // In place of the closure: any HTTP client that is a tower service.
/// let client = service_fn(|request: Request<ReplayBody<Upload>>| async move {
///     let is_refused = request.headers()["authorization"] == "Bearer fake-token-0";
///     let body = request.into_body().collect().await.map_err(io::Error::other)?;
///     assert_eq!(body.to_bytes(), "an upload");
///     let mut response = Response::new(Empty::<Bytes>::new());
///     if is_refused {
///         *response.status_mut() = StatusCode::UNAUTHORIZED;
///     }
///     Ok::<_, io::Error>(response)
/// });
/// let client = ServiceBuilder::new()
///     .layer(ReplayBodyLayer::new(64 * 1024))
///     .layer(AuthLayer::new(authenticator))
///     .service(client);
///
/// let upload: Upload = Full::from("an upload").boxed();
/// let request = Request::put("https://api.example.com/v1/things/17").body(upload)?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::OK);
/// assert_eq!(AuthOutcome::of(&response).sends(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ReplayBodyLayer {
    max_bytes: usize,
}

impl ReplayBodyLayer {
    /// Makes a layer that keeps at most `max_bytes` bytes of each body, for example 65,536 (64
    /// KiB).
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes }
    }
}

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = ReplayBodyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReplayBodyService {
            inner,
            max_bytes: self.max_bytes,
        }
    }
}

/// Wraps the body of each request in a [`ReplayBody`]. Made by [`ReplayBodyLayer`].
///
/// # Clone and readiness
///
/// Readiness is that of the inner service. A clone contains a clone of the inner service.
#[derive(Clone, Debug)]
pub struct ReplayBodyService<S> {
    inner: S,
    max_bytes: usize,
}

impl<S> ReplayBodyService<S> {
    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, and drops the wrapper.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for ReplayBodyService<S>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let max_bytes = self.max_bytes;
        self.inner
            .call(request.map(|body| ReplayBody::new(body, max_bytes)))
    }
}
