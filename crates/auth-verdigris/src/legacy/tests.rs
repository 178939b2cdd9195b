use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    pin::{Pin, pin},
    task::Waker,
};

use auth_core::TokenRefused;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body::{Frame, SizeHint};
use proptest::prelude::*;

use super::*;

const REFUSAL: &str = r#"{"error":"Couldn't find ApiKey with access_token = fake-token"}"#;

/// One answer of a body's `poll_frame`.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error(&'static str),
    Pending,
}

/// Answers from a list, and counts the polls after its end.
#[derive(Debug, Default)]
struct Steps {
    left: VecDeque<Step>,
    polls: usize,
    polled_past_end: usize,
    hint: SizeHint,
}

impl Steps {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            left: steps.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polls += 1;
        match self.left.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Error(error)) => Poll::Ready(Some(Err(error))),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.polled_past_end += 1;
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn data(text: impl Into<Bytes>) -> Step {
    Step::Data(text.into())
}

fn not_found<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    let json = "application/json; charset=utf-8".parse().unwrap();
    response.headers_mut().insert("content-type", json);
    response
}

/// Answers each request with the response that it carries, if it was made ready before.
#[derive(Debug, Default)]
struct Echo {
    ready: bool,
}

impl<B> Service<Request<Response<B>>> for Echo {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Response<B>>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        ready(Ok(request.into_body()))
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..20_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the future never ends")
}

/// Sends a response through the layer.
fn through<B: Body + Unpin>(response: Response<B>) -> Response<PeekedBody<B>> {
    let mut service = LegacyRefusalLayer::new().layer(Echo::default());
    let mut cx = Context::from_waker(Waker::noop());
    let ready = Service::<Request<Response<B>>>::poll_ready(&mut service, &mut cx);
    assert!(ready.is_ready());
    block_on(service.call(Request::new(response))).unwrap()
}

fn is_marked<B>(response: &Response<B>) -> bool {
    response.extensions().get::<TokenRefused>().is_some()
}

/// All remaining frames of the body; `Pending` is skipped.
fn rest(body: &mut PeekedBody<Steps>) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(frame) = block_on(std::future::poll_fn(|cx| {
        Pin::new(&mut *body).poll_frame(cx)
    })) {
        steps.push(match frame {
            Err(error) => Step::Error(error),
            Ok(frame) => match frame.into_data() {
                Ok(data) => Step::Data(data),
                Err(frame) => Step::Trailers(frame.into_trailers().unwrap()),
            },
        });
    }
    steps
}

/// Sends a JSON 404 of these steps through the layer, checks that they are returned unchanged, and
/// returns whether the response was marked.
fn peek(steps: &[Step]) -> bool {
    let response = through(not_found(Steps::new(steps.to_vec())));
    let marked = is_marked(&response);
    let expected: Vec<_> = steps
        .iter()
        .filter(|step| **step != Step::Pending)
        .cloned()
        .collect();
    assert_eq!(rest(&mut response.into_body()), expected);
    marked
}

#[test]
fn a_refusal_is_marked_and_returned_unchanged() {
    assert!(peek(&[data(REFUSAL)]));
    assert!(peek(&[data(format!("  \r\n{REFUSAL}\n"))]));
    assert!(peek(&[data(
        REFUSAL.replace('\'', "\\u0027").replace('=', "\\u003d")
    )]));
    assert!(peek(&[data(REFUSAL.replace("}", ",\"status\":404}"))]));
}

#[test]
fn any_other_404_is_not_marked() {
    for body in [
        "",
        "{}",
        "null",
        r#"{"error":"Couldn't find Circuit with id=7"}"#,
        r#"{"error":"No such circuit: Couldn't find ApiKey with access_token = x"}"#,
        r#"{"message":"Couldn't find ApiKey with access_token = x"}"#,
        r#"{"error":["Couldn't find ApiKey with access_token = x"]}"#,
        r#"["Couldn't find ApiKey with access_token = x"]"#,
        r#"{"error":"Couldn't find ApiKey with access_token = x""#,
        r#"{"error":"Couldn't find ApiKey with access_token = x"} trailing"#,
        r#"{"error":"Couldn't find ApiKey with access_token = x","error":"no"}"#,
        "Couldn't find ApiKey with access_token = x",
        "<html>",
    ] {
        assert!(!peek(&[data(body)]), "{body}");
    }
}

