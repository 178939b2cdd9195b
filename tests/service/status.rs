//! What operators see: `/healthz`, `/metrics` and `/tokens`.

use auth_testkit::{Gate, Reply};
use http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Answer, MINUTE, SECOND, World};

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn g21_healthz_is_503_while_requests_fail_and_says_why() {
    let world = World::new();
    let before = world.get("/healthz").await;
    // Nobody has asked yet: all is well.
    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(json_of(&before)["itself"]["usable"], json!(false));

    world
        .vendor
        .token()
        .then(Reply::oauth_error(401, "invalid_client"));
    assert_eq!(world.get("/things").await.status, 502);
    let failing = world.get("/healthz").await;
    assert_eq!(failing.status, StatusCode::SERVICE_UNAVAILABLE);
    let itself = &json_of(&failing)["itself"];
    assert_eq!(itself["last_failure"]["kind"], json!("rejected"));
    let host = itself["last_failure"]["host"].as_str().unwrap();
    assert!(world.vendor.token_url().contains(host), "{host}");
    assert!(itself["next_try"].as_f64().unwrap() > 60.0, "{itself}");

    sleep(24 * 60 * MINUTE).await;
    assert_eq!(world.get("/things").await.status, StatusCode::OK);
    let well = world.get("/healthz").await;
    assert_eq!(well.status, StatusCode::OK);
    let report = json_of(&well);
    assert_eq!(report["itself"]["usable"], json!(true));
    assert_eq!(report["users"]["total"], json!(0));
    for answer in [before, failing, well] {
        world.assert_no_secret(&answer.body, &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn g21_healthz_is_503_while_the_api_refuses_every_token() {
    let world = World::new();
    assert_eq!(world.get("/things").await.status, StatusCode::OK);
    world.vendor.always_refuse(true);
    for _ in 0..3 {
        assert_eq!(world.get("/things").await.status, 502);
        sleep(30 * SECOND).await;
    }
    let refused = world.get("/healthz").await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    let itself = &json_of(&refused)["itself"];
    assert_eq!(
        (&itself["usable"], &itself["refused"]),
        (&json!(false), &json!(true))
    );
    assert!(
        itself["not_replayed"]["count"].as_u64().unwrap() >= 1,
        "{itself}"
    );
}

#[tokio::test(start_paused = true)]
async fn g21_metrics_and_the_page_count_the_same() {
    let world = World::new();
    let alice = world.token("alice", 60 * MINUTE);
    world.vendor.token().then(Reply::status(500));
    assert_eq!(world.get("/things").await.status, 503);
    sleep(MINUTE).await;
    assert_eq!(world.get("/things").await.status, StatusCode::OK);
    assert_eq!(world.get_as(&alice).await.status, StatusCode::OK);

    let metrics = world.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    for series in [
        "auth_token_requests",
        "authenticator=\"itself\"",
        "authenticator=\"user\"",
    ] {
        assert!(metrics.body.contains(series), "{series}: {}", metrics.body);
    }
    assert!(!metrics.body.contains("alice"));
    world.assert_no_secret(&metrics.body, &[&alice]);

    let page = world.get("/tokens").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for (name, value) in [
        ("tokens received", "2"),
        ("token requests failed", "1"),
        ("refusals by the API", "0"),
        ("kept", "1"),
    ] {
        let tile = format!("<dt>{name}</dt><dd>{value}</dd>");
        assert!(page.body.contains(&tile), "{tile}: {}", page.body);
    }
    assert!(page.body.contains("<b>Usable.</b>"));
    assert!(
        page.body
            .contains("3 token requests in the last hour, 1 of them failed")
    );
    assert!(
        page.body.contains("<rect class=\"token\"")
            && page.body.contains("<rect class=\"failure\"")
    );
    // Nothing is loaded from elsewhere, and nothing runs.
    for part in ["<script", "src=", "http://", "https://", "url(", "@import"] {
        let body = page.body.replace("http-equiv", "");
        let shown = body.split("<h2>Last errors").next().unwrap();
        assert!(!shown.contains(part), "{part}");
    }
    world.assert_no_secret(&page.body, &[&alice]);
}

#[tokio::test(start_paused = true)]
async fn g18_the_page_escapes_what_a_vendor_says_and_has_a_bounded_size() {
    let world = World::new();
    let attack = "<script>alert(1)</script>\"'&";
    for _ in 0..200 {
        let error = json!({ "error": "server_error", "error_description": attack });
        world.vendor.token().then(Reply::status(500).json(error));
        assert_eq!(world.get("/things").await.status, 503);
        sleep(10 * MINUTE).await;
    }
    let page = world.get("/tokens").await;
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("&lt;script&gt;"), "{}", page.body);
    assert_eq!(
        page.body.matches("<td>token request failed</td>").count(),
        10
    );
    assert!(
        page.body
            .contains("<dt>token requests failed</dt><dd>200</dd>")
    );
    assert!(page.body.contains("<b>Failing.</b>"));
    // The last failure was ten minutes ago.
    assert!(
        page.body
            .contains("5 token requests in the last hour, 5 of them failed"),
        "{}",
        page.body
    );
    assert!(page.body.len() < 20 * 1024, "{}", page.body.len());
}

#[tokio::test(start_paused = true)]
async fn the_page_says_that_a_token_request_is_in_progress() {
    let world = World::new();
    assert!(
        world
            .get("/tokens")
            .await
            .body
            .contains("<b>Not asked for yet.</b>")
    );
    let gate = Gate::new();
    world
        .vendor
        .token()
        .then(Reply::normal().answer_after(&gate));
    let router = world.router();
    let caller = tokio::spawn(async move { crate::support::call(router, "/things", None).await });
    gate.reached(1).await;
    assert!(
        world
            .get("/tokens")
            .await
            .body
            .contains("<dt>next renewal</dt><dd>in progress</dd>")
    );
    gate.open();
    assert_eq!(caller.await.unwrap().status, StatusCode::OK);
    let page = world.get("/tokens").await.body;
    assert!(
        page.contains("<dt>requests that waited</dt><dd>1</dd>"),
        "{page}"
    );
    assert!(page.contains("<dt>token age</dt><dd>0 s</dd>"), "{page}");
}
