use std::task::{Context, Poll, ready};

use auth_core::{
    ApiKey, Authenticator, AuthenticatorMap, AuthenticatorOptions, Error as AuthError, ErrorKind,
    Key, Local, Origins, Secret,
};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    Error, MissingToken, Replay, ReplayCheap, ResponseFuture, Unsigned, call,
    settings::{Options, Settings},
};

/// Signs each request with the token of the key that the request carries; made by
/// [`AuthLayer::keyed`](crate::AuthLayer::keyed).
///
/// # Clone and readiness
///
/// As [`Auth`](crate::Auth).
///
/// # Cancel safety
///
/// As [`Auth`](crate::Auth).
#[derive(Clone, Debug)]
pub struct KeyedAuth<S, R = ReplayCheap> {
    inner: S,
    authenticators: AuthenticatorMap,
    options: Options,
    replay: R,
    /// For requests that have no authenticator.
    nobody: Local<Settings>,
}

impl<S, R> KeyedAuth<S, R> {
    pub(crate) fn new(
        inner: S,
        authenticators: AuthenticatorMap,
        options: Options,
        replay: R,
    ) -> Self {
        Self {
            inner,
            authenticators,
            options,
            replay,
            nobody: Local::new(options.with(nobody())),
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

    /// Makes the same over another service, for adapters whose inner service is a new one for each
    /// request.
    #[doc(hidden)]
    #[must_use]
    pub fn over<T>(&self, inner: T) -> KeyedAuth<T, R>
    where
        R: Clone,
    {
        KeyedAuth {
            inner,
            authenticators: self.authenticators.clone(),
            options: self.options,
            replay: self.replay.clone(),
            nobody: self.nobody.clone(),
        }
    }

    fn authenticator<B>(&self, request: &Request<B>) -> Result<Authenticator, Unsigned> {
        let key = request.extensions().get::<Key>().ok_or(Unsigned::NoKey)?;
        self.authenticators.get(key).map_err(Unsigned::NoToken)
    }
}

impl<S, B, ResB, R> Service<Request<B>> for KeyedAuth<S, R>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.authenticator(&request) {
            Ok(authenticator) => {
                let settings = Local::new(self.options.with(authenticator));
                call::call(&mut self.inner, &self.replay, &settings, request)
            }
            Err(why) if self.options.without_token == MissingToken::SendUnsigned => {
                call::pass(&mut self.inner, &self.nobody, request, why)
            }
            Err(Unsigned::NoToken(error)) => call::fail(&mut self.inner, error),
            Err(_) => call::fail(&mut self.inner, no_key()),
        }
    }
}

fn no_key() -> AuthError {
    let message = "the request has no `auth_core::Key` in its extensions, so it is unknown whose \
                   token it gets";
    AuthError::new(ErrorKind::Config, message)
}

/// Has no origin, so that nothing is ever signed by it.
fn nobody() -> Authenticator {
    Authenticator::builder(ApiKey::new(Secret::new("")), Origins::default())
        .vendor("no key")
        .options(AuthenticatorOptions::new().shards(1))
        .build()
        .expect("the defaults are in order")
}
