//! The layers that are compared.

use std::{
    future::{Ready, ready},
    hint::black_box,
    iter,
    time::{Duration, Instant},
};

use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{
    Layer, Service,
    retry::{Policy, RetryLayer},
};
use tower_http::auth::AddAuthorizationLayer;

use crate::{
    requests::{NoOp, Scenario, send},
    warm,
};

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

    /// Builds the service. What comes back sends that many requests by it, one after the other, and
    /// returns how long it took.
    pub(crate) fn sender(self, scenario: Scenario, token_bytes: usize) -> Sender {
        let static_layer = || AddAuthorizationLayer::bearer(&warm::token(token_bytes));
        let layer = || AuthLayer::new(warm::warm(warm::builder(token_bytes)));
        let service = NoOp::of(scenario);
        match self {
            Self::Bare => sender(service, scenario),
            Self::AddAuthorization => sender(static_layer().layer(service), scenario),
            Self::RetryAndAddAuthorization => {
                let signed = static_layer().layer(service);
                sender(RetryLayer::new(OnceMore).layer(signed), scenario)
            }
            Self::AuthReplayOff => sender(layer().replay_off().layer(service), scenario),
            Self::Auth => sender(layer().layer(service), scenario),
        }
    }
}

pub(crate) type Sender = Box<dyn FnMut(u32) -> Duration>;

#[allow(clippy::disallowed_methods, reason = "a bench times things")]
fn sender<S>(mut service: S, scenario: Scenario) -> Sender
where
    S: Service<Request<Full<Bytes>>> + 'static,
{
    let plugs = even_out_the_heap(scenario);
    Box::new(move |requests| {
        let _plugs = &plugs;
        let start = Instant::now();
        for _ in 0..requests {
            send(&mut service, scenario.request());
        }
        start.elapsed()
    })
}

/// Fills the holes that building a service left in the heap, and leaves one that fits. Blocks that
/// are too large for malloc's cache per thread, such as a header map, would else cost one contender
/// more than the next.
fn even_out_the_heap(scenario: Scenario) -> Vec<Vec<u8>> {
    let sizes = [64, 32, 16, 8, 4, 2, 1].map(|kib| kib * 1024);
    let plugs = sizes.iter().flat_map(|&bytes| iter::repeat_n(bytes, 64));
    let mut plugs: Vec<_> = plugs.map(Vec::with_capacity).collect();
    let hole = scenario.request();
    plugs.push(Vec::with_capacity(2 * 1024));
    drop(hole);
    black_box(plugs)
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
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => Some(ready(())),
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
