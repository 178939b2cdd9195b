//! Each request is signed with the token of the key that it names.

use std::sync::Arc;

use auth_core::{
    ApiKey, Authenticator, AuthenticatorMap, ErrorKind, Key, KeyPart, Origins, Secret,
};
use auth_reqwest::AuthMiddleware;
use auth_testkit::{ForeignServer, Reply};
use auth_tower::{AuthLayer, MissingToken, ResponseHead, Unsigned};
use http::Method;
use reqwest_middleware::{ClientBuilder, Extension};

use crate::support::{World, http, key, outcome, with};

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

#[tokio::test]
async fn each_request_gets_the_token_of_its_key() {
    let server = ForeignServer::start().await;
    let client = with(AuthMiddleware::keyed(authenticators(server.origin())));
    // From the second round on, tokens are cached.
    for user in ["alice", "bob", "alice", "bob"] {
        let request = client.get(server.url()).with_extension(key(user));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let sent = server.recorded();
    let sent = sent
        .iter()
        .map(|request| request.expose_header("authorization"));
    let own = ["Bearer fake-token-of-alice", "Bearer fake-token-of-bob"];
    assert!(sent.eq(own.iter().chain(&own).map(|own| Some(*own))));
}

#[tokio::test]
async fn g7_a_refused_token_of_a_key_is_replaced_and_the_request_sent_once_more() {
    let world = World::warm().await;
    let client = world.keyed();
    for method in [Method::GET, Method::POST] {
        world.server.revoke_all();
        let (sends, tokens) = world.counts();
        let request = client.request(method, world.url()).body("order");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(outcome(&response).sends(), 2);
        assert_eq!(world.counts(), (sends + 2, tokens + 1));
    }
    let bodies = world.seen();
    assert!(bodies.iter().all(|seen| seen.expose_body() == "order"));
}

#[tokio::test]
async fn g12_the_token_of_a_key_is_not_sent_to_another_origin() {
    let (world, foreign) = (World::warm().await, ForeignServer::start().await);
    let client = world.keyed();
    // Keeps the origin, so that the next request to it is signed in place.
    client.get(world.url()).send().await.unwrap();
    let response = client.get(foreign.url()).send().await.unwrap();
    let outcome = outcome(&response);
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
    assert_eq!(foreign.recorded()[0].expose_header("authorization"), None);
    // A cached token is not sent either if the key's authenticator has another origin than the
    // request, whose origin the middleware knows.
    let away = authenticators("http://127.0.0.1:1");
    let token = away.get(&key("alice")).unwrap().token().await.unwrap();
    let client = with(AuthMiddleware::keyed(away));
    for sent in [1, 2] {
        foreign.reset();
        let request = client.get(foreign.url()).with_extension(key("alice"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let own = foreign.recorded()[0]
            .expose_header("authorization")
            .is_some();
        assert!(!own, "{sent}: {token:?}");
    }
}

/// A rule for responses applies to a request that was signed in place.
#[tokio::test]
async fn g7_a_rule_of_the_layer_applies_to_one_key_and_to_many() {
    fn rule(head: ResponseHead<'_>) -> bool {
        head.headers.contains_key("x-refused")
    }
    for keyed in [false, true] {
        let world = World::warm().await;
        let client = if keyed {
            let layer = AuthLayer::keyed(world.authenticators()).refused_when(rule);
            ClientBuilder::new(http())
                .with_init(Extension(key("alice")))
                .with(AuthMiddleware::from(layer))
        } else {
            let layer = world.layer().refused_when(rule);
            ClientBuilder::new(http()).with(AuthMiddleware::from(layer))
        };
        let client = client.build();
        world
            .server
            .api()
            .then(Reply::status(200).header("x-refused", "1"));
        let response = client.get(world.url()).send().await.unwrap();
        assert!(!response.headers().contains_key("x-refused"));
        assert_eq!((outcome(&response).sends(), world.counts()), (2, (2, 2)));
        // An accepted response is unchanged.
        let response = client.get(world.url()).send().await.unwrap();
        assert_eq!(response.url().as_str(), world.url());
        assert!(response.text().await.unwrap().contains(r#""token":2"#));
    }
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
