//! Answers of token endpoints, and of the servers in front of them.

use std::sync::{Arc, Mutex};

use auth_core::{ErrorKind, RejectedPart, Secret, SecretEnv, SecretFn, TokenRequestOutcome};
use auth_oauth2::{Client, ClientAuth, ReplyRules};
use auth_testkit::{Answer, RefreshTokens, Reply, TestServer, VendorRequest, VendorRules};
use http::StatusCode;

use crate::stack::{MINUTE, SECOND, Stack, client, person};

needs![
    "token endpoint":
    a_firewall_page_is_no_verdict,
    a_firewall_page_costs_no_refresh_token,
    a_page_says_what_came_and_what_to_check,
    a_redirect_is_not_followed_and_rejects_nothing,
    a_bare_401_is_a_verdict,
    a_login_page_with_200_is_waited_out,
    a_reply_that_breaks_off_is_asked_for_again,
    a_wrong_secret_without_words_is_named_and_a_right_one_is_used,
    a_refused_refresh_token_without_words_asks_for_a_login,
    the_vendors_words_reach_the_operator,
    the_vendors_words_show_no_secret,
    a_vendors_own_names_are_read,
    a_lifetime_in_camel_case_does_not_go_unnoticed,
    scopes_may_be_separated_by_commas,
    an_empty_lifetime_is_the_documented_one,
    a_token_type_of_the_vendors_own_is_a_bearer_token,
    a_compressed_reply_is_not_asked_for_and_is_called_that,
    the_client_id_may_stand_in_the_body_beside_basic,
    an_empty_client_secret_goes_with_its_colon,
    a_public_client_logs_in_with_a_password,
    throttling_with_another_status_is_throttling,
    a_wrong_name_of_a_variable_is_found_at_the_start,
    a_byte_order_mark_is_no_part_of_a_secret,
];

fn server() -> TestServer {
    TestServer::builder().in_memory()
}

fn page(status: u16) -> Reply {
    Reply::status(status)
        .header("content-type", "text/html")
        .body("<html><h1>Blocked by policy: planted-text</h1></html>")
}

/// Answers of firewalls, ingresses, gateways and web servers in place of the server behind them.
fn pages() -> Vec<(&'static str, Reply)> {
    vec![
        ("firewall", page(403)),
        ("web server", page(400)),
        ("censor", page(451)),
        ("ingress", Reply::status(404).body("default backend - 404")),
        ("router", Reply::status(405)),
        (
            "maintenance",
            Reply::status(302).header("location", "/sorry"),
        ),
        ("gateway", page(502)),
        ("proxy", page(407)),
    ]
}

async fn a_firewall_page_is_no_verdict() {
    for (whose, page) in pages() {
        let stack = Stack::with_client(server());
        stack.server.token().times(4, page);
        let error = stack.fails().await;
        assert!(error.is_transient(), "{whose}: {error}");
        assert_eq!(
            error.outcome(),
            TokenRequestOutcome::NotUnderstood,
            "{whose}"
        );
        // Four back-offs that double from one second, each random up to its length.
        let seconds = stack.seconds_without_service(1 + 2 + 4 + 8 + 4).await;
        assert!(seconds >= 4, "{whose}: no back-off, {seconds} s");
        assert_eq!(stack.token_requests(), 5, "{whose}");
    }
}

async fn a_firewall_page_costs_no_refresh_token() {
    for (whose, page) in pages() {
        let server = TestServer::builder()
            .refresh_tokens(RefreshTokens::Rotated)
            .in_memory();
        let login = server.log_in();
        let source = person(&server, &login);
        let stack = Stack::new(server, source);
        stack.server.token().then(page);
        let error = stack.fails().await;
        assert_eq!(error.rejected_part(), None, "{whose}: {error}");
        stack.seconds_without_service(4).await;
        let spent = |index: usize| {
            let request = &stack.server.recorded()[index];
            request.expose_parameter("refresh_token")
        };
        assert_eq!(spent(0).as_deref(), Some(&*login));
        assert_eq!(spent(1), spent(0), "{whose}");
    }
}

