//! What happens to a request once it is known whose token it gets.

use std::mem;

use auth_core::{Local, Signing};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Existing, Replay, ResponseFuture, layer::Settings, pending::Pending, replay::sealed::Kept,
};

/// Signs and sends a request with a service that was made ready.
pub(crate) fn call<S, B, ResB, R>(
    inner: &mut S,
    replay: &R,
    settings: &Local<Settings>,
    mut request: Request<B>,
) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    if !settings.authenticator.origins().permits(request.uri()) {
        return pass(inner, settings, request);
    }
    // Before it is signed: a second send is signed anew.
    let kept = replay.keep(inner, &request);
    match settings.authenticator.sign(request.headers_mut()) {
        Signing::Signed(generation) => {
            let settings = settings.clone();
            ResponseFuture::signed(inner.call(request), settings, generation, kept)
        }
        _ => call_unsigned(inner, replay, settings, request),
    }
}

/// The request is not signed yet: it already is, or there is no token at hand.
pub(crate) fn call_unsigned<S, B, ResB, R>(
    inner: &mut S,
    replay: &R,
    settings: &Local<Settings>,
    mut request: Request<B>,
) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    if settings.authenticator.is_signed(request.headers()) {
        match settings.existing {
            Existing::Keep => return pass(inner, settings, request),
            Existing::Reject => return ResponseFuture::failed(already_signed(settings)),
            Existing::Replace => {}
        }
    }
    let settings = settings.clone();
    if let Some(token) = settings.authenticator.fresh_token() {
        let kept = replay.keep(inner, &request);
        token.sign(request.headers_mut());
        let call = inner.call(request);
        return ResponseFuture::signed(call, settings, token.generation(), kept);
    }
    // Whatever permit the readied service holds is given back with it.
    let fresh = inner.clone();
    drop(mem::replace(inner, fresh));
    let inner = inner.clone();
    ResponseFuture::waiting(Pending::start(settings, inner, request, replay.clone()))
}

/// Sends a request as it is.
pub(crate) fn pass<S, B, ResB, R>(
    inner: &mut S,
    settings: &Local<Settings>,
    request: Request<B>,
) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    ResponseFuture::unsigned(inner.call(request), settings.clone(), Kept::nothing())
}

fn already_signed(settings: &Settings) -> auth_core::Error {
    let vendor = settings.authenticator.vendor();
    let message = format!("{vendor}: the request carries a credential header already");
    auth_core::Error::new(auth_core::ErrorKind::Config, message)
}