#[test]
fn only_a_404_with_plain_json_is_read() {
    type Change = fn(&mut Response<Steps>);
    let changes: [Change; 6] = [
        |response| *response.status_mut() = StatusCode::OK,
        |response| *response.status_mut() = StatusCode::GONE,
        |response| drop(response.headers_mut().remove("content-type")),
        |response| {
            drop(
                response
                    .headers_mut()
                    .insert("content-type", "text/html".parse().unwrap()),
            )
        },
        |response| {
            drop(
                response
                    .headers_mut()
                    .insert("content-encoding", "gzip".parse().unwrap()),
            )
        },
        |response| response.body_mut().hint = SizeHint::with_exact(4097),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut response = not_found(Steps::new([data(REFUSAL)]));
        change(&mut response);
        let response = through(response);
        assert!(!is_marked(&response), "{index}");
        assert_eq!(response.body().get_ref().polls, 0, "{index}");
        assert_eq!(rest(&mut response.into_body()), [data(REFUSAL)]);
    }
}

#[test]
fn the_content_type_is_compared_without_case() {
    let mut response = not_found(Steps::new([data(REFUSAL)]));
    response.headers_mut().insert(
        "content-type",
        "Application/JSON;charset=UTF-8".parse().unwrap(),
    );
    assert!(is_marked(&through(response)));
}

#[test]
fn at_most_4_kib_are_read() {
    let padded = |size: usize| data(format!("{REFUSAL}{}", " ".repeat(size - REFUSAL.len())));
    assert!(peek(&[padded(4096)]));
    assert!(!peek(&[padded(4097)]));
    let halves = [padded(2048), data(vec![b' '; 2048])];
    assert!(peek(&halves));
    assert!(!peek(&[halves[0].clone(), halves[1].clone(), data(" ")]));
}

#[test]
fn a_body_that_cannot_be_a_refusal_is_not_delayed() {
    for first in ["<html>", " [", "x"] {
        let response = through(not_found(Steps::new([
            data(first),
            Step::Pending,
            data("rest"),
        ])));
        assert_eq!(response.body().get_ref().polls, 1, "{first}");
    }
    let empty = std::iter::repeat_n(data(""), 10_000);
    let response = through(not_found(Steps::new(empty)));
    assert!(response.body().get_ref().polls <= 64);
    assert_eq!(rest(&mut response.into_body()).len(), 10_000);
}

#[test]
fn trailers_and_errors_reach_the_caller() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "7".parse().unwrap());
    let trailers = Step::Trailers(trailers);
    assert!(peek(&[data(REFUSAL), trailers.clone()]));
    assert!(!peek(&[trailers]));
    assert!(!peek(&[data(REFUSAL), Step::Error("reset")]));
    assert!(!peek(&[
        data(&REFUSAL[..20]),
        Step::Pending,
        Step::Error("reset"),
        data("more")
    ]));
    assert!(!peek(&[Step::Error("reset")]));
}

#[test]
fn a_body_is_not_polled_after_its_end() {
    let mut body = through(not_found(Steps::new([data(REFUSAL)]))).into_body();
    assert!(!body.is_end_stream());
    assert_eq!(rest(&mut body), [data(REFUSAL)]);
    assert!(body.is_end_stream());
    assert_eq!(rest(&mut body), []);
    assert_eq!(body.get_ref().polled_past_end, 1);
}

