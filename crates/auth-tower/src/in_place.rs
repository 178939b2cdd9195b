//! The fast path for clients whose requests are not of the crate `http`. For the crates of this
//! workspace.

use auth_core::{Generation, Local, Signing};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use tower_service::Service;

use crate::{
    Auth, Replay, ReplayWith, ResponseFuture, future, head::CopyHead, replay::Copied,
    shared::Shared,
};

/// The head of a request of another crate.
#[derive(Debug)]
#[allow(
    clippy::exhaustive_structs,
    reason = "for the crates of this workspace"
)]
pub struct HeadInPlace<'a> {
    /// The method.
    pub method: &'a Method,
    /// A URI with the scheme and the authority of the request.
    pub origin: &'a Uri,
    /// Path and query of the request.
    pub path: &'a str,
    /// The headers, to be signed.
    pub headers: &'a mut HeaderMap,
}

impl CopyHead for HeadInPlace<'_> {
    fn method(&self) -> &Method {
        self.method
    }

    fn version(&self) -> Version {
        Version::default()
    }

    fn extensions(&self) -> Option<&Extensions> {
        None
    }

    fn origin(&self) -> &Uri {
        self.origin
    }

    fn path(&self) -> &str {
        self.path
    }

    fn headers(&self) -> &HeaderMap {
        self.headers
    }
}

/// A request that [`Auth::sign_in_place`] signed.
#[allow(missing_debug_implementations, reason = "inside a future")]
pub struct SignedInPlace<S, B> {
    handle: Local<Shared<S>>,
    generation: Generation,
    kept: Copied<B>,
}

impl<S: Clone, F> Auth<S, ReplayWith<F>> {
    /// Signs a request that the caller then sends without this service. Returns `None`, with the
    /// headers unchanged, if the request cannot be signed at once: another origin, credentials of
    /// the caller, no valid token. Such a request goes through `call`.
    ///
    /// `again` clones the rest of the request for a second send.
    #[doc(hidden)]
    #[inline]
    pub fn sign_in_place<B>(
        &self,
        head: HeadInPlace<'_>,
        again: impl FnOnce() -> Option<B>,
    ) -> Option<SignedInPlace<S, B>> {
        let shared = self.shared.local();
        let authenticator = &shared.settings().authenticator;
        if !authenticator
            .origins()
            .permits_request(head.origin, head.headers)
        {
            return None;
        }
        // Kept before it is signed, because a second send gets another token.
        let kept = self.replay.keep_parts(&head, again);
        shared.fill_spare(&self.inner);
        match authenticator.sign(head.headers) {
            Signing::Signed(generation) => Some(SignedInPlace {
                handle: shared.clone(),
                generation,
                kept,
            }),
            _ => None,
        }
    }
}

impl<S, B> SignedInPlace<S, B> {
    /// Returns whether the caller gets a response as it is, because no rule applies to it.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_plain(&self, status: StatusCode, extensions: &Extensions) -> bool {
        future::says_nothing(self.handle.settings(), status, extensions)
    }

    /// Judges a response that is not plain: makes the future of the service, as if the service had
    /// sent the request. `call` returns the response.
    #[doc(hidden)]
    pub fn judge<R, ResB>(self, call: S::Future) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<ResB>> + Clone,
        R: Replay<B, Kept = Copied<B>>,
    {
        ResponseFuture::signed(call, self.handle, self.generation, self.kept)
    }
}
