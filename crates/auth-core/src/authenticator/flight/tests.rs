use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn flight(runtime: &Runtime) -> Flight {
    let needed = TokenRequestReason::Needed;
    Flight::new(1, needed, Moment::NEVER, runtime.handle().id())
}

#[test]
fn one_watcher_from_another_runtime_checks_the_task() {
    let (own, other) = (runtime(), runtime());
    let flight = flight(&own);
    assert!(!flight.wants_watcher(own.handle().id()));
    assert!(flight.wants_watcher(other.handle().id()));
    assert!(!flight.wants_watcher(other.handle().id()));
    assert!(!flight.wants_watcher(own.handle().id()));
}

#[test]
fn waiting_callers_find_the_span_of_the_token_request() {
    let flight = flight(&runtime());
    assert_eq!(flight.span(), None);
    let span = span::Id::from_u64(7);
    flight.set_span(Some(span.clone()));
    assert_eq!(flight.span(), Some(span));
}

#[test]
fn callers_that_wait_when_the_token_request_is_sent_are_reported() {
    let unneeded = flight(&runtime());
    assert!(unneeded.note_sent().is_none(), "no caller waits");
    let flight = flight(&runtime());
    assert!(flight.begin_wait().is_none(), "not sent yet");
    let sent = flight.note_sent();
    assert!(matches!(
        sent,
        Some(EventKind::RequestsWaiting { count: 1 })
    ));
    let second = flight.begin_wait();
    assert!(matches!(
        second,
        Some(EventKind::RequestsWaiting { count: 2 })
    ));
    assert!(flight.begin_wait().is_none(), "3 is no power of two");
    for _ in 0..2 {
        flight.end_wait(Duration::ZERO, false);
    }
    assert!(flight.begin_wait().is_none(), "2 was reported before");
}
