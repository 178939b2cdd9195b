//! Sends a request whose authenticator is known and that cannot be signed at once.

use std::{mem, ops::Deref};

use auth_core::{Authenticator, Destination};
use http::{Request, Response, Uri};
use tower_service::Service;

use crate::{
    AuthOutcome, ExistingCredential, Replay, ResponseFuture, Unsigned, notice, pending::Pending,
    settings::Settings, shared::Handle,
};

/// Slow path: the request already carries credentials, or no valid token is cached.
#[cold]
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
                let authenticator = &handle.settings().authenticator;
                let notes = note_unsigned(authenticator, request.uri(), Unsigned::OwnCredentials);
                return ResponseFuture::unsigned(inner.call(request), notes);
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

/// Reports a request that is sent unchanged because of its destination. Returns the notes for its
/// response. The most frequent reason needs none.
#[cold]
pub(crate) fn note_elsewhere(
    authenticator: &Authenticator,
    uri: &Uri,
    destination: Destination,
) -> Option<Box<AuthOutcome>> {
    match destination {
        Destination::SameOtherOrigin(number) => notice::same_elsewhere(authenticator, uri, number),
        Destination::OtherHost => return note_unsigned(authenticator, uri, Unsigned::OtherHost),
        _ => notice::elsewhere(authenticator, uri),
    }
    None
}

/// Reports a request that is sent unchanged. Returns the notes for its response.
pub(crate) fn note_unsigned(
    authenticator: &Authenticator,
    uri: &Uri,
    why: Unsigned,
) -> Option<Box<AuthOutcome>> {
    notice::unsigned(authenticator, uri, &why);
    Some(Box::new(AuthOutcome::sent_unsigned(why)))
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
