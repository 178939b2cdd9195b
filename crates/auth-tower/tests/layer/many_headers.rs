//! Requests with as many headers as a map holds: 24,576 names, and more values.

use auth_core::ErrorKind;
use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;

use crate::support::{Api, URL, World, get, send};

/// What a map has room for.
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
async fn a_request_without_room_for_a_credential_fails_typed() {
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
async fn the_last_header_that_a_request_has_room_for_may_be_the_credential() {
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
async fn g07_more_values_of_one_name_than_there_is_room_for_names_are_sent_again() {
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
