use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, StatusCode, header::LOCATION};
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

#[cfg(feature = "hyper-util")]
mod hyper_client;

const SECRET: &str = "fake-secret-in-error-text";

fn request() -> Request<Bytes> {
    Request::post("https://auth.example/token")
        .body(Bytes::from_static(b"grant"))
        .unwrap()
}

fn io_error() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, SECRET)
}

/// Polls a call once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The steps of a reply's body.
enum Step {
    Data(usize),
    Trailers,
    Fail,
    Hang,
}

struct Script {
    steps: VecDeque<Step>,
    hint: u64,
    /// Counts the polled frames. Its second owner shows whether the body still exists.
    polls: Arc<AtomicUsize>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(length)) => Some(Ok(Frame::data(vec![b'x'; length].into()))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Fail) => Some(Err(io_error())),
            Some(Step::Hang) => return Poll::Pending,
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint);
        hint
    }
}

type Outcome = Result<Response<Script>, BoxError>;

/// A service that must be polled twice before it is ready, and again after each clone. It answers
/// once, with the given reply.
struct Probe {
    polls: usize,
    outcome: Arc<Mutex<Option<Outcome>>>,
    requests: Arc<Mutex<Vec<Request<Full<Bytes>>>>>,
}

impl Probe {
    fn new(outcome: Outcome) -> Self {
        let outcome = Arc::new(Mutex::new(Some(outcome)));
        Self {
            polls: 0,
            outcome,
            requests: Arc::default(),
        }
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self {
            polls: 0,
            outcome: self.outcome.clone(),
            requests: self.requests.clone(),
        }
    }
}

impl Service<Request<Full<Bytes>>> for Probe {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = std::future::Ready<Outcome>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.polls += 1;
        if self.polls > 1 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.polls > 1, "called before it was ready");
        self.requests.lock().unwrap().push(request);
        std::future::ready(self.outcome.lock().unwrap().take().expect("one call"))
    }
}

struct Reply {
    outcome: Result<Response<Bytes>, Error>,
    /// The polled frames. The body is dropped when this has one owner.
    polls: Arc<AtomicUsize>,
}

async fn reply(steps: impl IntoIterator<Item = Step>, max_reply: usize) -> Reply {
    reply_with(steps, max_reply, 0, |head| head).await
}

async fn reply_with(
    steps: impl IntoIterator<Item = Step>,
    max_reply: usize,
    hint: u64,
    edit: impl FnOnce(Response<Script>) -> Response<Script>,
) -> Reply {
    let polls = Arc::new(AtomicUsize::new(0));
    let script = Script {
        steps: steps.into_iter().collect(),
        hint,
        polls: polls.clone(),
    };
    let transport = ServiceTransport::new(Probe::new(Ok(edit(Response::new(script)))));
    Reply {
        outcome: transport.send(request(), max_reply).await,
        polls,
    }
}

#[tokio::test]
async fn the_service_is_cloned_made_ready_and_called_with_the_whole_request() {
    let script = Script {
        steps: [Step::Data(2)].into(),
        hint: 0,
        polls: Arc::default(),
    };
    let transport = ServiceTransport::new(Probe::new(Ok(Response::new(script))));
    let response = transport.send(request(), 10).await.unwrap();
    assert_eq!(response.into_body(), "xx");
    let probe = transport.into_inner();
    assert_eq!(probe.polls, 0);
    let sent = probe.requests.lock().unwrap().pop().unwrap();
    assert_eq!(
        (sent.method(), sent.uri()),
        (request().method(), request().uri())
    );
    assert_eq!(
        sent.into_body().collect().await.unwrap().to_bytes(),
        "grant"
    );
}

#[tokio::test]
async fn the_size_limit_is_exact() {
    let whole = reply(
        [Step::Data(6), Step::Data(0), Step::Data(4), Step::Trailers],
        10,
    )
    .await;
    assert_eq!(whole.outcome.unwrap().body().len(), 10);
    assert_eq!(whole.polls.load(Ordering::Relaxed), 5);
    assert_eq!(reply([], 0).await.outcome.unwrap().body().len(), 0);

    let larger = reply(
        [Step::Data(6), Step::Data(5), Step::Data(1), Step::Fail],
        10,
    )
    .await;
    let error = larger.outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.to_string(),
        "token endpoint auth.example: the reply is larger than 10 bytes"
    );
    assert_eq!(error.status(), Some(StatusCode::OK));
    assert_eq!(
        larger.polls.load(Ordering::Relaxed),
        2,
        "read on beyond the cap"
    );
    assert_eq!(Arc::strong_count(&larger.polls), 1, "body kept");
}

