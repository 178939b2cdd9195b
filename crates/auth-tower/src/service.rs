use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use auth_core::{Sharded, Signing};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Error, Existing, Replay, ReplayCheap, ResponseFuture, layer::Settings, pending::Pending,
    replay::sealed::Kept,
};

/// Signs requests to a service; made by [`AuthLayer`](crate::AuthLayer).
///
/// # Clone and readiness
///
/// Ready when the inner service is. With a token at hand, `call` uses the inner service that was
/// made ready. Without one, that service is given back (replaced by a clone that was not readied)
/// while the request waits, so that nobody waits for a vendor with somebody else's permit in hand;
/// readiness is asked for again afterwards, as before a replay.
///
/// # Cancel safety
///
/// Dropping the response future cancels the request as the inner service's future does. It never
/// cancels an exchange that the request started or waits for.
#[derive(Debug)]
pub struct Auth<S, R = ReplayCheap> {
    inner: S,
    settings: Arc<Sharded<Settings>>,
    replay: R,
}

impl<S, R> Auth<S, R> {
    pub(crate) fn new(inner: S, settings: Arc<Sharded<Settings>>, replay: R) -> Self {
        Self {
            inner,
            settings,
            replay,
        }
    }

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

impl<S: Clone, R: Clone> Clone for Auth<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            settings: Arc::clone(&self.settings),
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = self.settings.local();
        if !settings.authenticator.origins().permits(request.uri()) {
            return self.pass(request);
        }
        // Before it is signed: a second send is signed anew.
        let kept = self.replay.keep(&self.inner, &request);
        match settings.authenticator.sign(request.headers_mut()) {
            Signing::Signed(generation) => {
                let settings = settings.clone();
                ResponseFuture::signed(self.inner.call(request), settings, generation, kept)
            }
            _ => self.call_unsigned(request),
        }
    }
}

impl<S, R> Auth<S, R> {
    /// The request is not signed yet: it already is, or there is no token at hand.
    #[cold]
    fn call_unsigned<B, ResB>(&mut self, mut request: Request<B>) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B>,
    {
        let settings = self.settings.local().clone();
        if settings.authenticator.is_signed(request.headers()) {
            match settings.existing {
                Existing::Keep => return self.pass(request),
                Existing::Reject => return ResponseFuture::failed(already_signed(&settings)),
                Existing::Replace => {}
            }
        }
        if let Some(token) = settings.authenticator.try_token() {
            let kept = self.replay.keep(&self.inner, &request);
            token.sign(request.headers_mut());
            let call = self.inner.call(request);
            return ResponseFuture::signed(call, settings, token.generation(), kept);
        }
        // Whatever permit the readied service holds is given back with it.
        let fresh = self.inner.clone();
        drop(mem::replace(&mut self.inner, fresh));
        let inner = self.inner.clone();
        ResponseFuture::waiting(Pending::start(
            settings,
            inner,
            request,
            self.replay.clone(),
        ))
    }

    #[cold]
    fn pass<B, ResB>(&mut self, request: Request<B>) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B>,
    {
        let settings = self.settings.local().clone();
        ResponseFuture::unsigned(self.inner.call(request), settings, Kept::nothing())
    }
}

fn already_signed(settings: &Settings) -> auth_core::Error {
    let vendor = settings.authenticator.vendor();
    let message = format!("{vendor}: the request carries a credential header already");
    auth_core::Error::new(auth_core::ErrorKind::Config, message)
}
