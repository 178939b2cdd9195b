use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::json;

use crate::{
    BodyFormat, ClientAuth, Reply, RetryAfter, TestServer, TestServerBuilder, VirtualClock,
    testing::{Received, ask, call_api, form_request, new_token, token_request},
};

mod refresh;

const CLIENT: &str = "client_id=fake-client&client_secret=fake-secret-1";

fn builder() -> TestServerBuilder {
    TestServer::builder().client("fake-client", "fake-secret-1")
}

async fn form(server: &TestServer, body: &str) -> Received {
    ask(server, form_request(server, body)).await
}

async fn basic(server: &TestServer, credentials: &str, body: &str) -> Received {
    let mut request = form_request(server, body);
    let value = format!("Basic {}", STANDARD.encode(credentials));
    request
        .headers_mut()
        .insert(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap());
    ask(server, request).await
}

#[tokio::test]
async fn a_request_in_order_brings_a_new_token_each_time() {
    let server = builder()
        .token_lifetime(Duration::from_secs(90))
        .in_memory();
    let body = format!("grant_type=client_credentials&{CLIENT}&scope=a+b");
    let (first, second) = (form(&server, &body).await, form(&server, &body).await);
    assert_ne!(first.token(), second.token());
    assert!(first.token().starts_with("fake-token-1-"));
    assert_eq!(first.json()["expires_in"], 90);
    assert_eq!(first.json()["token_type"], "Bearer");
    assert_eq!(first.json()["scope"], "a b");
    assert_eq!(first.header("cache-control"), "no-store");
    assert_eq!(server.expose_tokens(), [first.token(), second.token()]);
    let recorded = &server.recorded()[0];
    assert_eq!(recorded.expose_parameter("scope").as_deref(), Some("a b"));
    assert_eq!(server.counters().token_errors, 0);
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    let server = builder().in_memory();
    let cases = [
        (CLIENT.to_owned(), "invalid_request"),
        (format!("grant_type=&{CLIENT}"), "invalid_request"),
        (
            format!("grant_type=client_credentials&scope=a&scope=b&{CLIENT}"),
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&{CLIENT}&{CLIENT}"),
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&scope=%zz&{CLIENT}"),
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&scope=%ff&{CLIENT}"),
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&scope=a b&{CLIENT}"),
            "invalid_request",
        ),
        (
            format!("grant_type=password&username=a&password=b&{CLIENT}"),
            "unsupported_grant_type",
        ),
        ("grant_type=client_credentials".into(), "invalid_client"),
        (
            "grant_type=client_credentials&client_id=fake-client".into(),
            "invalid_client",
        ),
        (
            "grant_type=client_credentials&client_id=fake-client&client_secret=no".into(),
            "invalid_client",
        ),
        (
            "grant_type=client_credentials&client_id=no&client_secret=fake-secret-1".into(),
            "invalid_client",
        ),
    ];
    for (body, code) in &cases {
        let answer = form(&server, body).await;
        assert_eq!(answer.error(), *code, "{body}");
        let (status, challenge) = match *code {
            "invalid_client" => (StatusCode::UNAUTHORIZED, "Basic realm=\"fake\""),
            _ => (StatusCode::BAD_REQUEST, ""),
        };
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{body}");
    }
    let seen = server.counters();
    assert_eq!(seen.token_errors, cases.len() as u64);
    assert_eq!(seen.token_errors_by_code["invalid_client"], 4);
    assert_eq!(seen.tokens_issued, 0);
}

