//! `examples/redis_login`, held to what it says. With `AUTH_REDIS=1` only, as `cargo xtask test`
//! sets it: without that, the test prints that it did not run.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says that it did not run"
)]

#[path = "../../examples/redis_login/session.rs"]
mod session;
#[path = "../../examples/redis_login/story.rs"]
mod story;

use std::{env, time::Duration};

use story::Figures;

#[tokio::test]
async fn a_connection_to_redis_outlives_three_tokens() {
    if env::var_os("AUTH_REDIS").is_none_or(|value| value != "1") {
        eprintln!("not run: the example needs redis-server; AUTH_REDIS=1 runs it");
        return;
    }
    let mut lines = Vec::new();
    let story = story::run(|line| lines.push(line));
    let figures = tokio::time::timeout(Duration::from_secs(60), story).await;
    let text = lines.join("\n");
    let figures = figures.expect("the example ends by itself").unwrap();
    let expected = Figures {
        token_requests: 3,
        logins: 3,
        connections: 1,
        visits: 3,
        old_token_is_refused: true,
    };
    assert_eq!(figures, expected, "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("token 3 (Bearer, scope `cache`, "), "{text}");
    assert!(!text.contains("fake-"), "no secret: {text}");
}
