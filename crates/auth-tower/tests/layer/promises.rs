//! Properties that a release must keep: auto traits, sizes, and no secret in any text.

use std::{
    future::{Pending, Ready},
    io,
    marker::{PhantomData, PhantomPinned},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use auth_core::ErrorKind;
use auth_testkit::{LogCapture, Outcome, assert_no_secret};
use auth_tower::{
    Auth, AuthLayer, AuthOutcome, Error, ExistingCredential, MissingToken, NotReplayed,
    ReplayCheap, ReplayOff, ReplayWith, ResponseFuture, ResponseHead, ServiceTransport, StepUp,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};

use crate::support::{Api, Broken, Reply, URL, World, get, start};

/// A service without state, with a future of any type. Only its type is used.
struct Unit<F>(PhantomData<fn() -> F>);

impl<F> Clone for Unit<F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<B, F: Future<Output = Reply>> Service<Request<B>> for Unit<F> {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = F;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<B>) -> F {
        unreachable!("never ready")
    }
}

/// A future that must not move.
struct Pinned(PhantomPinned);

impl Future for Pinned {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        let Self(_) = &*self;
        Poll::Pending
    }
}

type Body = Full<Bytes>;
type OfInner<F, B = Body, R = ReplayCheap> = ResponseFuture<Unit<F>, B, R>;
type Boxed = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Local = Pin<Box<dyn Future<Output = Reply>>>;
type CloneBody = fn(&Body) -> Option<Body>;

/// Compiles only for a type that does not implement the trait; otherwise two implementations apply.
macro_rules! not {
    ($trait:ident: $($ty:ty),+ $(,)?) => {{
        struct Is;
        trait Fits<A> {
            fn fits() {}
        }
        impl<T: ?::core::marker::Sized> Fits<()> for T {}
        impl<T: ?::core::marker::Sized + $trait> Fits<Is> for T {}
        $(<$ty as Fits<_>>::fits();)+
    }};
}

fn send_sync_unpin<T: Send + Sync + Unpin + 'static>() {}
fn send_unpin<T: Send + Unpin + 'static>() {}
fn clone_and_debug<T: Clone + std::fmt::Debug>() {}

#[test]
fn auto_traits() {
    send_sync_unpin::<AuthLayer>();
    send_sync_unpin::<AuthLayer<ReplayOff>>();
    send_sync_unpin::<AuthLayer<ReplayWith<CloneBody>>>();
    send_sync_unpin::<Auth<()>>();
    send_sync_unpin::<Auth<Api, ReplayOff>>();
    send_sync_unpin::<AuthOutcome>();
    send_sync_unpin::<NotReplayed>();
    send_sync_unpin::<StepUp>();
    send_sync_unpin::<Error<io::Error>>();
    send_sync_unpin::<ExistingCredential>();
    send_sync_unpin::<MissingToken>();
    send_sync_unpin::<ReplayCheap>();
    send_sync_unpin::<ReplayWith<CloneBody>>();
    send_sync_unpin::<ReplayOff>();
    send_sync_unpin::<ResponseHead<'static>>();
    send_sync_unpin::<ServiceTransport<Api>>();

    // The future has the auto traits of the inner future, the body and the service.
    send_sync_unpin::<OfInner<Ready<Reply>>>();
    send_sync_unpin::<OfInner<Ready<Reply>, Body, ReplayOff>>();
    send_unpin::<OfInner<Boxed>>();
    not!(Sync: OfInner<Boxed>);
    not!(Send: OfInner<Local>, OfInner<Ready<Reply>, NotSend>, Auth<Rc<()>>, Error<Rc<()>>);
    not!(Unpin: OfInner<Pinned>);

    clone_and_debug::<AuthLayer>();
    clone_and_debug::<AuthLayer<ReplayWith<CloneBody>>>();
    clone_and_debug::<Auth<()>>();
    clone_and_debug::<AuthOutcome>();
    // An inner error may not be `Clone`, and two errors are never equal.
    not!(Clone: Error<io::Error>);
}