#[tokio::test]
async fn several_resources_are_no_doubles() {
    let server = builder().in_memory();
    let body = format!(
        "grant_type=client_credentials&{CLIENT}&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb"
    );
    assert_eq!(form(&server, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_post_with_a_known_content_type_is_read() {
    let server = builder().in_memory();
    let mut get = token_request(&server);
    *get.method_mut() = Method::GET;
    let answer = ask(&server, get).await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    for content_type in ["text/plain", "application/json", ""] {
        let mut request = token_request(&server);
        let value = HeaderValue::from_static(content_type);
        request.headers_mut().insert(header::CONTENT_TYPE, value);
        assert_eq!(
            ask(&server, request).await.error(),
            "invalid_request",
            "{content_type}"
        );
    }
    let mut request = token_request(&server);
    let value = HeaderValue::from_static("Application/X-WWW-Form-Urlencoded; charset=UTF-8");
    request.headers_mut().insert(header::CONTENT_TYPE, value);
    assert_eq!(ask(&server, request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn credentials_in_the_uri_are_refused() {
    let server = builder().in_memory();
    for query in [CLIENT, "grant_type=client_credentials", "password=x"] {
        let mut request = token_request(&server);
        *request.uri_mut() = format!("{}?{query}", server.token_url()).parse().unwrap();
        assert_eq!(
            ask(&server, request).await.error(),
            "invalid_request",
            "{query}"
        );
    }
    let mut request = token_request(&server);
    *request.uri_mut() = format!("{}?tenant=a", server.token_url()).parse().unwrap();
    assert_eq!(ask(&server, request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn json_bodies_are_read_where_allowed() {
    let server = builder().body_formats([BodyFormat::Json]).in_memory();
    assert_eq!(
        ask(&server, token_request(&server)).await.error(),
        "invalid_request"
    );
    let send = async |body: String| {
        let request = Request::post(server.token_url())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .unwrap();
        ask(&server, request).await
    };
    let good = json!({
        "grant_type": "client_credentials",
        "client_id": "fake-client",
        "client_secret": "fake-secret-1",
        "audience": "https://api.test/",
    });
    assert_eq!(send(good.to_string()).await.status, StatusCode::OK);
    let recorded = server.recorded();
    let audience = recorded.last().unwrap().expose_parameter("audience");
    assert_eq!(audience.as_deref(), Some("https://api.test/"));
    let double = good
        .to_string()
        .replacen('{', "{\"grant_type\":\"client_credentials\",", 1);
    for wrong in [double.as_str(), "[]", "{\"grant_type\":1}", "{"] {
        assert_eq!(
            send(wrong.into()).await.error(),
            "invalid_request",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn basic_wants_both_parts_form_encoded() {
    // The characters of RFC 6749 appendix B.
    let (id, encoded) = (" %&+\u{a3}\u{20ac}", "+%25%26%2B%C2%A3%E2%82%AC");
    let server = TestServer::builder().client(id, "fake:a/b").in_memory();
    let grant = "grant_type=client_credentials";
    let right = format!("{encoded}:fake%3Aa%2Fb");
    assert_eq!(basic(&server, &right, grant).await.status, StatusCode::OK);
    for wrong in [
        format!("{id}:fake:a/b"),
        format!("{encoded}:fake:a/b"),
        encoded.to_owned(),
    ] {
        let answer = basic(&server, &wrong, grant).await;
        assert_eq!(
            (answer.error().as_str(), answer.status.as_u16()),
            ("invalid_client", 401)
        );
    }
}

#[tokio::test]
async fn raw_basic_is_another_method() {
    let server = TestServer::builder()
        .client("fake-client", "fake:a/b%20+")
        .client_auth([ClientAuth::BasicRaw])
        .in_memory();
    let grant = "grant_type=client_credentials";
    assert_eq!(
        basic(&server, "fake-client:fake:a/b%20+", grant)
            .await
            .status,
        StatusCode::OK
    );
    let encoded = basic(&server, "fake-client:fake%3Aa%2Fb%2520%2B", grant).await;
    assert_eq!(encoded.error(), "invalid_client");
    assert_eq!(
        ask(&server, token_request(&server)).await.error(),
        "invalid_client"
    );
}

#[tokio::test]
async fn a_client_proves_itself_once() {
    let server = builder().in_memory();
    let grant = "grant_type=client_credentials";
    let good = "fake-client:fake-secret-1";
    let twice = basic(&server, good, &format!("{grant}&{CLIENT}")).await;
    assert_eq!(twice.error(), "invalid_request");
    let same_id = basic(&server, good, &format!("{grant}&client_id=fake-client")).await;
    assert_eq!(same_id.status, StatusCode::OK);
    let other_id = basic(&server, good, &format!("{grant}&client_id=other")).await;
    assert_eq!(other_id.error(), "invalid_request");
}

#[tokio::test]
async fn a_changed_secret_replaces_the_old_one() {
    let server = builder().in_memory();
    let old = token_request(&server);
    server.change_client_secret("fake-secret-2");
    assert_eq!(ask(&server, old).await.error(), "invalid_client");
    assert_eq!(
        ask(&server, token_request(&server)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_password_grant_checks_its_user() {
    let server = builder()
        .user("api+fake@example.test", "fake-password")
        .in_memory();
    let ask =
        async |rest: &str| form(&server, &format!("grant_type=password&{CLIENT}{rest}")).await;
    let good = ask("&username=api%2Bfake%40example.test&password=fake-password").await;
    assert_eq!(good.status, StatusCode::OK);
    let plus = ask("&username=api+fake%40example.test&password=fake-password").await;
    assert_eq!(
        (plus.error().as_str(), plus.status.as_u16()),
        ("invalid_grant", 400)
    );
    assert_eq!(ask("&username=api").await.error(), "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_a_rolling_window() {
    let minute = Duration::from_secs(60);
    let clock = VirtualClock::new();
    let server = builder()
        .quota(2, 60 * minute)
        .quota_retry_after(RetryAfter::Seconds)
        .clock(&clock)
        .in_memory();
    new_token(&server).await;
    clock.advance(15 * minute).await;
    // A failure takes a slot like a success.
    server.token().then(Reply::status(500));
    assert_eq!(ask(&server, token_request(&server)).await.status, 500);
    let over = ask(&server, token_request(&server)).await;
    assert_eq!(
        (over.status.as_u16(), over.header("retry-after")),
        (429, "2700")
    );
    assert_eq!(over.error(), "", "no OAuth code");
    clock.advance(45 * minute).await;
    new_token(&server).await;
    let over = ask(&server, token_request(&server)).await;
    assert_eq!(
        (over.status.as_u16(), over.header("retry-after")),
        (429, "900")
    );
    let seen = server.counters();
    assert_eq!(
        (seen.quota_refusals, seen.token_errors, seen.tokens_issued),
        (2, 3, 2)
    );
    assert_eq!(server.max_token_requests_within(60 * minute), 4);
    assert_eq!(server.max_token_requests_within(minute), 2);
    let times = server.token_request_times();
    let since_first: Vec<_> = times.iter().map(|at| *at - times[0]).collect();
    assert_eq!(since_first, [0, 15, 15, 60, 60].map(|at| at * minute));
    server.reset();
    assert!(server.token_request_times().is_empty());
    new_token(&server).await;
}

#[tokio::test(start_paused = true)]
async fn the_quota_may_answer_in_other_forms() {
    let server = builder()
        .quota(1, Duration::from_millis(1_500))
        .quota_status(StatusCode::BAD_REQUEST)
        .quota_retry_after(RetryAfter::HttpDate)
        .in_memory();
    new_token(&server).await;
    let over = ask(&server, token_request(&server)).await;
    assert_eq!(over.status, StatusCode::BAD_REQUEST);
    assert_eq!(over.header("date"), "Tue, 01 Jan 2030 00:00:00 GMT");
    assert_eq!(over.header("retry-after"), "Tue, 01 Jan 2030 00:00:02 GMT");
    let server = builder().quota(0, Duration::from_secs(60)).in_memory();
    let over = ask(&server, token_request(&server)).await;
    assert_eq!(
        (over.status.as_u16(), over.header("retry-after")),
        (429, "")
    );
}

#[tokio::test]
async fn replies_can_be_edited_member_by_member() {
    let server = builder().in_memory();
    let odd = Reply::normal()
        .expires_in("\"1799\"")
        .without("token_type")
        .with("scope", json!("a\nb"))
        .with("extra", "1e400")
        .duplicate("extra", "null");
    server.token().then(odd);
    let answer = ask(&server, token_request(&server)).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let end = ",\"expires_in\":\"1799\",\"scope\":\"a\\nb\",\"extra\":1e400,\"extra\":null}";
    assert!(text.ends_with(end), "{text}");
    assert!(!text.contains("token_type"));
}

#[tokio::test(start_paused = true)]
async fn replies_can_bring_odd_tokens() {
    let clock = VirtualClock::new();
    let server = builder().clock(&clock).in_memory();
    let first = new_token(&server).await;
    clock.advance(Duration::from_secs(600)).await;
    let short = Reply::normal().lifetime(Duration::from_secs(5));
    server
        .token()
        .then(Reply::normal().same_token())
        .then(Reply::normal().expired_token());
    server.token().then(short);
    let same = ask(&server, token_request(&server)).await;
    assert_eq!(
        (same.token(), same.json()["expires_in"].as_u64()),
        (first, Some(3000))
    );
    let dead = ask(&server, token_request(&server)).await;
    assert_eq!(dead.json()["expires_in"], 3600);
    assert_eq!(
        call_api(&server, "", &dead.token()).await.status,
        StatusCode::UNAUTHORIZED
    );
    let short = ask(&server, token_request(&server)).await;
    assert_eq!(short.json()["expires_in"], 5);
    assert_eq!(
        call_api(&server, "", &short.token()).await.status,
        StatusCode::OK
    );
    clock.advance(Duration::from_secs(5)).await;
    assert_eq!(
        call_api(&server, "", &short.token()).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(server.counters().tokens_issued, 4);
}

#[tokio::test]
async fn servers_and_clients_have_their_own_tokens() {
    let token = async |builder: TestServerBuilder| new_token(&builder.in_memory()).await;
    let first = token(builder()).await;
    assert_eq!(token(builder()).await, first, "a run can be repeated");
    assert_ne!(token(builder().name("other")).await, first);
    assert_ne!(
        token(builder().client("other", "fake-secret-1")).await,
        first
    );
}
