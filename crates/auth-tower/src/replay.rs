use std::{any::Any, fmt};

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body::Body;
use http_body_util::{Empty, Full};

use crate::{
    NotReplayed, ReplayBody, head::HeadCopy, missing::Missing, request_in_place::RequestInPlace,
};

/// Decides, before a request is sent, whether its body can be sent again.
///
/// Sealed: choose [`ReplayCheap`], [`ReplayWith`] or [`ReplayOff`] with the methods of
/// [`AuthLayer`](crate::AuthLayer).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell whether a body of type `{B}` can be sent again",
    note = "bodies without `Default` need `ReplayBodyLayer` above, `AuthLayer::replay_with(|body| ...)` or `AuthLayer::replay_off()`"
)]
pub trait Replay<B>: sealed::Sealed + Clone {
    /// What is kept of a request for a second send.
    #[doc(hidden)]
    type Kept: sealed::Kept<B>;

    /// Whether a request may be sent again, so that a spare service is needed.
    #[doc(hidden)]
    const MAY_REPLAY: bool = true;

    /// Keeps what is needed, or the reason why it cannot be kept.
    #[doc(hidden)]
    fn keep(&self, request: &Request<B>) -> Self::Kept;

    /// Tells a restored request that the first send is over, because it is about to be sent.
    #[doc(hidden)]
    #[inline]
    fn start_over(_: &mut Request<B>) {}
}

#[allow(unnameable_types, reason = "sealed: implemented in this crate only")]
pub(crate) mod sealed {
    use http::{Method, Request, Uri};

    use super::Methods;
    use crate::NotReplayed;

    pub trait Sealed {
        /// Returns the chosen methods, for another way of keeping bodies.
        fn methods(&self) -> Methods;
    }

    /// What was kept of a request.
    pub trait Kept<B> {
        /// Keeps nothing, because this request is the second send.
        fn nothing() -> Self;
        /// Returns method and URI, if the request was kept.
        fn target(&self) -> Option<(Method, Uri)>;
        /// Restores the request.
        fn restore(self) -> Result<Request<B>, NotReplayed>;
    }
}

/// Replays requests whose body is empty or cheap to clone. The default.
///
/// Cheap are [`Full<Bytes>`](Full), [`Empty<Bytes>`](Empty), and bodies of any type that are at
/// their end before they are sent. A [`ReplayBody`] is replayed if it was kept completely. Other
/// bodies are not replayed.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ReplayCheap {
    pub(crate) methods: Methods,
}

/// Replays requests whose body a function can clone.
#[derive(Clone, Copy)]
pub struct ReplayWith<F> {
    pub(crate) clone: F,
    pub(crate) methods: Methods,
}

/// Replays no request: a refused token is renewed, and the refusal is returned.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ReplayOff;

/// The methods that are replayed. `None` means all.
#[derive(Clone, Copy, Debug, Default)]
#[allow(unnameable_types, reason = "inside the layer")]
pub struct Methods(pub(crate) Option<fn(&Method) -> bool>);

impl Methods {
    #[inline]
    fn allow(self, method: &Method) -> bool {
        self.0.is_none_or(|allow| allow(method))
    }
}

/// What is kept of a request that may be sent again.
#[allow(
    missing_debug_implementations,
    unnameable_types,
    reason = "inside the future"
)]
pub struct Copied<B>(Result<Again<B>, Missing>);

struct Again<B> {
    head: HeadCopy,
    body: B,
}

impl<B> Copied<B> {
    #[inline]
    fn keep(
        request: &Request<B>,
        methods: Methods,
        clone: impl FnOnce(&B) -> Result<B, Missing>,
    ) -> Self {
        if !methods.allow(request.method()) {
            return Self(Err(Missing::Off));
        }
        let body = match clone(request.body()) {
            Ok(body) => body,
            Err(missing) => return Self(Err(missing)),
        };
        let head = HeadCopy::of(request);
        Self(Ok(Again { head, body }))
    }

    /// Returns method and body, if the request was kept.
    #[inline]
    pub(crate) fn get(&self) -> Option<(&Method, &B)> {
        let Again { head, body } = self.0.as_ref().ok()?;
        Some((head.method()?, body))
    }
}

impl<B> sealed::Kept<B> for Copied<B> {
    fn nothing() -> Self {
        Self(Err(Missing::Twice))
    }

    fn target(&self) -> Option<(Method, Uri)> {
        self.0.as_ref().ok()?.head.target()
    }

