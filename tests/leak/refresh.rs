//! Refresh tokens in replies, requests, stores and logs.

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Error, MemoryStore, Origins, Secret,
    TokenRequest, TokenRequestReason, TokenSource,
};
use auth_oauth2::{Client, ClientAuth, ClientBuilder, RefreshToken, ResourceOwnerPassword};
use auth_testkit::{RefreshTokens, Reply, TestServer, VirtualClock};
use serde_json::json;

use crate::{
    logs::capture,
    planted::{CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, TOKEN, assert_clean, told},
};

fn server() -> TestServer {
    TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .user("fake-user@example.com", PASSWORD)
        .refresh_tokens(RefreshTokens::Rotated)
        .in_memory()
}

fn client(server: &TestServer) -> ClientBuilder {
    let secret = Secret::new(CLIENT_SECRET);
    Client::builder(server.token_url(), CLIENT_ID, server.transport()).secret(secret)
}

fn person(builder: ClientBuilder) -> RefreshToken {
    let client = builder.build().unwrap();
    client.refresh_token(Secret::new(REFRESH_TOKEN)).unwrap()
}

fn password(server: &TestServer) -> ResourceOwnerPassword {
    let client = client(server).build().unwrap();
    client
        .password(server.user_name(), Secret::new(PASSWORD))
        .unwrap()
}

fn spending() -> TokenRequest {
    TokenRequest::new(TokenRequestReason::Needed).refresh_token(REFRESH_TOKEN)
}

/// Sends one token request the way an authenticator does.
async fn send(
    source: &impl TokenSource,
    token_request: TokenRequest,
) -> Result<AccessToken, Error> {
    let credentials = source.credentials().await?;
    source.fetch(token_request.credentials(credentials)).await
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_sources_shows_no_refresh_token() {
    let server = server();
    let builder = client(&server);
    assert_clean(format!("{builder:?}{builder:#?}"), &[]);
    let source = person(builder);
    source.first_refresh_token().await.unwrap();
    let credentials = source.credentials().await.unwrap();
    let id = credentials.id();
    let token_request = spending().credentials(credentials.clone());
    let shown =
        format!("{source:?}{source:#?}{credentials:?}{credentials:#?}{id:?}{token_request:?}");
    assert_clean(shown, &[]);
    assert_clean(format!("{:?}{:#?}", spending(), spending()), &[]);

    let source = password(&server);
    let token = send(&source, TokenRequest::new(TokenRequestReason::Needed))
        .await
        .unwrap();
    let shown = format!("{source:?}{token:?}{token:#?}");
    assert_clean(shown, &server.expose_secrets());
}

#[tokio::test(start_paused = true)]
async fn g18_an_echoed_refresh_token_is_scrubbed() {
    let percent: String = REFRESH_TOKEN.bytes().map(|b| format!("%{b:02X}")).collect();
    for text in [
        REFRESH_TOKEN,
        &percent,
        &format!("refresh_token={REFRESH_TOKEN}&x"),
    ] {
        let echo = json!({ "error": "invalid_grant", "error_description": text });
        for reply in [
            Reply::status(400).json(&echo),
            Reply::status(401).json(&echo),
            Reply::status(200).json(&echo),
            Reply::status(400).json(json!({ "error": text })),
            Reply::status(500).body(text.to_owned()),
            Reply::normal().with("scope", json!({ "echo": text })),
            Reply::normal().with("refresh_token", json!([text])),
            Reply::normal().with("refresh_token", json!({ "text": text })),
        ] {
            let server = server();
            let token = server.log_in();
            server.token().then(reply.clone()).then(reply);
            let token_request =
                TokenRequest::new(TokenRequestReason::Needed).refresh_token(&*token);
            for auth in [ClientAuth::Basic, ClientAuth::Post] {
                let source = person(client(&server).client_auth(auth));
                // The planted one, and one that the server accepts.
                for token_request in [spending(), token_request.clone()] {
                    if let Err(error) = send(&source, token_request).await {
                        assert_clean(told(&error), &[]);
                    }
                }
                let nothing_left =
                    send(&source, TokenRequest::new(TokenRequestReason::Needed)).await;
                assert_clean(told(&nothing_left.unwrap_err()), &[]);
            }
            let source = password(&server);
            if let Err(error) = send(&source, spending()).await {
                assert_clean(told(&error), &[]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g18_logs_about_refresh_tokens_contain_none() {
    let logs = capture();
    let server = server();
    let clock = VirtualClock::new();
    let key = auth_core::Key::builder("example").client(CLIENT_ID).build();
    let origins = Origins::new([server.origin()]).unwrap();
    let authenticator = Authenticator::builder(password(&server), origins)
        .vendor("example")
        .key(key)
        .options(
            AuthenticatorOptions::new()
                .store(MemoryStore::new())
                .clock(clock.clone()),
        )
        .build()
        .unwrap();
    let hour = server.token_lifetime();
    let brings = json!({
        "access_token": TOKEN, "token_type": "Bearer", "expires_in": 60,
        "refresh_token": REFRESH_TOKEN,
    });
    for _ in 0..3 {
        authenticator.token().await.unwrap();
        clock.advance(hour).await;
    }
    // An invalid refresh token, and one that the vendor never accepts.
    server.revoke_refresh_tokens();
    server
        .token()
        .then(Reply::normal())
        .then(Reply::status(200).json(&brings));
    for _ in 0..3 {
        let shown = format!("{:?}", authenticator.token().await);
        assert_clean(shown, &server.expose_secrets());
        clock.advance(hour).await;
    }
    let text = logs.text();
    let rejections = text.matches("refresh token rejected").count();
    assert_eq!(rejections, 2, "each of the two, and no other error");
    assert_clean(&text, &server.expose_secrets());
}
