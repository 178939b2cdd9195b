//! What happens to a request once it is known whose token it gets.

use std::mem;

use auth_core::{Local, Signing};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    AuthOutcome, ExistingCredential, Replay, ResponseFuture, Unsigned, notice, pending::Pending,
    replay::sealed::Kept, settings::Settings,
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
    let origins = settings.authenticator.origins();
    if !origins.permits_request(request.uri(), request.headers()) {
        return pass_elsewhere(inner, settings, request);
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

/// Slow path: the request already carries credentials, or no valid token is cached.
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
            ExistingCredential::Keep => {
                return pass(inner, settings, request, Unsigned::OwnCredentials);
            }
            ExistingCredential::Reject => return fail(inner, already_signed(settings)),
            ExistingCredential::Replace => {}
        }
    }
    let settings = settings.clone();
    if let Some(token) = settings.authenticator.fresh_token() {
        let kept = replay.keep(inner, &request);
        if let Err(error) = token.try_sign(request.headers_mut()) {
            return fail(inner, error);
        }
        let call = inner.call(request);
        return ResponseFuture::signed(call, settings, token.generation(), kept);
    }
    give_back(inner);
    let inner = inner.clone();
    ResponseFuture::waiting(Pending::start(settings, inner, request, replay.clone()))
}

/// Sends a request as it is, because it goes to another origin.
pub(crate) fn pass_elsewhere<S, B, ResB, R>(
    inner: &mut S,
    settings: &Local<Settings>,
    request: Request<B>,
) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    let why = Unsigned::elsewhere(settings.authenticator.origins(), &request);
    pass(inner, settings, request, why)
}

/// Sends a request as it is.
pub(crate) fn pass<S, B, ResB, R>(
    inner: &mut S,
    settings: &Local<Settings>,
    request: Request<B>,
    why: Unsigned,
) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    notice::unsigned(&settings.authenticator, request.uri(), &why);
    let notes = AuthOutcome::sent_unsigned(why);
    let call = inner.call(request);
    ResponseFuture::unsigned(call, settings.clone(), Kept::nothing(), notes)
}

/// Sends nothing.
pub(crate) fn fail<S, B, ResB, R>(inner: &mut S, error: auth_core::Error) -> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    give_back(inner);
    ResponseFuture::failed(error)
}

/// Drops a service that was made ready and is not called, with the permit that it may hold.
fn give_back<S: Clone>(inner: &mut S) {
    let fresh = inner.clone();
    drop(mem::replace(inner, fresh));
}

fn already_signed(settings: &Settings) -> auth_core::Error {
    let vendor = settings.authenticator.vendor().to_owned();
    let message = "the request carries a credential header already";
    auth_core::Error::new(auth_core::ErrorKind::Config, message).with_vendor(vendor)
}
