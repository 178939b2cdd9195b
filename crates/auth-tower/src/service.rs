use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use auth_core::Signing;
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Error, Replay, ReplayCheap, ResponseFuture, call,
    settings::Settings,
    shared::{Shared, Source},
};

/// Signs requests to a service; made by [`AuthLayer`](crate::AuthLayer).
///
/// # Clone and readiness
///
/// Ready when the inner service is. With a cached token, `call` uses the inner service that was
/// made ready. Without one, that service is given back (replaced by a clone that was not made
/// ready) while the request waits, so that a waiting request holds nobody's permit; readiness is
/// asked for again afterwards, as before a replay. A request that is not sent gives the service
/// back too.
///
/// # Cancel safety
///
/// Dropping the response future cancels the request as the inner service's future does. It never
/// cancels a token request that the request started or waits for.
#[derive(Debug)]
pub struct Auth<S, R = ReplayCheap> {
    inner: S,
    source: Source<S>,
    replay: R,
}

impl<S, R> Auth<S, R> {
    pub(crate) fn new(inner: S, settings: &Settings, replay: R) -> Self {
        Self {
            inner,
            source: Source::new(settings),
            replay,
        }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it: second sends go by clones of the changed one.
    /// Expensive, because what the clones of this service share is made anew for this one.
    pub fn get_mut(&mut self) -> &mut S {
        self.source = Source::new(self.source.shared());
        &mut self.inner
    }

    /// Takes the inner service out.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R: Clone> Auth<S, R> {
    /// Makes the same over another service, for adapters whose inner service is a new one for each
    /// request: cheap, where [`AuthLayer`](crate::AuthLayer)'s `layer` makes the settings anew.
    #[doc(hidden)]
    #[must_use]
    pub fn over<T>(&self, inner: T) -> Auth<T, R> {
        let shared = Shared::new(Settings::clone(self.source.shared()));
        Auth {
            inner,
            source: Source::Request(Arc::new(shared)),
            replay: self.replay.clone(),
        }
    }
}

impl<S: Clone, R: Clone> Clone for Auth<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            source: self.source.clone(),
            replay: self.replay.clone(),
        }
    }
}

impl<S, B, ResB, R> Service<Request<B>> for Auth<S, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    type Response = Response<ResB>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Error::Inner))
    }

    // As `call::call` with one change that is worth 40 instructions: settings are not kept for the
    // rare ways out of here.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = self.source.shared();
        let origins = shared.authenticator.origins();
        if !origins.permits_request(request.uri(), request.headers()) {
            return self.pass_elsewhere(request);
        }
        // Before it is signed: a second send is signed anew.
        let kept = self.replay.keep(&request);
        if R::MAY_REPLAY {
            shared.fill_spare(&self.inner);
        }
        match shared.authenticator.sign(request.headers_mut()) {
            Signing::Signed(generation) => {
                let handle = self.source.handle();
                ResponseFuture::signed(self.inner.call(request), handle, generation, kept)
            }
            _ => self.call_unsigned(request),
        }
    }
}

impl<S, R> Auth<S, R> {
    #[cold]
    fn call_unsigned<B, ResB>(&mut self, request: Request<B>) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B>,
    {
        let handle = self.source.handle();
        call::call_unsigned(&mut self.inner, &self.replay, handle, request)
    }

    #[cold]
    fn pass_elsewhere<B, ResB>(&mut self, request: Request<B>) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B>,
    {
        call::pass_elsewhere(&mut self.inner, self.source.handle(), request)
    }
}
