use std::sync::{Arc, Mutex};

use auth_core::{ErrorKind, Reason, SecretFn};

use super::*;
use crate::{
    BodyFormat, ClientAuth,
    testing::{Recorder, credentials, fetch, reply, send},
};

mod refresh;

fn builder(transport: &Recorder) -> GrantBuilder<ResourceOwnerPassword> {
    with(
        transport,
        "me+robot@example.com",
        Secret::new("fake-word-1"),
    )
}

fn with(
    transport: &Recorder,
    username: &str,
    password: impl SecretSource,
) -> GrantBuilder<ResourceOwnerPassword> {
    let url = "https://login.example.com/token";
    let secret = Secret::new("fake-secret");
    ResourceOwnerPassword::builder(
        url,
        "my-client",
        secret,
        username,
        password,
        transport.clone(),
    )
}

#[tokio::test]
async fn s07_the_golden_request() {
    let transport = Recorder::default();
    let source = builder(&transport).build().unwrap();
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
        .scope("read")
        .build()
        .unwrap();
    fetch(&source).await.unwrap();
    assert_eq!(
        transport.last().body(),
        r#"{"grant_type":"password","client_id":"my-client","client_secret":"fake-secret","username":"me+robot@example.com","password":"fake-word-1","scope":"read"}"#
    );
}

#[tokio::test]
async fn t26_the_account_is_the_user_whatever_is_asked_for() {
    let transport = Recorder::default();
    let of = async |builder: GrantBuilder<ResourceOwnerPassword>| {
        let source = builder.build().unwrap();
        credentials(&source).await
    };
    let as_user = |name, word| with(&transport, name, Secret::new(word));
    let own = of(as_user("me", "fake-word-1")).await;
    assert!(own.is_lockable());
    let same = as_user("me", "fake-word-1")
        .scope("read")
        .audience("reports")
        .extra("tenant", "7")
        .refresh_tokens(false);
    assert_eq!(of(same).await, own);
    let account = |credentials: &Credentials| credentials.id().unwrap().account();
    let new = of(as_user("me", "fake-word-2")).await;
    assert_ne!(new, own);
    assert_eq!(account(&new), account(&own));
    for other in [
        as_user("you", "fake-word-1"),
        as_user("me", "fake-word-1").client_auth(ClientAuth::Post),
    ] {
        assert_ne!(account(&of(other).await), account(&own));
    }
}

#[tokio::test]
async fn s07_the_password_is_read_for_each_exchange() {
    let transport = Recorder::default();
    let reads = Arc::new(Mutex::new(0));
    let counted = reads.clone();
    let password = SecretFn::new(move || {
        *counted.lock().unwrap() += 1;
        async { Ok(Secret::new("fake-word-1")) }
    });
    let source = with(&transport, "me", password).build().unwrap();
    assert_eq!(*reads.lock().unwrap(), 0);
    fetch(&source).await.unwrap();
    fetch(&source).await.unwrap();
    assert_eq!(*reads.lock().unwrap(), 2);
}

#[tokio::test]
async fn wrong_settings_name_the_field() {
    let transport = Recorder::default();
    let build = |username: &str, password: &str| with(&transport, username, Secret::new(password));
    for (field, builder) in [
        ("username", build("", "fake-word-1")),
        ("password", build("me", "")),
        (
            "extra",
            build("me", "fake-word-1").extra("password", "fake-word-2"),
        ),
        ("extra", build("me", "fake-word-1").extra("username", "you")),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
    }
    let late = SecretFn::new(|| async { Ok(Secret::new("")) });
    let source = with(&transport, "me", late).build().unwrap();
    assert_eq!(fetch(&source).await.unwrap_err().field(), Some("password"));
    assert_eq!(transport.calls(), 0);
}
