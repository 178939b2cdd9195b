//! At least one test for each documented fact of the vendor.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, MemoryStore, Quota, RefreshPolicy,
    Secret, TokenRequestLimit,
};
use auth_oauth2::BodyFormat;
use auth_testkit::{Reply, TestServer, TestServerBuilder};
use auth_tower::{AuthLayer, AuthOutcome};
use auth_verdigris::{LegacyRefusalLayer, Verdigris, VerdigrisBuilder, fake};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const BUILDINGS: &str = "/core/v1/buildings/";

/// Settings with the fake's URLs.
fn settings(server: &TestServer) -> VerdigrisBuilder {
    Verdigris::builder(
        server.client_id(),
        Secret::new(server.client_secret()),
        server.transport(),
    )
    .options(options(server))
    .token_url(server.token_url())
    .base_url(server.origin())
}

/// Options for the tests: with the server's clock.
fn options(server: &TestServer) -> AuthenticatorOptions {
    AuthenticatorOptions::new().clock(server.clock().clone())
}

fn started(builder: TestServerBuilder) -> (TestServer, Authenticator) {
    let server = builder.in_memory();
    let authenticator = settings(&server).build().unwrap();
    (server, authenticator)
}

/// Status, number of sends and body of a GET through the whole stack.
async fn get(server: &TestServer, authenticator: &Authenticator, path: &str) -> (u16, u8, Bytes) {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .layer(LegacyRefusalLayer::new())
        .service(server.service());
    let request = Request::get(format!("{}{path}", server.origin()));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = client.oneshot(request).await.unwrap();
    let sends = AuthOutcome::of(&response).sends();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, sends, body)
}

fn parameter(server: &TestServer, name: &str) -> Option<String> {
    server.recorded()[0].expose_parameter(name)
}

#[test]
fn row_token_endpoint_is_the_vendors() {
    assert_eq!(
        Verdigris::TOKEN_URL,
        "https://auth.verdigris.co/oauth/token"
    );
}

#[tokio::test(start_paused = true)]
async fn row_only_the_api_origin_is_signed() {
    let server = fake::server().in_memory();
    let secret = Secret::new(server.client_secret());
    let authenticator = Verdigris::builder(server.client_id(), secret, server.transport())
        .build()
        .unwrap();
    assert_eq!(authenticator.vendor(), "verdigris");
    let permits = |url: &str| authenticator.origins().permits(&url.parse().unwrap());
    assert!(permits("https://api.verdigris.co/core/v1/buildings/"));
    assert!(!permits("https://auth.verdigris.co/oauth/token"));
    assert!(!permits("https://verdigris.co/"));
    assert!(!permits("http://api.verdigris.co/"));
}

#[tokio::test(start_paused = true)]
async fn row_grant_is_client_credentials_with_an_audience_in_a_form() {
    assert_eq!(Verdigris::AUDIENCE, "https://api.verdigris.co/");
    let (server, authenticator) = started(fake::server());
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.0, 200);
    assert_eq!(
        parameter(&server, "grant_type").unwrap(),
        "client_credentials"
    );
    assert_eq!(parameter(&server, "audience").unwrap(), Verdigris::AUDIENCE);
    assert_eq!(server.recorded()[0].expose_header("authorization"), None);
}

#[tokio::test(start_paused = true)]
async fn row_grant_with_a_json_body_if_set() {
    let builder = fake::server().body_formats([auth_testkit::BodyFormat::Json]);
    let server = builder.in_memory();
    let settings = settings(&server).body_format(BodyFormat::Json);
    let authenticator = settings.build().unwrap();
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.0, 200);
    assert_eq!(parameter(&server, "audience").unwrap(), Verdigris::AUDIENCE);
}

#[tokio::test(start_paused = true)]
async fn row_grant_audience_can_be_changed() {
    let server = fake::server().in_memory();
    let settings = settings(&server).audience("https://staging.test/");
    // The fake refuses another audience than its own.
    let error = settings.build().unwrap().token().await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_request"));
    assert_eq!(
        parameter(&server, "audience").unwrap(),
        "https://staging.test/"
    );
}