#[test]
fn the_size_hint_includes_the_frames_that_were_read() {
    let mut steps = Steps::new([data("<"), data("abc")]);
    steps.hint = SizeHint::with_exact(3);
    let mut body = through(not_found(steps)).into_body();
    assert_eq!(
        body.size_hint().exact(),
        Some(4),
        "one byte seen, three to come"
    );
    let _ = block_on(std::future::poll_fn(|cx| {
        Pin::new(&mut body).poll_frame(cx)
    }));
    assert_eq!(body.size_hint().exact(), Some(3));
    let body = through(not_found(Steps::new([data(REFUSAL)]))).into_body();
    assert_eq!(
        body.size_hint().exact(),
        Some(REFUSAL.len() as u64),
        "all was seen"
    );
}

#[test]
fn data_in_several_chunks_is_read() {
    struct Once<D>(Option<D>);
    impl<D: Buf + Unpin> Body for Once<D> {
        type Data = D;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<D>, Infallible>>> {
            Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
        }
    }
    /// Shows its first part only, as `Buf` permits.
    struct Shy(bytes::buf::Chain<Bytes, Bytes>);
    impl Buf for Shy {
        fn remaining(&self) -> usize {
            self.0.remaining()
        }
        fn chunk(&self) -> &[u8] {
            self.0.chunk()
        }
        fn advance(&mut self, count: usize) {
            self.0.advance(count);
        }
    }
    fn left<D: Buf + Unpin>(response: Response<PeekedBody<Once<D>>>) -> Bytes {
        let mut body = response.into_body();
        let frame = block_on(std::future::poll_fn(|cx| {
            Pin::new(&mut body).poll_frame(cx)
        }));
        let mut data = frame.unwrap().unwrap().into_data().ok().unwrap();
        data.copy_to_bytes(data.remaining())
    }
    let parts = || Bytes::from(&REFUSAL[..9]).chain(Bytes::from(&REFUSAL[9..]));
    let response = through(not_found(Once(Some(parts()))));
    assert!(is_marked(&response));
    assert_eq!(left(response), REFUSAL);
    // The first part alone is a refusal; the whole is not.
    let shy = Shy(Bytes::from(REFUSAL).chain(Bytes::from(" and more")));
    let response = through(not_found(Once(Some(shy))));
    assert!(!is_marked(&response));
    assert_eq!(left(response), format!("{REFUSAL} and more"));
}

#[test]
fn g18_debug_does_not_show_the_echoed_token() {
    let response = through(not_found(Steps::new([data(REFUSAL)])));
    assert!(!format!("{response:?}").contains("fake-token"));
}

#[test]
fn futures_and_bodies_are_send() {
    fn is_send<T: Send>() {}
    is_send::<LegacyFuture<Ready<Result<Response<Steps>, Infallible>>, Steps>>();
    is_send::<PeekedBody<Steps>>();
}

#[test]
fn readiness_and_errors_of_the_inner_service_pass_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    struct Failing;
    impl Service<()> for Failing {
        type Response = Response<Steps>;
        type Error = Broken;
        type Future = Ready<Result<Response<Steps>, Broken>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            Poll::Pending
        }
        fn call(&mut self, (): ()) -> Self::Future {
            ready(Err(Broken))
        }
    }
    let mut service = LegacyRefusalLayer::new().layer(Failing);
    assert!(
        service
            .poll_ready(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert_eq!(block_on(service.call(())).unwrap_err(), Broken);
}

proptest! {
    #[test]
    fn bodies_in_any_pieces_are_returned_unchanged(
        body in prop_oneof![
            Just(REFUSAL.to_owned()),
            Just(format!("{REFUSAL}{}", " ".repeat(4090 - REFUSAL.len()))),
            "[ -~]{0,60}",
            "\\{\"error\":\"[a-z ]{0,40}\"\\}",
        ],
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..10),
        fails in any::<bool>(),
    ) {
        let mut steps = Vec::new();
        let mut left = Bytes::from(body.clone());
        for (cut, pending) in cuts {
            steps.push(data(left.split_to(cut.index(left.len() + 1))));
            if pending {
                steps.push(Step::Pending);
            }
        }
        steps.push(data(left));
        if fails {
            steps.push(Step::Error("reset"));
        }
        prop_assert_eq!(peek(&steps), body.starts_with(REFUSAL) && !fails);
    }
}
