//! The layers that are compared, and the requests that they sign.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{Empty, Full};
use tower::{
    Layer, Service,
    retry::{Policy, RetryLayer},
};
use tower_http::auth::AddAuthorizationLayer;

use crate::warm;

/// What stands between the caller and the same service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Nothing: the floor.
    Bare,
    AddAuthorization,
    RetryAndAddAuthorization,
    AuthReplayOff,
    Auth,
}

impl Contender {
    pub(crate) const ALL: [Self; 5] = [
        Self::Bare,
        Self::AddAuthorization,
        Self::AuthReplayOff,
        Self::RetryAndAddAuthorization,
        Self::Auth,
    ];

    /// The name as an argument.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AddAuthorization => "add-authorization",
            Self::RetryAndAddAuthorization => "retry",
            Self::AuthReplayOff => "auth-replay-off",
            Self::Auth => "auth",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "the service alone",
            Self::AddAuthorization => "tower-http AddAuthorization",
            Self::RetryAndAddAuthorization => "tower Retry(clone) + AddAuthorization",
            Self::AuthReplayOff => "AuthLayer, replay off",
            Self::Auth => "AuthLayer",
        }
    }

    /// Sends requests one after the other, by one service.
    pub(crate) fn send(self, scenario: Scenario, token_bytes: usize, requests: u32) {
        let static_layer = || AddAuthorizationLayer::bearer(&warm::token(token_bytes));
        let layer = || AuthLayer::new(warm::warm(warm::builder(token_bytes)));
        match self {
            Self::Bare => send(NoOp, scenario, requests),
            Self::AddAuthorization => send(static_layer().layer(NoOp), scenario, requests),
            Self::RetryAndAddAuthorization => {
                let service = RetryLayer::new(OnceMore).layer(static_layer().layer(NoOp));
                send(service, scenario, requests);
            }
            Self::AuthReplayOff => send(layer().replay_off().layer(NoOp), scenario, requests),
            Self::Auth => send(layer().layer(NoOp), scenario, requests),
        }
    }
}

/// What kind of request is sent. All have six headers, two of them made for each, and a new URI.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// No body, and a header map with room for more.
    Empty6Room,
    /// No body, and a header map that is full: the seventh header makes it grow.
    Empty6,
    /// 4 KiB of a body made for each request, full map.
    Body4k6,
    /// 4 KiB of a body that all requests share, full map.
    Shared4k6,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] = [
        Self::Empty6Room,
        Self::Empty6,
        Self::Body4k6,
        Self::Shared4k6,
    ];

    /// The name as an argument.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Empty6Room => "empty6room",
            Self::Empty6 => "empty6",
            Self::Body4k6 => "body4k6",
            Self::Shared4k6 => "shared4k6",
        }
    }

    fn request(self, number: u32) -> Request<Full<Bytes>> {
        let mut headers = match self {
            Self::Empty6Room => HeaderMap::with_capacity(12),
            _ => HeaderMap::new(),
        };
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
        headers.insert(
            HeaderName::from_static("x-request-id"),
            made(format!("request-{number:08}")),
        );
        headers.insert(
            HeaderName::from_static("traceparent"),
            made(format!("00-{number:032x}-{number:016x}-01")),
        );
        let uri = format!("https://api.example.com/v1/things/{number:08}?expand=all");
        let body = match self {
            Self::Empty6Room | Self::Empty6 => Bytes::new(),
            Self::Body4k6 => Bytes::from(vec![b'x'; BODY]),
            Self::Shared4k6 => shared_body(),
        };
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = Uri::try_from(uri).expect("a valid URI");
        *request.headers_mut() = headers;
        request
    }
}

const BODY: usize = 4 * 1024;

fn made(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("a valid header value")
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

/// Sends requests by one service, each to its end.
pub(crate) fn send<S>(mut service: S, scenario: Scenario, requests: u32)
where
    S: Service<Request<Full<Bytes>>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    for number in 0..requests {
        let request = scenario.request(number);
        assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
        let future = pin!(service.call(request));
        assert!(black_box(future.poll(&mut cx)).is_ready(), "never waits");
    }
}

/// Answers 200 at once.
#[derive(Clone, Copy)]
pub(crate) struct NoOp;

impl<B> Service<Request<B>> for NoOp {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(Empty::new())))
    }
}

/// What one writes to try a request again after a 401.
#[derive(Clone)]
struct OnceMore;

impl<B: Clone, ResB, E> Policy<Request<B>, Response<ResB>, E> for OnceMore {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<ResB>, E>,
    ) -> Option<Self::Future> {
        match result {
            Ok(response) if response.status() == http::StatusCode::UNAUTHORIZED => Some(ready(())),
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
