use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use auth_core::{
    ApiKey, Authenticator, AuthenticatorMap, Destination, Error as AuthError, ErrorKind, Key,
    LocalAuthenticator, Origins, Secret, Sharded, Signing,
};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Error, MissingToken, Replay, ReplayCheap, ResponseFuture, Unsigned,
    bounds::HttpService,
    call,
    settings::Options,
    shared::{Handle, Keyed, Spare},
};

/// Signs each request with the token of the key that the request carries. Made by
/// [`AuthLayer::keyed`](crate::AuthLayer::keyed).
///
/// # Clone and readiness
///
/// See [`Auth`](crate::Auth).
///
/// # Cancel safety
///
/// See [`Auth`](crate::Auth).
#[derive(Debug)]
pub struct KeyedAuth<S, R = ReplayCheap> {
    pub(crate) inner: S,
    pub(crate) authenticators: AuthenticatorMap,
    pub(crate) options: Options,
    pub(crate) replay: R,
    spares: Arc<Sharded<Spare<S>>>,
    /// The authenticator of requests without a key; it never signs.
    nobody: Authenticator,
}

impl<S, R> KeyedAuth<S, R> {
    pub(crate) fn new(
        inner: S,
        authenticators: AuthenticatorMap,
        options: Options,
        replay: R,
    ) -> Self {
        let nobody = nobody();
        Self {
            inner,
            authenticators,
            options,
            replay,
            spares: spares(&nobody),
            nobody,
        }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it. Second sends use clones of the changed service.
    pub fn get_mut(&mut self) -> &mut S {
        self.spares = spares(&self.nobody);
        &mut self.inner
    }

    /// Returns the inner service, and drops the wrapper.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, R: Clone> Clone for KeyedAuth<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            authenticators: self.authenticators.clone(),
            options: self.options,
            replay: self.replay.clone(),
            spares: self.spares.clone(),
            nobody: self.nobody.clone(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for KeyedAuth<S, R>
where
    S: HttpService<B>,
    R: Replay<B>,
{
    type Response = Response<S::ResponseBody>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, B, R, Arc<Keyed<S>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Error::Inner))
    }

    // As `Auth::call`.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { options, inner, .. } = self;
        let authenticator = match find(&self.authenticators, &request) {
            Ok(authenticator) => authenticator,
            Err(why) => {
                let nobody = LocalAuthenticator::Shared(self.nobody.clone());
                let handle = Arc::new(Keyed::new(options.with(nobody), None));
                return call_without_key(inner, handle, request, why);
            }
        };
        let origins = authenticator.origins();
        let destination = origins.check_request(request.uri(), request.headers());
        if destination != Destination::Permitted {
            let notes = call::note_elsewhere(&authenticator, request.uri(), destination);
            return ResponseFuture::unsigned(inner.call(request), notes);
        }
        // Kept before it is signed, because a second send gets another token.
        let kept = self.replay.keep(&request);
        let spare = R::MAY_REPLAY.then(|| self.spares.local().clone());
        let handle = Arc::new(Keyed::new(options.with(authenticator), spare));
        if R::MAY_REPLAY {
            handle.fill_spare(inner);
        }
        match handle.settings().authenticator.sign(request.headers_mut()) {
            Signing::Signed(generation) => {
                ResponseFuture::signed(inner.call(request), handle, generation, kept)
            }
            _ => call::call_unsigned(inner, &self.replay, handle, request),
        }
    }
}

/// Finds the authenticator of a request.
#[inline(always)]
fn find<B>(
    authenticators: &AuthenticatorMap,
    request: &Request<B>,
) -> Result<LocalAuthenticator, Unsigned> {
    let key = request.extensions().get::<Key>().ok_or(Unsigned::NoKey)?;
    authenticators.local(key).map_err(Unsigned::NoToken)
}

/// Sends a request without an authenticator unsigned, or returns an error.
#[cold]
fn call_without_key<S, B, ResB, R, H>(
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
    if handle.settings().without_token == MissingToken::SendUnsigned {
        let authenticator = &handle.settings().authenticator;
        let notes = call::note_unsigned(authenticator, request.uri(), why);
        return ResponseFuture::unsigned(inner.call(request), notes);
    }
    match why {
        Unsigned::NoToken(error) => call::fail(inner, error),
        _ => call::fail(inner, no_key()),
    }
}

fn no_key() -> AuthError {
    let message = "the request has no `auth_core::Key` in its extensions, so it is unknown whose \
                   token it gets";
    AuthError::new(ErrorKind::Config, message)
}

/// As many as an authenticator has shards by default.
fn spares<S>(nobody: &Authenticator) -> Arc<Sharded<Spare<S>>> {
    Arc::new(Sharded::new(nobody.shards(), Spare::none))
}

/// Makes an authenticator without origins, which never signs.
fn nobody() -> Authenticator {
    Authenticator::builder(ApiKey::new(Secret::new("")), Origins::default())
        .vendor("no key")
        .build()
        .expect("the default settings are valid")
}
