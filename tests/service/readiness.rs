//! When the service is ready, and how it says that it is well.

use auth_testkit::{Gate, Reply};
use http::StatusCode;
use tokio::time::sleep;

use crate::support::{MINUTE, SECOND, World, call};

#[tokio::test(start_paused = true)]
async fn not_ready_before_there_is_a_token_and_always_ready_after() {
    let world = World::new();
    let busy = Reply::status(503).header("retry-after", "7");
    world.vendor.token().then(busy);
    let answer = world.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("7"));
    // Probes send no token request during the time that the vendor asked for.
    for _ in 0..20 {
        assert_eq!(world.get("/readyz").await.status, 503);
    }
    assert_eq!(world.vendor.counters().token_requests, 1);
    sleep(7 * SECOND).await;
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);

    world.vendor.token().always(Reply::status(500));
    sleep(120 * MINUTE).await;
    assert_eq!(world.get("/things").await.status, 503);
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn not_ready_after_any_failure() {
    let wrong = [
        Reply::oauth_error(401, "invalid_client"),
        Reply::garbage(),
        Reply::never(),
        Reply::cut(),
    ];
    for reply in wrong {
        let world = World::new();
        world.vendor.token().then(reply);
        assert_eq!(world.get("/readyz").await.status, 503);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_goes_away_leaves_the_warm_up_running() {
    let world = World::new();
    let gate = Gate::new();
    world
        .vendor
        .token()
        .then(Reply::normal().answer_after(&gate));
    let router = world.router();
    let probe = tokio::spawn(async move { call(router, "/readyz", None).await });
    let asked = tokio::time::timeout(MINUTE, gate.reached(1)).await;
    asked.expect("the probe asks for a token");
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(world.vendor.counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn g18_health_tells_how_it_stands_and_no_secret() {
    let world = World::new();
    let alice = world.token("alice", 5 * MINUTE);
    let mut pages = vec![world.get("/healthz").await];
    assert!(pages[0].body.contains("no token yet"), "{:?}", pages[0]);
    // A vendor that says what it was told.
    let echo = format!(
        "{} {}",
        world.vendor.client_secret(),
        world.vendor.client_id()
    );
    let echo = serde_json::json!({ "error": "server_error", "error_description": echo });
    world.vendor.token().then(Reply::status(500).json(echo));
    assert_eq!(world.get("/things").await.status, 503);
    pages.push(world.get("/healthz").await);
    assert!(pages[1].body.contains("next attempt"), "{:?}", pages[1]);
    sleep(MINUTE).await;
    assert_eq!(world.get("/things").await.status, StatusCode::OK);
    assert_eq!(world.get_as(&alice).await.status, StatusCode::OK);
    pages.push(world.get("/healthz").await);
    assert!(pages[2].body.contains("token valid for"), "{:?}", pages[2]);
    assert!(pages[2].body.contains(r#""total":1"#), "{:?}", pages[2]);
    for (page, status) in pages.into_iter().zip([200, 503, 200]) {
        assert_eq!(page.status, status);
        world.assert_no_secret(format!("{page:?}"), &[&alice]);
    }
}