#[tokio::test(start_paused = true)]
async fn row_response_scope_on_several_lines_is_accepted() {
    let (server, authenticator) = started(fake::server());
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.0, 200);
    server.revoke_all();
    server
        .token()
        .then(Reply::normal().with("scope", r#""read:a\n  read:b\r\n\tread:c\n""#));
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.1, 2);
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_is_an_hour() {
    let (server, authenticator) = started(fake::server());
    for minute in 0..10 * 60 {
        assert_eq!(
            get(&server, &authenticator, BUILDINGS).await.1,
            1,
            "{minute}"
        );
        server.clock().advance(MINUTE).await;
        if minute == 40 {
            assert_eq!(server.counters().token_requests, 1);
        }
    }
    let tokens = server.counters().token_requests;
    assert!((12..=14).contains(&tokens), "{tokens} in ten hours");
    assert_eq!(server.counters().api_status(401), 0);
}

#[tokio::test(start_paused = true)]
async fn row_token_quota_is_20_in_an_hour_and_kept() {
    assert_eq!(Verdigris::QUOTA, Quota::new(20, HOUR).unwrap());
    // Each call fails, so the next call needs a token too.
    let (server, authenticator) = started(fake::server());
    server.token().always(Reply::status(503));
    let mut last = None;
    for _ in 0..30 {
        last = authenticator.token().await.err();
        sleep(MINUTE + Duration::from_secs(1)).await;
    }
    assert_eq!(server.counters().token_requests, 20);
    assert_over_quota(&last.unwrap());
}

/// Counts the token requests of a process that needs a token for half an hour and gets none.
async fn sent_in_half_an_hour(options: AuthenticatorOptions, server: &TestServer) -> u64 {
    let authenticator = settings(server).options(options).build().unwrap();
    server.token().always(Reply::status(503));
    let before = server.counters().token_requests;
    for _ in 0..30 {
        assert!(authenticator.token().await.is_err());
        sleep(MINUTE + Duration::from_secs(1)).await;
    }
    server.counters().token_requests - before
}

#[tokio::test(start_paused = true)]
async fn row_token_quota_stays_unless_the_options_set_one() {
    let server = fake::server().in_memory();
    let all_others = options(&server)
        .policy(RefreshPolicy::default())
        .limit(TokenRequestLimit::new(1).unwrap())
        .store(MemoryStore::new())
        .shards(1);
    assert_eq!(sent_in_half_an_hour(all_others, &server).await, 20);
    let five = options(&server).quota(Quota::new(5, HOUR).unwrap());
    assert_eq!(sent_in_half_an_hour(five, &server).await, 5);
    let more = options(&server).quota(Quota::new(25, HOUR).unwrap());
    assert_eq!(sent_in_half_an_hour(more, &server).await, 25);
}

/// An API that refuses each new token leaves a fifth of the quota unused.
#[tokio::test(start_paused = true)]
async fn row_token_quota_is_not_used_up_by_refusals() {
    let (server, authenticator) = started(fake::server());
    let (mut newest, mut last) = (None, None);
    for _ in 0..30 {
        match authenticator.token().await {
            Ok(token) => {
                if newest.replace(token.generation()) != newest {
                    authenticator.report_accepted(token.generation());
                }
                authenticator.report_refused(token.generation());
            }
            Err(error) => last = Some(error),
        }
        // Not the clock's own jump to the next timer: a token request is in progress.
        sleep(MINUTE + Duration::from_secs(1)).await;
    }
    assert_eq!(server.counters().tokens_issued, 16);
    assert_over_quota(&last.unwrap());
    assert_eq!(server.counters().quota_refusals, 0);
}

#[track_caller]
fn assert_over_quota(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Quota);
    assert!(error.retry_after().unwrap() <= HOUR);
}

/// The vendor's example: 5 tokens at 07:45 and 15 at 08:00, so five more at 08:45. Here only four
/// of the five, because refusals come six minutes apart.
#[tokio::test(start_paused = true)]
async fn row_token_quota_slots_free_when_their_tokens_expire() {
    let (server, authenticator) = started(fake::server());
    let issued = || server.counters().tokens_issued;
    // Two seconds are enough for the minimum interval between token requests.
    let ahead = async |count: usize| {
        let before = issued();
        for _ in 0..count {
            let token = authenticator.token_valid_for(HOUR).await.unwrap();
            authenticator.report_accepted(token.generation());
            sleep(Duration::from_secs(2)).await;
        }
        issued() - before
    };
    // Refusals that are further apart may use the reserve.
    let refused = async |count: usize| {
        let before = issued();
        for _ in 0..count {
            let token = authenticator.try_token().unwrap();
            authenticator.report_accepted(token.generation());
            authenticator.report_refused(token.generation());
            sleep(6 * MINUTE).await;
        }
        issued() - before
    };
    assert_eq!(ahead(5).await, 5);
    sleep(15 * MINUTE - Duration::from_secs(10)).await;
    assert_eq!(ahead(12).await, 11, "the reserve is not used");
    assert_eq!(refused(5).await, 4, "and one is not requested");
    sleep(15 * MINUTE - Duration::from_secs(12)).await;
    assert_eq!(ahead(2).await, 1, "the reserve is not used");
    assert_eq!(refused(3).await, 3);
    assert_eq!(server.counters().quota_refusals, 0);
    assert_eq!(issued(), 24);
}

