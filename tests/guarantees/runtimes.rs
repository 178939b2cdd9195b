//! G3 when runtimes end or stop: a flight belongs to no runtime.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use auth_core::{Error, ErrorKind, Refusal};
use auth_testkit::{Gate, Outcome, ScriptedSource, VirtualClock};
use tokio::{
    runtime::{Builder, Runtime},
    time,
};

use crate::support::{SECOND, elapse, failed, machine, machine_with, poll_once, soon};

#[test]
fn g03_if_a_runtime_ends_during_a_flight_a_caller_elsewhere_starts_another() {
    let (first, second) = (runtime(), runtime());
    let source = ScriptedSource::new();
    source.then(Outcome::never());
    let authenticator = machine(source.clone());
    first.block_on(async {
        assert!(poll_once(&mut authenticator.token()).is_pending());
        soon(source.fetches_reached(1)).await;
    });
    drop(first);
    let token = second.block_on(authenticator.token()).unwrap();
    assert_eq!((token.generation().get(), source.fetches()), (1, 2));
}

#[test]
fn g03_if_a_runtime_ends_during_a_flight_callers_elsewhere_are_woken() {
    let (first, second) = (runtime(), runtime());
    let source = ScriptedSource::new();
    source.then(Outcome::never());
    let authenticator = machine(source.clone());
    first.block_on(async {
        assert!(poll_once(&mut authenticator.token()).is_pending());
        soon(source.fetches_reached(1)).await;
    });
    let mut waiting: Vec<_> = (0..100).map(|_| authenticator.token()).collect();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    second.block_on(async {
        for call in &mut waiting {
            let call = std::pin::Pin::new(call);
            assert!(call.poll(&mut Context::from_waker(&waker)).is_pending());
        }
    });
    drop(first);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 100);
    second.block_on(async {
        for call in waiting {
            assert_eq!(call.await.unwrap().generation().get(), 1);
        }
    });
    assert_eq!(source.fetches(), 2);
}

#[test]
fn g03_a_flight_on_a_stopped_runtime_is_replaced() {
    let (stalled, running) = (runtime(), runtime());
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    let clock = running.block_on(async { VirtualClock::new() });
    let authenticator = machine_with(source.clone(), |options| options.clock(clock));
    stalled.block_on(async {
        assert!(poll_once(&mut authenticator.token()).is_pending());
        soon(gate.reached(1)).await;
    });
    // From here on the first runtime does not run.
    running.block_on(async {
        let mut waiting = authenticator.token();
        // No other flight starts within the time that a flight may take.
        assert!(time::timeout(20 * SECOND, &mut waiting).await.is_err());
        assert_eq!(source.fetches(), 1);
        // Only the watcher that it started wakes the waiting caller.
        let token = time::timeout(25 * SECOND, waiting).await.unwrap();
        assert_eq!(token.unwrap().generation().get(), 1);
        assert_eq!(source.fetches(), 2);
    });
    // The stopped flight ends too late: its token replaces nothing.
    gate.open();
    stalled.block_on(async { elapse(SECOND).await });
    let token = authenticator.try_token().unwrap();
    let mut headers = http::HeaderMap::new();
    token.sign(&mut headers);
    assert_eq!(headers["authorization"], "Bearer fake-token-2");
}

#[test]
fn g03_a_flight_that_was_replaced_before_its_token_request_sends_none() {
    let (stalled, running) = (runtime(), runtime());
    let source = ScriptedSource::new();
    let clock = running.block_on(async { VirtualClock::new() });
    let authenticator = machine_with(source.clone(), |options| options.clock(clock));
    stalled.block_on(async {
        // The runtime stops before the flight's task begins.
        assert!(poll_once(&mut authenticator.token()).is_pending());
    });
    assert_eq!(source.fetches(), 0);
    running.block_on(async {
        let token = time::timeout(45 * SECOND, authenticator.token()).await;
        assert_eq!(token.unwrap().unwrap().generation().get(), 1);
    });
    stalled.block_on(async { elapse(SECOND).await });
    assert_eq!(source.fetches(), 1);
}

#[test]
fn g03_an_abandoned_flight_publishes_its_token_if_no_other_is_cached() {
    let (stalled, running) = (runtime(), runtime());
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    source.then(Outcome::error(Error::new(ErrorKind::Unavailable, "down")));
    let clock = running.block_on(async { VirtualClock::new() });
    let authenticator = machine_with(source.clone(), |options| options.clock(clock));
    stalled.block_on(async {
        assert!(poll_once(&mut authenticator.token()).is_pending());
        soon(gate.reached(1)).await;
    });
    running.block_on(async {
        let told = time::timeout(45 * SECOND, authenticator.token()).await;
        assert_eq!(told.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(source.fetches(), 2);
    });
    assert!(authenticator.try_token().is_none());
    gate.open();
    stalled.block_on(async { elapse(SECOND).await });
    let token = authenticator.try_token().unwrap();
    let mut headers = http::HeaderMap::new();
    token.sign(&mut headers);
    assert_eq!(headers["authorization"], "Bearer fake-token-1");
}

#[test]
fn g03_on_a_runtime_that_shuts_down_a_caller_gets_an_error_and_does_not_hang() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let ended = runtime();
    let handle = ended.handle().clone();
    drop(ended);
    let entered = handle.enter();
    assert_eq!(failed(&authenticator).kind(), ErrorKind::Closed);
    drop(entered);
    let token = runtime().block_on(authenticator.token()).unwrap();
    assert_eq!((token.generation().get(), source.fetches()), (1, 1));
}

#[test]
fn g03_outside_of_a_runtime_the_error_says_what_is_missing() {
    let authenticator = machine(ScriptedSource::new());
    let error = failed(&authenticator);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn g07_a_refusal_outside_of_a_runtime_returns_no_refused_token() {
    let authenticator = machine(ScriptedSource::new());
    let token = runtime().block_on(authenticator.token()).unwrap();
    let Refusal::Failed(error) = authenticator.report_refused(token.generation()) else {
        panic!("no other token can be had here");
    };
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// A runtime whose clock advances only when all tasks wait.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
