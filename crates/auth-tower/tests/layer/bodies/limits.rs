//! How much of a stream is kept, and until when.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use auth_core::{Error, ErrorKind};
use auth_testkit::Outcome;
use auth_tower::{MissingToken, NotReplayed, ReplayBody, ReplayBodyLayer};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower::Layer;
use tower_test::mock;

use super::{
    feed::{Feed, Item, bare, data, step, steps, trailers},
    kept::{Answer, MAX, Sent, Upload, post},
};
use crate::support::{FOREIGN, URL, World, in_time, start};

/// Sends the whole stream and has it refused. Returns whether it was sent again unchanged.
async fn is_sent_again(max_bytes: usize, feed: impl Fn() -> Feed) -> bool {
    let mut upload = Upload::start(max_bytes, feed()).await;
    let all = bare(feed());
    assert_eq!(steps(&mut upload.first), all);
    upload.refuse();
    match upload.second_or_why().await {
        Ok(mut second) => {
            assert_eq!(steps(&mut second), all);
            true
        }
        Err(NotReplayed::TooLarge) => false,
        Err(why) => panic!("{why:?}"),
    }
}

/// A stream that ends without a frame: its sender was dropped.
#[derive(Clone, Default)]
struct Ending(Arc<AtomicBool>);

impl Body for Ending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.load(SeqCst) {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.load(SeqCst)
    }

    fn size_hint(&self) -> SizeHint {
        if self.0.load(SeqCst) {
            SizeHint::with_exact(0)
        } else {
            SizeHint::default()
        }
    }
}

#[test]
fn a_stream_that_ends_without_a_frame_is_at_its_end() {
    let stream = Ending::default();
    let body = ReplayBody::new(stream.clone(), MAX);
    assert_eq!(
        (body.is_end_stream(), body.size_hint().exact()),
        (false, None)
    );
    stream.0.store(true, SeqCst);
    assert_eq!(
        (body.is_end_stream(), body.size_hint().exact()),
        (true, Some(0))
    );
}

