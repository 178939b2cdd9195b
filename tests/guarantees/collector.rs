//! G3 and G5 while events are collected: a reader of the log does not affect the machine.

use std::{sync::mpsc, thread};

use auth_core::{ErrorKind, Refusal};
use auth_testkit::{Outcome, ScriptedSource};
use tokio::runtime::Builder;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::support::{MINUTE, SECOND, at_once, elapse, machine, soon, unavailable};

#[test]
fn g03_a_log_collector_may_request_a_token() {
    // A lock that is held while a line is logged would block this thread without end.
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(collected_while_renewing());
        done.send(()).unwrap();
    });
    ended.recv_timeout(30 * SECOND).unwrap();
}

async fn collected_while_renewing() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let wants_one = authenticator.clone();
    let _collecting = tracing::subscriber::set_default(Collector(move || {
        // As an exporter does that sends its logs through the layer.
        let _ = at_once(&wants_one);
    }));
    for round in 1..10 {
        let token = authenticator.token().await.unwrap();
        assert_eq!(token.generation().get(), round);
        authenticator.report_accepted(token.generation());
        elapse(MINUTE).await;
        authenticator.report_refused(token.generation());
    }
    let newest = authenticator.token().await.unwrap().generation();
    authenticator.report_accepted(newest);
    elapse(MINUTE).await;
    source.then(Outcome::error(unavailable()));
    let Refusal::Renewing(renewal) = authenticator.report_refused(newest) else {
        panic!("the refused token is renewed");
    };
    assert_eq!(renewal.await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn g05_a_log_collector_that_panics_blocks_no_caller() {
    let source = ScriptedSource::new();
    source.then(Outcome::error(unavailable()).delay(SECOND));
    let authenticator = machine(source.clone());
    let waiting = tokio::spawn(authenticator.token());
    let collecting = tracing::subscriber::set_default(Collector(|| panic!("planned by the test")));
    let error = soon(waiting).await.unwrap().unwrap_err();
    elapse(error.retry_after().unwrap()).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
    drop(collecting);
    assert_eq!(source.fetches(), 2);
}

/// Calls a function at each event.
struct Collector<F>(F);

impl<F: Fn() + 'static> Subscriber for Collector<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("auth::")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        (self.0)();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
