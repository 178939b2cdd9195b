//! Answers that are not metadata, or not the metadata of the issuer.

use auth_core::{ErrorKind, TokenRequestOutcome};
use auth_oauth2::Discovery;

use crate::{
    discovery,
    server::{
        Answer, ISSUER, OAUTH, OPENID, Server, TOKEN_URL, json, metadata, metadata_of, response,
        status,
    },
};

/// Discovers at a server with this document. Returns kind, field and text of the error.
async fn failed(document: &str) -> (ErrorKind, Option<String>, String) {
    let server = Server::new();
    server.answer(OPENID, json(document));
    let (discovery, _) = discovery(&server);
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(error.step(), Some("discovery"));
    assert_eq!(error.host(), Some("login.example.com"));
    // Invalid metadata are an answer: the second document is not requested.
    assert_eq!(server.seen().len(), 1);
    let texts = format!("{error} {error:?}");
    for hidden in ["evil", "fake-page"] {
        assert!(!texts.contains(hidden), "{texts}");
    }
    (
        error.kind(),
        error.field().map(Into::into),
        error.to_string(),
    )
}

#[tokio::test(start_paused = true)]
async fn s38_an_issuer_that_differs_in_one_byte_is_an_error() {
    for (named, hint) in [
        (
            "https://login.example.com/tenant/",
            "add the slash to `issuer`",
        ),
        (
            "https://LOGIN.example.com/tenant",
            "write `issuer` as the server does",
        ),
        (
            "https://login.example.com/Tenant",
            "write `issuer` as the server does",
        ),
        (
            "https://login.example.com:443/tenant",
            "exactly as the metadata do",
        ),
        (
            "https://login.example.com/tenant%20",
            "exactly as the metadata do",
        ),
        (
            "http://login.example.com/tenant",
            "exactly as the metadata do",
        ),
        ("https://login.example.com", "exactly as the metadata do"),
        ("https://evil.example.com", "exactly as the metadata do"),
        ("", "exactly as the metadata do"),
    ] {
        let (kind, field, text) = failed(&metadata_of(named, TOKEN_URL)).await;
        assert_eq!(
            (kind, field.as_deref()),
            (ErrorKind::Config, Some("issuer"))
        );
        assert!(text.contains(hint), "{named}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn s38_the_error_names_a_final_slash_in_the_setting() {
    let server = Server::new();
    let (discovery, _) = discovery(&server);
    let issuer = format!("{ISSUER}/");
    let error = discovery.metadata(&issuer).await.unwrap_err();
    assert_eq!(error.field(), Some("issuer"));
    assert!(error.to_string().contains("remove the slash from `issuer`"));
}

#[tokio::test(start_paused = true)]
async fn s38_a_token_endpoint_without_https_is_an_error() {
    for url in [
        "http://evil.example.com/token",
        "HTTP://evil.example.com/token",
        "http://127.0.0.1:8080/token",
        "ftp://evil.example.com/token",
        "//evil.example.com/token",
        "/token",
        "",
        "https://",
        "https://me:evil@example.com/token",
        "https://evil.example.com/token#evil",
        "https://evil.example.com/token?client_secret=evil",
        "https://evil.example.com/token?grant_type=evil",
        "https://evil.example.com/\\r\\nx: evil",
    ] {
        let (kind, field, text) = failed(&metadata_of(ISSUER, url)).await;
        let facts = (kind, field.as_deref());
        assert_eq!(
            facts,
            (ErrorKind::Protocol, Some("token_endpoint")),
            "{url}"
        );
        assert!(text.contains("or set the token endpoint with"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn s38_the_error_names_a_member_of_a_wrong_type() {
    let whole = metadata();
    for (from, to, field) in [
        (format!("\"{TOKEN_URL}\""), "1", "token_endpoint"),
        (format!("\"{TOKEN_URL}\""), "null", "token_endpoint"),
        (
            format!("\"{TOKEN_URL}\""),
            r#"["https://evil.example.com"]"#,
            "token_endpoint",
        ),
        (format!("\"{ISSUER}\""), "{}", "issuer"),
        (format!("\"{ISSUER}\""), "null", "issuer"),
        (
            r#"["client_secret_basic","private_key_jwt"]"#.into(),
            r#""evil""#,
            "token_endpoint_auth_methods_supported",
        ),
        (
            r#"["ES256"]"#.into(),
            r#"["evil",1]"#,
            "token_endpoint_auth_signing_alg_values_supported",
        ),
        (r#""issuer":"#.into(), r#""evil":"#, "issuer"),
        (
            r#""token_endpoint":"#.into(),
            r#""evil":"#,
            "token_endpoint",
        ),
    ] {
        let document = whole.replace(&from, to);
        assert_ne!(document, whole);
        let (kind, named, text) = failed(&document).await;
        let facts = (kind, named.as_deref());
        assert_eq!(facts, (ErrorKind::Protocol, Some(field)), "{document}");
        assert!(
            text.contains(&format!("metadata member `{field}`")),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s38_the_error_names_a_member_that_occurs_twice() {
    for (member, value) in [
        ("issuer", r#""https://evil.example.com""#),
        ("token_endpoint", r#""https://evil.example.com""#),
        ("token_endpoint_auth_methods_supported", "[]"),
        ("token_endpoint_auth_signing_alg_values_supported", "null"),
    ] {
        for document in [
            metadata().replacen('{', &format!("{{\"{member}\":{value},"), 1),
            format!(
                "{},\"{member}\":{value}}}",
                metadata().strip_suffix('}').unwrap()
            ),
            // The same name, written with an escape.
            metadata().replacen(
                '{',
                &format!(
                    "{{\"\\u{:04x}{}\":{value},",
                    member.as_bytes()[0],
                    &member[1..]
                ),
                1,
            ),
        ] {
            let (kind, named, text) = failed(&document).await;
            let facts = (kind, named.as_deref());
            assert_eq!(facts, (ErrorKind::Protocol, Some(member)), "{document}");
            assert!(text.contains("occurs twice"), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s38_the_error_about_invalid_json_names_the_position() {
    for document in [
        "{",
        "{}}",
        r#"{"issuer":"#,
        r#"{"issuer":"https://evil"#,
        "{\"issuer\":\"\u{7}\"}",
        r#"{issuer:1}"#,
        &format!("{{\"a\":{}", "[".repeat(10_000)),
    ] {
        let (kind, field, text) = failed(document).await;
        assert_eq!((kind, field), (ErrorKind::Protocol, None));
        assert!(text.contains("no valid JSON from line 1"), "{text}");
    }
    let mut bytes = metadata().into_bytes();
    bytes[20] = 0xff;
    let server = Server::new();
    let mut reply = response(200, "application/json", "");
    *reply.body_mut() = bytes.into();
    server.answer(OPENID, Answer::Reply(reply));
    let (discovery, _) = discovery(&server);
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn t09_a_document_of_ten_megabytes_is_an_error() {
    let padding = format!("{{\"evil\":\"{}\",", "x".repeat(10_000_000));
    let (kind, _, text) = failed(&metadata().replacen('{', &padding, 1)).await;
    assert_eq!(kind, ErrorKind::Protocol);
    assert!(text.contains("larger than 65536 bytes"), "{text}");

    // The limit is exact, also with a transport that reads more than it should.
    let size = metadata().len();
    for server in [Server::new(), Server::new().without_cap()] {
        for (cap, fits) in [(size, true), (size - 1, false)] {
            let discovery = Discovery::builder(server.clone()).max_reply(cap);
            let discovery = discovery.build().unwrap();
            assert_eq!(discovery.metadata(ISSUER).await.is_ok(), fits);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t02_a_redirect_is_not_followed() {
    for code in [301, 302, 303, 307, 308] {
        let server = Server::new();
        let mut redirect = response(code, "text/html", "fake-page");
        let elsewhere = "https://evil.example.com/.well-known/openid-configuration";
        redirect
            .headers_mut()
            .insert("location", elsewhere.parse().unwrap());
        server.answer(OPENID, Answer::Reply(redirect));
        server.answer(elsewhere, json(&metadata()));
        let (discovery, _) = discovery(&server);
        let error = discovery.metadata(ISSUER).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let text = error.to_string();
        assert!(text.contains(&format!("a redirect ({code}), which is not followed")));
        assert!(!text.contains("evil"));
        assert_eq!(
            server.seen(),
            [OPENID, OAUTH].map(|url| format!("GET {url}"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s38_the_error_says_what_a_server_without_metadata_answered() {
    let server = Server::new();
    server.answer(
        OPENID,
        Answer::Reply(response(200, "text/html", "<html>fake-page</html>")),
    );
    server.answer(OAUTH, status(404));
    let (discovery, _) = discovery(&server);
    let error = discovery.metadata(ISSUER).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "login.example.com: discovery: the server has no metadata: an HTML page at \
         `/tenant/.well-known/openid-configuration`, status 404 at \
         `/.well-known/oauth-authorization-server/tenant`; check `issuer` and whether a proxy \
         answers in between, or set the token endpoint with `Client::builder`"
    );
}

#[tokio::test(start_paused = true)]
async fn s51_plain_http_needs_permission_for_the_exact_origin() {
    let issuer = "http://127.0.0.1:8080";
    let server = Server::new();
    let discovery = |origin: &str| {
        let discovery = Discovery::builder(server.clone()).danger_allow_http(origin);
        discovery.unwrap().build().unwrap()
    };
    for (token_url, fits) in [
        ("http://127.0.0.1:8080/token", true),
        ("https://tokens.example.net/token", true),
        ("http://127.0.0.1:8081/token", false),
        ("http://tokens.example.net/token", false),
    ] {
        let document = "http://127.0.0.1:8080/.well-known/openid-configuration";
        server.answer(document, json(&metadata_of(issuer, token_url)));
        let result = discovery(issuer).metadata(issuer).await;
        assert_eq!(result.is_ok(), fits, "{token_url}");
    }
    server.seen();
    let error = discovery("http://127.0.0.1:8081").metadata(issuer).await;
    assert_eq!(error.unwrap_err().field(), Some("issuer"));
    assert!(server.seen().is_empty());
}