/// A body that is not `Send`.
#[derive(Default)]
struct NotSend(PhantomData<Rc<()>>);

impl http_body::Body for NotSend {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Broken>>> {
        let Self(PhantomData) = *self;
        Poll::Ready(None)
    }
}

/// A future of the size of a usual client's future.
struct Large(#[expect(dead_code, reason = "only its size counts")] [usize; 14]);

impl Future for Large {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        Poll::Pending
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_future_is_hardly_larger_than_the_inner_one() {
    for (inner, off, cheap) in [
        (
            size_of::<Large>(),
            size_of::<OfInner<Large, Body, ReplayOff>>(),
            size_of::<OfInner<Large>>(),
        ),
        (
            size_of::<Boxed>(),
            size_of::<OfInner<Boxed, Body, ReplayOff>>(),
            size_of::<OfInner<Boxed>>(),
        ),
        (
            size_of::<Pending<Reply>>(),
            size_of::<OfInner<Pending<Reply>, Body, ReplayOff>>(),
            size_of::<OfInner<Pending<Reply>>>(),
        ),
    ] {
        assert!(off <= inner + 32, "{inner} + {}", off - inner);
        assert!(cheap <= inner + 112, "{inner} + {}", cheap - inner);
    }
}

#[tokio::test(start_paused = true)]
async fn g18_no_secret_is_in_debug_errors_or_logs() {
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    // `tracing` must know each log statement before the capture starts: a statement that another
    // test's thread reaches first at that moment would be missed.
    let unheard = World::cold();
    unheard.source.then(Outcome::error(failure.clone()));
    let _ = unheard.authenticator.token().await;
    unheard.clock.advance(Duration::from_secs(5)).await;
    let _ = unheard.authenticator.token().await;

    let log = LogCapture::new();
    let _guard = log.install();
    let world = World::cold();
    world.source.then(Outcome::error(failure.clone()));
    world.source.then(Outcome::fresh()).then(Outcome::fresh());
    world.source.then(Outcome::error(failure));
    let api = Api::refusing();
    let layer = world.layer();
    let mut client = layer.layer(api.clone());
    let mut shown = format!("{layer:?} {layer:#?} {client:?}");

    // No token; one that is sent twice while it is on trial; a renewed one that is refused too; and
    // no other token.
    for (expected, pause) in [(0, 5), (2, 6), (4, 60), (5, 0)] {
        let mut request = get(URL);
        let mut cookie = HeaderValue::from_static("fake-cookie");
        cookie.set_sensitive(true);
        request.headers_mut().insert("cookie", cookie);
        let call = start(&mut client, request).await;
        shown += &format!("{call:?}");
        match call.await {
            Ok(response) => {
                let outcome = AuthOutcome::of(&response);
                shown += &format!("{outcome:?} {:?}", response.extensions());
            }
            Err(error) => shown += &format!("{error} {error:?} {error:#?}"),
        }
        assert_eq!(api.calls(), expected);
        world.clock.advance(Duration::from_secs(pause)).await;
    }

    assert_eq!(world.source.fetches(), 4);
    assert!(log.text().contains("new token"), "no log line was captured");
    let secrets = ["fake-token-2", "fake-token-3", "fake-cookie"];
    log.assert_no_secret(&secrets);
    assert_no_secret(shown, &secrets);
}

#[test]
fn debug_shows_the_settings() {
    let world = World::cold();
    let layer = world
        .layer()
        .existing(ExistingCredential::Reject)
        .without_token(MissingToken::SendUnsigned);
    let shown = format!("{layer:?}");
    for text in ["AuthLayer", "example", "Reject", "SendUnsigned", "https"] {
        assert!(shown.contains(text), "{text} is missing in {shown}");
    }
    let layer = world.layer().replay_with(|body: &Body| Some(body.clone()));
    assert!(format!("{layer:?}").contains("ReplayWith"));
}