    fn restore(self) -> Result<Request<B>, NotReplayed> {
        let Again { head, body } = self.0?;
        let parts = head.restore().ok_or(NotReplayed::Body)?;
        Ok(Request::from_parts(parts, body))
    }
}

/// What [`ReplayOff`] keeps: nothing.
#[derive(Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Unkept(());

impl<B> sealed::Kept<B> for Unkept {
    fn nothing() -> Self {
        Self(())
    }

    fn target(&self) -> Option<(Method, Uri)> {
        None
    }

    fn restore(self) -> Result<Request<B>, NotReplayed> {
        Err(NotReplayed::Off)
    }
}

impl sealed::Sealed for ReplayCheap {
    fn methods(&self) -> Methods {
        self.methods
    }
}

#[diagnostic::do_not_recommend]
impl<B: Body + Default + 'static> Replay<B> for ReplayCheap {
    type Kept = Copied<B>;

    #[inline]
    fn keep(&self, request: &Request<B>) -> Copied<B> {
        Copied::keep(request, self.methods, |body| {
            same_type::<B, Full<Bytes>>(body)
                .or_else(|| same_type::<B, Empty<Bytes>>(body))
                .or_else(|| {
                    body.is_end_stream()
                        .then(B::default)
                        .filter(B::is_end_stream)
                })
                .ok_or(Missing::Body)
        })
    }
}

/// What is kept of a request whose body is a [`ReplayBody`].
#[allow(
    missing_debug_implementations,
    unnameable_types,
    reason = "inside the future"
)]
pub struct CopiedBody<B>(Copied<ReplayBody<B>>);

impl<B> sealed::Kept<ReplayBody<B>> for CopiedBody<B> {
    fn nothing() -> Self {
        Self(Copied::nothing())
    }

    fn target(&self) -> Option<(Method, Uri)> {
        self.0.target()
    }

    fn restore(mut self) -> Result<Request<ReplayBody<B>>, NotReplayed> {
        if let Ok(again) = &mut self.0.0 {
            // From now on the first send waits, so that the kept frames stay complete.
            again.body.hold()?;
        }
        self.0.restore()
    }
}

impl<B> Replay<ReplayBody<B>> for ReplayCheap {
    type Kept = CopiedBody<B>;

    #[inline]
    fn keep(&self, request: &Request<ReplayBody<B>>) -> CopiedBody<B> {
        CopiedBody(Copied::keep(request, self.methods, ReplayBody::spare))
    }

    fn start_over(request: &mut Request<ReplayBody<B>>) {
        request.body_mut().start_over();
    }
}

impl<F> sealed::Sealed for ReplayWith<F> {
    fn methods(&self) -> Methods {
        self.methods
    }
}

impl<B, F> Replay<B> for ReplayWith<F>
where
    F: Fn(&B) -> Option<B> + Clone,
{
    type Kept = Copied<B>;

    #[inline]
    fn keep(&self, request: &Request<B>) -> Copied<B> {
        Copied::keep(request, self.methods, |body| {
            (self.clone)(body).ok_or(Missing::Body)
        })
    }
}

impl<F> ReplayWith<F> {
    /// Keeps a request of another crate, which itself replaces the function.
    #[inline]
    pub(crate) fn keep_in_place<T: RequestInPlace>(&self, request: &mut T) -> Copied<T::Kept> {
        if !self.methods.allow(request.head().method) {
            return Copied(Err(Missing::Off));
        }
        let Some(body) = request.keep() else {
            return Copied(Err(Missing::Body));
        };
        let head = HeadCopy::of(&request.head());
        Copied(Ok(Again { head, body }))
    }
}

impl<F> fmt::Debug for ReplayWith<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayWith")
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for ReplayOff {
    fn methods(&self) -> Methods {
        Methods::default()
    }
}

impl<B> Replay<B> for ReplayOff {
    type Kept = Unkept;

    const MAY_REPLAY: bool = false;

    #[inline]
    fn keep(&self, _: &Request<B>) -> Unkept {
        Unkept(())
    }
}

/// Clones a body if its type is known to be cheap. The compiler evaluates the comparison of types.
#[inline]
fn same_type<B: 'static, Cheap: Clone + 'static>(body: &B) -> Option<B> {
    let cheap: &Cheap = (body as &dyn Any).downcast_ref()?;
    let mut clone = Some(cheap.clone());
    let clone: &mut dyn Any = &mut clone;
    clone.downcast_mut::<Option<B>>()?.take()
}
