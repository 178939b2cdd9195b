//! Each request is signed with the token of the key that it names.

use std::sync::Arc;

use auth_core::{
    ApiKey, Authenticator, AuthenticatorMap, ErrorKind, Key, KeyPart, Origins, Secret,
};
use auth_reqwest::AuthMiddleware;
use auth_testkit::ForeignServer;
use auth_tower::{AuthLayer, MissingToken};

use crate::support::with;

fn authenticators(home: &str) -> AuthenticatorMap {
    let home: Arc<str> = home.into();
    let make = move |key: &Key| {
        let user = key.get(KeyPart::Subject).unwrap_or_default();
        let origins = Origins::danger_allow_http([&*home])?;
        Authenticator::builder(
            ApiKey::new(Secret::new(format!("fake-token-of-{user}"))),
            origins,
        )
        .build()
    };
    AuthenticatorMap::builder(make).build().unwrap()
}

fn key(user: &str) -> Key {
    Key::builder("example").subject(&Secret::new(user)).build()
}

#[tokio::test]
async fn each_request_gets_the_token_of_its_key() {
    let server = ForeignServer::start().await;
    let client = with(AuthMiddleware::keyed(authenticators(server.origin())));
    for user in ["alice", "bob"] {
        let request = client.get(server.url()).with_extension(key(user));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let sent = server.recorded();
    let sent = sent
        .iter()
        .map(|request| request.expose_header("authorization"));
    let own = ["Bearer fake-token-of-alice", "Bearer fake-token-of-bob"];
    assert!(sent.eq(own.map(Some)));
}

#[tokio::test]
async fn a_request_without_a_key_is_not_sent_or_sent_unsigned_if_permitted() {
    let server = ForeignServer::start().await;
    let authenticators = authenticators(server.origin());
    let client = with(AuthMiddleware::keyed(authenticators.clone()));
    let error = client.get(server.url()).send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else {
        panic!("{error:?}");
    };
    let error: auth_core::Error = error.downcast().unwrap();
    assert_eq!((error.kind(), server.requests()), (ErrorKind::Config, 0));

    let layer = AuthLayer::keyed(authenticators).without_token(MissingToken::SendUnsigned);
    let client = with(layer.replay_off().into());
    assert_eq!(client.get(server.url()).send().await.unwrap().status(), 200);
    assert_eq!(server.recorded()[0].expose_header("authorization"), None);
}
