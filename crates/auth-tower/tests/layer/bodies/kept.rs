//! Streams that are kept while they are sent: the two sends are compared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use auth_core::{Error, ErrorKind};
use auth_testkit::{Gate, Outcome};
use auth_tower::{Auth, AuthOutcome, NotReplayed, ReplayBody, ReplayBodyLayer};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;
use tower::{BoxError, Layer, Service, ServiceBuilder};
use tower_test::mock::{self, Handle, Mock, SendResponse};

use super::feed::{Feed, Given, Oops, Step, bare, data, give, step, step_with, steps, trailers};
use crate::support::{Api, FOREIGN, URL, World, in_time, ok, poll, send, settle, start};

pub(super) type Sent = Request<ReplayBody<Feed>>;
pub(super) type Answer = Response<Full<Bytes>>;

/// An upload during its first send.
pub(super) struct Upload {
    pub(super) world: World,
    pub(super) first: ReplayBody<Feed>,
    pub(super) reply: Option<SendResponse<Answer>>,
    handle: Handle<Sent, Answer>,
    call: JoinHandle<Result<Answer, auth_tower::Error<BoxError>>>,
}

impl Upload {
    pub(super) async fn start(max_bytes: usize, body: Feed) -> Self {
        Self::start_in(World::warm().await, max_bytes, body).await
    }

    pub(super) async fn start_in(world: World, max_bytes: usize, body: Feed) -> Self {
        let layer = world.layer();
        Self::start_through(world, max_bytes, body, |mock| layer.layer(mock)).await
    }

    async fn start_through<S>(
        world: World,
        max_bytes: usize,
        body: Feed,
        stack: impl FnOnce(Mock<Sent, Answer>) -> S,
    ) -> Self
    where
        S: Service<Sent, Response = Answer, Error = auth_tower::Error<BoxError>>,
        S::Future: Send + 'static,
    {
        let (mock, mut handle) = mock::pair();
        let mut client = ReplayBodyLayer::new(max_bytes).layer(stack(mock));
        let call = tokio::spawn(start(&mut client, post(URL, body)).await);
        let (request, reply) = in_time(handle.next_request()).await.unwrap();
        Self {
            world,
            first: request.into_body(),
            reply: Some(reply),
            handle,
            call,
        }
    }

    pub(super) fn refuse(&mut self) {
        self.answer(refused());
    }

    fn answer(&mut self, answer: Answer) {
        self.reply.take().unwrap().send_response(answer);
    }

    /// Returns the second send, after the first was refused.
    pub(super) async fn second(&mut self) -> ReplayBody<Feed> {
        let (request, reply) = in_time(self.handle.next_request()).await.unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer fake-token-2");
        self.reply = Some(reply);
        request.into_body()
    }

    /// Returns the second send after a refusal, or why it does not follow.
    pub(super) async fn second_or_why(&mut self) -> Result<ReplayBody<Feed>, NotReplayed> {
        let response = tokio::select! {
            biased;
            Some((request, reply)) = in_time(self.handle.next_request()) => {
                self.reply = Some(reply);
                return Ok(request.into_body());
            }
            response = &mut self.call => response.unwrap().unwrap(),
        };
        let outcome = AuthOutcome::of(&response);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (1, 1));
        // The token is renewed in either case.
        in_time(self.world.source.fetches_reached(2)).await;
        Err(outcome.not_replayed().unwrap().clone())
    }

    /// Returns the caller's response.
    pub(super) async fn answered(self) -> Answer {
        in_time(self.call).await.unwrap().unwrap()
    }

    /// Returns why the refusal was returned.
    pub(super) async fn not_replayed(mut self) -> NotReplayed {
        match self.second_or_why().await {
            Ok(_) => panic!("sent once more"),
            Err(why) => why,
        }
    }
}

pub(super) fn post<B>(url: &str, body: B) -> Request<B> {
    Request::post(url).body(body).unwrap()
}

