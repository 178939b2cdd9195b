//! The vendor's deviations from OAuth, shown by handwritten requests.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use auth_testkit::{
    TestServer,
    by_hand::{self, FORM, JSON, Received, object, post, post_to},
};
use serde_json::{Value, json};

use super::{APP_URL, api_keys, binding_codes, mfa};

/// A GET with the content type that the vendor requires.
async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Received {
    let mut all = vec![("content-type", JSON)];
    all.extend(headers);
    by_hand::get(server, path, &all).await
}

fn credentials(server: &TestServer) -> String {
    object(&[
        ("email", server.user_name()),
        ("password", &server.user_password()),
    ])
}

async fn login(server: &TestServer) -> Received {
    let app = [("appId", server.client_id())];
    post(server, JSON, &app, &credentials(server)).await
}

async fn follow_up(server: &TestServer, path: &str, body: &Value) -> Received {
    let url = format!("{}/api/auth/{path}", server.api_url());
    post_to(server, &url, JSON, &[], &body.to_string()).await
}

fn token(answer: &Received) -> String {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_login_names_the_application_exactly_once() {
    let server = super::login().in_memory();
    assert_eq!(server.token_url(), "https://axonize.test/api/auth/login");
    let answer = login(&server).await;
    let expected = json!({ "name": "Fake User", "token": token(&answer), "redirectUrl": null });
    assert_eq!(answer.json(), expected);
    let with_url = object(&[
        ("email", server.user_name()),
        ("password", &server.user_password()),
        ("url", APP_URL),
    ]);
    token(&post(&server, JSON, &[], &with_url).await);
    let app = [("appId", server.client_id())];
    assert_eq!(post(&server, JSON, &app, &with_url).await.status, 400);
    assert_eq!(
        post(&server, JSON, &[], &credentials(&server)).await.status,
        400
    );
    assert_eq!(
        post(&server, FORM, &app, &credentials(&server))
            .await
            .status,
        415
    );
    assert_eq!(server.counters().failed_logins, 0);
    let other_app = [("appId", "other")];
    assert_eq!(
        post(&server, JSON, &other_app, &credentials(&server))
            .await
            .status,
        401
    );
    let old = credentials(&server);
    server.change_user_password("fake-password-2");
    assert_eq!(post(&server, JSON, &app, &old).await.status, 401);
    token(&login(&server).await);
    assert_eq!(server.counters().failed_logins, 2);
}

#[tokio::test(start_paused = true)]
async fn the_api_requires_the_scheme_in_lower_case_and_the_app_id() {
    let server = super::login().in_memory();
    let token = token(&login(&server).await);
    let (lower, upper) = (format!("bearer {token}"), format!("Bearer {token}"));
    let app = ("appId", server.client_id());
    let call = async |headers: &[(&str, &str)]| get(&server, "/odata/devices/", headers).await;
    assert_eq!(call(&[("authorization", &lower), app]).await.status, 200);
    for headers in [
        &[("authorization", &*upper), app][..],
        &[("authorization", &lower)],
        &[("authorization", &lower), ("appId", "other")],
        &[app],
    ] {
        let refused = call(headers).await;
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.json()["message"],
            "unauthorized or missing authentication properties"
        );
    }
    for (content_type, status) in [("application/json; charset=utf-8", 200), (FORM, 415)] {
        let headers = [
            ("authorization", &*lower),
            app,
            ("content-type", content_type),
        ];
        let answer = by_hand::get(&server, "/odata/devices/", &headers).await;
        assert_eq!(answer.status, status);
    }
    let without = [("authorization", &*lower), app];
    let answer = by_hand::get(&server, "/odata/devices/", &without).await;
    assert_eq!(answer.status, 415);
    server.clock().advance(Duration::from_secs(10 * 3600)).await;
    assert_eq!(call(&[("authorization", &lower), app]).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn multi_factor_authentication_requires_the_code_that_was_sent_last() {
    let server = mfa().in_memory();
    let codes = binding_codes(&server);
    assert_eq!(codes.latest(), None);
    let asked = login(&server).await;
    assert_eq!(asked.status, 403);
    let mut body = asked.json();
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["authenticator", "authenticatorCode", "token"]);
    let interim = body["token"].as_str().unwrap().to_owned();
    let headers = [
        ("authorization", &*format!("bearer {interim}")),
        ("appId", server.client_id()),
    ];
    assert_eq!(get(&server, "/odata/devices/", &headers).await.status, 401);

    body["bindingCode"] = json!(codes.latest());
    let resent = follow_up(&server, "resendMultifactorBindingCode", &body).await;
    assert_eq!((resent.status.as_u16(), codes.sent()), (200, 2));
    let verify = "verifyMultifactorBindingCode";
    assert_eq!(
        follow_up(&server, verify, &body).await.status,
        401,
        "an older code"
    );
    body["bindingCode"] = json!(codes.latest());
    let token = token(&follow_up(&server, verify, &body).await);
    assert_eq!(follow_up(&server, verify, &body).await.status, 401, "once");
    let headers = [
        ("authorization", &*format!("bearer {token}")),
        ("appId", server.client_id()),
    ];
    assert_eq!(get(&server, "/odata/devices/", &headers).await.status, 200);

    let seen = server.counters();
    assert_eq!(
        (seen.token_requests, seen.tokens_issued, seen.failed_logins),
        (5, 1, 2)
    );
    let secrets = server.expose_secrets();
    for secret in [&interim, &token, &codes.latest().unwrap()] {
        assert!(secrets.contains(secret));
    }
}

#[tokio::test(start_paused = true)]
async fn api_keys_are_required_on_each_request_and_can_change() {
    let server = api_keys().in_memory();
    let secret = server.client_secret();
    let id = ("clientId", server.client_id());
    let key = ("clientSecret", &*secret);
    let status =
        async |headers: &[(&str, &str)]| get(&server, "/odata/devices/", headers).await.status;
    assert_eq!(status(&[id, key]).await, 200);
    for headers in [
        &[id][..],
        &[key],
        &[id, key, key],
        &[id, key, ("authorization", "bearer fake")],
        &[id, ("clientSecret", "fake-secret-2")],
    ] {
        assert_eq!(status(headers).await, 401);
    }
    server.always_refuse(true);
    assert_eq!(status(&[id, key]).await, 401);
    server.always_refuse(false);
    server.change_client_secret("fake-secret-2");
    assert_eq!(status(&[id, key]).await, 401);
    assert_eq!(status(&[id, ("clientSecret", "fake-secret-2")]).await, 200);
    assert_eq!(login(&server).await.status, 401);
    assert_eq!(server.counters().token_requests, 1);
}
