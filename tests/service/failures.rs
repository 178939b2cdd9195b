//! Whose fault it is, as the caller is told.

use auth_testkit::{LogCapture, Reply};
use tokio::time::sleep;

use crate::support::{MINUTE, World};

/// What the token endpoint answers, what users are told of it, and what is told who calls for
/// nobody.
fn rows() -> Vec<(&'static str, Reply, u16, u16)> {
    vec![
        (
            "dismissed",
            Reply::oauth_error(400, "invalid_grant"),
            401,
            502,
        ),
        (
            "bad token",
            Reply::oauth_error(400, "invalid_request"),
            401,
            502,
        ),
        ("denied", Reply::oauth_error(403, "access_denied"), 401, 502),
        // Not the user's fault, and no sign-in mends it.
        (
            "our secret",
            Reply::oauth_error(401, "invalid_client"),
            502,
            502,
        ),
        (
            "our grant",
            Reply::oauth_error(400, "unauthorized_client"),
            502,
            502,
        ),
        (
            "our target",
            Reply::oauth_error(400, "invalid_target"),
            502,
            502,
        ),
        (
            "our scope",
            Reply::oauth_error(400, "invalid_scope"),
            502,
            502,
        ),
        // Some proxy's, and gone in a moment.
        ("no such page", Reply::status(404), 503, 503),
        (
            "a redirect",
            Reply::redirect(302, "https://elsewhere.example/"),
            503,
            503,
        ),
        ("no JSON", Reply::garbage(), 502, 502),
        ("a page", Reply::html(), 502, 502),
        ("broken", Reply::status(500), 503, 503),
        (
            "busy",
            Reply::status(503).header("retry-after", "9"),
            503,
            503,
        ),
        (
            "throttled",
            Reply::status(429).header("retry-after", "9"),
            503,
            503,
        ),
        ("cut", Reply::cut(), 503, 503),
        ("silent", Reply::never(), 503, 503),
    ]
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_token_endpoint_are_told_apart() {
    for (what, reply, for_user, for_itself) in rows() {
        let world = World::new();
        let alice = world.token("alice", 60 * MINUTE);
        world.vendor.token().always(reply);
        // The second time it comes from memory, and is the same.
        for _ in 0..2 {
            let answer = world.get_as(&alice).await;
            assert_eq!(answer.status, for_user, "{what}");
            assert_eq!(
                answer.header("www-authenticate").is_some(),
                for_user == 401,
                "{what}"
            );
            assert_eq!(
                answer.header("retry-after").is_some(),
                for_user == 503,
                "{what}"
            );
            assert_eq!(world.get("/things").await.status, for_itself, "{what}");
        }
        assert_eq!(world.vendor.counters().api_requests, 0, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_secret_of_the_service_is_not_the_users_fault() {
    let world = World::new();
    let alice = world.token("alice", 60 * MINUTE);
    world.vendor.change_client_secret("fake-secret-2");
    assert_eq!(world.get_as(&alice).await.status, 502);
    let seen = world.vendor.counters();
    assert_eq!(seen.token_errors_by_code["invalid_client"], 1);
    assert_eq!((seen.failed_logins, seen.tokens_issued), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_has_to_wait_is_told_how_long() {
    let world = World::new();
    let alice = world.token("alice", 60 * MINUTE);
    let busy = Reply::status(503).header("retry-after", "90");
    world.vendor.token().then(busy);
    let answer = world.get_as(&alice).await;
    assert_eq!(answer.header("retry-after"), Some("90"));
    // Never too early, and it is worth it then.
    sleep(MINUTE).await;
    assert_eq!(world.get_as(&alice).await.header("retry-after"), Some("30"));
    sleep(MINUTE / 2).await;
    assert_eq!(world.get_as(&alice).await.subject(), "alice");
}

#[tokio::test(start_paused = true)]
async fn one_user_who_is_refused_does_not_touch_the_other() {
    let world = World::new();
    let (alice, bob) = (
        world.token("alice", 60 * MINUTE),
        world.token("bob", 60 * MINUTE),
    );
    world.rules().dismiss("bob");
    for _ in 0..5 {
        assert_eq!(world.get_as(&bob).await.status, 401);
        assert_eq!(world.get_as(&alice).await.subject(), "alice");
    }
    // The vendor was not bothered with each try.
    assert_eq!(world.vendor.counters().token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_dismissed_later_has_to_sign_in() {
    let world = World::new();
    let alice = world.token("alice", 60 * MINUTE);
    assert_eq!(world.get_as(&alice).await.subject(), "alice");
    world.rules().dismiss("alice");
    world.vendor.revoke_all();
    // The API refuses the token, and the vendor gives no other one.
    let answer = world.get_as(&alice).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_that_cannot_be_replaced_now_is_worth_another_try() {
    let world = World::new();
    let alice = world.token("alice", 60 * MINUTE);
    assert_eq!(world.get_as(&alice).await.subject(), "alice");
    world.vendor.revoke_all();
    let busy = Reply::status(503).header("retry-after", "5");
    world.vendor.token().then(busy);
    let answer = world.get_as(&alice).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, Some("5"))
    );
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_api_are_not_passed_on_as_they_are() {
    for (what, reply, for_user, for_itself) in [
        ("forbidden", Reply::status(403), 403, 502),
        ("broken", Reply::status(500), 502, 502),
        ("cut", Reply::cut(), 503, 503),
        ("silent", Reply::never(), 503, 503),
        // Renewed once, refused again: not for lack of a token.
        ("refusing", Reply::refuse(), 502, 502),
    ] {
        let world = World::new();
        let alice = world.token("alice", 60 * MINUTE);
        let reply = reply.header("set-cookie", "fake=1").header("x-inside", "1");
        world.vendor.api().always(reply);
        let answer = world.get_as(&alice).await;
        assert_eq!(answer.status, for_user, "{what}");
        for name in ["set-cookie", "x-inside"] {
            assert_eq!(answer.header(name), None, "{what}");
        }
        assert_eq!(world.get("/things").await.status, for_itself, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn g18_no_secret_in_any_answer_or_log() {
    let log = LogCapture::new();
    let _guard = log.install();
    let mut all = String::new();
    for (_, reply, _, _) in rows() {
        let world = World::new();
        let alice = world.token("alice", 60 * MINUTE);
        assert_eq!(world.get_as(&alice).await.subject(), "alice");
        world.vendor.revoke_all();
        // Vendors that say again what they were told.
        let secrets = format!("{} {}", world.vendor.client_secret(), alice.expose());
        let echo = reply.with("error_description", serde_json::json!(secrets));
        world.vendor.token().always(echo);
        let bob = world.token("bob", 60 * MINUTE);
        let answers = [
            world.get_as(&alice).await,
            world.get_as(&bob).await,
            world.get("/things").await,
            world.get("/healthz").await,
        ];
        all.push_str(&format!("{answers:?}\n"));
        for text in [all.as_str(), &log.text()] {
            world.assert_no_secret(text, &[&alice, &bob]);
        }
    }
    assert!(
        log.text().contains("no token for the API"),
        "{}",
        log.text()
    );
}
