//! Vendors that echo their requests, and errors of every kind.

use std::time::Duration;

use auth_core::{AccessToken, Authenticator, Error, ErrorKind, Origins, Refusal, Scheme, Secret};
use auth_oauth2::{Client, ClientAuth};
use auth_testkit::{Outcome, Reply, ScriptedSource, TestServer};
use auth_tower::{AuthLayer, AuthOutcome, ExistingCredential, NotReplayed};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::time;
use tower::{Layer, ServiceExt};

use crate::planted::{
    APP_HEADER, APP_KEY, CLIENT_ID, CLIENT_SECRET, OWN, PASSWORD, REFRESH_TOKEN, TOKEN,
    assert_clean, echoes, told,
};

const MINUTE: Duration = Duration::from_secs(60);

fn stack(auth: ClientAuth) -> (TestServer, Authenticator) {
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .in_memory();
    let secret = Secret::new(CLIENT_SECRET);
    let client = Client::builder(server.token_url(), CLIENT_ID, server.transport())
        .secret(secret)
        .client_auth(auth)
        .extra("password", PASSWORD);
    let origins = Origins::new([server.origin()]).unwrap();
    let authenticator =
        Authenticator::builder(client.build().unwrap().client_credentials(), origins)
            .vendor("example")
            .scheme(Scheme::bearer().and_header(APP_HEADER, APP_KEY).unwrap())
            .build()
            .unwrap();
    (server, authenticator)
}

