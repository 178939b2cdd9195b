//! The requests, and the service that answers them.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use auth_core::{Key, Secret};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{Empty, Full};
use tower::Service;

/// The kind of request, and how its response is read. All have six headers, two of them made for
/// each request, and a new URI. Unless stated otherwise, there is no body, the header map has room
/// for more, and the caller moves the response out of the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Room6,
    /// The caller reads the response without moving it, which no real caller does. The rest is the
    /// layer's own work.
    InPlace6,
    /// The response carries an extension, as with hyper-util's client and reqwest.
    Extension6,
    /// A full header map, which the seventh header makes grow.
    Full6,
    /// 4 KiB of a body made for each request, full map.
    Body4k6,
    /// 4 KiB of a body that all requests share, full map.
    Shared4k6,
    /// The URI contains `:443`.
    Port443,
    /// Another origin of the same length.
    Foreign,
    /// Another origin, with 20 permitted origins.
    Foreign20,
    /// Another origin, whose response carries an extension.
    ForeignExtension,
    /// The request carries a key with a subject of 16 bytes.
    KeyShort,
    /// The request carries a key with a subject of 1 KiB.
    KeyLong,
}

impl Scenario {
    pub(crate) const ALL: [Self; 12] = [
        Self::Room6,
        Self::InPlace6,
        Self::Extension6,
        Self::Full6,
        Self::Body4k6,
        Self::Shared4k6,
        Self::Port443,
        Self::Foreign,
        Self::Foreign20,
        Self::ForeignExtension,
        Self::KeyShort,
        Self::KeyLong,
    ];

    /// Returns the name on the command line.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Room6 => "room6",
            Self::InPlace6 => "in-place6",
            Self::Extension6 => "extension6",
            Self::Full6 => "full6",
            Self::Body4k6 => "body4k6",
            Self::Shared4k6 => "shared4k6",
            Self::Port443 => "port443",
            Self::Foreign => "foreign",
            Self::Foreign20 => "foreign20",
            Self::ForeignExtension => "foreign-extension",
            Self::KeyShort => "key-short",
            Self::KeyLong => "key-long",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Room6 => "header map with room",
            Self::InPlace6 => "map with room, response read in place",
            Self::Extension6 => "map with room, response with an extension",
            Self::Full6 => "full map",
            Self::Body4k6 => "full map, 4 KiB body",
            Self::Shared4k6 => "full map, 4 KiB shared body",
            Self::Port443 => "map with room, URI with :443",
            Self::Foreign => "another origin, 1 permitted",
            Self::Foreign20 => "another origin, 20 permitted",
            Self::ForeignExtension => "another origin, response with an extension",
            Self::KeyShort => "key with a subject of 16 bytes",
            Self::KeyLong => "key with a subject of 1 KiB",
        }
    }

    /// The permitted origins.
    pub(crate) fn origins(self) -> Vec<String> {
        match self {
            Self::Foreign20 => (0..20)
                .map(|number| format!("https://a{number:02}.example.com"))
                .collect(),
            _ => vec![String::from("https://api.example.com")],
        }
    }

    pub(crate) fn request(self) -> Request<Full<Bytes>> {
        let mut headers = match self {
            Self::Full6 | Self::Body4k6 | Self::Shared4k6 => HeaderMap::new(),
            _ => HeaderMap::with_capacity(12),
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
        let uri = match self {
            Self::Port443 => "https://api.example.com:443/v1/things/17?expand=all",
            Self::Foreign | Self::Foreign20 | Self::ForeignExtension => {
                "https://cdn.example.com/v1/things/17?expand=all"
            }
            _ => "https://api.example.com/v1/things/17?expand=all",
        };
        let body = match self {
            Self::Body4k6 => Bytes::from(vec![b'x'; BODY]),
            Self::Shared4k6 => shared_body(),
            _ => Bytes::new(),
        };
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = Uri::try_from(uri).expect("a valid URI");
        *request.headers_mut() = headers;
        match self {
            Self::KeyShort => drop(request.extensions_mut().insert(key(16))),
            Self::KeyLong => drop(request.extensions_mut().insert(key(1024))),
            _ => {}
        }
        request
    }
}

/// A key that was made before, as for a signed-in user.
fn key(subject_bytes: usize) -> Key {
    static SHORT: OnceLock<Key> = OnceLock::new();
    static LONG: OnceLock<Key> = OnceLock::new();
    let made = match subject_bytes {
        ..=16 => &SHORT,
        _ => &LONG,
    };
    let make = || {
        let subject = Secret::new("s".repeat(subject_bytes));
        Key::builder("example").subject(&subject).build()
    };
    made.get_or_init(make).clone()
}

const BODY: usize = 4 * 1024;

/// A value with its own memory, like a number or an identifier.
fn made(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a valid header value")
}

fn shared_body() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    // Two handles from the start, so that the body is shared before it is cloned.
    BYTES
        .get_or_init(|| {
            let bytes = Bytes::from(vec![b'x'; BODY]);
            drop(bytes.clone());
            bytes
        })
        .clone()
}

/// Sends a request with a service that is always ready, and takes its response.
#[inline]
pub(crate) fn send<S, ResB>(service: &mut S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResB>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
    let future = pin!(call(service, request));
    match future.poll(&mut cx) {
        Poll::Ready(Ok(response)) => drop(black_box(response)),
        Poll::Ready(Err(_)) | Poll::Pending => panic!("neither fails nor waits"),
    }
}

/// Sends a request with a service that is always ready, and reads its response in place.
#[inline]
pub(crate) fn send_in_place<S>(service: &mut S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
    let future = pin!(call(service, request));
    let answer = future.poll(&mut cx);
    assert!(black_box(&answer).is_ready(), "never waits");
}

/// A function that is not inlined, through which a caller reaches every service, as a layer reaches
/// the one below. The comparison then does not depend on the compiler's inlining.
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
        let with_extension = matches!(scenario, Scenario::Extension6 | Scenario::ForeignExtension);
        Self { with_extension }
    }
}

/// An extension that a client leaves on a response, for example the address of the connection.
#[derive(Clone)]
#[allow(dead_code, reason = "never read")]
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