/// Streams that are made of closures never report their end.
#[test]
fn a_stream_that_has_ended_is_at_its_end_although_it_does_not_say_so() {
    let mut body = ReplayBody::new(Feed::whole([data("x")], None, false), MAX);
    step(&mut body);
    assert!(!body.is_end_stream());
    step(&mut body);
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn exactly_max_bytes_are_kept() {
    const N: usize = 10_000;
    for (length, is_kept) in [(N - 1, true), (N, true), (N + 1, false)] {
        for exact in [None, Some(length as u64)] {
            let items = || {
                [
                    data(vec![1; 4_999]),
                    data(""),
                    data(vec![2; length - 4_999]),
                ]
            };
            let feed = || Feed::whole(items(), exact, false);
            assert_eq!(is_sent_again(N, feed).await, is_kept, "{length} {exact:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_limit_of_zero_only_an_empty_body_is_kept() {
    assert!(is_sent_again(0, || Feed::of([data("")])).await);
    assert!(!is_sent_again(0, || Feed::of([data("x")])).await);
}

#[tokio::test(start_paused = true)]
async fn trailers_count_towards_the_limit() {
    for (length, is_kept) in [(990, true), (991, false)] {
        let feed = || Feed::of([data(vec![1; length]), trailers("x-length", "12")]);
        assert_eq!(is_sent_again(1_000, feed).await, is_kept);
    }
}

#[tokio::test(start_paused = true)]
async fn empty_frames_count_towards_the_limit() {
    // 16, plus one per 128 bytes.
    for (frames, is_kept) in [(18, true), (19, false)] {
        let feed = || Feed::of((0..frames).map(|_| data("")));
        assert_eq!(is_sent_again(256, feed).await, is_kept);
    }
}

/// Bytes that record whether their memory is still allocated.
struct Buffer {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn buffer(&self, length: usize) -> Bytes {
        self.0.fetch_add(1, SeqCst);
        Bytes::from_owner(Buffer {
            bytes: vec![3; length],
            alive: Arc::clone(&self.0),
        })
    }

    fn now(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

fn buffers(alive: &Alive, lengths: &[usize]) -> Vec<Item> {
    let lengths = lengths.iter();
    lengths.map(|&length| data(alive.buffer(length))).collect()
}

#[tokio::test(start_paused = true)]
async fn long_frames_are_shared_and_short_ones_copied() {
    let alive = Alive::default();
    let mut items = buffers(&alive, &[4_096, 4_095]);
    // A few bytes do not keep the buffer alive from which they were cut.
    items.push(data(alive.buffer(1_000_000).slice(..10)));
    let mut upload = Upload::start(MAX, Feed::of(items)).await;
    for left in [3, 3, 2] {
        assert_eq!(alive.now(), left);
        step(&mut upload.first);
    }
    assert_eq!(alive.now(), 1);

    // Frames that were sent twice are freed.
    upload.refuse();
    let mut second = upload.second().await;
    assert_eq!(alive.now(), 1);
    step(&mut second);
    assert_eq!(alive.now(), 0);
}

#[tokio::test(start_paused = true)]
async fn kept_frames_of_a_body_above_the_limit_are_freed_at_once() {
    let alive = Alive::default();
    let items = buffers(&alive, &[5_000, 5_000, 1, 5_000]);
    let mut upload = Upload::start(10_000, Feed::of(items)).await;
    step(&mut upload.first);
    step(&mut upload.first);
    assert_eq!(alive.now(), 4);
    step(&mut upload.first);
    assert_eq!(alive.now(), 1);
    step(&mut upload.first);
    assert_eq!(alive.now(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_body_whose_hint_exceeds_the_limit() {
    let alive = Alive::default();
    let items = buffers(&alive, &[5_000, 5_001]);
    let mut upload = Upload::start(10_000, Feed::whole(items, Some(10_001), false)).await;
    step(&mut upload.first);
    assert_eq!(alive.now(), 1);
    upload.refuse();
    assert!(matches!(upload.not_replayed().await, NotReplayed::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn kept_frames_are_freed_after_an_answer_without_a_refusal() {
    let alive = Alive::default();
    let items = buffers(&alive, &[5_000, 5_000]);
    let mut upload = Upload::start(MAX, Feed::of(items)).await;
    step(&mut upload.first);
    assert_eq!(alive.now(), 2);
    let reply = upload.reply.take().unwrap();
    reply.send_response(crate::support::ok());
    let Upload { mut first, .. } = {
        crate::support::settle().await;
        upload
    };
    assert_eq!(alive.now(), 1);
    step(&mut first);
    assert_eq!(alive.now(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_with_replay_off() {
    let world = World::warm().await;
    for (url, layer) in [(FOREIGN, world.layer()), (URL, only_get(&world))] {
        let alive = Alive::default();
        let (mock, mut handle) = mock::pair::<Sent, Answer>();
        let mut client = ReplayBodyLayer::new(MAX).layer(layer.layer(mock));
        let items = buffers(&alive, &[5_000, 5_000]);
        let _call = tokio::spawn(start(&mut client, post(url, Feed::of(items))).await);
        let (request, _reply) = in_time(handle.next_request()).await.unwrap();
        let mut body = request.into_body();
        step(&mut body);
        assert_eq!(alive.now(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_request_that_is_sent_without_a_token() {
    let world = World::cold();
    let failure = Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure));
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let alive = Alive::default();
    let (mock, mut handle) = mock::pair::<Sent, Answer>();
    let mut client = ReplayBodyLayer::new(MAX).layer(layer.layer(mock));
    let items = buffers(&alive, &[5_000, 5_000]);
    let _call = tokio::spawn(start(&mut client, post(URL, Feed::of(items))).await);
    let (request, _reply) = in_time(handle.next_request()).await.unwrap();
    assert!(request.headers().get("authorization").is_none());
    let mut body = request.into_body();
    step(&mut body);
    assert_eq!(alive.now(), 1);
}

fn only_get(world: &World) -> auth_tower::AuthLayer {
    world.layer().replay_only(|method| method == "GET")
}

#[test]
fn without_auth_layer_it_is_an_ordinary_body() {
    let alive = Alive::default();
    let feed = Feed::whole(buffers(&alive, &[5_000, 5_000]), Some(10_000), true);
    let mut body = ReplayBody::new(feed, MAX);
    assert_eq!(body.size_hint().exact(), Some(10_000));
    step(&mut body);
    assert_eq!((alive.now(), body.size_hint().exact()), (1, Some(5_000)));
    step(&mut body);
    assert!(body.is_end_stream());
}
