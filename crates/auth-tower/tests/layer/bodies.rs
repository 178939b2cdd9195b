//! Which bodies are sent again: only those that are certainly equal.

mod feed;
mod h2;
mod kept;
mod limits;
mod random;
mod wire;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use auth_tower::{AuthOutcome, NotReplayed, Replay};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use tower::{Layer, ServiceExt};

use crate::support::{Api, URL, World, get, in_time, ok, send, settle, unauthorized};

/// Sends one request whose token is refused, through a layer that `layer` makes.
async fn refused<R, B>(
    layer: impl FnOnce(auth_tower::AuthLayer) -> auth_tower::AuthLayer<R>,
    method: Method,
    body: B,
) -> (World, Api, Response<Full<Bytes>>)
where
    R: Replay<B>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug + Send,
{
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = URL.parse().unwrap();
    let client = layer(world.layer()).layer(api.clone());
    let response = in_time(client.oneshot(request)).await.unwrap();
    (world, api, response)
}

#[track_caller]
fn assert_replayed(api: &Api, response: &Response<Full<Bytes>>) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(response).sends(), 2);
    let [first, second] = api.seen().try_into().unwrap();
    assert_eq!(second.but_the_token(), first.but_the_token());
}

/// G14: the refusal is returned, the renewal continues in the background, and the next request has
/// the new token.
async fn assert_not_replayed(
    world: &World,
    api: &Api,
    response: &Response<Full<Bytes>>,
    body: bool,
) {
    let outcome = AuthOutcome::of(response);
    match outcome.not_replayed() {
        Some(NotReplayed::Body) => assert!(body),
        Some(NotReplayed::Off) => assert!(!body),
        other => panic!("{other:?}"),
    }
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (1, 1));
    assert_eq!(outcome.generation().unwrap().get(), 1);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["x-refused"], "fake-token-1");
    assert_eq!(api.calls(), 1);

    in_time(world.source.fetches_reached(2)).await;
    settle().await;
    let next = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(
        (next.status(), AuthOutcome::of(&next).sends()),
        (StatusCode::OK, 1)
    );
    assert_eq!(api.tokens()[1..], ["fake-token-2"]);
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_in_memory_are_sent_again() {
    for body in ["", "a body"] {
        let (_, api, response) = refused(|layer| layer, Method::POST, Full::from(body)).await;
        assert_replayed(&api, &response);
        assert_eq!(api.seen()[1].body, body);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_sent_again() {
    let (_, api, response) = refused(|layer| layer, Method::GET, Empty::<Bytes>::new()).await;
    assert_replayed(&api, &response);
}

type Boxed = UnsyncBoxBody<Bytes, Infallible>;

#[tokio::test(start_paused = true)]
async fn a_body_of_any_type_that_is_at_its_end_is_sent_again() {
    let body: Boxed = Empty::new().boxed_unsync();
    let (_, api, response) = refused(|layer| layer, Method::GET, body).await;
    assert_replayed(&api, &response);
}

#[tokio::test(start_paused = true)]
async fn g14_a_body_that_may_be_a_stream_is_not_sent_again() {
    let body: Boxed = Full::from("a body").boxed_unsync();
    let (world, api, response) = refused(|layer| layer, Method::POST, body).await;
    assert_eq!(api.seen()[0].body, "a body");
    assert_not_replayed(&world, &api, &response, true).await;
}

#[tokio::test(start_paused = true)]
async fn g14_an_empty_stream_of_unknown_length_is_not_sent_again() {
    let (world, api, response) = refused(|layer| layer, Method::POST, Stream::default()).await;
    assert_not_replayed(&world, &api, &response, true).await;
}

/// A body of frames that never reports its end.
#[derive(Clone, Default)]
struct Stream(VecDeque<Piece>);

#[derive(Clone)]
enum Piece {
    Data(&'static str),
    Trailers(HeaderMap),
}

impl Stream {
    fn with_trailers() -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        let pieces = [Piece::Data("two "), Piece::Data(""), Piece::Data("frames")];
        Self(
            pieces
                .into_iter()
                .chain([Piece::Trailers(trailers)])
                .collect(),
        )
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.0.pop_front().map(|piece| match piece {
            Piece::Data(data) => Frame::data(Bytes::from(data)),
            Piece::Trailers(trailers) => Frame::trailers(trailers),
        });
        Poll::Ready(frame.map(Ok))
    }
}

/// A body that is at its end, of a type whose default is not empty.
#[derive(Debug)]
struct Surprising(Option<Bytes>);

impl Default for Surprising {
    fn default() -> Self {
        Self(Some(Bytes::from("never requested")))
    }
}

impl Body for Surprising {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

#[tokio::test(start_paused = true)]
async fn g14_a_default_that_is_not_empty_is_not_sent_as_an_empty_body() {
    let (world, api, response) = refused(|layer| layer, Method::POST, Surprising(None)).await;
    assert_not_replayed(&world, &api, &response, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_a_function_clones_is_sent_again_with_all_its_frames() {
    let (_, api, response) = refused(
        |layer| layer.replay_with(|body: &Stream| Some(body.clone())),
        Method::POST,
        Stream::with_trailers(),
    )
    .await;
    assert_replayed(&api, &response);
    let second = &api.seen()[1];
    assert_eq!(second.body, "two frames");
    assert_eq!(second.trailers.as_ref().unwrap()["x-checksum"], "42");
}

#[tokio::test(start_paused = true)]
async fn g14_a_body_that_a_function_cannot_clone_is_not_sent_again() {
    let (world, api, response) = refused(
        |layer| layer.replay_with(|_: &Stream| None),
        Method::POST,
        Stream::with_trailers(),
    )
    .await;
    assert_eq!(api.seen()[0].body, "two frames");
    assert_not_replayed(&world, &api, &response, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_cloned_once_before_its_first_send() {
    let world = World::warm().await;
    let clones = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&clones);
    let api = Api::new();
    let layer = world.layer().replay_with(move |body: &Stream| {
        seen.fetch_add(1, SeqCst);
        Some(body.clone())
    });
    let mut client = layer.layer(api.clone());
    let mut request = Request::new(Stream::with_trailers());
    *request.uri_mut() = URL.parse().unwrap();
    send(&mut client, request.clone()).await.unwrap();
    assert_eq!(clones.load(SeqCst), 1);

    // The second send is the last one.
    api.revoke("fake-token-1");
    send(&mut client, request.clone()).await.unwrap();
    assert_eq!((clones.load(SeqCst), api.calls()), (2, 3));

    // If no token is sent, nothing is kept.
    *request.uri_mut() = "https://elsewhere.example/".parse().unwrap();
    send(&mut client, request).await.unwrap();
    assert_eq!(clones.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_its_token_is_sent_again() {
    let world = World::cold();
    let api = Api::refusing_the_first(&world);
    let request = Request::post(URL).body(Full::from("a body")).unwrap();
    let response = in_time(world.over(api.clone()).oneshot(request))
        .await
        .unwrap();
    assert_replayed(&api, &response);
    assert_eq!(api.seen()[1].body, "a body");
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_token_is_on_trial_is_sent_again_with_the_same_token() {
    let world = World::cold();
    let sends = AtomicUsize::new(0);
    let api = Api::answering(move |seen| match sends.fetch_add(1, SeqCst) {
        0 => Ok(unauthorized(seen)),
        _ => Ok(ok()),
    });
    let request = Request::post(URL).body(Full::from("a body")).unwrap();
    let response = in_time(world.over(api.clone()).oneshot(request))
        .await
        .unwrap();
    assert_replayed(&api, &response);
    assert_eq!(api.seen()[1].body, "a body");
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-1"]);
    assert_eq!(world.source.fetches(), 1);
    let outcome = AuthOutcome::of(&response);
    assert_eq!(outcome.waited(), Duration::from_secs(1));
    assert_eq!(outcome.refused(), outcome.generation());
    assert!(outcome.was_refused() && outcome.not_replayed().is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_with_replay_off() {
    let (world, api, response) = refused(
        |layer| layer.replay_off(),
        Method::GET,
        Empty::<Bytes>::new(),
    )
    .await;
    assert_not_replayed(&world, &api, &response, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_is_not_sent_again_with_replay_off() {
    let world = World::cold();
    let api = Api::refusing();
    let client = world.layer().replay_off().layer(api.clone());
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Off)));
    assert_eq!((outcome.sends(), api.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn only_the_chosen_methods_are_sent_again() {
    let (_, api, response) = refused(
        |layer| layer.replay_only(Method::is_idempotent),
        Method::PUT,
        Full::from("a body"),
    )
    .await;
    assert_replayed(&api, &response);

    let (world, api, response) = refused(
        |layer| layer.replay_only(Method::is_idempotent),
        Method::POST,
        Full::from("a body"),
    )
    .await;
    assert_not_replayed(&world, &api, &response, false).await;
}

/// Independent of the order of `replay_only` and `replay_with`.
#[tokio::test(start_paused = true)]
async fn the_chosen_methods_stay_chosen_with_bodies_of_other_types() {
    let clone = |body: &Full<Bytes>| Some(body.clone());
    let sent = |method: Method| {
        let before = refused(
            move |layer| layer.replay_only(Method::is_idempotent).replay_with(clone),
            method.clone(),
            Full::from("a body"),
        );
        let after = refused(
            move |layer| layer.replay_with(clone).replay_only(Method::is_idempotent),
            method.clone(),
            Full::from("a body"),
        );
        let between = refused(
            move |layer| {
                let layer = layer.replay_with(clone);
                layer.replay_only(Method::is_idempotent).replay_with(clone)
            },
            method,
            Full::from("a body"),
        );
        async { [before.await, after.await, between.await] }
    };
    for (_, api, response) in sent(Method::PUT).await {
        assert_replayed(&api, &response);
    }
    for (world, api, response) in sent(Method::POST).await {
        assert_not_replayed(&world, &api, &response, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_other_types_pass_a_layer_that_replays_nothing() {
    // Neither `Default` nor `Clone`.
    struct OneShot(Full<Bytes>);
    impl Body for OneShot {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }
    let body = OneShot(Full::from("once"));
    let (world, api, response) = refused(|layer| layer.replay_off(), Method::POST, body).await;
    assert_eq!(api.seen()[0].body, "once");
    assert_not_replayed(&world, &api, &response, false).await;
}
