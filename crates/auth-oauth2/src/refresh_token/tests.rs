use std::{
    error::Error as _,
    sync::{Arc, Mutex},
};

use auth_core::{SecretFn, TokenRequestReason};

use super::*;
use crate::{
    BodyFormat, ClientAuth, ClientBuilder,
    testing::{Recorder, WITH_REFRESH_TOKEN, credentials, reply, send},
};

const URL: &str = "https://login.example.com/token";

fn builder(transport: &Recorder) -> ClientBuilder {
    let secret = Secret::new("fake-secret");
    Client::builder(URL, "my-client", transport.clone()).secret(secret)
}

fn with(transport: &Recorder, first: impl SecretSource) -> RefreshToken {
    let client = builder(transport).build().unwrap();
    client.refresh_token(first).unwrap()
}

fn person(client: ClientBuilder) -> RefreshToken {
    let client = client.build().unwrap();
    client.refresh_token(Secret::new("fake-refresh-0")).unwrap()
}

fn public(transport: &Recorder) -> ClientBuilder {
    Client::builder(URL, "my-client", transport.clone()).client_auth(ClientAuth::None)
}

/// The place where each login puts its refresh token.
#[derive(Clone)]
struct Place(Arc<Mutex<&'static str>>);

impl Place {
    fn new(token: &'static str) -> Self {
        Self(Arc::new(Mutex::new(token)))
    }

    fn put(&self, token: &'static str) {
        *self.0.lock().unwrap() = token;
    }

    fn source(&self) -> impl SecretSource {
        let place = self.clone();
        SecretFn::new(move || {
            let token = *place.0.lock().unwrap();
            async move { Ok(Secret::new(token)) }
        })
    }
}

async fn first(source: &RefreshToken) -> Option<String> {
    let first = source.first_refresh_token().await.unwrap();
    first.map(|token| token.expose().to_owned())
}

fn spending(token: &str) -> TokenRequest {
    TokenRequest::new(TokenRequestReason::Needed).refresh_token(token)
}

#[tokio::test]
async fn s15_the_golden_requests() {
    let transport = Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    let source = person(builder(&transport));
    assert!(source.keeps_refresh_tokens());
    assert_eq!(first(&source).await.unwrap(), "fake-refresh-0");
    let token = send(&source, spending("fake-refresh-0")).await.unwrap();
    assert_eq!(
        token.kept_refresh_token().unwrap().expose(),
        "fake-refresh-1"
    );
    let request = transport.last();
    assert_eq!(
        request.body(),
        "grant_type=refresh_token&refresh_token=fake-refresh-0"
    );
    // base64 of `my-client:fake-secret`
    let basic = "Basic bXktY2xpZW50OmZha2Utc2VjcmV0";
    assert_eq!(request.headers()["authorization"], basic);

    let source = builder(&transport)
        .client_auth(ClientAuth::Post)
        .body_format(BodyFormat::Json)
        .scope("read");
    let source = person(source);
    send(&source, spending("fake-refresh-1")).await.unwrap();
    assert_eq!(
        transport.last().body(),
        r#"{"grant_type":"refresh_token","client_id":"my-client","client_secret":"fake-secret","refresh_token":"fake-refresh-1","scope":"read"}"#
    );
}

#[tokio::test]
async fn s15_a_public_client_sends_only_its_client_id() {
    let transport = Recorder::default();
    let source = person(public(&transport));
    send(&source, spending("fake-refresh-0")).await.unwrap();
    let request = transport.last();
    assert_eq!(
        request.body(),
        "grant_type=refresh_token&client_id=my-client&refresh_token=fake-refresh-0"
    );
    assert!(!request.headers().contains_key("authorization"));
}

#[tokio::test]
async fn without_a_refresh_token_the_error_says_log_in_again() {
    let transport = Recorder::default();
    let source = person(builder(&transport));
    let token_request = TokenRequest::new(TokenRequestReason::Needed);
    let error = send(&source, token_request).await.unwrap_err();
    let verdict = (error.kind(), error.code());
    assert_eq!(verdict, (ErrorKind::Rejected, None));
    let text = error.to_string();
    assert!(text.starts_with("login.example.com: "), "{text}");
    assert!(text.contains("log in again"), "{text}");
    assert!(text.contains("`refresh_token`"), "{text}");
    assert_eq!(transport.calls(), 0);
}

#[tokio::test]
async fn t32_a_rejected_refresh_token_is_not_used_again() {
    let invalid = r#"{"error":"invalid_grant","error_description":"fake-refresh-0 was used"}"#;
    let transport = Recorder::answering([reply(400, invalid)]);
    let place = Place::new("fake-refresh-0");
    let source = with(&transport, place.source());
    assert_eq!(first(&source).await.unwrap(), "fake-refresh-0");
    let error = send(&source, spending("fake-refresh-0")).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_grant"));
    assert!(!format!("{error:?}").contains("fake-refresh"), "{error:?}");
    assert_eq!(error.rejected_part(), Some(RejectedPart::RefreshToken));
    assert_eq!(first(&source).await, None);
    let before = credentials(&source).await;
    let token_request = TokenRequest::new(TokenRequestReason::Needed);
    let nothing_left = send(&source, token_request).await.unwrap_err();
    assert_eq!(
        nothing_left.source().unwrap().to_string(),
        error.to_string()
    );

    place.put("fake-refresh-9");
    assert_ne!(credentials(&source).await, before, "a person has logged in");
    assert_eq!(first(&source).await.unwrap(), "fake-refresh-9");
}

#[tokio::test]
async fn a_new_login_during_a_rejection_stays_valid() {
    let transport = Recorder::answering([reply(401, r#"{"error":"invalid_grant"}"#)]);
    let place = Place::new("fake-refresh-0");
    let source = with(&transport, place.source());
    assert_eq!(first(&source).await.unwrap(), "fake-refresh-0");
    place.put("fake-refresh-9");
    // A refresh token from a store, issued after the old login.
    send(&source, spending("fake-refresh-5")).await.unwrap_err();
    assert_eq!(first(&source).await.unwrap(), "fake-refresh-9");
}

#[tokio::test]
async fn an_outage_rejects_no_refresh_token() {
    let replies = [reply(503, ""), reply(401, r#"{"error":"invalid_client"}"#)];
    let transport = Recorder::answering(replies);
    let source = person(builder(&transport));
    for _ in 0..2 {
        send(&source, spending("fake-refresh-0")).await.unwrap_err();
        assert_eq!(first(&source).await.unwrap(), "fake-refresh-0");
    }
}

#[tokio::test]
async fn t32_a_new_login_changes_the_secret_and_keeps_the_account() {
    let transport = Recorder::default();
    let id = async |source: RefreshToken| credentials(&source).await.id().unwrap();
    let own = id(person(builder(&transport))).await;
    let new_login = id(with(&transport, Secret::new("fake-refresh-9"))).await;
    assert_ne!(new_login, own);
    assert_eq!(new_login.account(), own.account());
    assert_ne!(
        id(person(public(&transport))).await.account(),
        own.account()
    );
}

/// The vendor replaced the first refresh token, and a person deleted its file.
#[tokio::test]
async fn a_removed_first_refresh_token_does_not_stop_renewals() {
    let transport = Recorder::default();
    let gone = SecretFn::new(|| async { Err(Error::config("path", "no such file")) });
    let source = with(&transport, gone);
    send(&source, spending("fake-refresh-5")).await.unwrap();
    assert_eq!(transport.calls(), 1);
    assert!(source.first_refresh_token().await.is_err());
}

#[tokio::test]
async fn wrong_settings_name_the_field() {
    let transport = Recorder::default();
    let client = builder(&transport).build().unwrap();
    let error = client.refresh_token(Secret::new("")).unwrap_err();
    let said = (error.kind(), error.field());
    assert_eq!(said, (ErrorKind::Config, Some("refresh_token")));
    let extra = builder(&transport).extra("refresh_token", "fake").build();
    assert_eq!(extra.unwrap_err().field(), Some("extra"));
    let late = SecretFn::new(|| async { Ok(Secret::new("")) });
    let source = with(&transport, late);
    let error = source.first_refresh_token().await.unwrap_err();
    assert_eq!(error.field(), Some("refresh_token"));
}

#[test]
fn g18_debug_shows_no_refresh_token() {
    let transport = Recorder::default();
    let shown = format!("{:?}{:?}", builder(&transport), person(builder(&transport)));
    assert!(!shown.contains("fake-"), "{shown}");
}
