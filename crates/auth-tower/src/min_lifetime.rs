use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use auth_core::{Acquire, Authenticator};
use http::Request;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Renews a token, before a request with a body is sent, that would be usable for less than so long.
///
/// For bodies that can be sent only once: a refusal after an upload of minutes could not be answered
/// by sending it again. Put it directly above [`AuthLayer`](crate::AuthLayer), with the same
/// authenticator. Requests without a body, and those to other origins, pass at once.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::Authenticator;
/// use auth_tower::{AuthLayer, MinLifetimeLayer};
/// use tower::ServiceBuilder;
///
/// # fn stack<S>(authenticator: Authenticator, http: S) {
/// let uploads = ServiceBuilder::new()
///     .layer(MinLifetimeLayer::new(authenticator.clone(), Duration::from_secs(300)))
///     .layer(AuthLayer::new(authenticator).replay_off())
///     .service(http);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MinLifetimeLayer {
    authenticator: Authenticator,
    min: Duration,
}

impl MinLifetimeLayer {
    /// Asks for tokens that are usable for at least `min`. What lives shorter by nature has to do.
    #[must_use]
    pub fn new(authenticator: Authenticator, min: Duration) -> Self {
        Self { authenticator, min }
    }
}

impl<S> Layer<S> for MinLifetimeLayer {
    type Service = MinLifetime<S>;

    fn layer(&self, inner: S) -> MinLifetime<S> {
        MinLifetime {
            inner,
            layer: self.clone(),
        }
    }
}

/// Made by [`MinLifetimeLayer`].
///
/// # Clone and readiness
///
/// Ready when the inner service is. A request that may have to wait gives that service back (it is
/// replaced by a clone that was not readied), and readiness is asked for again afterwards.
#[derive(Clone, Debug)]
pub struct MinLifetime<S> {
    inner: S,
    layer: MinLifetimeLayer,
}

impl<S, B> Service<Request<B>> for MinLifetime<S>
where
    S: Service<Request<B>> + Clone,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MinLifetimeFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> MinLifetimeFuture<S, B> {
        let MinLifetimeLayer { authenticator, min } = &self.layer;
        if request.body().is_end_stream() || !authenticator.origins().permits(request.uri()) {
            let call = self.inner.call(request);
            return MinLifetimeFuture {
                state: State::Calling { call },
            };
        }
        let fresh = self.inner.clone();
        drop(mem::replace(&mut self.inner, fresh));
        let waiting = Waiting {
            acquire: Some(authenticator.token_for(*min)),
            inner: self.inner.clone(),
            request: Some(request),
        };
        MinLifetimeFuture {
            state: State::Waiting {
                waiting: Box::new(waiting),
            },
        }
    }
}

pin_project! {
    /// The future of [`MinLifetime`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct MinLifetimeFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        // The request is on its way.
        Calling { #[pin] call: S::Future },
        // It waits for a token, then for readiness.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

struct Waiting<S, B> {
    /// Gone when there is a token, or will be none: the layer below says what that means.
    acquire: Option<Acquire>,
    inner: S,
    request: Option<Request<B>>,
}

impl<S: Service<Request<B>>, B> Future for MinLifetimeFuture<S, B> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let call = match this.state.as_mut().project() {
                StateProj::Calling { call } => return call.poll(cx),
                StateProj::Waiting { waiting } => {
                    if let Some(acquire) = &mut waiting.acquire {
                        let _ = ready!(Pin::new(acquire).poll(cx));
                        waiting.acquire = None;
                    }
                    ready!(waiting.inner.poll_ready(cx))?;
                    let request = waiting.request.take().expect("a request is sent once");
                    waiting.inner.call(request)
                }
            };
            this.state.set(State::Calling { call });
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for MinLifetimeFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinLifetimeFuture").finish_non_exhaustive()
    }
}
