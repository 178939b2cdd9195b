//! The fast path for clients whose requests are not of the crate `http`. For the crates of this
//! workspace.

use auth_core::{Authenticator, Generation, Key, Local, Signing};
use http::{Extensions, Method, Response, StatusCode};
use tower_service::Service;

use crate::{
    Auth, KeyedAuth, Replay, ReplayWith, ResponseFuture, future,
    replay::Copied,
    request_in_place::RequestInPlace,
    settings::{Options, Own},
    shared::{Handle, Shared},
};

/// A request that was signed in place.
#[allow(missing_debug_implementations, reason = "inside a future")]
pub struct SignedInPlace<'a, S, B> {
    by: Signer<'a, S>,
    generation: Generation,
    kept: Copied<B>,
}

/// The service that signed a request.
enum Signer<'a, S> {
    One {
        shared: &'a Local<Shared<S>>,
        inner: &'a S,
    },
    Keyed {
        options: &'a Options,
        authenticator: Authenticator,
        inner: &'a S,
    },
}

impl<S, F> Auth<S, ReplayWith<F>> {
    /// Signs a request that the caller then sends without this service. Returns `None`, with the
    /// request unchanged, if the request cannot be signed at once: another origin, credentials of
    /// the caller, no valid token. Such a request goes through `call`.
    #[doc(hidden)]
    #[inline]
    pub fn sign_in_place<T: RequestInPlace>(
        &self,
        request: &mut T,
    ) -> Option<SignedInPlace<'_, S, T::Kept>> {
        let shared = self.shared.local();
        let (generation, kept) = sign(&shared.settings().authenticator, &self.replay, request)?;
        let inner = &self.inner;
        Some(SignedInPlace {
            by: Signer::One { shared, inner },
            generation,
            kept,
        })
    }
}

impl<S, F> KeyedAuth<S, ReplayWith<F>> {
    /// As for [`Auth`], with the token of a key. Also returns `None` if there is no authenticator
    /// for the key.
    #[doc(hidden)]
    #[inline]
    pub fn sign_in_place<T: RequestInPlace>(
        &self,
        key: &Key,
        request: &mut T,
    ) -> Option<SignedInPlace<'_, S, T::Kept>> {
        let authenticator = self.authenticators.get(key).ok()?;
        let (generation, kept) = sign(&authenticator, &self.replay, request)?;
        let by = Signer::Keyed {
            options: &self.options,
            authenticator,
            inner: &self.inner,
        };
        Some(SignedInPlace {
            by,
            generation,
            kept,
        })
    }
}

#[inline(always)]
fn sign<F, T: RequestInPlace>(
    authenticator: &Authenticator,
    replay: &ReplayWith<F>,
    request: &mut T,
) -> Option<(Generation, Copied<T::Kept>)> {
    let head = request.head();
    let origins = authenticator.origins();
    if !origins.permits_request(head.origin, head.headers) {
        return None;
    }
    // Kept before it is signed, because a second send gets another token.
    let kept = replay.keep_in_place(request);
    match authenticator.sign(request.headers_mut()) {
        Signing::Signed(generation) => Some((generation, kept)),
        _ => None,
    }
}

impl<S, B> SignedInPlace<'_, S, B> {
    /// Returns the method and what was kept. `None` if the request will not be sent again.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn kept(&self) -> Option<(&Method, &B)> {
        self.kept.get()
    }

    /// Returns whether the caller gets a response as it is, because no rule applies to it.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_plain(&self, status: StatusCode, extensions: &Extensions) -> bool {
        let heads_matter = match &self.by {
            Signer::One { shared, .. } => Shared::settings(shared).heads_matter,
            Signer::Keyed {
                options,
                authenticator,
                ..
            } => options.heads_matter(authenticator.asks_for_wider_scope()),
        };
        future::says_nothing(heads_matter, status, extensions)
    }

    /// Judges a response that is not plain: makes the future of the service, as if the service had
    /// sent the request. `call` returns the response.
    #[doc(hidden)]
    #[cold]
    pub fn judge<R, ResB>(self, call: S::Future) -> ResponseFuture<S, B, R>
    where
        S: Service<http::Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B, Kept = Copied<B>>,
    {
        let (handle, inner) = match self.by {
            Signer::One { shared, inner } => (shared.clone(), inner),
            Signer::Keyed {
                options,
                authenticator,
                inner,
            } => {
                let shared = Shared::new(options.with(Own(authenticator)));
                (Local::new(shared), inner)
            }
        };
        handle.fill_spare(inner);
        ResponseFuture::signed(call, handle, self.generation, self.kept)
    }
}
