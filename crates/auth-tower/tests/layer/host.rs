//! A `Host` header that names another host counts as another origin (G12): a gateway that copies
//! headers must not send a token to another virtual host.

use auth_tower::{AuthOutcome, OriginGuardLayer, Unsigned};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::{
    origin::worlds,
    support::{Api, FOREIGN, URL, World, get, in_time, send, settle},
};

fn with_host(url: &str, host: &'static str) -> Request<Full<Bytes>> {
    let mut request = get(url);
    let host = HeaderValue::from_static(host);
    request.headers_mut().insert("host", host);
    request
}

#[tokio::test(start_paused = true)]
async fn g12_a_request_for_another_virtual_host_is_not_signed() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::refusing();
        let mut client = world.over(api.clone());
        for host in [
            "evil.example",
            "api.example.com:8443",
            "api.example.com.",
            "",
        ] {
            let response = send(&mut client, with_host(URL, host)).await.unwrap();
            let seen = api.seen().pop().unwrap();
            assert_eq!(seen.headers.keys().collect::<Vec<_>>(), ["host"], "{host}");
            let outcome = AuthOutcome::of(&response);
            assert!(
                matches!(outcome.unsigned(), Some(Unsigned::OtherHost)),
                "{host}"
            );
            assert!(!outcome.was_refused());
        }
        settle().await;
        assert_eq!((api.calls(), world.source.fetches()), (4, fetches));
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_header_equal_to_the_uris_host_changes_nothing() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = world.over(api.clone());
    for host in ["api.example.com", "API.Example.COM", "api.example.com:443"] {
        let response = send(&mut client, with_host(URL, host)).await.unwrap();
        assert!(response.extensions().is_empty());
        assert_eq!(api.tokens().pop().unwrap(), "fake-token-1", "{host}");
        assert_eq!(api.seen().pop().unwrap().headers["host"], host);
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_host_header_does_not_permit_another_destination() {
    let world = World::warm().await;
    let api = Api::new();
    let call = world
        .over(api.clone())
        .oneshot(with_host(FOREIGN, "api.example.com"));
    let response = in_time(call).await.unwrap();
    assert_eq!(api.tokens(), ["none"]);
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
}

#[tokio::test(start_paused = true)]
async fn g12_the_guard_removes_the_credential_for_another_virtual_host() {
    for world in worlds().await {
        let token = world.authenticator.token().await.unwrap();
        let api = Api::new();
        let mut client = OriginGuardLayer::new(world.authenticator.clone()).layer(api.clone());
        let mut request = with_host(URL, "evil.example");
        token.sign(request.headers_mut());
        send(&mut client, request).await.unwrap();
        let seen = api.seen().pop().unwrap();
        assert_eq!(seen.headers.keys().collect::<Vec<_>>(), ["host"]);
    }
}
