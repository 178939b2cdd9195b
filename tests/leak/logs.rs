//! Records everything that is logged with `tracing` and `log` in this binary, down to TRACE.

use std::{
    fmt::Write,
    sync::{Mutex, OnceLock},
};

use auth_testkit::LogCapture;
use log::{LevelFilter, Log, Metadata, Record};

/// Starts to record all events of all threads. Returns the record.
pub(crate) fn capture() -> Logs {
    static LOGS: OnceLock<LogCapture> = OnceLock::new();
    let tracing = LOGS.get_or_init(|| {
        let tracing = LogCapture::new();
        let subscriber = tracing.subscriber();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log::set_logger(&RECORDS).unwrap();
        log::set_max_level(LevelFilter::Trace);
        tracing
    });
    Logs {
        tracing: tracing.clone(),
    }
}

pub(crate) struct Logs {
    tracing: LogCapture,
}

impl Logs {
    pub(crate) fn text(&self) -> String {
        let mut text = self.tracing.text();
        text.push_str(&RECORDS.0.lock().unwrap());
        text
    }
}

static RECORDS: Records = Records(Mutex::new(String::new()));

struct Records(Mutex<String>);

impl Log for Records {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut text = self.0.lock().unwrap();
        let _ = writeln!(text, "{} {}", record.target(), record.args());
    }

    fn flush(&self) {}
}
