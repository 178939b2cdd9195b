//! What the vendor documents, against a scripted vendor in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use auth_core::{Error, ErrorKind, Quota, RefreshPolicy, Secret, SecretFn, SecretSource};
use auth_oauth2::BodyFormat;
use auth_testkit::{Reply, TestServer, TestServerBuilder, assert_no_secret};
use auth_tower::{AuthLayer, AuthOutcome};
use auth_verdigris::{LegacyRefusalLayer, Verdigris, VerdigrisBuilder};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use tower::{ServiceBuilder, ServiceExt};

const SECRET: &str = "fake-secret/1+2";

fn vendor() -> TestServerBuilder {
    TestServer::builder()
        .client("fake-client", SECRET)
        .client_auth([auth_testkit::ClientAuth::Post])
        .two_origins()
}

/// Settings that lead to the server in place of the vendor.
fn settings(server: &TestServer) -> VerdigrisBuilder {
    Verdigris::builder("fake-client", Secret::new(SECRET))
        .transport(server.transport())
        .token_url(server.token_url())
        .base_url(server.api_url())
        .clock(server.clock().clone())
}

fn last_token_body(server: &TestServer) -> String {
    let recorded = server.recorded();
    let request = recorded
        .iter()
        .rfind(|request| request.path() == "/token")
        .unwrap();
    String::from_utf8(request.expose_body().to_vec()).unwrap()
}

async fn failure(server: &TestServer) -> Error {
    settings(server).build().unwrap().token().await.unwrap_err()
}

#[test]
fn defaults_are_the_vendors() {
    assert_eq!(
        Verdigris::TOKEN_URL,
        "https://auth.verdigris.co/oauth/token"
    );
    assert_eq!(Verdigris::AUDIENCE, "https://api.verdigris.co/");
    assert_eq!(Verdigris::QUOTA, Quota::new(20, Duration::from_secs(3600)));
    let server = vendor().in_memory();
    let authenticator = Verdigris::builder("fake-client", Secret::new(SECRET))
        .transport(server.transport())
        .build()
        .unwrap();
    assert_eq!(authenticator.vendor(), "verdigris");
    let permits = |url: &'static str| authenticator.origins().permits(&Uri::from_static(url));
    assert!(permits("https://api.verdigris.co/core/v1/buildings/"));
    assert!(!permits("https://auth.verdigris.co/oauth/token"));
    assert!(!permits("https://verdigris.co/"));
    assert!(!permits("http://api.verdigris.co/"));
}

#[tokio::test(start_paused = true)]
async fn the_form_body() {
    let server = vendor().in_memory();
    settings(&server).build().unwrap().token().await.unwrap();
    assert_eq!(
        last_token_body(&server),
        "grant_type=client_credentials&client_id=fake-client&client_secret=fake-secret%2F1%2B2\
         &audience=https%3A%2F%2Fapi.verdigris.co%2F",
    );
    assert_eq!(server.recorded()[0].expose_header("authorization"), None);
}

#[tokio::test(start_paused = true)]
async fn the_json_body_and_another_audience() {
    let server = vendor()
        .body_formats([auth_testkit::BodyFormat::Json])
        .in_memory();
    let settings = settings(&server)
        .body_format(BodyFormat::Json)
        .audience("https://staging.test/");
    settings.build().unwrap().token().await.unwrap();
    assert_eq!(
        last_token_body(&server),
        r#"{"grant_type":"client_credentials","client_id":"fake-client","#.to_owned()
            + r#""client_secret":"fake-secret/1+2","audience":"https://staging.test/"}"#,
    );
    assert_eq!(
        server.recorded()[0].expose_header("content-type"),
        Some("application/json")
    );
}

