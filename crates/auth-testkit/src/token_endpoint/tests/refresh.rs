use super::*;
use crate::{RefreshTokenUse, RefreshTokens};

fn server(rule: RefreshTokens) -> TestServer {
    builder()
        .user("fake-user", "fake-password-1")
        .default_scope("read write")
        .refresh_tokens(rule)
        .in_memory()
}

async fn log_in(server: &TestServer) -> Received {
    let user = "username=fake-user&password=fake-password-1";
    form(server, &format!("grant_type=password&{user}&{CLIENT}")).await
}

async fn spend(server: &TestServer, token: &str) -> Received {
    let body = format!("grant_type=refresh_token&refresh_token={token}&{CLIENT}");
    form(server, &body).await
}

fn brought(answer: &Received) -> Option<String> {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()["refresh_token"].as_str().map(str::to_owned)
}

fn used(server: &TestServer) -> Vec<(u64, u64, u64)> {
    let uses = server.refresh_token_uses();
    let counts = |seen: &RefreshTokenUse| (seen.family, seen.accepted, seen.refused);
    uses.iter().map(counts).collect()
}

#[tokio::test]
async fn replaced_at_each_use() {
    let server = server(RefreshTokens::Rotated);
    let login = log_in(&server).await;
    let first = brought(&login).unwrap();
    assert!(first.starts_with("fake-refresh-1-"));
    let refreshed = spend(&server, &first).await;
    let second = brought(&refreshed).unwrap();
    assert_ne!(first, second);
    assert_ne!(login.token(), refreshed.token());
    assert_eq!(refreshed.json()["scope"], "read write");
    brought(&spend(&server, &second).await).unwrap();
    assert_eq!(used(&server), [(1, 1, 0), (1, 1, 0), (1, 0, 0)]);
    let seen = server.counters();
    assert_eq!((seen.refreshes, seen.refresh_reuses), (2, 0));
    assert_eq!((seen.tokens_issued, seen.token_errors), (3, 0));
}

#[tokio::test]
async fn one_that_comes_again_costs_the_whole_family() {
    let server = server(RefreshTokens::Rotated);
    let other = brought(&log_in(&server).await).unwrap();
    let login = log_in(&server).await;
    let first = brought(&login).unwrap();
    let refreshed = spend(&server, &first).await;
    let second = brought(&refreshed).unwrap();
    assert_eq!(spend(&server, &first).await.error(), "invalid_grant");
    assert_eq!(spend(&server, &second).await.error(), "invalid_grant");
    assert_eq!(spend(&server, &first).await.error(), "invalid_grant");
    for token in [login.token(), refreshed.token()] {
        assert_eq!(call_api(&server, "/x", &token).await.status, 401);
    }
    let seen = server.counters();
    assert_eq!((seen.refresh_reuses, seen.families_revoked), (2, 1));
    assert_eq!((seen.refreshes, seen.failed_logins), (1, 0));
    assert_eq!(used(&server), [(1, 0, 0), (2, 1, 2), (2, 0, 1)]);
    brought(&spend(&server, &other).await).unwrap();
}

#[tokio::test]
async fn repeated_or_left_out() {
    let repeating = server(RefreshTokens::Repeated);
    let token = brought(&log_in(&repeating).await).unwrap();
    for _ in 0..3 {
        let answer = spend(&repeating, &token).await;
        assert_eq!(brought(&answer).as_ref(), Some(&token));
    }
    assert_eq!(used(&repeating), [(1, 3, 0)]);

    let silent = server(RefreshTokens::Omitted);
    let token = brought(&log_in(&silent).await).unwrap();
    for _ in 0..3 {
        assert_eq!(brought(&spend(&silent, &token).await), None);
    }
    assert_eq!(used(&silent), [(1, 3, 0)]);
    silent.revoke_refresh_tokens();
    assert_eq!(spend(&silent, &token).await.error(), "invalid_grant");
    assert_eq!(used(&silent), [(1, 3, 1)]);
    assert_eq!(silent.counters().refresh_reuses, 0);
}

#[tokio::test]
async fn a_script_changes_what_a_reply_says_and_not_what_is_good() {
    let server = server(RefreshTokens::Rotated);
    let token = brought(&log_in(&server).await).unwrap();
    let silent = Reply::normal().without("refresh_token");
    server.token().then(silent);
    assert_eq!(brought(&spend(&server, &token).await), None);
    assert_eq!(spend(&server, &token).await.error(), "invalid_grant");
    assert_eq!(server.expose_refresh_tokens().len(), 2);
}

#[tokio::test]
async fn no_refresh_is_for_more_than_was_granted() {
    let server = server(RefreshTokens::Rotated);
    let token = brought(&log_in(&server).await).unwrap();
    for wider in ["read+admin", "admin"] {
        let answer = spend(&server, &format!("{token}&scope={wider}")).await;
        assert_eq!(answer.error(), "invalid_scope");
    }
    let narrower = spend(&server, &format!("{token}&scope=read")).await;
    assert_eq!(narrower.json()["scope"], "read");
}

#[tokio::test]
async fn a_person_may_log_in_elsewhere_for_a_public_client() {
    let server = builder()
        .client_auth([ClientAuth::Public])
        .refresh_tokens(RefreshTokens::Rotated)
        .in_memory();
    let token = server.log_in();
    let body = |id| format!("grant_type=refresh_token&refresh_token={token}&client_id={id}");
    assert_eq!(form(&server, &body("no")).await.error(), "invalid_client");
    assert_eq!(form(&server, &body("")).await.error(), "invalid_client");
    assert_eq!(spend(&server, &token).await.error(), "invalid_client");
    brought(&form(&server, &body("fake-client")).await).unwrap();
    let basic = basic(&server, "fake-client:fake-secret-1", "a=b").await;
    assert_eq!(basic.error(), "invalid_client");
}

#[tokio::test]
async fn only_a_server_that_is_told_to_knows_refresh_tokens() {
    let server = builder().user("fake-user", "fake-password-1").in_memory();
    assert_eq!(brought(&log_in(&server).await), None);
    let token = server.log_in();
    let answer = spend(&server, &token).await;
    assert_eq!(answer.error(), "unsupported_grant_type");
}

#[tokio::test]
async fn what_is_wrong_with_a_refresh_is_told_and_counted() {
    let server = server(RefreshTokens::Rotated);
    assert_eq!(spend(&server, "").await.error(), "invalid_request");
    assert_eq!(
        spend(&server, "fake-refresh-1").await.error(),
        "invalid_grant"
    );
    let seen = server.counters();
    assert_eq!(seen.token_errors_by_code["invalid_grant"], 1);
    assert_eq!((seen.token_errors, seen.refresh_reuses), (2, 0));
    let token = server.log_in();
    assert!(server.expose_secrets().contains(&token));
    let cc = form(&server, &format!("grant_type=client_credentials&{CLIENT}")).await;
    assert_eq!(brought(&cc), None, "not for a program's own token");
}
