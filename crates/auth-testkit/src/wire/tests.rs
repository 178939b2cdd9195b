use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::{
    BodyFormat, ClientAuth, TestServer, assert_no_secret,
    testing::{Sockets, api_request, ask, token_request},
};

#[tokio::test]
async fn a_port_reads_like_a_name() {
    let expected = "POST https://auth.example.test/token\n\
        content-type: application/x-www-form-urlencoded\n\
        \n\
        grant_type=client_credentials&client_id=fake-client&client_secret=fake-secret-1\n\
        ---\n\
        GET https://api.example.test/api/a?to=https%3A%2F%2Fapi.example.test&b=%20\n\
        authorization: Bearer fake\n";
    let builder = TestServer::builder()
        .name("example")
        .client("fake-client", "fake-secret-1")
        .two_origins();
    let target = |server: &TestServer| {
        let to = form_urlencoded::byte_serialize(server.origin().as_bytes()).collect::<String>();
        format!("/a?to={to}&b=%20")
    };
    let server = builder.clone().in_memory();
    ask(&server, token_request(&server)).await;
    ask(&server, api_request(&server, &target(&server), "fake")).await;
    assert_eq!(server.wire(), expected);
    let server = builder.start().await;
    let client = Sockets::new();
    client.ask(token_request(&server)).await;
    client
        .ask(api_request(&server, &target(&server), "fake"))
        .await;
    assert_eq!(server.wire(), expected);
}

#[tokio::test]
async fn nothing_that_was_set_is_left_out() {
    let server = TestServer::builder().name("example").in_memory();
    let request = Request::put(format!("{}/a", server.api_url()))
        .header("x-b", "1")
        .header("host", "other.test")
        .header("x-b", "0")
        .header("accept", b"\xe9".as_slice())
        .body(Bytes::from("a\n\nb"))
        .unwrap();
    ask(&server, request).await;
    assert_eq!(
        server.wire(),
        "PUT https://example.test/api/a\naccept: \u{fffd}\nhost: other.test\nx-b: 1\nx-b: 0\n\na\n\nb\n",
    );
}

#[tokio::test]
async fn secrets_are_hidden_in_each_form() {
    let server = TestServer::builder()
        .name("example")
        .client("fake-key", "fake-key-secret/1+2%3D")
        .client_auth([ClientAuth::BasicRaw])
        .user("api+reporting@example.com", "fake-password&1=+%41")
        .body_formats([BodyFormat::Form, BodyFormat::Json])
        .in_memory();
    let (secret, password) = (server.client_secret(), server.user_password());
    let pair = format!("{}:{secret}", server.client_id());
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let encoded = format!("{}:{}", server.client_id(), encode(&secret));
    for (content_type, basic, body) in [
        (
            "application/x-www-form-urlencoded",
            &pair,
            format!(
                "grant_type=password&username=api%2Breporting%40example.com&password={}",
                encode(&password)
            ),
        ),
        (
            "application/json",
            &encoded,
            json!({ "password": password, "quoted": "fake-\"quoted\"" }).to_string(),
        ),
    ] {
        let request = Request::post(server.token_url())
            .header("content-type", content_type)
            .header("authorization", format!("Basic {}", STANDARD.encode(basic)));
        ask(&server, request.body(Bytes::from(body)).unwrap()).await;
    }
    let token = server.expose_tokens().remove(0);
    ask(
        &server,
        api_request(&server, &format!("/?t={token}"), &token),
    )
    .await;
    let wire = server.wire_hidden(&["fake-\"quoted\""]);
    assert_eq!(
        wire,
        "POST https://example.test/token\n\
         authorization: Basic ***\n\
         content-type: application/x-www-form-urlencoded\n\
         \n\
         grant_type=password&username=api%2Breporting%40example.com&password=***\n\
         ---\n\
         POST https://example.test/token\n\
         authorization: Basic ***\n\
         content-type: application/json\n\
         \n\
         {\"password\":\"***\",\"quoted\":\"***\"}\n\
         ---\n\
         GET https://example.test/api/?t=***\n\
         authorization: Bearer ***\n",
    );
    assert_no_secret(&wire, &[secret, password, token]);
    assert!(server.wire().contains(&STANDARD.encode(pair)));
}

#[test]
fn a_secret_within_another_leaves_no_rest() {
    let hidden = super::hide(
        "fake-secret-1-more fake-secret-1".into(),
        &["fake-secret-1", "fake-secret-1-more", ""],
    );
    assert_eq!(hidden, "*** ***");
}
