use crate::LogCapture;

#[test]
fn everything_is_captured_down_to_trace_with_spans_and_fields() {
    let log = LogCapture::new();
    let guard = log.install();
    let span = tracing::trace_span!(target: "somewhere::else", "token_request", reason = "needed");
    span.in_scope(|| tracing::trace!(attempt = 3, "asking"));
    drop(span);
    drop(guard);
    tracing::error!("after the end");
    let text = log.text();
    for part in [
        "somewhere::else",
        "token_request",
        "reason=\"needed\"",
        "attempt=3",
        "asking",
        "close",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("after the end"));
    log.clear();
    assert_eq!(log.text(), "");
}

#[test]
fn two_runs_can_be_compared() {
    let run = || {
        let log = LogCapture::new();
        let _guard = log.install();
        tracing::info!(a = 1, "line");
        log.text()
    };
    assert_eq!(run(), run());
}

#[test]
#[should_panic(expected = "secrets in the text")]
fn a_secret_in_a_field_is_found() {
    let log = LogCapture::new();
    let _guard = log.install();
    tracing::debug!(header = ?b"Bearer fake-secret-1".to_vec(), "sending");
    log.assert_no_secret(&["fake-secret-1"]);
}

#[test]
fn what_another_thread_came_by_first_is_captured() {
    let line = || tracing::info!("line");
    let log = LogCapture::new();
    let guard = log.install();
    // It has no subscriber, and must not speak for those that have.
    std::thread::spawn(line).join().unwrap();
    line();
    drop(guard);
    assert_eq!(log.text().matches("line").count(), 1, "{}", log.text());
}