async fn a_page_says_what_came_and_what_to_check() {
    let stack = Stack::with_client(server());
    stack.server.token().then(page(403));
    let text = stack.fails().await.to_string();
    for part in [
        "token endpoint answered 403 with an HTML page (media type text/html)",
        "check `token_url`",
        "proxy",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("planted"), "{text}");
}

async fn a_redirect_is_not_followed_and_rejects_nothing() {
    for status in [301, 302, 303, 307, 308] {
        let stack = Stack::with_client(server());
        let elsewhere = format!("{}/elsewhere", stack.server.origin());
        stack
            .server
            .token()
            .then(Reply::redirect(status, &elsewhere));
        let error = stack.fails().await;
        let text = error.to_string();
        assert_eq!(
            error.outcome(),
            TokenRequestOutcome::NotUnderstood,
            "{text}"
        );
        assert!(text.contains("redirects are not followed"), "{text}");
        assert!(text.contains("check `token_url`"), "{text}");
        assert_eq!(
            stack.server.recorded().len(),
            1,
            "no request was sent to another server"
        );
        stack.seconds_without_service(2).await;
    }
}

async fn a_bare_401_is_a_verdict() {
    for reply in [Reply::status(401), page(401)] {
        let stack = Stack::with_client(server());
        stack.server.token().always(reply);
        let error = stack.fails().await;
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
        assert!(error.to_string().contains("client secret"), "{error}");
        for _ in 0..4 {
            stack.fails().await;
            stack.pass(MINUTE).await;
        }
        assert_eq!(stack.token_requests(), 1);
    }
}

async fn a_login_page_with_200_is_waited_out() {
    let stack = Stack::with_client(server());
    stack.server.token().times(2, Reply::html());
    let error = stack.fails().await;
    assert_eq!(error.outcome(), TokenRequestOutcome::NotUnderstood);
    assert!(error.to_string().contains("captive portal"), "{error}");
    stack.seconds_without_service(1 + 2 + 2).await;
}

async fn a_reply_that_breaks_off_is_asked_for_again() {
    let stack = Stack::with_client(server());
    stack.server.token().then(Reply::garbage());
    let error = stack.fails().await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    // The server may have replaced a refresh token before the reply broke off.
    assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
    stack.seconds_without_service(2).await;
}

/// Rejects with a status and an empty body.
struct Wordless(StatusCode);

impl VendorRules for Wordless {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        match request.check_oauth() {
            Ok(_) => request.standard_token(),
            Err(_) => Answer::new(self.0, ""),
        }
    }
}

async fn a_wrong_secret_without_words_is_named_and_a_right_one_is_used() {
    let server = TestServer::builder()
        .vendor(Wordless(StatusCode::FORBIDDEN))
        .in_memory();
    let secret = Arc::new(Mutex::new("fake-wrong-secret".to_owned()));
    let kept = Arc::clone(&secret);
    let read = SecretFn::new(move || {
        let secret = kept.lock().unwrap().clone();
        async move { Ok(Secret::new(secret)) }
    });
    let source =
        Client::builder(server.token_url(), server.client_id(), server.transport()).secret(read);
    let stack = Stack::new(server, source.build().unwrap().client_credentials());
    let error = stack.fails().await;
    let text = error.to_string();
    assert!(text.contains("answered 403 with an empty body"), "{text}");
    assert!(text.contains("the client secret may be wrong"), "{text}");
    // By this outcome the core distinguishes it from a page.
    assert_eq!(error.outcome(), TokenRequestOutcome::NotUnderstood);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Protocol, None));
    for _ in 0..10 {
        stack.pass(SECOND).await;
        assert!(stack.get().await.is_err());
    }
    *secret.lock().unwrap() = stack.server.client_secret();
    // The client recovers.
    stack.seconds_without_service(5 * 60 + 30).await;
}

async fn a_refused_refresh_token_without_words_asks_for_a_login() {
    let server = TestServer::builder()
        .vendor(Wordless(StatusCode::BAD_REQUEST))
        .refresh_tokens(RefreshTokens::Rotated)
        .in_memory();
    let source = person(&server, "fake-refresh-of-yesterday");
    let stack = Stack::new(server, source);
    let error = stack.fails().await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let says = "the refresh token may have expired or been revoked: log in again";
    assert!(error.to_string().contains(says), "{error}");
}

