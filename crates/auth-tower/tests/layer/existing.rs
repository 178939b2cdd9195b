//! Requests that already carry a credential, and requests that get none.

use std::{error::Error as _, time::Duration};

use auth_core::{ErrorKind, Scheme};
use auth_testkit::Outcome;
use auth_tower::{AuthOutcome, Error, ExistingCredential, MissingToken, Unsigned};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::support::{Api, URL, World, get, in_time, send, settle};

fn with(name: &'static str, value: &'static str) -> Request<Full<Bytes>> {
    let mut request = get(URL);
    let name = HeaderName::from_static(name);
    request
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    request
}

fn their_own() -> Request<Full<Bytes>> {
    with("authorization", "Bearer fake-own")
}

/// One world with a cached token, and one without.
async fn worlds() -> [World; 2] {
    [World::cold(), World::warm().await]
}

fn unavailable() -> Outcome {
    let error = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    Outcome::error(error.with_source(std::io::Error::other("the line is dead")))
}

#[tokio::test(start_paused = true)]
async fn g13_a_credential_of_the_caller_is_kept_and_no_token_is_requested() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::new();
        let response = in_time(world.over(api.clone()).oneshot(their_own()))
            .await
            .unwrap();
        assert_eq!(api.tokens(), ["fake-own"]);
        let outcome = AuthOutcome::of(&response);
        assert!(matches!(outcome.unsigned(), Some(Unsigned::OwnCredentials)));
        settle().await;
        assert_eq!(world.source.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn g13_a_refusal_of_the_callers_credential_is_returned() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::refusing();
        let response = in_time(world.over(api.clone()).oneshot(their_own()))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!AuthOutcome::of(&response).was_refused());
        settle().await;
        assert_eq!((api.calls(), world.source.fetches()), (1, fetches));
    }
}

#[tokio::test(start_paused = true)]
async fn g13_any_header_of_the_scheme_counts() {
    let scheme = Scheme::header(HeaderName::from_static("x-login-token"))
        .unwrap()
        .and_header(HeaderName::from_static("appid"), "fake-app")
        .unwrap();
    let world = World::with(|builder| builder.scheme(scheme));
    let api = Api::new();
    let mut client = world.over(api.clone());
    for (request, untouched) in [
        (with("x-login-token", "fake-own"), "x-login-token"),
        (with("appid", "fake-own"), "appid"),
    ] {
        send(&mut client, request).await.unwrap();
        let seen = api.seen().pop().unwrap();
        assert_eq!(seen.headers.len(), 1);
        assert_eq!(seen.headers[untouched], "fake-own");
    }
    settle().await;
    assert_eq!(world.source.fetches(), 0);

    // A header of another scheme does not count.
    send(&mut client, their_own()).await.unwrap();
    let seen = api.seen().pop().unwrap();
    assert_eq!(seen.headers["x-login-token"], "fake-token-1");
    assert_eq!(seen.headers["authorization"], "Bearer fake-own");
}

#[tokio::test(start_paused = true)]
async fn a_credential_of_the_caller_is_replaced_if_so_set() {
    for world in worlds().await {
        let api = Api::new();
        let client = world
            .layer()
            .existing(ExistingCredential::Replace)
            .layer(api.clone());
        in_time(client.oneshot(their_own())).await.unwrap();
        let [seen] = api.seen().try_into().unwrap();
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
        assert_eq!(seen.token(), Some("fake-token-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_replaced_at_once_with_a_cached_token() {
    let world = World::warm().await;
    let api = Api::new();
    let client = world
        .layer()
        .existing(ExistingCredential::Replace)
        .layer(api.clone());
    let response = in_time(client.oneshot(their_own())).await.unwrap();
    assert_eq!((api.readied(), api.calls()), (1, 1));
    assert!(response.extensions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_with_a_replaced_credential_is_replayed_like_any_other() {
    for world in worlds().await {
        let api = Api::refusing_the_first(&world);
        let client = world
            .layer()
            .existing(ExistingCredential::Replace)
            .layer(api.clone());
        let response = in_time(client.oneshot(their_own())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
        assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_of_the_caller_is_an_error_if_so_set() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::new();
        let mut client = world
            .layer()
            .existing(ExistingCredential::Reject)
            .layer(api.clone());
        let error = send(&mut client, their_own()).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with("example: "), "{error}");
        assert_eq!((api.calls(), world.source.fetches()), (0, fetches));

        // Other requests are sent.
        send(&mut client, get(URL)).await.unwrap();
        assert_eq!(api.tokens(), ["fake-token-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn g15_without_a_token_nothing_is_sent() {
    let world = World::cold();
    world.source.always(unavailable());
    let api = Api::new();
    let error = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap_err();
    assert_eq!(api.calls(), 0);
    let Error::Auth(inner) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(inner.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), inner.to_string());
    assert!(
        error.to_string().starts_with("example: no answer"),
        "{error}"
    );
    assert_eq!(error.source().unwrap().to_string(), "the line is dead");
    assert!(error.source().unwrap().source().is_none());
}

#[tokio::test(start_paused = true)]
async fn g5_requests_fail_at_once_during_the_back_off() {
    let world = World::cold();
    world.source.always(unavailable());
    let api = Api::new();
    let mut client = world.over(api.clone());
    for _ in 0..3 {
        let error = send(&mut client, get(URL)).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{error:?}");
        };
        assert!(error.retry_after().unwrap() >= Duration::from_secs(1));
    }
    assert_eq!((api.calls(), world.source.fetches()), (0, 1));
    assert_eq!(world.clock.world_elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn g15_without_a_token_a_request_is_sent_unsigned_if_so_set() {
    let world = World::cold();
    world
        .source
        .always(unavailable().delay(Duration::from_secs(3)));
    let api = Api::new();
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let response = in_time(layer.layer(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(api.tokens(), ["none"]);
    let outcome = AuthOutcome::of(&response);
    assert_eq!(outcome.sends(), 1);
    assert_eq!(outcome.waited(), Duration::from_secs(3));
    assert!(outcome.generation().is_none() && !outcome.was_refused());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_unsigned_request_renews_nothing() {
    let world = World::cold();
    world.source.then(unavailable());
    let api = Api::refusing();
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let response = in_time(layer.layer(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!AuthOutcome::of(&response).was_refused());
    settle().await;
    assert_eq!((api.calls(), world.source.fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn with_send_unsigned_a_request_is_signed_if_a_token_can_be_had() {
    for world in worlds().await {
        let api = Api::new();
        let layer = world.layer().without_token(MissingToken::SendUnsigned);
        in_time(layer.layer(api.clone()).oneshot(get(URL)))
            .await
            .unwrap();
        assert_eq!(api.tokens(), ["fake-token-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_send_waits_for_readiness_too() {
    let world = World::cold();
    world.source.always(unavailable());
    let api = Api::new();
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let mut client = layer.layer(api.clone());
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.readied(), api.calls()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_could_not_be_replaced_is_not_sent() {
    let world = World::cold();
    world.source.always(unavailable());
    let api = Api::new();
    let layer = world
        .layer()
        .existing(ExistingCredential::Replace)
        .without_token(MissingToken::SendUnsigned);
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("Bearer fake-user-token");
    request.headers_mut().insert("authorization", own);
    in_time(layer.layer(api.clone()).oneshot(request))
        .await
        .unwrap();
    assert_eq!(api.tokens(), ["none"]);
}