#[tokio::test(start_paused = true)]
async fn a_scope_over_several_lines_is_no_obstacle() {
    let server = vendor().in_memory();
    server
        .token()
        .then(Reply::normal().with("scope", r#""read:a\n  read:b\r\n\tread:c\n""#));
    assert!(settings(&server).build().unwrap().token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn over_quota_is_429_or_400_without_a_standard_code() {
    for reply in [
        Reply::status(429),
        Reply::status(429).json(r#"{"message":"Too many requests"}"#),
        Reply::status(429).json(r#"{"error":"too_many_requests"}"#),
        Reply::status(400),
        Reply::status(400).body("Rate limit exceeded"),
    ] {
        let server = vendor().in_memory();
        server.token().then(reply.header("retry-after", "120"));
        let authenticator = settings(&server).build().unwrap();
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
        assert!(
            authenticator.token().await.is_err(),
            "and is not asked again at once"
        );
        assert_eq!(server.counters().token_requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_standard_400_is_what_it_says() {
    let server = vendor().in_memory();
    server
        .token()
        .then(Reply::oauth_error(400, "invalid_client"));
    let error = failure(&server).await;
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Rejected, Some("invalid_client"))
    );
    server
        .token()
        .then(Reply::oauth_error(400, "temporarily_unavailable"));
    assert_eq!(failure(&server).await.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn this_process_keeps_within_the_quota() {
    // Each token is refused, so that each call needs another one.
    let window = Duration::from_secs(3600);
    let server = vendor()
        .quota(20, window)
        .token_lifetime(window)
        .in_memory();
    let authenticator = settings(&server).build().unwrap();
    let (mut granted, mut last) = (0, None);
    for _ in 0..30 {
        match authenticator.token().await {
            Ok(token) => {
                granted += 1;
                authenticator.accepted(token.generation());
                authenticator.refuse(token.generation());
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    assert_eq!(granted, 20);
    let last = last.unwrap();
    assert_eq!(last.kind(), ErrorKind::Quota);
    assert!(last.retry_after().is_some());
    assert_eq!(server.counters().quota_refusals, 0);
}

#[tokio::test(start_paused = true)]
async fn the_quota_can_be_another() {
    let server = vendor().in_memory();
    server.token().always(Reply::status(500));
    let quota = Quota::new(2, Duration::from_secs(3600));
    let authenticator = settings(&server).quota(quota).build().unwrap();
    let mut last = None;
    for _ in 0..5 {
        last = authenticator.token().await.err();
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    assert_eq!(server.counters().token_requests, 2);
    assert_eq!(last.unwrap().kind(), ErrorKind::Quota);
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_name_the_field() {
    let server = vendor().in_memory();
    let with = |id: &str, secret: &str| {
        Verdigris::builder(id, Secret::new(secret)).transport(server.transport())
    };
    let good = || with("fake-client", SECRET);
    for (field, settings) in [
        (
            "transport",
            Verdigris::builder("fake-client", Secret::new(SECRET)),
        ),
        ("client_id", with("", SECRET)),
        ("client_secret", with("fake-client", "")),
        ("token_url", good().token_url("auth.verdigris.co")),
        (
            "token_url",
            good().token_url("http://127.0.0.1:1/oauth/token"),
        ),
        (
            "token_url",
            good()
                .token_url("http://localhost/")
                .danger_allow_http_loopback(),
        ),
        ("base_url", good().base_url("")),
        ("base_url", good().base_url("http://127.0.0.1:1")),
        (
            "base_url",
            good()
                .base_url("http://api.verdigris.co")
                .danger_allow_http_loopback(),
        ),
        (
            "base_url",
            good().base_url("https://user:fake-password@api.verdigris.co"),
        ),
        ("audience", good().audience("")),
        ("quota", good().quota(Quota::new(0, Duration::from_secs(1)))),
        (
            "refresh_at",
            good().policy(RefreshPolicy::default().refresh_at(1.5)),
        ),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field)),
            "{error}"
        );
        assert_no_secret(format!("{error:?}"), &[SECRET, "fake-password"]);
    }
    let local = good()
        .token_url("http://127.0.0.1:1/t")
        .base_url("http://[::1]:2");
    assert!(local.danger_allow_http_loopback().build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_is_tried_once_more() {
    let server = vendor().in_memory();
    server.change_client_secret("fake-secret-of-today");
    let secrets = std::sync::Mutex::new(vec!["fake-secret-of-today"; 8]);
    secrets.lock().unwrap().push("fake-secret-of-yesterday");
    let rotating = SecretFn::new(move || {
        let secret = secrets.lock().unwrap().pop().unwrap();
        async move { Ok(Secret::new(secret)) }
    });
    let build = |secret: SecretFn<_>| with_secret(&server, secret).build().unwrap();
    assert!(build(rotating).token().await.is_ok());
    assert_eq!(server.counters().token_requests, 2);
}

fn with_secret(server: &TestServer, secret: impl SecretSource) -> VerdigrisBuilder {
    Verdigris::builder("fake-client", secret)
        .transport(server.transport())
        .token_url(server.token_url())
        .base_url(server.api_url())
        .clock(server.clock().clone())
}

/// A GET through the whole stack, and what came back.
async fn get(server: &TestServer, client: VerdigrisBuilder) -> (u16, u8, Bytes) {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(client.build().unwrap()))
        .layer(LegacyRefusalLayer::new())
        .service(server.service());
    let request = Request::get(format!("{}/circuits/7", server.api_url()));
    let response = client
        .oneshot(request.body(Empty::<Bytes>::new()).unwrap())
        .await
        .unwrap();
    let sends = AuthOutcome::of(&response).sends();
    let status = response.status().as_u16();
    (
        status,
        sends,
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

const REFUSAL: &str = r#"{"error":"Couldn't find ApiKey with access_token = fake-echo"}"#;

#[tokio::test(start_paused = true)]
async fn the_older_apis_404_replaces_the_token_once() {
    let server = vendor().in_memory();
    server.api().then(Reply::status(404).json(REFUSAL));
    let (status, sends, _) = get(&server, settings(&server)).await;
    assert_eq!((status, sends), (200, 2));
    assert_eq!(server.counters().token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_such_404_is_returned_as_it_came() {
    let server = vendor().in_memory();
    server.api().always(Reply::status(404).json(REFUSAL));
    let (status, sends, body) = get(&server, settings(&server)).await;
    assert_eq!((status, sends, body), (404, 2, Bytes::from(REFUSAL)));
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_404_is_no_refusal() {
    let server = vendor().in_memory();
    let ordinary = r#"{"error":"Couldn't find Circuit with id=7"}"#;
    server.api().always(Reply::status(404).json(ordinary));
    let (status, sends, body) = get(&server, settings(&server)).await;
    assert_eq!((status, sends, body), (404, 1, Bytes::from(ordinary)));
    assert_eq!(server.counters().token_requests, 1);
}

/// What every vendor promises.
mod promises {
    use auth_core::{Authenticator, Error, SharedSecretSource};
    use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor, fakes};
    use auth_verdigris::Verdigris;

    struct Contract;

    impl Vendor for Contract {
        fn server() -> TestServerBuilder {
            fakes::verdigris()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
        ) -> Result<Authenticator, Error> {
            Verdigris::builder(server.client_id(), secret)
                .transport(server.transport())
                .token_url(server.token_url())
                .base_url(server.api_url())
                .clock(server.clock().clone())
                .build()
        }

        fn path() -> &'static str {
            "/core/v1/buildings/"
        }
    }

    auth_testkit::contract!(Contract);
}
