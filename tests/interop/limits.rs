use std::time::Duration;

use auth_core::ErrorKind;

use crate::{
    server::Server,
    stack::{Api, login},
};

pub(crate) async fn retry_after_in_seconds() {
    // Whole seconds, rounded up by the server: the next try succeeds.
    assert_eq!(assert_waits("seconds").await, 1);
}

pub(crate) async fn retry_after_as_a_date() {
    // A date has no fractions, so it may be up to one second before the window's end.
    let limited = assert_waits("date").await;
    assert!((1..=2).contains(&limited), "{limited} refused");
}

/// Two programs share a client that may log in once in three seconds. The second one waits as the
/// server requests, and its callers fail at once meanwhile. Returns how often the server throttled.
async fn assert_waits(form: &str) -> u64 {
    let server = Server::start(&["--rate-limit", "1/3", "--retry-after", form]).await;
    let first = Api::new(&server, login(&server, "cc-basic"));
    first.get().await.expect("a token");

    let second = Api::new(&server, login(&server, "cc-basic"));
    let error = second.get().await.err().expect("no token");
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let wait = error.retry_after().expect("the server said how long");
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(3),
        "{wait:?}"
    );

    second.get_until_answered().await;
    let stats = server.stats().await;
    assert_eq!(stats.token_success(), 2);
    assert_eq!(stats.token_requests(), 2 + stats.rate_limited());
    stats.rate_limited()
}