fn refused() -> Answer {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

pub(super) const MAX: usize = 64 * 1024;

fn several() -> Vec<super::feed::Item> {
    vec![
        data("two "),
        data(""),
        data("frames"),
        data(vec![7; 5_000]),
        trailers("x-checksum", "42"),
    ]
}

fn is_an_error(step: &Step) -> bool {
    matches!(&step.given, Given::Error(error) if error.contains("sent once more"))
}

#[tokio::test(start_paused = true)]
async fn both_sends_have_the_same_frames_and_framing() {
    for (exact, knows_end) in [
        (None, false),
        (None, true),
        (Some(5_010), false),
        (Some(5_010), true),
    ] {
        let feed = || Feed::whole(several(), exact, knows_end);
        let mut upload = Upload::start(MAX, feed()).await;
        assert_eq!(steps(&mut upload.first), bare(feed()));
        upload.refuse();
        assert_eq!(steps(&mut upload.second().await), bare(feed()));
        upload.answer(ok());
        let response = upload.answered().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_is_sent_again_as_a_stream() {
    // Not as an empty body, which would be framed differently.
    let mut upload = Upload::start(MAX, Feed::of([])).await;
    assert_eq!(steps(&mut upload.first), bare(Feed::of([])));
    upload.refuse();
    let mut second = upload.second().await;
    assert!(!second.is_end_stream());
    assert_eq!(steps(&mut second), bare(Feed::of([])));
    assert!(second.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_stays_empty() {
    let mut upload = Upload::start(MAX, Feed::whole([], Some(0), true)).await;
    assert!(upload.first.is_end_stream());
    assert_eq!(upload.first.size_hint().exact(), Some(0));
    upload.refuse();
    let mut second = upload.second().await;
    assert!(second.is_end_stream());
    assert_eq!(second.size_hint().exact(), Some(0));
    assert_eq!(step(&mut second).given, Given::End);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_in_the_middle_the_second_send_is_complete_and_the_first_ends_with_an_error()
 {
    for read in 0..=5 {
        let feed = || Feed::whole(several(), Some(5_010), true);
        let mut upload = Upload::start(MAX, feed()).await;
        let all = bare(feed());
        for expected in &all[..read] {
            assert_eq!(&step(&mut upload.first), expected);
        }
        upload.refuse();
        let mut second = upload.second().await;
        // The body reported its end, so no client reads more.
        if read < 5 {
            assert!(!upload.first.is_end_stream());
            assert!(is_an_error(&step(&mut upload.first)), "after {read}");
        } else {
            assert!(upload.first.is_end_stream());
            assert_eq!(step(&mut upload.first).given, Given::End);
        }
        assert_eq!(steps(&mut second), all, "after {read}");
        assert_eq!(step(&mut second).given, Given::End);
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_send_continues_with_later_frames() {
    let (sender, feed) = Feed::new(None, false);
    let mut upload = Upload::start(MAX, feed).await;
    give(&sender, data("one "));
    assert_eq!(step(&mut upload.first).given, Given::Data("one ".into()));
    upload.refuse();
    let mut second = upload.second().await;
    give(&sender, data("two"));
    // The first send no longer receives frames.
    assert_eq!(step(&mut second).given, Given::Data("one ".into()));
    assert!(is_an_error(&step(&mut upload.first)));
    assert_eq!(step(&mut second).given, Given::Data("two".into()));
    assert_eq!(step(&mut second).given, Given::Nothing);
    assert!(is_an_error(&step(&mut upload.first)));
    drop(upload.first);
    let woken = Woken::default();
    let waker = Waker::from(Arc::clone(&woken.0));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(step_with(&mut second, &mut cx).given, Given::Nothing);
    give(&sender, trailers("x-checksum", "42"));
    assert_eq!(woken.times(), 1);
    assert!(matches!(step(&mut second).given, Given::Trailers(_)));
    drop(sender);
    assert_eq!(step(&mut second).given, Given::End);
}

#[derive(Default)]
struct Woken(Arc<Count>);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.0.load(SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_send_waits_while_the_token_is_renewed() {
    let world = World::warm().await;
    let gate = world.gate();
    let feed = Feed::of([data("one"), data("two")]);
    let mut upload = Upload::start_in(world, MAX, feed).await;
    step(&mut upload.first);
    upload.refuse();
    in_time(gate.reached(1)).await;
    settle().await;
    let woken = Woken::default();
    let waker = Waker::from(Arc::clone(&woken.0));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(step_with(&mut upload.first, &mut cx).given, Given::Nothing);
    assert_eq!(woken.times(), 0);

    // It does not wait without end: it receives an error.
    gate.open();
    let mut second = upload.second().await;
    assert_eq!(woken.times(), 1);
    assert!(is_an_error(&step(&mut upload.first)));
    assert_eq!(
        steps(&mut second),
        bare(Feed::of([data("one"), data("two")]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_send_that_waits_for_its_body_receives_an_error() {
    let (_sender, feed) = Feed::new(None, false);
    let mut upload = Upload::start(MAX, feed).await;
    let woken = Woken::default();
    let waker = Waker::from(Arc::clone(&woken.0));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(step_with(&mut upload.first, &mut cx).given, Given::Nothing);
    upload.refuse();
    let _second = upload.second().await;
    assert_eq!(woken.times(), 1);
    assert!(is_an_error(&step(&mut upload.first)));
}

#[tokio::test(start_paused = true)]
async fn the_first_send_continues_if_no_token_can_be_had() {
    let world = World::warm().await;
    world.clock.advance(Duration::from_secs(1)).await;
    let gate = Gate::new();
    let failure = Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure).after(&gate));
    let feed = || Feed::of([data("one"), data("two")]);
    let mut upload = Upload::start_in(world, MAX, feed()).await;
    let all = bare(feed());
    assert_eq!(step(&mut upload.first), all[0]);
    upload.refuse();
    in_time(gate.reached(1)).await;
    settle().await;
    let woken = Woken::default();
    let waker = Waker::from(Arc::clone(&woken.0));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(step_with(&mut upload.first, &mut cx).given, Given::Nothing);
    gate.open();
    settle().await;
    assert_eq!(woken.times(), 1);
    assert_eq!(steps(&mut upload.first), all[1..]);
    let why = upload.not_replayed().await;
    assert!(matches!(why, NotReplayed::NoToken(_)), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_send_continues_after_the_caller_cancelled() {
    let world = World::warm().await;
    let _gate = world.gate();
    let (mock, mut handle) = mock::pair::<Sent, Answer>();
    let mut client = ReplayBodyLayer::new(MAX).layer(world.over(mock));
    let feed = Feed::of([data("one"), data("two")]);
    let mut call = Box::pin(start(&mut client, post(URL, feed)).await);
    assert!(poll(&mut call).is_pending());
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    let mut first = request.into_body();
    reply.send_response(refused());
    assert!(poll(&mut call).is_pending());
    assert_eq!(step(&mut first).given, Given::Nothing);
    drop(call);
    assert_eq!(
        steps(&mut first),
        bare(Feed::of([data("one"), data("two")]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_client_dropped_is_sent_again_completely() {
    let mut upload = Upload::start(MAX, Feed::of(several())).await;
    let (first, ..) = (step(&mut upload.first), step(&mut upload.first));
    assert_eq!(first.given, Given::Data("two ".into()));
    upload.first = ReplayBody::new(Feed::of([]), 0);
    upload.refuse();
    assert_eq!(steps(&mut upload.second().await), bare(Feed::of(several())));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_returns_its_error_and_is_not_sent_again() {
    let feed = Feed::of([data("one"), Err(Oops(1)), data("two"), Err(Oops(2))]);
    let mut upload = Upload::start(MAX, feed).await;
    step(&mut upload.first);
    let error = upload.first.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Oops(1)));
    // A client that reads on receives the remaining frames.
    assert_eq!(step(&mut upload.first).given, Given::Data("two".into()));
    assert_eq!(step(&mut upload.first).given, Given::Error("oops 2".into()));
    upload.refuse();
    let why = upload.not_replayed().await;
    assert!(matches!(why, NotReplayed::Body), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_is_not_sent_again() {
    let panic = Err(Oops(Oops::PANIC));
    let mut upload = Upload::start(MAX, Feed::of([data("one"), panic, data("two")])).await;
    step(&mut upload.first);
    let first = std::panic::AssertUnwindSafe(&mut upload.first);
    std::panic::catch_unwind(move || step({ first }.0).given).unwrap_err();
    upload.refuse();
    let why = upload.not_replayed().await;
    assert!(matches!(why, NotReplayed::Body), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_during_the_second_send_returns_its_error() {
    let mut upload = Upload::start(MAX, Feed::of([data("one"), Err(Oops(1))])).await;
    step(&mut upload.first);
    upload.refuse();
    let mut second = upload.second().await;
    assert_eq!(step(&mut second).given, Given::Data("one".into()));
    let error = second.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Oops(1)));
}

#[tokio::test(start_paused = true)]
async fn two_layers_send_a_body_at_most_twice() {
    // The lower layer uses the second send, and no layer loses a frame.
    let world = World::warm().await;
    let (outer, inner) = (world.layer(), world.layer());
    let feed = || Feed::of(several());
    let (mock, mut handle) = mock::pair::<Sent, Answer>();
    let replace = auth_tower::ExistingCredential::Replace;
    let client: Auth<Auth<Mock<Sent, Answer>>> = outer.layer(inner.existing(replace).layer(mock));
    let mut client = ReplayBodyLayer::new(MAX).layer(client);
    let call = tokio::spawn(start(&mut client, post(URL, feed())).await);
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    let mut first = request.into_body();
    step(&mut first);
    reply.send_response(refused());
    let (request, reply) = in_time(handle.next_request()).await.unwrap();
    assert_eq!(steps(&mut request.into_body()), bare(feed()));
    assert!(is_an_error(&step(&mut first)));
    reply.send_response(refused());
    let response = in_time(call).await.unwrap().unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert!(matches!(
        AuthOutcome::of(&response).not_replayed(),
        Some(NotReplayed::Twice)
    ));
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_the_layer_apply_to_kept_bodies() {
    let world = World::warm().await;
    let layer = world.layer().replay_only(Method::is_idempotent);
    let start = Upload::start_through(world, MAX, Feed::of(several()), |mock| layer.layer(mock));
    let mut upload = start.await;
    steps(&mut upload.first);
    upload.refuse();
    assert!(matches!(upload.not_replayed().await, NotReplayed::Off));
}

#[tokio::test(start_paused = true)]
async fn a_kept_body_passes_between_the_layers_of_a_stack() {
    let world = World::cold();
    let api = Api::refusing_the_first(&world);
    let mut client = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(ReplayBodyLayer::new(MAX))
        .layer(world.layer())
        .concurrency_limit(1)
        .service(api.clone());
    // Without a cached token.
    let response = send(&mut client, post(URL, Feed::of(several()))).await;
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    let [first, second] = api.seen().try_into().unwrap();
    assert_eq!(second.but_the_token(), first.but_the_token());
    assert_eq!(second.body.len(), 5_010);
    assert_eq!(second.trailers.unwrap()["x-checksum"], "42");

    // And to another origin.
    let request = post(FOREIGN, Feed::of(several()));
    assert_eq!(send(&mut client, request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn two_threads_never_share_a_frame() {
    // Fewer than the number that tokio lets a task read at a time.
    let feed = || Feed::of((0..100_u8).map(|number| data(vec![number; 10])));
    let all = bare(feed());
    for _ in 0..50 {
        let mut upload = Upload::start(MAX, feed()).await;
        let spare = ReplayBody::new(Feed::of([]), 0);
        let mut first = std::mem::replace(&mut upload.first, spare);
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                match step(&mut first) {
                    Step {
                        given: Given::Nothing,
                        ..
                    } => std::thread::yield_now(),
                    step => seen.push(step),
                }
                let last = seen.last().map(|step| &step.given);
                if matches!(last, Some(Given::End | Given::Error(_))) {
                    return seen;
                }
            }
        });
        upload.refuse();
        let second = steps(&mut upload.second().await);
        let mut seen = reader.join().unwrap();
        assert!(second == all, "{second:?}");
        let last = seen.pop().unwrap();
        assert!(is_an_error(&last) || last.given == Given::End);
        assert!(seen == all[..seen.len()], "{seen:?}");
    }
}
