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

use crate::{AnsweredRequest, Unsigned, marks::BareRequest, notice};

/// Removes an authenticator's headers from every request to a destination outside its
/// [`Origins`](auth_core::Origins).
///
/// For stacks in which a layer below [`AuthLayer`](crate::AuthLayer) changes a request's
/// destination: a redirect follower, a mirror, a failover. Such a layer keeps the signed headers.
/// On a change of origin, followers remove at most `Authorization` and `Cookie`, but not a vendor's
/// own `appId` or `clientSecret`. Put the guard below that layer, directly above the client.
///
/// A follower *above* `AuthLayer` is better: each hop is then checked and signed separately, and no
/// guard is needed. With a follower below, a hop that
/// returns to a permitted origin is not signed again.
///
/// # What is removed
///
/// Every header that the authenticator's scheme names, with any value, also if the caller set it.
/// No other header is changed. A URI without scheme and host counts as another origin, so put a
/// layer that shortens URIs below the guard. A request whose `Host` header names another host than
/// its URI counts as a request to another origin too.
///
/// # What is marked
///
/// Every response is marked with the request that it answers ([`AnsweredRequest`]). A response of
/// another origin says nothing about the token: `AuthLayer` neither renews the token nor sends the
/// request again if another host answers 401. A refusal at the end of a redirect is about the last
/// request: the token is renewed, but a `POST` is not sent again.
///
/// A response to a request without the token is marked as well. The
/// [`AuthOutcome`](crate::AuthOutcome) of a request that `AuthLayer` signed then says why: the
/// request ended at another origin ([`Unsigned::OtherOrigin`], [`Unsigned::OtherHost`]), or the
/// follower removed the token on a redirect to another origin and then returned
/// ([`Unsigned::RemovedBelow`]). A refusal of such a request starts no token request, because it
/// says nothing about the token.
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
/// The guard checks headers, not bodies, and knows one authenticator: a stack with two
/// authenticators needs two guards. A client that follows redirects itself does so below every
/// guard; turn that off, or permit it within one origin only.
#[derive(Clone, Debug)]
pub struct OriginGuardLayer {
    authenticator: Authenticator,
}

impl OriginGuardLayer {
    /// Makes a layer that removes this authenticator's headers from requests to other origins.
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

/// Removes an authenticator's headers from requests to other origins. Made by [`OriginGuardLayer`].
///
/// # Clone and readiness
///
/// Readiness is that of the inner service. A clone contains a clone of the inner service.
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

    /// Returns the inner service, to change it.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, and drops the guard.
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
    /// The future of [`OriginGuard`]: the response of the inner service, with a mark.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct OriginGuardFuture<F> {
        #[pin]
        call: F,
        answered: Option<AnsweredRequest>,
        // Set for a request that did not carry the token.
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
            // The mark of a guard further below is closer to the network and is kept.
            response.extensions_mut().get_or_insert(answered);
            if let Some(bare) = this.bare.take() {
                bare.mark(response);
            }
        }
        Poll::Ready(result)
    }
}
