//! Two layers with different credentials in one stack: how often a request is sent if the API
//! refuses everything. For one credential see `t20_two_equal_layers_*` in the layer's own tests.

use std::time::Duration;

use auth_core::{ErrorKind, Scheme};
use auth_testkit::Outcome;
use auth_tower::{AuthOutcome, ExistingCredential, MissingToken};
use http::HeaderName;
use tower::ServiceBuilder;

use crate::support::{Api, URL, World, get, send, settle};

async fn two_worlds() -> (World, World) {
    let scheme = Scheme::header(HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    (outer, World::warm().await)
}

#[tokio::test(start_paused = true)]
async fn t20_two_credentials_that_are_always_refused_are_sent_twice() {
    let (outer, inner) = two_worlds().await;
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer())
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
    // The outer layer does not send again, but its token is renewed for the next request.
    settle().await;
    assert_eq!((outer.source.fetches(), inner.source.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_the_outer_layer_replays_if_the_inner_one_does_not() {
    let (outer, inner) = two_worlds().await;
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer().replay_off())
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_two_layers_never_send_more_than_twice() {
    // The inner layer has no token at first, so that its replay is still possible when the outer
    // one has used its own.
    let (outer, _) = two_worlds().await;
    let inner = World::cold();
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    inner.source.then(Outcome::error(failure));
    let delay = Duration::from_secs(5);
    outer.source.always(Outcome::fresh().delay(delay));
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer().without_token(MissingToken::SendUnsigned))
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(api.tokens(), ["none", "fake-token-2"]);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
}

#[tokio::test(start_paused = true)]
async fn t20_with_one_header_the_outer_credential_is_sent() {
    // The inner layer finds the request signed and leaves it unchanged.
    let outer = World::warm().await;
    let inner = World::with(|builder| builder.vendor("inner"));
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer())
        .service(api.clone());
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), inner.source.fetches()), (2, 0));

    // Or the inner layer replaces the credential: then the refusal is about its own, which the
    // outer layer cannot know.
    let (outer, inner) = (World::warm().await, World::warm().await);
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer().existing(ExistingCredential::Replace))
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
}