#[tokio::test]
async fn an_announced_length_above_the_limit_is_an_error_before_the_body_is_read() {
    for (length, hint) in [
        ("11", 0),
        ("18446744073709551615", 0),
        ("1", 11),
        ("x", u64::MAX),
    ] {
        let steps = [Step::Data(1)];
        let reply = reply_with(steps, 10, hint, |mut response| {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, length.parse().unwrap());
            response
        })
        .await;
        assert_eq!(
            reply.outcome.unwrap_err().kind(),
            ErrorKind::Protocol,
            "{length} {hint}"
        );
        assert_eq!(reply.polls.load(Ordering::Relaxed), 0);
    }
    // An announced length that is too small changes nothing.
    let reply = reply_with([Step::Data(10)], 10, 10, |mut response| {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, "9".parse().unwrap());
        response
    });
    assert_eq!(reply.await.outcome.unwrap().body().len(), 10);
}

#[tokio::test]
async fn t2_a_redirect_is_returned_like_any_reply() {
    let reply = reply_with([Step::Data(1)], 10, 0, |mut response| {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response
            .headers_mut()
            .insert(LOCATION, "https://evil.example/".parse().unwrap());
        response
    });
    let response = reply.await.outcome.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()[LOCATION], "https://evil.example/");
    assert_eq!(response.body(), "x");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let reply = reply([Step::Data(1), Step::Fail, Step::Data(1)], 10).await;
    let error = reply.outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "token endpoint auth.example: the reply broke off (connection reset)"
    );
    assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
    assert_eq!(error.status(), Some(StatusCode::OK));
    assert_eq!(Arc::strong_count(&reply.polls), 1, "body kept");
}

#[tokio::test]
async fn g18_a_services_error_text_is_shown_only_on_request() {
    let fail = || Probe::new(Err(Box::new(Cause(Box::new(io_error())))));
    let error = ServiceTransport::new(fail())
        .send(request(), 10)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "token endpoint auth.example: no reply (connection reset)"
    );
    assert!(error.source().is_none());
    assert!(!format!("{error:?}").contains(SECRET));

    let outspoken = ServiceTransport::new(fail()).with_error_source();
    let error = outspoken.send(request(), 10).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "token endpoint auth.example: no reply (connection reset)"
    );
    let chain = || iter::successors(error.source(), |&error| error.source());
    let io = chain()
        .find_map(|error| error.downcast_ref::<io::Error>())
        .unwrap();
    assert_eq!(io.to_string(), SECRET);
    let texts: Vec<_> = chain().map(ToString::to_string).collect();
    assert!(texts.iter().all(|text| !text.is_empty()), "{texts:?}");

    let error = ServiceTransport::new(Probe::new(Err(SECRET.into())));
    let error = error.send(request(), 10).await.unwrap_err();
    assert_eq!(error.to_string(), "token endpoint auth.example: no reply");
}

/// A service that is never ready, or fails to become ready.
#[derive(Clone)]
struct Unready(Option<Arc<()>>);

impl Service<Request<Full<Bytes>>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.0.is_some() {
            Poll::Pending
        } else {
            Poll::Ready(Err(SECRET.into()))
        }
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        unreachable!("never ready")
    }
}

#[tokio::test]
async fn an_error_says_that_the_service_failed_to_become_ready() {
    let error = ServiceTransport::new(Unready(None))
        .send(request(), 10)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "token endpoint auth.example: the HTTP service is not ready"
    );
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
}

#[test]
fn a_dropped_call_drops_service_and_body() {
    let alive = Arc::new(());
    let transport = ServiceTransport::new(Unready(Some(alive.clone())));
    let mut call = Box::pin(transport.send(request(), 10));
    assert!(poll(call.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&alive), 3);
    drop(call);
    assert_eq!(Arc::strong_count(&alive), 2);

    let polls = Arc::new(AtomicUsize::new(0));
    let script = Script {
        steps: [Step::Hang].into(),
        hint: 0,
        polls: polls.clone(),
    };
    let transport = ServiceTransport::new(Probe::new(Ok(Response::new(script))));
    let mut call = Box::pin(transport.send(request(), 10));
    assert!(poll(call.as_mut()).is_pending(), "not ready yet");
    assert!(poll(call.as_mut()).is_pending(), "waits for the body");
    assert_eq!(
        (polls.load(Ordering::Relaxed), Arc::strong_count(&polls)),
        (1, 2)
    );
    drop(call);
    assert_eq!(Arc::strong_count(&polls), 1);
}

#[tokio::test]
async fn g19_a_dropped_call_closes_its_connection() {
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/token", listener.local_addr().unwrap());
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let transport = ServiceTransport::new(client);
    let call = tokio::spawn(async move {
        let request = Request::post(uri)
            .body(Bytes::from_static(b"grant"))
            .unwrap();
        transport.send(request, 100).await
    });
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"grant") {
        assert_ne!(peer.read_buf(&mut request).await.unwrap(), 0);
    }
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
        .await
        .unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "connection kept");
}
