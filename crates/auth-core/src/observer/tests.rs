use std::{
    io,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tracing::{
    Dispatch, Level,
    subscriber::{DefaultGuard, NoSubscriber, set_default},
};
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;
use crate::{Error, ErrorKind, Generation};

/// What one thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps the lines down to a level, and a line for each span when it closes.
    fn install(&self, level: Level) -> DefaultGuard {
        // With a single subscriber, tracing asks the first thread whether an event is of interest,
        // and uses the answer for all threads. With a second one, it asks both.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(NoSubscriber::default()));
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || log.clone())
            .finish();
        set_default(subscriber)
    }

    /// Returns the lines since the last call.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *lock(&self.0));
        String::from_utf8(bytes).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observed(observer: Option<SharedObserver>) -> Observed {
    let names = Names {
        vendor: "example".into(),
        label: Some("tenant-7".into()),
    };
    Observed::new(Arc::new(names), SharedClock::default(), observer)
}

fn recovered() -> EventKind {
    EventKind::Recovered {
        generation: Generation::after(None),
        failing_for: Duration::from_secs(7),
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<&'static str>>);

impl Observer for Heard {
    fn on_event(&self, event: &Event) {
        lock(&self.0).push(event.name());
    }
}

struct Panics;

impl Observer for Panics {
    fn on_event(&self, _: &Event) {
        panic!("fake panic of an observer");
    }
}

/// An event that nobody hears is not made: it would cost a request memory without need.
#[test]
fn an_observer_or_a_log_at_debug_hears_events() {
    assert!(!observed(None).is_heard());
    assert!(observed(Some(SharedObserver::new(Panics))).is_heard());
    for (level, is_heard) in [
        (Level::INFO, false),
        (Level::DEBUG, true),
        (Level::TRACE, true),
    ] {
        let _guard = Log::default().install(level);
        assert_eq!(observed(None).is_heard(), is_heard, "{level}");
    }
}

#[test]
fn two_observers_and_the_log_hear_each_event_once() {
    let log = Log::default();
    let _guard = log.install(Level::INFO);
    let (one, two) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
    let both = SharedObserver::new((Arc::clone(&one), Arc::clone(&two)));
    observed(Some(both)).tell(recovered());
    for observer in [one, two] {
        assert_eq!(*lock(&observer.0), ["recovered"]);
    }
    let expected = " INFO auth::token: token requests succeed again vendor=\"example\" \
                    label=\"tenant-7\" generation=1 failing_for=7\n";
    assert_eq!(log.take(), expected);
}

#[test]
fn a_panic_of_an_observer_is_caught_and_logged() {
    let log = Log::default();
    let _guard = log.install(Level::ERROR);
    let observed = observed(Some(SharedObserver::new(Panics)));
    observed.tell(recovered());
    let expected = "ERROR auth::token: the observer panicked vendor=\"example\" \
                    label=\"tenant-7\" event=\"recovered\"\n";
    assert_eq!(log.take(), expected);
}

#[test]
fn the_span_of_a_token_request_records_how_it_ended() {
    let log = Log::default();
    let _guard = log.install(Level::INFO);
    let end = |outcome: &str, host: Option<&str>| {
        let span = observed(None).token_request_span("needed");
        span.in_scope(|| Observed::end_span(outcome, host));
        drop(span);
        log.take()
    };
    let line = |fields: &str| {
        let begun = "vendor=\"example\" label=\"tenant-7\" reason=\"needed\"";
        format!(" INFO token_request{{{begun} {fields}}}: auth::token: close\n")
    };
    assert_eq!(end("token", None), line("outcome=\"token\""));
    let error = Error::new(ErrorKind::Rejected, "answered 401").with_host("login.example.com");
    assert_eq!(
        end(error.kind().as_str(), error.host()),
        line("outcome=\"rejected\" host=\"login.example.com\"")
    );
}