async fn the_vendors_words_reach_the_operator() {
    let server = server();
    let rules = ReplyRules::new()
        .code_member("errorCode")
        .description_member("message")
        .credential_codes(["BAD_KEY"]);
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    let words = r#"{"errorCode":"BAD_KEY","message":"this key was withdrawn"}"#;
    stack.server.token().then(Reply::status(400).json(words));
    let error = stack.fails().await;
    let says = "answered 400 with `BAD_KEY`: this key was withdrawn";
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
}

async fn the_vendors_words_show_no_secret() {
    let secret = "fake-secret/1<2>&3";
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    for echo in [
        "fake-secret/1&lt;2&gt;&amp;3",
        "fake-secret&#x2F;1&#60;2&#62;&#38;3",
        &*hexadecimal,
    ] {
        let server = TestServer::builder()
            .client("fake-client", secret)
            .in_memory();
        let stack = Stack::with_client(server);
        let words = serde_json::json!({
            "error": "invalid_client",
            "error_description": format!("no client has {echo} here"),
        });
        stack.server.token().then(Reply::status(401).json(words));
        let text = stack.fails().await.to_string();
        assert!(text.contains(": no client has *** here"), "{text}");
    }
}

async fn a_vendors_own_names_are_read() {
    let server = server();
    let rules = ReplyRules::new().wrapped_in("data").camel_case();
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    let wrapped =
        r#"{"code":0,"data":{"accessToken":"fake-token-1","tokenType":"Bearer","expiresIn":100}}"#;
    stack
        .server
        .token()
        .always(Reply::status(200).json(wrapped));
    stack.server.api().always(Reply::status(200));
    assert_eq!(stack.get().await.unwrap(), 200);
    // A token of 100 seconds is renewed after 75 to 80 seconds; one without a lifetime after 225 or
    // more.
    stack.pass(74 * SECOND).await;
    assert_eq!(stack.get().await.unwrap(), 200);
    assert_eq!(stack.token_requests(), 1);
    stack.pass(7 * SECOND).await;
    assert_eq!(stack.get().await.unwrap(), 200);
    stack.server.token_requests_reached(2).await;
}

