use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use auth_core::{Destination, Local, Sharded, Signing};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Error, Replay, ReplayCheap, ResponseFuture, bounds::HttpService, call, settings::Settings,
    shared::Shared,
};

/// Signs requests to a service. Made by [`AuthLayer`](crate::AuthLayer).
///
/// # Clone and readiness
///
/// Readiness is that of the inner service. With a cached token, `call` uses the ready inner
/// service. Without one, the request returns the ready service while it waits (it is replaced by a
/// clone that is not ready), so that a waiting request holds no permit of a limit below. Readiness
/// is polled again afterwards, as before a replay. A request that is not sent returns the service
/// too.
///
/// Unless replay is off, the first request of a thread clones the inner service. Second sends use
/// clones of that clone, so a request that is not refused clones nothing. A change through
/// [`get_mut`](Self::get_mut) applies to second sends too.
///
/// # Cancel safety
///
/// Dropping the response future cancels the request, as far as the inner service's future does. It
/// does not cancel a token request that the request started or waits for.
#[derive(Debug)]
pub struct Auth<S, R = ReplayCheap> {
    pub(crate) inner: S,
    pub(crate) shared: Arc<Sharded<Shared<S>>>,
    pub(crate) replay: R,
}

impl<S, R> Auth<S, R> {
    pub(crate) fn new(inner: S, settings: &Settings, replay: R) -> Self {
        Self {
            inner,
            shared: Shared::sharded(settings),
            replay,
        }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it. Second sends use clones of the changed service. Not
    /// for use per request, because each call rebuilds the state that the requests of this service
    /// share.
    pub fn get_mut(&mut self) -> &mut S {
        self.shared = Shared::sharded(self.shared.local().settings());
        &mut self.inner
    }

    /// Returns the inner service, and drops the wrapper.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, R: Clone> Clone for Auth<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            replay: self.replay.clone(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Auth<S, R>
where
    S: HttpService<B>,
    R: Replay<B>,
{
    type Response = Response<S::ResponseBody>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Error::Inner))
    }

    // As `KeyedAuth::call`. A common function would move the request once more, which costs 30
    // instructions.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = self.shared.local();
        let settings = shared.settings();
        let origins = settings.authenticator.origins();
        let destination = origins.check_request(request.uri(), request.headers());
        if destination != Destination::Permitted {
            let notes = call::note_elsewhere(&settings.authenticator, request.uri(), destination);
            return ResponseFuture::unsigned(self.inner.call(request), notes);
        }
        // Kept before it is signed, because a second send gets another token.
        let kept = self.replay.keep(&request);
        if R::MAY_REPLAY {
            shared.fill_spare(&self.inner);
        }
        match settings.authenticator.sign(request.headers_mut()) {
            Signing::Signed(generation) => {
                let handle = shared.clone();
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
        let handle = Local::clone(self.shared.local());
        call::call_unsigned(&mut self.inner, &self.replay, handle, request)
    }
}