#[tokio::test(start_paused = true)]
async fn g18_secrets_are_scrubbed_from_a_vendors_echo() {
    // The pair as it is sent, in two encodings.
    let basic = [
        "ZmFrZS1jbGllbnQ6WHE3JTJGJTJCKyUzRGZha2UlMjVjbGllbnQlMjZzZWNyZXQ=",
        "ZmFrZS1jbGllbnQ6WHE3LysgPWZha2UlY2xpZW50JnNlY3JldA==",
    ];
    let mut texts: Vec<_> = basic
        .iter()
        .map(|pair| format!("got Basic {pair}"))
        .collect();
    texts.extend(echoes());
    texts.push(format!(
        "{}",
        json!({ "client_secret": CLIENT_SECRET, "password": PASSWORD })
    ));
    for auth in [ClientAuth::Basic, ClientAuth::BasicRaw, ClientAuth::Post] {
        for text in &texts {
            let replies = [
                Reply::status(400).json(json!({ "error": "odd", "error_description": text })),
                Reply::status(401).json(json!({ "error": text })),
                Reply::status(200).json(json!({ "error": text, "error_description": text })),
                Reply::status(503)
                    .header("retry-after", "5")
                    .body(text.clone()),
                Reply::status(200).body(text.clone()),
                Reply::status(200).json(json!({ "access_token": [text] })),
                Reply::status(200).json(json!({ "access_token": "x", "token_type": text })),
                Reply::status(200).json(
                    json!({ "access_token": "x", "token_type": "bearer", "expires_in": text }),
                ),
                Reply::normal().with("scope", json!({ "echo": text })),
                Reply::redirect(302, "https://evil.test/").body(text.clone()),
            ];
            for reply in replies {
                let (server, authenticator) = stack(auth);
                server.token().then(reply);
                let error = authenticator.token().await.unwrap_err();
                assert_clean(told(&error), &[]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g18_half_read_replies_show_no_token() {
    let body = json!({
        "access_token": TOKEN, "token_type": "Bearer", "refresh_token": REFRESH_TOKEN,
        "expires_in": true,
    });
    let text = body.to_string();
    let whole = json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 5 });
    for reply in [
        Reply::status(200).json(&body),
        Reply::status(200).json(&text[..text.len() - 5]),
        Reply::status(200).json(text.replace("true", "1, \"access_token\": \"again\"")),
        Reply::status(200).json(text.replace("Bearer", TOKEN)),
        Reply::status(200).json(text.replace(TOKEN, &format!("{TOKEN}\\u0000"))),
        Reply::status(500).json(&body),
        Reply::status(200).json(format_args!("{whole}{whole}")),
        Reply::status(200).body(format!("access_token={TOKEN}&token_type=bearer")),
        Reply::status(200).json(&body).cut_after(40),
        Reply::status(200).json(json!({ "access_token": TOKEN, "padding": "x".repeat(70_000) })),
    ] {
        let (server, authenticator) = stack(ClientAuth::Basic);
        server.token().then(reply);
        let error = authenticator.token().await.unwrap_err();
        assert_clean(told(&error), &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn g18_errors_of_the_machine_show_no_secret() {
    let issued_again = AccessToken::new(TOKEN);
    for outcome in [
        Outcome::token(AccessToken::new(format!("{TOKEN} with a space"))),
        Outcome::token(issued_again),
        Outcome::panic(),
        Outcome::never(),
        Outcome::error(Error::new(ErrorKind::Throttled, "429")),
    ] {
        let source = ScriptedSource::new();
        source.then(Outcome::token(AccessToken::new(TOKEN)));
        source.then(outcome);
        let authenticator =
            Authenticator::builder(source, Origins::new(["https://api.example.test"]).unwrap())
                .scheme(Scheme::bearer().and_header(APP_HEADER, APP_KEY).unwrap())
                .build()
                .unwrap();
        let token = authenticator.token().await.unwrap();
        authenticator.report_accepted(token.generation());
        let Refusal::Renewing(renewed) = authenticator.report_refused(token.generation()) else {
            panic!("a token that was accepted before is renewed");
        };
        let error = time::timeout(MINUTE, renewed).await.unwrap().unwrap_err();
        assert_clean(told(&error), &[]);
        assert_clean(authenticator.health().to_string(), &[]);
        assert_clean(
            format!("{:?}", authenticator.report_refused(token.generation())),
            &[],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn g18_errors_of_the_layer_show_no_secret() {
    let (server, authenticator) = stack(ClientAuth::Post);
    let layer = AuthLayer::new(authenticator);
    let client = layer.clone().layer(server.service());
    let request = || {
        Request::get(server.api_url())
            .body(Full::<Bytes>::from(PASSWORD))
            .unwrap()
    };
    server.token().then(Reply::oauth_error(400, PASSWORD));
    let error = client.clone().oneshot(request()).await.unwrap_err();
    assert_clean(told(&error), &[]);

    let (server, authenticator) = stack(ClientAuth::Basic);
    let layer = AuthLayer::new(authenticator);
    let client = layer.clone().layer(server.service());
    let request = || {
        Request::get(server.api_url())
            .body(Full::<Bytes>::from(PASSWORD))
            .unwrap()
    };
    // The API accepts the token once, so that its refusal is not that of a token on trial.
    client.clone().oneshot(request()).await.unwrap();
    server.api().then(Reply::cut());
    let error = client.clone().oneshot(request()).await.unwrap_err();
    assert_clean(told(&error), &server.expose_tokens());

    server.api().then(Reply::refuse().header("x-echo", APP_KEY));
    server.token().then(Reply::status(401).json(json!({
        "error": "invalid_client", "error_description": format!("no {CLIENT_SECRET}"),
    })));
    let response = client.oneshot(request()).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    let Some(NotReplayed::NoToken(error)) = outcome.not_replayed() else {
        panic!("there was no other token: {outcome:?}");
    };
    assert_clean(told(error), &server.expose_tokens());
    assert_clean(format!("{outcome:?}"), &server.expose_tokens());

    let mut own = request();
    own.headers_mut()
        .insert("authorization", OWN.parse().unwrap());
    let reject = layer
        .existing(ExistingCredential::Reject)
        .layer(server.service());
    let error = reject.oneshot(own).await.unwrap_err();
    assert_clean(told(&error), &[]);
}
