//! A refused token is replaced, and the request is sent once more if it can be.

use std::convert::Infallible;

use auth_reqwest::AuthMiddleware;
use auth_testkit::{Reply, body_hash};
use auth_tower::{AuthLayer, NotReplayed};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use reqwest::{Body, Response};

use crate::support::{World, outcome, with};

#[tokio::test]
async fn g7_a_revoked_token_is_replaced_and_the_request_sent_once_more() {
    let world = World::warm().await;
    world.server.revoke_all();
    let response = world.client().get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (2, 2)));
    let outcome = outcome(&response);
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (2, 1));
    assert_eq!(response.url().as_str(), world.url());
}

#[tokio::test]
async fn g9_an_api_that_always_refuses_receives_two_sends() {
    let world = World::warm().await;
    world.server.always_refuse(true);
    let response = world.client().get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (401, (2, 2)));
    let outcome = outcome(&response);
    assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Twice)));
    // The refusal is returned unchanged.
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_body_in_memory_is_sent_again_byte_for_byte() {
    let world = World::warm().await;
    world.server.revoke_all();
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(40_000).collect();
    let request = world.client().post(world.url()).body(body.clone());
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (2, 2)));
    let length = body.len().to_string();
    for request in world.seen() {
        assert_eq!(request.expose_header("content-length"), Some(&*length));
        assert!(request.body_complete());
        assert_eq!(request.expose_body(), &body);
    }
    let text = response.text().await.unwrap();
    assert!(text.contains(&body_hash(&body)), "{text}");
}

#[tokio::test]
async fn g14_a_stream_is_not_sent_again_and_the_token_is_renewed() {
    let world = World::warm().await;
    world.server.revoke_all();
    let stream = Full::new(Bytes::from("once")).map_err(|never: Infallible| match never {});
    let body = Body::wrap(stream);
    assert!(body.as_bytes().is_none(), "no test");
    let request = world.client().post(world.url()).body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_not_replayed(&world, &response, true).await;
    assert_eq!(world.seen()[0].expose_body(), "once");
    // The next request is signed with the new token.
    let next = world.client().get(world.url()).send().await.unwrap();
    assert_eq!((next.status().as_u16(), world.counts()), (200, (2, 2)));
}

/// The usual answer to a form is a redirect to the same URL.
#[tokio::test]
async fn g14_an_order_is_not_sent_again_if_the_request_after_its_redirect_is_refused() {
    for status in [301, 302, 303, 307, 308] {
        for other in [false, true] {
            let world = World::warm().await;
            let location = if other {
                format!("{}/others", world.server.api_url())
            } else {
                world.url()
            };
            world.server.api().then(Reply::redirect(status, &location));
            world.server.api().then(Reply::refuse());
            let request = world.client().post(world.url()).body("order");
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{status} {location}");
            let outcome = outcome(&response);
            let why = outcome.not_replayed();
            assert!(matches!(why, Some(NotReplayed::Redirected)), "{why:?}");
            // The renewal continues although no caller waits for it.
            let renewed = |seen: &auth_testkit::Counters| seen.tokens_issued == 2;
            world.server.counters_reached(renewed).await;
            assert_eq!((outcome.sends(), world.counts()), (1, (2, 2)));
            let orders = world.seen();
            let orders = orders.iter().filter(|seen| seen.expose_body() == "order");
            assert_eq!(orders.count(), if status < 307 { 1 } else { 2 });
        }
    }
}

#[tokio::test]
async fn the_settings_of_the_layer_apply() {
    fn post_is_not(method: &Method) -> bool {
        *method != Method::POST
    }
    type Make = fn(AuthLayer) -> AuthMiddleware;
    let makes: [Make; 2] = [
        |layer| layer.replay_off().into(),
        |layer| layer.replay_only(post_is_not).into(),
    ];
    for make in makes {
        let world = World::warm().await;
        world.server.revoke_all();
        let client = with(make(world.layer()));
        let response = client.post(world.url()).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_not_replayed(&world, &response, false).await;
    }
    let world = World::warm().await;
    world.server.revoke_all();
    let client = with(world.layer().replay_only(post_is_not).into());
    let response = client.put(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (2, 2)));

    let world = World::warm().await;
    world.server.api().then(Reply::status(404));
    let rule = world.layer().refused_when(|head| head.status == 404);
    let response = with(rule.into()).get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (200, (2, 2)));
}

async fn assert_not_replayed(world: &World, response: &Response, body: bool) {
    let outcome = outcome(response);
    match outcome.not_replayed() {
        Some(NotReplayed::Body) => assert!(body),
        Some(NotReplayed::Off) => assert!(!body),
        other => panic!("{other:?}"),
    }
    // The renewal continues although no caller waits for it.
    world
        .server
        .counters_reached(|seen| seen.tokens_issued == 2)
        .await;
    assert_eq!((outcome.sends(), world.counts()), (1, (1, 2)));
}
