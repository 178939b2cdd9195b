//! Requests, and the service that they go to.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{Empty, Full};
use tower::Service;

/// What kind of request is sent. All have six headers, two of them made for each, and a new URI.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// No body, and a header map with room for more.
    Empty6Room,
    /// As the first, and the response carries an extension, as those of hyper-util's client and of
    /// reqwest do.
    Extension6Room,
    /// No body, and a header map that is full: the seventh header makes it grow.
    Empty6,
    /// 4 KiB of a body made for each request, full map.
    Body4k6,
    /// 4 KiB of a body that all requests share, full map.
    Shared4k6,
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [
        Self::Empty6Room,
        Self::Extension6Room,
        Self::Empty6,
        Self::Body4k6,
        Self::Shared4k6,
    ];

    /// The name as an argument.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Empty6Room => "empty6room",
            Self::Extension6Room => "extension6room",
            Self::Empty6 => "empty6",
            Self::Body4k6 => "body4k6",
            Self::Shared4k6 => "shared4k6",
        }
    }

    pub(crate) fn request(self) -> Request<Full<Bytes>> {
        let mut headers = match self {
            Self::Empty6Room | Self::Extension6Room => HeaderMap::with_capacity(12),
            _ => HeaderMap::new(),
        };
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
        headers.insert(
            HeaderName::from_static("x-request-id"),
            made("01890a5d-ac96-774b-bcce-b302099a8057"),
        );
        headers.insert(
            HeaderName::from_static("traceparent"),
            made("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        );
        let uri = Uri::try_from("https://api.example.com/v1/things/17?expand=all");
        let body = match self {
            Self::Empty6Room | Self::Extension6Room | Self::Empty6 => Bytes::new(),
            Self::Body4k6 => Bytes::from(vec![b'x'; BODY]),
            Self::Shared4k6 => shared_body(),
        };
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = uri.expect("a valid URI");
        *request.headers_mut() = headers;
        request
    }
}

const BODY: usize = 4 * 1024;

/// A value with memory of its own, as a number or an identifier gets.
fn made(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a valid header value")
}

fn shared_body() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    // Two handles from the start, so that it is shared before it is cloned.
    BYTES
        .get_or_init(|| {
            let bytes = Bytes::from(vec![b'x'; BODY]);
            drop(bytes.clone());
            bytes
        })
        .clone()
}

/// Sends a request by a service that is always ready, to its end.
#[inline]
pub(crate) fn send<S>(service: &mut S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
    let future = pin!(call(service, request));
    let answer = future.poll(&mut cx);
    assert!(black_box(&answer).is_ready(), "never waits");
}

/// A border that a caller reaches every service across, as a layer reaches the one below: what is
/// compared must not depend on what the compiler happens to merge.
#[inline(never)]
fn call<S>(service: &mut S, request: Request<Full<Bytes>>) -> S::Future
where
    S: Service<Request<Full<Bytes>>>,
{
    service.call(request)
}

/// Answers 200 at once.
#[derive(Clone, Copy, Default)]
pub(crate) struct NoOp {
    with_extension: bool,
}

impl NoOp {
    pub(crate) fn of(scenario: Scenario) -> Self {
        let with_extension = scenario == Scenario::Extension6Room;
        Self { with_extension }
    }
}

/// What a client leaves on a response, for example the address that it was connected to.
#[derive(Clone)]
#[allow(dead_code, reason = "nobody reads it")]
struct Connection(SocketAddr);

impl<B> Service<Request<B>> for NoOp {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(black_box(request));
        let mut response = Response::new(Empty::new());
        if self.with_extension {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
            response.extensions_mut().insert(Connection(address));
        }
        ready(Ok(response))
    }
}
