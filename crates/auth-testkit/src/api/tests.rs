use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    Reply, TestServer, VirtualClock, body_hash,
    testing::{api_request, ask, call_api, new_token},
};

#[tokio::test]
async fn a_request_without_credentials_gets_a_bare_challenge() {
    let server = TestServer::builder().in_memory();
    let answer = call_api(&server, "/things", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // RFC 6750 section 3.1: no error code for a request that lacks authentication.
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"fake\"");
}

#[tokio::test]
async fn a_valid_token_gets_an_echo() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let mut request = api_request(&server, "/things/1?page=2", &token);
    *request.method_mut() = Method::PUT;
    *request.body_mut() = Bytes::from_static(b"some upload");
    let echo = ask(&server, request).await.json();
    assert_eq!(echo["method"], "PUT");
    assert_eq!(echo["path"], "/api/things/1");
    assert_eq!(echo["token"], 1);
    assert_eq!(echo["body_len"], 11);
    assert_eq!(echo["body_hash"], body_hash(b"some upload"));
    assert_ne!(body_hash(b"some upload"), body_hash(b"some uploae"));
}

#[tokio::test]
async fn the_base_path_and_the_scheme_in_any_case_are_served() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    for path in ["", "/", "/a/b%20c"] {
        let mut request = api_request(&server, path, &token);
        let value = HeaderValue::try_from(format!("bEARER {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        assert_eq!(ask(&server, request).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_token_is_refused() {
    let server = TestServer::builder().in_memory();
    let answer = call_api(&server, "", "fake-token-of-nobody").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        answer
            .header("www-authenticate")
            .contains("error=\"invalid_token\"")
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_to_the_nanosecond() {
    let clock = VirtualClock::new();
    let lifetime = Duration::from_secs(60);
    let server = TestServer::builder()
        .token_lifetime(lifetime)
        .clock(&clock)
        .in_memory();
    let token = new_token(&server).await;
    // tokio's clock counts in milliseconds.
    clock.advance(lifetime - Duration::from_millis(1)).await;
    assert_eq!(call_api(&server, "", &token).await.status, StatusCode::OK);
    clock.advance(Duration::from_millis(1)).await;
    assert_eq!(
        call_api(&server, "", &token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(start_paused = true)]
async fn the_clients_sleep_ages_its_token_and_its_wrong_clock_does_not() {
    let clock = VirtualClock::new();
    let server = TestServer::builder().clock(&clock).in_memory();
    let token = new_token(&server).await;
    clock.jump_wall_forward(Duration::from_secs(7200));
    assert_eq!(call_api(&server, "", &token).await.status, StatusCode::OK);
    clock.suspend(Duration::from_secs(3600));
    assert_eq!(
        call_api(&server, "", &token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn revocation_ends_tokens_of_the_past_only() {
    let server = TestServer::builder().in_memory();
    let (first, second) = (new_token(&server).await, new_token(&server).await);
    assert!(server.revoke(&first));
    assert!(!server.revoke(&first), "already revoked");
    assert!(!server.revoke("fake-token-of-nobody"));
    assert_eq!(
        call_api(&server, "", &first).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(call_api(&server, "", &second).await.status, StatusCode::OK);
    server.revoke_all();
    assert_eq!(
        call_api(&server, "", &second).await.status,
        StatusCode::UNAUTHORIZED
    );
    let third = new_token(&server).await;
    assert_eq!(call_api(&server, "", &third).await.status, StatusCode::OK);
    let uses: Vec<_> = server
        .token_uses()
        .iter()
        .map(|u| (u.number, u.accepted, u.refused))
        .collect();
    assert_eq!(uses, [(1, 0, 1), (2, 1, 1), (3, 1, 0)]);
}

#[tokio::test]
async fn the_endless_401_refuses_new_tokens_too_until_it_ends() {
    let server = TestServer::builder().in_memory();
    server.always_refuse(true);
    let token = new_token(&server).await;
    assert_eq!(
        call_api(&server, "", &token).await.status,
        StatusCode::UNAUTHORIZED
    );
    server.always_refuse(false);
    assert_eq!(call_api(&server, "", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_credentials_are_an_invalid_request() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let in_query = call_api(&server, &format!("/x?access_token={token}"), &token).await;
    let mut twice = api_request(&server, "/x", &token);
    let again = twice.headers()[header::AUTHORIZATION].clone();
    twice.headers_mut().append(header::AUTHORIZATION, again);
    for answer in [in_query, ask(&server, twice).await] {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_request\"")
        );
    }
}

#[tokio::test]
async fn basic_credentials_are_no_bearer_token() {
    let server = TestServer::builder().in_memory();
    let mut request = api_request(&server, "", "");
    let basic = HeaderValue::from_static("Basic ZmFrZTpmYWtl");
    request.headers_mut().insert(header::AUTHORIZATION, basic);
    let answer = ask(&server, request).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"fake\"");
}

#[tokio::test]
async fn a_forbidden_place_asks_for_another_scope() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let answer = call_api(&server, "/forbidden", &token).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer
            .header("www-authenticate")
            .contains("error=\"insufficient_scope\"")
    );
    assert_eq!(
        call_api(&server, "/forbidden", "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn redirects_go_where_the_query_says() {
    let server = TestServer::builder().in_memory();
    let token = new_token(&server).await;
    let to = "/redirect?status=301&to=https%3A%2F%2Fother.test%2Fa%3Fb%3Dc";
    let answer = call_api(&server, to, &token).await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.header("location"), "https://other.test/a?b=c");
    let usual = call_api(&server, "/redirect?to=/api/x", &token).await;
    assert_eq!(usual.status, StatusCode::TEMPORARY_REDIRECT);
    for wrong in [
        "/redirect",
        "/redirect?status=200&to=/x",
        "/redirect?to=%0A",
    ] {
        assert_eq!(
            call_api(&server, wrong, &token).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn the_token_may_be_in_another_header() {
    let name = HeaderName::from_static("x-fake-key");
    let server = TestServer::builder().token_header(name.clone()).in_memory();
    let token = new_token(&server).await;
    assert_eq!(
        call_api(&server, "", &token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let mut request = api_request(&server, "", "");
    request
        .headers_mut()
        .insert(name, HeaderValue::try_from(token).unwrap());
    assert_eq!(ask(&server, request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn scripted_challenges_keep_their_lines() {
    let server = TestServer::builder().in_memory();
    let lines = [
        "Basic realm=\"a, Bearer error=\\\"invalid_token\\\"\"",
        "DPoP algs=\"ES256\"",
    ];
    server
        .api()
        .then(Reply::challenge(lines[0]).header("www-authenticate", lines[1]));
    server.api().then(Reply::refuse());
    let odd = call_api(&server, "", "").await;
    let seen: Vec<_> = odd.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(seen, lines);
    let refused = call_api(&server, "", "").await;
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .contains("error=\"invalid_token\"")
    );
    assert_eq!(server.counters().api_status(401), 2);
    assert_eq!(server.api().remaining(), 0);
}
