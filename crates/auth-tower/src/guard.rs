use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::Authenticator;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{AnsweredRequest, Unsigned, answered::BareRequest, notice};

/// Takes an authenticator's headers off every request to a destination outside its
/// [`Origins`](auth_core::Origins).
///
/// It is for stacks where something that changes a request's destination stands below
/// [`AuthLayer`](crate::AuthLayer): a redirect follower, a mirror, a failover. Such a layer carries
/// the signed headers along, and at most `Authorization` and `Cookie` are taken off on the way to
/// another origin; a vendor's own `appId` or `clientSecret` is not. Put the guard below it, next to
/// the client.
///
/// Better is a follower *above* `AuthLayer`: then every hop is judged and signed by itself, and no
/// guard is needed. Below, a hop back home is not signed again.
///
/// # What is taken off
///
/// Every header that the authenticator's scheme names, whatever its value and whoever set it: the
/// caller's own credentials in that header stay at home as well. Nothing else is touched. A URI
/// without scheme and host names no destination, so it counts as another origin: a layer that cuts
/// URIs down belongs below the guard. A `Host` header that names another host than the URI counts
/// as another origin too.
///
/// # What is marked
///
/// Each response, with the request that it answers ([`AnsweredRequest`]). A response from another
/// origin says nothing about the token: `AuthLayer` neither renews the token nor sends the request
/// again because a foreign host answered 401. A refusal at the end of a redirect is about the last
/// request: the token is renewed, but a `POST` is not sent a second time.
///
/// A response to a request that did not carry the token is marked as such. The
/// [`AuthOutcome`](crate::AuthOutcome) of a request that `AuthLayer` signed then says why: it ended
/// at another origin ([`Unsigned::OtherOrigin`], [`Unsigned::OtherHost`]), or the follower took the
/// token off on the way to another origin and came back home ([`Unsigned::RemovedBelow`]). A
/// refusal of such a request costs no token request, because it says nothing about the token.
///
/// # Example
///
/// ```
/// use auth_core::Authenticator;
/// use auth_tower::{AuthLayer, OriginGuardLayer};
/// use http_body_util::Empty;
/// use hyper_util::{
///     client::legacy::{Client, connect::HttpConnector},
///     rt::TokioExecutor,
/// };
/// use tower::ServiceBuilder;
/// use tower_http::follow_redirect::FollowRedirectLayer;
///
/// # fn build(authenticator: Authenticator) {
/// let http = Client::builder(TokioExecutor::new()).build::<_, Empty<bytes::Bytes>>(HttpConnector::new());
/// let client = ServiceBuilder::new()
///     .layer(AuthLayer::new(authenticator.clone()))
///     .layer(FollowRedirectLayer::new())
///     .layer(OriginGuardLayer::new(authenticator))
///     .service(http);
/// # fn is_service<S: tower::Service<http::Request<Empty<bytes::Bytes>>>>(_: S) {}
/// # is_service(client);
/// # }
/// ```
///
/// # Security
///
/// It sees headers, not bodies, and it knows one authenticator: a stack with two needs two guards.
/// A client that follows redirects by itself does so below any guard; switch that off, or let it
/// follow within an origin only.
#[derive(Clone, Debug)]
pub struct OriginGuardLayer {
    authenticator: Authenticator,
}

impl OriginGuardLayer {
    /// Makes a layer that keeps this authenticator's headers at home.
    #[must_use]
    pub const fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }
}

impl<S> Layer<S> for OriginGuardLayer {
    type Service = OriginGuard<S>;

    fn layer(&self, inner: S) -> OriginGuard<S> {
        let authenticator = self.authenticator.clone();
        OriginGuard {
            inner,
            authenticator,
        }
    }
}

/// Keeps an authenticator's headers at home; made by [`OriginGuardLayer`].
///
/// # Clone and readiness
///
/// A clone is a clone of the inner service. Ready when the inner service is.
///
/// # Cancel safety
///
/// That of the inner service.
#[derive(Clone, Debug)]
pub struct OriginGuard<S> {
    inner: S,
    authenticator: Authenticator,
}

impl<S> OriginGuard<S> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for OriginGuard<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = OriginGuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let authenticator = &self.authenticator;
        let permitted = authenticator
            .origins()
            .permits_request(request.uri(), request.headers());
        if !permitted && authenticator.is_signed(request.headers()) {
            authenticator.unsign(request.headers_mut());
            notice::removed(authenticator, request.uri());
        }
        let has_token = permitted && authenticator.has_token(request.headers());
        let bare = (!has_token).then(|| {
            let uri = request.uri().clone();
            let why = if permitted {
                Unsigned::RemovedBelow
            } else {
                Unsigned::elsewhere(authenticator.origins(), &request)
            };
            Box::new(BareRequest::new(authenticator.clone(), uri, why))
        });
        let answered = Some(AnsweredRequest::by(&request));
        OriginGuardFuture {
            call: self.inner.call(request),
            answered,
            bare,
        }
    }
}

pin_project! {
    /// The future of [`OriginGuard`]: the inner one, whose response gets a mark.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct OriginGuardFuture<F> {
        #[pin]
        call: F,
        answered: Option<AnsweredRequest>,
        // For a request that did not carry the token.
        bare: Option<Box<BareRequest>>,
    }
}

impl<F, ResB, E> Future for OriginGuardFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.call.poll(cx));
        if let (Ok(response), Some(answered)) = (&mut result, this.answered.take()) {
            // A guard further below was closer to where it went.
            response.extensions_mut().get_or_insert(answered);
            if let Some(bare) = this.bare.take() {
                bare.mark(response);
            }
        }
        Poll::Ready(result)
    }
}
