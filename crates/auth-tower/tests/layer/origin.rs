//! No secret is sent to a destination that is not listed (G12).

use auth_core::{Origins, Scheme};
use auth_tower::{AuthOutcome, Unsigned};
use http::{HeaderName, StatusCode};
use tower::ServiceExt;

use crate::support::{Api, World, get, in_time, send, settle};

pub(crate) const ELSEWHERE: [&str; 16] = [
    "https://elsewhere.example/",
    "https://api.example.com.elsewhere.example/",
    "https://sub.api.example.com/",
    "https://example.com/",
    "https://api.example.com:8443/",
    "https://api.example.com:80/",
    "https://api.example.com./",
    "http://api.example.com/",
    "http://api.example.com:443/",
    "ws://api.example.com/",
    "https://api.example.com@elsewhere.example/",
    "https://user:fake@api.example.com/",
    "https://127.0.0.1/",
    "/v1/things",
    "api.example.com:443",
    "*",
];

/// Without and with a cached token, with one credential header and with two.
pub(crate) async fn worlds() -> [World; 3] {
    let two = Scheme::header(HeaderName::from_static("x-login-token"))
        .unwrap()
        .and_header(HeaderName::from_static("appid"), "fake-app")
        .unwrap();
    let two = World::with(|builder| builder.scheme(two));
    two.warm_up().await;
    [World::cold(), World::warm().await, two]
}

#[tokio::test(start_paused = true)]
async fn g12_another_destination_gets_no_header_and_costs_no_token_request() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::new();
        let mut client = world.over(api.clone());
        for (number, url) in ELSEWHERE.into_iter().enumerate() {
            let mut request = get("/");
            *request.uri_mut() = url.parse().unwrap();
            let response = send(&mut client, request).await.unwrap();
            let outcome = AuthOutcome::of(&response);
            assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
            assert_eq!((outcome.sends(), outcome.generation()), (1, None));
            // The instance that was made ready is the one that is called.
            assert_eq!((api.calls(), api.readied()), (number + 1, number + 1));
            let seen = api.seen().pop().unwrap();
            assert!(seen.headers.is_empty(), "{url}: {:?}", seen.headers);
            assert_eq!(seen.uri, url);
        }
        settle().await;
        assert_eq!(world.source.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_refusal_of_another_origin_is_ignored() {
    for world in worlds().await {
        let fetches = world.source.fetches();
        let api = Api::refusing();
        let call = world.over(api.clone()).oneshot(get(ELSEWHERE[0]));
        let response = in_time(call).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!AuthOutcome::of(&response).was_refused());
        settle().await;
        assert_eq!((api.calls(), world.source.fetches()), (1, fetches));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_every_spelling_of_the_origin_is_signed() {
    let world = World::cold();
    let api = Api::new();
    let mut client = world.over(api.clone());
    for url in [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com:443/v1",
        "https://API.Example.COM/v1?page=2",
        "HTTPS://api.example.com/",
    ] {
        send(&mut client, get(url)).await.unwrap();
        assert_eq!(api.tokens().pop().unwrap(), "fake-token-1", "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_to_a_loopback_address_is_signed_if_permitted() {
    let origins = Origins::danger_allow_http(["http://127.0.0.1:8080"]).unwrap();
    let world = World::at(origins);
    let api = Api::new();
    let mut client = world.over(api.clone());
    for (url, token) in [
        ("http://127.0.0.1:8080/", "fake-token-1"),
        ("http://127.0.0.1:8081/", "none"),
        ("http://127.0.0.1/", "none"),
        ("https://127.0.0.1:8080/", "none"),
        ("http://localhost:8080/", "none"),
    ] {
        send(&mut client, get(url)).await.unwrap();
        assert_eq!(api.tokens().pop().unwrap(), token, "{url}");
    }
}
