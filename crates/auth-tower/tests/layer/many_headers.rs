//! Requests with the maximum number of headers: 24,576 names, and more values.

use auth_core::ErrorKind;
use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;

use crate::support::{Api, URL, World, get, send};

/// The maximum number of names in a map.
const MAX_NAMES: usize = 24_576;

fn with_names(count: usize) -> Request<Full<Bytes>> {
    let mut request = get(URL);
    for number in 0..count {
        let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
        let value = HeaderValue::from_static("1");
        request.headers_mut().try_insert(name, value).unwrap();
    }
    request
}

#[tokio::test(start_paused = true)]
async fn a_request_without_room_for_a_credential_is_a_typed_error() {
    for world in [World::warm().await, World::cold()] {
        let api = Api::new();
        let mut client = world.over(api.clone());
        let error = send(&mut client, with_names(MAX_NAMES)).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("too many headers"), "{error}");
        assert_eq!((api.calls(), api.holding()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_credential_can_take_the_last_free_header() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut client = world.over(api.clone());
    let request = with_names(MAX_NAMES - 1);
    let response = send(&mut client, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    let [first, second] = api.seen().try_into().unwrap();
    assert!(first.but_the_token() == second.but_the_token());
    assert_eq!(second.headers.len(), MAX_NAMES);
}

#[tokio::test(start_paused = true)]
async fn g07_a_request_with_more_values_than_names_fit_is_sent_again() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut client = world.over(api.clone());
    let mut request = get(URL);
    for _ in 0..30_000 {
        let value = HeaderValue::from_static("1");
        request.headers_mut().append("x-many", value);
    }
    let response = send(&mut client, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let [first, second] = api.seen().try_into().unwrap();
    assert!(first.but_the_token() == second.but_the_token());
    assert_eq!(second.headers.get_all("x-many").iter().count(), 30_000);
}