async fn a_lifetime_in_camel_case_does_not_go_unnoticed() {
    for name in ["expiresIn", "expires", "expires_at"] {
        let stack = Stack::with_client(server());
        let reply = Reply::normal().without("expires_in").with(name, 60);
        stack.server.token().then(reply);
        let error = stack.fails().await;
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

async fn scopes_may_be_separated_by_commas() {
    let server = server();
    let rules = ReplyRules::new().require_scopes(["repo", "gist"]);
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    let commas = Reply::normal().with("scope", "\"repo,user:email,gist\"");
    stack.server.token().then(commas);
    assert_eq!(stack.get().await.unwrap(), 200);
}

async fn an_empty_lifetime_is_the_documented_one() {
    let server = server();
    let rules = ReplyRules::new().default_lifetime(30 * MINUTE);
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    stack
        .server
        .token()
        .then(Reply::normal().expires_in("\"\""));
    assert_eq!(stack.get().await.unwrap(), 200);
    stack.pass(22 * MINUTE).await;
    assert_eq!(stack.get().await.unwrap(), 200);
    assert_eq!(stack.token_requests(), 1, "not before 22.5 minutes");
}

async fn a_token_type_of_the_vendors_own_is_a_bearer_token() {
    let server = server();
    let rules = ReplyRules::new().token_types(["BearerToken"]);
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    let reply = Reply::normal().with("token_type", "\"BearerToken\"");
    stack.server.token().then(reply);
    assert_eq!(stack.get().await.unwrap(), 200);
}

async fn a_compressed_reply_is_not_asked_for_and_is_called_that() {
    let stack = Stack::with_client(server());
    let compressed = Reply::status(200)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(b"\x1f\x8b\x08\x00planted-text".as_slice());
    stack.server.token().then(compressed);
    let error = stack.fails().await;
    let text = error.to_string();
    assert!(text.contains("compressed with gzip"), "{text}");
    assert!(!text.contains("planted"), "{text}");
    assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
    let request = &stack.server.recorded()[0];
    assert_eq!(request.expose_header("accept-encoding"), Some("identity"));
}

async fn the_client_id_may_stand_in_the_body_beside_basic() {
    let server = server();
    let source = client(&server).client_auth(ClientAuth::BasicWithId);
    let source = source.build().unwrap().client_credentials();
    let stack = Stack::new(server, source);
    stack.server.token().then(Reply::html());
    stack.fails().await;
    let request = &stack.server.recorded()[0];
    assert!(request.expose_header("authorization").is_some());
    let id = request.expose_parameter("client_id");
    assert_eq!(id.as_deref(), Some(stack.server.client_id()));
    assert_eq!(request.expose_parameter("client_secret"), None);
}

async fn an_empty_client_secret_goes_with_its_colon() {
    let server = TestServer::builder().client("fake-key", "").in_memory();
    let client = Client::builder(server.token_url(), server.client_id(), server.transport())
        .client_auth(ClientAuth::BasicEmptySecret)
        .build()
        .unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    assert_eq!(stack.get().await.unwrap(), 200);
    // base64 of `fake-key:`
    let sent = &stack.server.recorded()[0];
    assert_eq!(
        sent.expose_header("authorization"),
        Some("Basic ZmFrZS1rZXk6")
    );
}

async fn a_public_client_logs_in_with_a_password() {
    let server = TestServer::builder()
        .client_auth([auth_testkit::ClientAuth::Public])
        .user("me@example.com", "fake-password-1")
        .in_memory();
    let password = Secret::new(server.user_password());
    let source = Client::builder(server.token_url(), server.client_id(), server.transport())
        .client_auth(ClientAuth::None)
        .build()
        .unwrap()
        .password(server.user_name(), password);
    let stack = Stack::new(server, source.unwrap());
    assert_eq!(stack.get().await.unwrap(), 200);
    let sent = &stack.server.recorded()[0];
    assert_eq!(sent.expose_header("authorization"), None);
}

async fn throttling_with_another_status_is_throttling() {
    let server = server();
    let rules = ReplyRules::new()
        .throttle_codes(["rate_limit_exceeded"])
        .throttle_statuses([StatusCode::FORBIDDEN])
        .throttle_wait(MINUTE);
    let client = client(&server).reply_rules(rules).build().unwrap();
    let source = client.client_credentials();
    let stack = Stack::new(server, source);
    stack
        .server
        .token()
        .then(Reply::oauth_error(400, "rate_limit_exceeded"))
        .then(Reply::status(403));
    for asked in 1..=2 {
        for _ in 0..60 {
            let error = stack.fails().await;
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
            assert_eq!(stack.token_requests(), asked);
            stack.pass(SECOND).await;
        }
    }
    assert_eq!(stack.get().await.unwrap(), 200);
}

async fn a_wrong_name_of_a_variable_is_found_at_the_start() {
    let server = server();
    for (name, field) in [
        ("", "secret_env"),
        ("CLIENT_SECRET=fake-secret-1", "secret_env"),
        ("AUTH_FIELD_TEST_NOT_SET", "AUTH_FIELD_TEST_NOT_SET"),
    ] {
        let source = Client::builder(server.token_url(), server.client_id(), server.transport())
            .secret(SecretEnv::new(name));
        let error = source.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
        assert!(!error.to_string().contains("fake-secret"), "{error}");
    }
    assert_eq!(server.counters().token_requests, 0);
}

async fn a_byte_order_mark_is_no_part_of_a_secret() {
    let server = server();
    let name = format!("auth-field-{}-mark", std::process::id());
    let path = std::env::temp_dir().join(name);
    let text = format!("\u{feff}{}\r\n", server.client_secret());
    std::fs::write(&path, text).unwrap();
    let source = Client::builder(server.token_url(), server.client_id(), server.transport())
        .secret(auth_core::SecretFile::new(&path));
    let stack = Stack::new(server, source.build().unwrap().client_credentials());
    let answered = stack.get().await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(answered.unwrap(), 200);
}
