//! No log line at any level contains a secret. This test binary has one logger, which records all
//! tests.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth_reqwest::{ReqwestService, client_builder};
use log::{LevelFilter, Log, Metadata, Record};
use reqwest::redirect::Policy;
use tower::ServiceExt;

use crate::server::{Server, builder, call, request};

/// The lines that were written with `log` and `tracing`, from any thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl Lines {
    fn install() -> Self {
        static LINES: OnceLock<Lines> = OnceLock::new();
        let lines = LINES.get_or_init(Self::default);
        log::set_logger(lines).unwrap();
        log::set_max_level(LevelFilter::Trace);
        let writer = lines.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .init();
        lines.clone()
    }

    fn push(&self, text: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(text);
    }
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.push(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn g18_no_log_line_contains_a_secret() {
    let lines = Lines::install();
    let verbose = builder()
        .configure(|client| client.connection_verbose(true))
        .build()
        .unwrap();
    for reply in [
        "HTTP/1.1 200 OK\r\nx: fake-secret-in-head\r\n\r\nfake-secret-in-reply",
        "HTTP/1.1 302 OK\r\nlocation: /fake-secret-in-target\r\n\r\n",
        "fake-secret-in-garbage\r\n\r\n",
    ] {
        let server = Server::start().await;
        _ = call(&verbose, &server.url(), server.answer(reply)).await;
    }
    // The client of this test logs more than the other one.
    let verbose = client_builder().tls_certs_only([]).connection_verbose(true);
    let service = ReqwestService::from_builder(verbose, Policy::none()).unwrap();
    for reply in [
        "HTTP/1.1 200 OK\r\nx: fake-secret-in-head\r\n\r\nfake-secret-in-reply",
        "HTTP/1.1 307 Go\r\nlocation: https://[::1]/fake-secret-in-target\r\n\r\n",
        "fake-secret-in-garbage\r\n\r\n",
    ] {
        let server = Server::start().await;
        let request = request(&server.url()).map(reqwest::Body::from);
        _ = tokio::join!(service.clone().oneshot(request), server.answer(reply));
    }
    let lines = lines.0.lock().unwrap().clone();
    assert!(
        lines.contains("reqwest::connect starting new connection"),
        "logger is off: {lines}"
    );
    assert!(lines.contains("hyper_util"), "tracing is off: {lines}");
    assert!(!lines.contains("fake-secret"), "{lines}");
}
