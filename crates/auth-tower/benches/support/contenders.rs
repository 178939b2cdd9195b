//! The layers that are compared.

use std::{hint::black_box, iter, time::Duration};

use auth_core::{AuthenticatorMap, AuthenticatorOptions, Key, Origins};
use auth_metrics::MetricsObserver;
use auth_tower::{AuthLayer, ReplayBodyLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use metrics::NoopRecorder;
use tower::{Layer, Service, retry::RetryLayer};
use tower_http::auth::AddAuthorizationLayer;

use crate::{
    processor,
    requests::{NoOp, Scenario, send, send_in_place},
    retry::OnceMore,
    rw_lock::RwLockLayer,
    warm,
};

/// The code between the caller and the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Nothing: the floor.
    Bare,
    AddAuthorization,
    AuthReplayOff,
    RetryAndAddAuthorization,
    Auth,
    /// As applications write it.
    RwLock,
    /// With `ReplayBodyLayer` above.
    AuthReplayBody,
    /// With an observer that writes metrics.
    AuthMetrics,
    KeyedReplayOff,
    Keyed,
}

impl Contender {
    pub(crate) const ALL: [Self; 10] = [
        Self::Bare,
        Self::AddAuthorization,
        Self::AuthReplayOff,
        Self::RetryAndAddAuthorization,
        Self::Auth,
        Self::RwLock,
        Self::AuthReplayBody,
        Self::AuthMetrics,
        Self::KeyedReplayOff,
        Self::Keyed,
    ];

    /// Returns the contenders of a scenario.
    pub(crate) fn of(scenario: Scenario) -> &'static [Self] {
        match scenario {
            Scenario::Room6 => &Self::ALL[..8],
            Scenario::InPlace6
            | Scenario::Extension6
            | Scenario::Full6
            | Scenario::Body4k6
            | Scenario::Shared4k6
            | Scenario::Port443 => &Self::ALL[..6],
            Scenario::Foreign | Scenario::Foreign20 | Scenario::ForeignExtension => &Self::ALL[..3],
            Scenario::KeyShort | Scenario::KeyLong => {
                &[Self::Bare, Self::KeyedReplayOff, Self::Keyed]
            }
        }
    }

    /// Returns the name on the command line.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AddAuthorization => "add-authorization",
            Self::AuthReplayOff => "auth-replay-off",
            Self::RetryAndAddAuthorization => "retry",
            Self::Auth => "auth",
            Self::RwLock => "rw-lock",
            Self::AuthReplayBody => "auth-replay-body",
            Self::AuthMetrics => "auth-metrics",
            Self::KeyedReplayOff => "keyed-replay-off",
            Self::Keyed => "keyed",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "the service without a layer",
            Self::AddAuthorization => "tower-http AddAuthorization",
            Self::AuthReplayOff => "AuthLayer, replay off",
            Self::RetryAndAddAuthorization => "tower Retry(clone) + AddAuthorization",
            Self::Auth => "AuthLayer",
            Self::RwLock => "hand-written layer, RwLock",
            Self::AuthReplayBody => "ReplayBodyLayer + AuthLayer",
            Self::AuthMetrics => "AuthLayer with MetricsObserver",
            Self::KeyedReplayOff => "AuthLayer::keyed, replay off",
            Self::Keyed => "AuthLayer::keyed",
        }
    }

    /// Builds the service. Returns a function that sends this number of requests, one after the
    /// other, and returns the processor time.
    pub(crate) fn sender(self, scenario: Scenario, token_bytes: usize) -> Sender {
        let static_layer = || AddAuthorizationLayer::bearer(&warm::token(token_bytes));
        let origins = move || Origins::new(scenario.origins()).expect("valid origins");
        let builder = move || warm::builder_to(token_bytes, origins());
        let layer = || AuthLayer::new(warm::warm(builder()));
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
            Self::RwLock => {
                let layer = RwLockLayer::new(&warm::token(token_bytes));
                sender(layer.layer(service), scenario)
            }
            Self::AuthReplayBody => {
                let signed = layer().layer(service);
                sender(ReplayBodyLayer::new(64 * 1024).layer(signed), scenario)
            }
            Self::AuthMetrics => {
                // Prometheus' recorder calibrates its clock at the start, for a time that varies.
                let observer = MetricsObserver::with_recorder(NoopRecorder);
                let options = AuthenticatorOptions::new().observer(observer);
                let authenticator = warm::warm(builder().options(options));
                sender(AuthLayer::new(authenticator).layer(service), scenario)
            }
            Self::KeyedReplayOff | Self::Keyed => {
                let options = AuthenticatorOptions::new().shards(1);
                let make = move |_: &Key| Ok(warm::warm(builder().options(options.clone())));
                let map = AuthenticatorMap::builder(make).build();
                let layer = AuthLayer::keyed(map.expect("valid settings"));
                match self {
                    Self::Keyed => sender(layer.layer(service), scenario),
                    _ => sender(layer.replay_off().layer(service), scenario),
                }
            }
        }
    }
}

pub(crate) type Sender = Box<dyn FnMut(u32) -> Duration>;

fn sender<S, ResB>(mut service: S, scenario: Scenario) -> Sender
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResB>> + 'static,
{
    let plugs = even_out_the_heap(scenario);
    Box::new(move |requests| {
        let _plugs = &plugs;
        let start = processor::time();
        match scenario {
            Scenario::InPlace6 => {
                (0..requests).for_each(|_| send_in_place(&mut service, scenario.request()));
            }
            _ => (0..requests).for_each(|_| send(&mut service, scenario.request())),
        }
        processor::time() - start
    })
}

/// Fills the gaps that building a service left in the heap, and leaves one that fits. Otherwise
/// blocks that are too large for malloc's cache per thread, such as a header map, would cost one
/// contender more than the next.
fn even_out_the_heap(scenario: Scenario) -> Vec<Vec<u8>> {
    let sizes = [64, 32, 16, 8, 4, 2, 1].map(|kib| kib * 1024);
    let plugs = sizes.iter().flat_map(|&bytes| iter::repeat_n(bytes, 64));
    let mut plugs: Vec<_> = plugs.map(Vec::with_capacity).collect();
    let hole = scenario.request();
    plugs.push(Vec::with_capacity(2 * 1024));
    drop(hole);
    black_box(plugs)
}
