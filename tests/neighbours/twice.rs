//! Two layers with different credentials in one stack: how often a request is sent when the API
//! refuses everything. With one credential see `t20_a_layer_twice_*` in the layer's own tests.

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
    // The outer one does not send again, and yet has its token renewed for the next request.
    settle().await;
    assert_eq!((outer.source.fetches(), inner.source.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_an_inner_layer_that_does_not_replay_leaves_the_replay_to_the_outer() {
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
async fn t20_two_sends_are_the_most_also_if_each_has_one_to_come() {
    // The inner one has no token at first, so that its replay is still to come when the outer one
    // has had its own.
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
async fn t20_in_one_header_the_outer_credential_goes_out() {
    // The inner layer finds the request signed, and keeps to that.
    let outer = World::warm().await;
    let inner = World::with(|builder| builder.vendor("inner"));
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer())
        .service(api.clone());
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), inner.source.fetches()), (2, 0));

    // Or replaces it: then the refusal is about its own credential, which the outer layer cannot know.
    let (outer, inner) = (World::warm().await, World::warm().await);
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer().existing(ExistingCredential::Replace))
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
}
