use std::sync::{Arc, Mutex};

use auth_core::{ErrorKind, SecretFn, TokenRequestReason};

use super::*;
use crate::{
    BodyFormat, ClientAuth, ClientBuilder,
    testing::{Recorder, credentials, fetch, reply, send},
};

mod refresh;

fn builder(transport: &Recorder) -> ClientBuilder {
    let url = "https://login.example.com/token";
    let secret = Secret::new("fake-secret");
    Client::builder(url, "my-client", transport.clone()).secret(secret)
}

fn robot(builder: ClientBuilder) -> ResourceOwnerPassword {
    let password = Secret::new("fake-word-1");
    let client = builder.build().unwrap();
    client.password("me+robot@example.com", password).unwrap()
}

#[tokio::test]
async fn s07_the_golden_request() {
    let transport = Recorder::default();
    let source = robot(builder(&transport));
    assert_eq!(
        fetch(&source).await.unwrap().secret().expose(),
        "fake-token"
    );
    let request = transport.last();
    assert_eq!(
        request.body(),
        "grant_type=password&username=me%2Brobot%40example.com&password=fake-word-1"
    );
    // base64 of `my-client:fake-secret`
    assert_eq!(
        request.headers()["authorization"],
        "Basic bXktY2xpZW50OmZha2Utc2VjcmV0"
    );

    let source = builder(&transport)
        .client_auth(ClientAuth::Post)
        .body_format(BodyFormat::Json)
        .scope("read");
    let source = robot(source);
    fetch(&source).await.unwrap();
    assert_eq!(
        transport.last().body(),
        r#"{"grant_type":"password","client_id":"my-client","client_secret":"fake-secret","username":"me+robot@example.com","password":"fake-word-1","scope":"read"}"#
    );
}

#[tokio::test]
async fn t26_the_account_is_the_user_for_every_scope_and_audience() {
    let transport = Recorder::default();
    let of = async |builder: ClientBuilder, name: &str, word: &str| {
        let client = builder.build().unwrap();
        let source = client.password(name, Secret::new(word)).unwrap();
        let own = credentials(&source).await;
        assert_eq!(credentials(&source.refresh_tokens(false)).await, own);
        own
    };
    let plain = || builder(&transport);
    let own = of(plain(), "me", "fake-word-1").await;
    assert!(own.is_lockable());
    let same = plain()
        .scope("read")
        .audience("reports")
        .extra("tenant", "7");
    assert_eq!(of(same, "me", "fake-word-1").await, own);
    let account = |credentials: &Credentials| credentials.id().unwrap().account();
    let new = of(plain(), "me", "fake-word-2").await;
    assert_ne!(new, own);
    assert_eq!(account(&new), account(&own));
    let post = plain().client_auth(ClientAuth::Post);
    for other in [
        of(plain(), "you", "fake-word-1").await,
        of(post, "me", "fake-word-1").await,
    ] {
        assert_ne!(account(&other), account(&own));
    }
}

#[tokio::test]
async fn s07_the_password_is_read_for_each_token_request() {
    let transport = Recorder::default();
    let reads = Arc::new(Mutex::new(0));
    let counted = reads.clone();
    let password = SecretFn::new(move || {
        *counted.lock().unwrap() += 1;
        async { Ok(Secret::new("fake-word-1")) }
    });
    let client = builder(&transport).build().unwrap();
    let source = client.password("me", password).unwrap();
    assert_eq!(*reads.lock().unwrap(), 0);
    fetch(&source).await.unwrap();
    fetch(&source).await.unwrap();
    assert_eq!(*reads.lock().unwrap(), 2);
}

#[tokio::test]
async fn wrong_settings_name_the_field() {
    let transport = Recorder::default();
    let client = builder(&transport).build().unwrap();
    for (field, username, password) in [
        ("username", "", "fake-word-1"),
        ("username", "me\r\n", "fake-word-1"),
        ("password", "me", ""),
    ] {
        let error = client
            .password(username, Secret::new(password))
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
    }
    let late = SecretFn::new(|| async { Ok(Secret::new("")) });
    let source = client.password("me", late).unwrap();
    assert_eq!(fetch(&source).await.unwrap_err().field(), Some("password"));
    assert_eq!(transport.calls(), 0);
}
