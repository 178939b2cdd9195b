//! Sends a request whose authenticator is known.

use std::{mem, ops::Deref};

use auth_core::{Authenticator, Signing};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    AuthOutcome, ExistingCredential, Replay, ResponseFuture, Unsigned, notice, pending::Pending,
    replay::sealed::Kept, settings::Settings, shared::Handle,
};

/// Signs a request and sends it with a service that is ready.
pub(crate) fn call<S, B, ResB, R, H>(
    inner: &mut S,
    replay: &R,
    handle: H,
    mut request: Request<B>,
) -> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    let origins = handle.settings().authenticator.origins();
    if !origins.permits_request(request.uri(), request.headers()) {
        return pass_elsewhere(inner, handle, request);
    }
    // Kept before it is signed, because a second send gets another token.
    let kept = replay.keep(&request);
    if R::MAY_REPLAY {
        handle.fill_spare(inner);
    }
    match handle.settings().authenticator.sign(request.headers_mut()) {
        Signing::Signed(generation) => {
            ResponseFuture::signed(inner.call(request), handle, generation, kept)
        }
        _ => call_unsigned(inner, replay, handle, request),
    }
}

/// Slow path: the request already carries credentials, or no valid token is cached.
pub(crate) fn call_unsigned<S, B, ResB, R, H>(
    inner: &mut S,
    replay: &R,
    handle: H,
    mut request: Request<B>,
) -> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    if handle.settings().authenticator.is_signed(request.headers()) {
        match handle.settings().existing {
            ExistingCredential::Keep => {
                return pass(inner, handle, request, Unsigned::OwnCredentials);
            }
            ExistingCredential::Reject => return fail(inner, already_signed(handle.settings())),
            ExistingCredential::Replace => {}
        }
    }
    if let Some(token) = handle.settings().authenticator.fresh_token() {
        let kept = replay.keep(&request);
        if R::MAY_REPLAY {
            handle.fill_spare(inner);
        }
        if let Err(error) = token.try_sign(request.headers_mut()) {
            return fail(inner, error);
        }
        let call = inner.call(request);
        return ResponseFuture::signed(call, handle, token.generation(), kept);
    }
    give_back(inner);
    let inner = inner.clone();
    ResponseFuture::waiting(Pending::start(handle, inner, request, replay.clone()))
}

/// Sends a request to another origin unchanged.
pub(crate) fn pass_elsewhere<S, B, ResB, R, H>(
    inner: &mut S,
    handle: H,
    request: Request<B>,
) -> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    let why = Unsigned::elsewhere(handle.settings().authenticator.origins(), &request);
    pass(inner, handle, request, why)
}

/// Sends a request unchanged.
pub(crate) fn pass<S, B, ResB, R, H>(
    inner: &mut S,
    handle: H,
    request: Request<B>,
    why: Unsigned,
) -> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    notice::unsigned(&handle.settings().authenticator, request.uri(), &why);
    // The most frequent reason needs no notes.
    let notes = match why {
        Unsigned::OtherOrigin => None,
        why => Some(Box::new(AuthOutcome::sent_unsigned(why))),
    };
    let call = inner.call(request);
    ResponseFuture::unsigned(call, handle, Kept::nothing(), notes)
}

/// Returns an error without sending the request.
pub(crate) fn fail<S, B, ResB, R, H>(
    inner: &mut S,
    error: auth_core::Error,
) -> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    give_back(inner);
    ResponseFuture::failed(error)
}

/// Drops a service that is ready and not called, with the permit that it may hold.
fn give_back<S: Clone>(inner: &mut S) {
    let fresh = inner.clone();
    drop(mem::replace(inner, fresh));
}

fn already_signed(settings: &Settings<impl Deref<Target = Authenticator>>) -> auth_core::Error {
    let vendor = settings.authenticator.vendor().to_owned();
    let message =
        "the request already carries a credential header; remove it, or set `AuthLayer::existing`";
    auth_core::Error::new(auth_core::ErrorKind::Config, message).with_vendor(vendor)
}
