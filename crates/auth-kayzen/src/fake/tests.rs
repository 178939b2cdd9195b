//! The vendor's deviations from OAuth, shown by handwritten requests.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_testkit::{
    ClientAuth, TestServer,
    by_hand::{self, FORM, JSON, call_api, form, form_encoded, object, post},
};
use serde_json::json;

use super::server;

fn basic(server: &TestServer) -> String {
    by_hand::basic(server.client_id(), &server.client_secret())
}

fn login(server: &TestServer) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "password".into()),
        ("username", server.user_name().into()),
        ("password", server.user_password()),
    ]
}

fn refs<'a>(pairs: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    pairs
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_reply_deviates_from_oauth() {
    let server = server().in_memory();
    let login = login(&server);
    let basic = basic(&server);
    for (content_type, body) in [(FORM, form(&refs(&login))), (JSON, object(&refs(&login)))] {
        let answer = post(&server, content_type, &[("authorization", &basic)], &body).await;
        let token = answer.token();
        assert_eq!(
            answer.json(),
            json!({ "access_token": token, "expires_in": "1799", "scope": "" })
        );
        let called = call_api(&server, "/v1/meta/campaigns?page=1", &token).await;
        assert_eq!(called.status, 200);
    }
    let refused = call_api(&server, "/v1/meta/campaigns", "fake").await;
    assert_eq!(
        (refused.status.as_u16(), refused.error().as_str()),
        (401, "Authentication error")
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_name_without_form_encoding_names_another_user() {
    let server = server().in_memory();
    let rest = form(&[("password", &server.user_password())]);
    for name in ["api+reporting@kayzen.io", "api+reporting%40kayzen.io"] {
        let body = format!("grant_type=password&username={name}&{rest}");
        let refused = post(&server, FORM, &[("authorization", &basic(&server))], &body).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.json()["message"], "Invalid login credentials");
    }
    assert_eq!(server.counters().failed_logins, 2);
}

#[tokio::test(start_paused = true)]
async fn basic_is_raw_or_form_encoded() {
    for (server, raw_status) in [
        (server().in_memory(), 200),
        (server().client_auth([ClientAuth::Basic]).in_memory(), 401),
    ] {
        let body = form(&refs(&login(&server)));
        let answer = post(&server, FORM, &[("authorization", &basic(&server))], &body).await;
        assert_eq!(answer.status, raw_status);
        let id = form_encoded(server.client_id());
        let encoded = by_hand::basic(&id, &form_encoded(&server.client_secret()));
        let answer = post(&server, FORM, &[("authorization", &encoded)], &body).await;
        assert_eq!(answer.status.as_u16(), 601 - raw_status);
        assert_eq!(server.counters().failed_logins, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_logins_and_other_grants_are_refused() {
    let server = server().in_memory();
    let headers = &[("authorization", &*basic(&server))];
    let login = form(&refs(&login(&server)));
    server.change_user_password("fake-password-2");
    assert_eq!(post(&server, FORM, headers, &login).await.status, 401);
    let other = "grant_type=client_credentials";
    assert_eq!(post(&server, FORM, headers, other).await.status, 400);
    assert_eq!(post(&server, FORM, &[], &login).await.status, 401);
    assert_eq!(server.counters().failed_logins, 1);
}