#[tokio::test(start_paused = true)]
async fn row_over_quota_is_429_or_400_without_a_standard_code() {
    for reply in [
        Reply::status(429),
        Reply::status(429).json(r#"{"message":"Too many requests"}"#),
        Reply::status(429).json(r#"{"error":"too_many_requests"}"#),
        Reply::status(400),
        Reply::status(400).body("Rate limit exceeded"),
    ] {
        let (server, authenticator) = started(fake::server());
        server.token().then(reply.header("retry-after", "120"));
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
        assert!(
            authenticator.token().await.is_err(),
            "and no second token request at once"
        );
        assert_eq!(server.counters().token_requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn row_over_quota_is_retried_twice_an_hour() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_REQUEST] {
        // Another process has used up the quota.
        let server = fake::server()
            .quota(1, HOUR)
            .quota_status(status)
            .in_memory();
        settings(&server).build().unwrap().token().await.unwrap();
        let authenticator = settings(&server).build().unwrap();
        let asked = || server.counters().token_requests - 1;
        for minute in 0..60 {
            let error = authenticator.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
            let next = error.retry_after().unwrap();
            assert!(next <= 30 * MINUTE, "{minute}: {next:?}");
            assert_eq!(asked(), if minute < 30 { 1 } else { 2 }, "{minute}");
            server.clock().advance(MINUTE).await;
        }
        // A slot is free.
        assert!(authenticator.token().await.is_ok());
        assert_eq!(asked(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn row_over_quota_is_not_an_html_page() {
    let (server, authenticator) = started(fake::server());
    let page = Reply::status(400).header("content-type", "text/html");
    server
        .token()
        .then(page.body("<html>400 Bad Request</html>"));
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    server.clock().advance(MINUTE).await;
    assert!(authenticator.token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn row_over_quota_is_not_a_400_with_a_standard_code() {
    for (code, kind) in [
        ("invalid_client", ErrorKind::Rejected),
        ("temporarily_unavailable", ErrorKind::Unavailable),
    ] {
        let (server, authenticator) = started(fake::server());
        server.token().then(Reply::oauth_error(400, code));
        let error = authenticator.token().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
    }
}

#[tokio::test(start_paused = true)]
async fn row_several_processes_divide_the_quota() {
    let server = fake::server().in_memory();
    let share = Quota::new(5, HOUR).unwrap();
    let processes: Vec<_> = (0..4)
        .map(|_| {
            let options = options(&server).quota(share);
            settings(&server).options(options).build().unwrap()
        })
        .collect();
    for _ in 0..40 {
        for process in &processes {
            if let Ok(token) = process.token().await {
                process.report_accepted(token.generation());
                process.report_refused(token.generation());
            }
        }
        sleep(Duration::from_secs(61)).await;
    }
    // Refusals in a row leave a fifth of each share unused.
    assert_eq!(server.counters().tokens_issued, 16);
    assert_eq!(server.counters().quota_refusals, 0);
}

#[tokio::test(start_paused = true)]
async fn row_rejected_token_is_401_and_replaced_once() {
    let (server, authenticator) = started(fake::server());
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.1, 1);
    server.revoke_all();
    let (status, sends, _) = get(&server, &authenticator, BUILDINGS).await;
    assert_eq!((status, sends), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn row_rejected_token_of_the_older_api_is_a_404_of_one_kind() {
    let (server, authenticator) = started(fake::server());
    assert_eq!(get(&server, &authenticator, "/data/circuits/7").await.1, 1);
    server.revoke_all();
    let (status, sends, _) = get(&server, &authenticator, "/data/circuits/7").await;
    assert_eq!((status, sends), (200, 2));
    assert_eq!(server.counters().token_requests, 2);
    // A second 404 in a row is returned unchanged.
    server.always_refuse(true);
    let (status, sends, body) = get(&server, &authenticator, "/data/circuits/7").await;
    assert_eq!((status, sends), (404, 2));
    assert!(body.starts_with(br#"{"error":"Couldn't find ApiKey"#));
}

#[tokio::test(start_paused = true)]
async fn row_rejected_token_is_not_any_404() {
    let (server, authenticator) = started(fake::server());
    let (status, sends, _) = get(&server, &authenticator, "/data/circuits/missing").await;
    assert_eq!((status, sends), (404, 1));
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn row_api_rate_429_is_passed_on() {
    let (server, authenticator) = started(fake::server());
    server
        .api()
        .then(Reply::status(429).header("retry-after", "1"));
    let (status, sends, _) = get(&server, &authenticator, BUILDINGS).await;
    assert_eq!((status, sends), (429, 1));
    assert_eq!(get(&server, &authenticator, BUILDINGS).await.0, 200);
    assert_eq!(server.counters().token_requests, 1);
}
