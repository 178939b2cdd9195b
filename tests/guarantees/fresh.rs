//! G1 and G2: a valid token costs nothing, and is renewed ahead of expiry.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use auth_core::{AccessToken, Clock, Moment, Signing, TokenRequestReason};
use auth_testkit::{Gate, Outcome, ScriptedSource, VirtualClock};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

use crate::support::{
    API, HOUR, SECOND, elapse, exact, machine, machine_with, poll_once, served, soon,
};

#[tokio::test(start_paused = true)]
async fn g01_a_valid_token_is_returned_without_an_allocation() {
    let authenticator = machine(ScriptedSource::new());
    authenticator.token().await.unwrap();
    let mut headers = HeaderMap::with_capacity(4);
    let rounds = 1_000;
    let measured = allocation_counter::measure(|| {
        for _ in 0..rounds {
            assert!(authenticator.try_token().is_some());
            assert!(matches!(
                authenticator.sign(&mut headers),
                Signing::Signed(_)
            ));
            headers.clear();
        }
    });
    test_report::figure!(
        "G1: {} allocations for {} signed requests",
        measured.count_total => 0,
        rounds => 1_000,
    );
}

#[tokio::test(start_paused = true)]
async fn g01_a_request_with_a_valid_token_is_signed_in_its_first_poll_without_an_allocation() {
    let authenticator = machine(ScriptedSource::new());
    authenticator.token().await.unwrap();
    let mut client =
        AuthLayer::new(authenticator).layer(service_fn(|request: Request<Full<Bytes>>| {
            assert_eq!(request.headers()["authorization"], "Bearer fake-token-1");
            ready(Ok::<_, Infallible>(Response::new(())))
        }));
    let request = || {
        let mut request = Request::new(Full::default());
        *request.headers_mut() = HeaderMap::with_capacity(4);
        *request.uri_mut() = API.parse().unwrap();
        request
    };
    let send = |client: &mut dyn Service<_, Error = _, Response = _, Future = _>, request| {
        let mut sent = client.call(request);
        assert!(matches!(poll_once(&mut sent), Poll::Ready(Ok(_))));
    };
    // The first request of a thread allocates the buffer that the others use.
    send(&mut client, request());
    for _ in 0..100 {
        let request = request();
        let measured = allocation_counter::measure(|| send(&mut client, request));
        assert_eq!(measured.count_total, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn g01_a_valid_token_costs_one_reading_of_the_clock() {
    let clock = Counting::default();
    let readings = Arc::clone(&clock.readings);
    let authenticator = machine_with(ScriptedSource::new(), |options| options.clock(clock));
    authenticator.token().await.unwrap();
    let before = readings.load(Ordering::Relaxed);
    assert!(authenticator.try_token().is_some());
    assert_eq!(readings.load(Ordering::Relaxed), before + 1);
    authenticator.sign(&mut HeaderMap::new());
    assert_eq!(readings.load(Ordering::Relaxed), before + 2);
}

#[test]
fn g01_a_valid_token_is_returned_outside_of_any_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let authenticator = machine(ScriptedSource::new());
    runtime.block_on(authenticator.token()).unwrap();
    drop(runtime);
    assert!(authenticator.try_token().is_some());
    assert_eq!(served(&authenticator), 1);
}

#[tokio::test(start_paused = true)]
async fn g02_ahead_of_expiry_the_old_token_is_used_and_one_flight_runs() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source
        .then(Outcome::fresh())
        .then(Outcome::fresh().after(&gate));
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(HOUR * 4 / 5).await;
    for _ in 0..1_000 {
        assert_eq!(served(&authenticator), 1);
    }
    soon(gate.reached(1)).await;
    for _ in 0..1_000 {
        assert_eq!(served(&authenticator), 1);
    }
    assert_eq!(source.fetches(), 2);
    assert_eq!(
        source.log()[1].token_request.reason,
        TokenRequestReason::Ahead
    );

    gate.open();
    elapse(Duration::from_millis(1)).await;
    assert_eq!(served(&authenticator), 2);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g02_no_token_is_renewed_before_its_renewal_time() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    // 80 % of the lifetime, less at most 5 % of jitter.
    for _ in 0..(HOUR.as_secs() * 3 / 4) {
        assert_eq!(served(&authenticator), 1);
        elapse(SECOND).await;
    }
    assert_eq!(source.fetches(), 1);
    elapse(HOUR / 20).await;
    assert_eq!(served(&authenticator), 1);
    elapse(Duration::from_millis(1)).await;
    assert_eq!((served(&authenticator), source.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn g02_the_vendors_renewal_hint_takes_precedence() {
    let source = ScriptedSource::new();
    let hinted = AccessToken::new("fake-token-hinted")
        .expires_in(HOUR)
        .refresh_in(10 * SECOND);
    source.then(Outcome::token(hinted));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    elapse(10 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(served(&authenticator), 1);
    elapse(Duration::from_millis(1)).await;
    assert_eq!(served(&authenticator), 1);
    soon(source.fetches_reached(2)).await;
}

#[tokio::test(start_paused = true)]
async fn g02_processes_that_started_together_do_not_renew_together() {
    fastrand::seed(2);
    let sources: Vec<_> = (0..200).map(|_| ScriptedSource::new()).collect();
    let authenticators: Vec<_> = sources.iter().cloned().map(machine).collect();
    for authenticator in &authenticators {
        authenticator.token().await.unwrap();
    }
    for _ in 0..HOUR.as_secs() * 81 / 100 {
        elapse(SECOND).await;
        authenticators.iter().for_each(|each| {
            served(each);
        });
    }
    elapse(SECOND).await;
    let times: Vec<_> = sources.iter().map(|source| source.log()[1].at).collect();
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    // Most of the 5 % between 75 % and 80 %.
    assert!(*last - *first > HOUR / 25, "{first:?} to {last:?}");
    for second in 0..HOUR.as_secs() {
        let together = times.iter().filter(|at| at.as_secs() == second).count();
        assert!(together <= 10, "{together} in second {second}");
    }
}

/// A clock that counts its readings.
#[derive(Clone, Debug, Default)]
struct Counting {
    clock: VirtualClock,
    readings: Arc<AtomicUsize>,
}

impl Clock for Counting {
    fn now(&self) -> Moment {
        self.readings.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }
}
