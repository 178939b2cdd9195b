use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use auth_core::{Acquire, Authenticator, Error, Generation, Token};
use http::Request;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Renews the token first if it expires within `min`. Applies to requests with a body.
///
/// For bodies that can be sent only once: if the token expires during an upload of several minutes,
/// the upload cannot be repeated. Put the layer directly above [`AuthLayer`](crate::AuthLayer),
/// with the same authenticator.
///
/// Some requests pass without a wait and without a token request: requests without a body, requests
/// to other origins, and requests that carry their own credentials (also with
/// [`ExistingCredential::Replace`](crate::ExistingCredential::Replace)).
///
/// A token is renewed for this reason at most once. If the vendor's tokens never live for `min`,
/// the first renewal shows that, and no more renewals are made for this reason until a token with a
/// longer lifetime arrives.
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
/// # fn stack<S: Clone>(authenticator: Authenticator, http: S) {
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
    /// Shared by clones, like the token.
    asked: Arc<Asked>,
}

/// The results of renewals for this reason.
#[derive(Debug, Default)]
struct Asked {
    /// The generation of the token that such a renewal was to replace last. 0 before the first
    /// renewal.
    generation: AtomicU64,
    /// Whether a renewal brought a token that does not live for `min` either.
    is_too_short: AtomicBool,
}

impl MinLifetimeLayer {
    /// Makes a layer that renews the token first if it expires within `min`, for example 5 minutes.
    #[must_use]
    pub fn new(authenticator: Authenticator, min: Duration) -> Self {
        Self {
            authenticator,
            min,
            asked: Arc::default(),
        }
    }

    fn concerns<B: Body>(&self, request: &Request<B>) -> bool {
        let (uri, headers) = (request.uri(), request.headers());
        !request.body().is_end_stream()
            && self.authenticator.origins().permits_request(uri, headers)
            && !self.authenticator.is_signed(headers)
    }

    /// Starts a renewal, unless the token lives long enough or a renewal cannot help.
    fn ask(&self) -> Option<Asking> {
        let Self {
            authenticator,
            min,
            asked,
        } = self;
        // Without a valid token, the layer below waits for a new one anyway.
        let left = authenticator.health().usable_for()?;
        if left >= *min {
            asked.is_too_short.store(false, Relaxed);
            return None;
        }
        // No generation: the renewal ahead of expiry is due, and one token request serves both
        // purposes.
        let from = authenticator.try_token().map(|token| token.generation());
        let is_asked = |from: Generation| asked.generation.load(Relaxed) == from.get();
        if asked.is_too_short.load(Relaxed) || from.is_some_and(is_asked) {
            return None;
        }
        let acquire = authenticator.token_valid_for(*min);
        Some(Asking { acquire, from })
    }

    /// Stores the result of a renewal.
    fn learn(&self, from: Option<Generation>, acquired: Result<Token, Error>) {
        let Self {
            authenticator,
            min,
            asked,
        } = self;
        let Some(from) = from else {
            return;
        };
        // Still the same token: the renewal failed, was not possible now (back-off, quota), or
        // returned the same token. The next try is the renewal ahead of expiry.
        asked.generation.store(from.get(), Relaxed);
        let newest = acquired.map_or(from, |token| token.generation());
        if newest != from {
            let left = authenticator.health().usable_for();
            let lifetime = left.is_some_and(|left| left >= *min);
            asked.is_too_short.store(!lifetime, Relaxed);
        }
    }
}

/// A renewal for which a request waits.
struct Asking {
    acquire: Acquire,
    /// The token that expires too early.
    from: Option<Generation>,
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

/// The service of [`MinLifetimeLayer`].
///
/// # Clone and readiness
///
/// Readiness is that of the inner service. While a request waits for a renewal, it returns the
/// ready service (it is replaced by a clone that is not ready) and polls readiness again
/// afterwards.
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
        let asking = if self.layer.concerns(&request) {
            self.layer.ask()
        } else {
            None
        };
        let Some(asking) = asking else {
            let call = self.inner.call(request);
            return MinLifetimeFuture {
                state: State::Calling { call },
            };
        };
        let fresh = self.inner.clone();
        drop(mem::replace(&mut self.inner, fresh));
        let waiting = Waiting {
            asking: Some(asking),
            layer: self.layer.clone(),
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
        // The request is sent.
        Calling { #[pin] call: S::Future },
        // The request waits for a token, then for readiness.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

struct Waiting<S, B> {
    /// `None` after the renewal has ended. If it failed, the layer below signs with the current
    /// token, or returns the error.
    asking: Option<Asking>,
    layer: MinLifetimeLayer,
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
                    if let Some(asking) = &mut waiting.asking {
                        let acquired = ready!(Pin::new(&mut asking.acquire).poll(cx));
                        waiting.layer.learn(asking.from, acquired);
                        waiting.asking = None;
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
