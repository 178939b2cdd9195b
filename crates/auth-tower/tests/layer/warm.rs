//! With a cached token, a request reaches the service without delay.

use std::{task::Poll, time::Duration};

use auth_core::Scheme;
use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::support::{Api, Broken, URL, World, get, in_time, ok, poll, ready, send, settle};

#[tokio::test(start_paused = true)]
async fn g1_the_ready_service_is_called_at_once() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair::<Request<Full<_>>, Response<Full<_>>>();
    handle.allow(1);
    let mut client = world.over(service);
    ready(&mut client).await;

    // No poll of the future, no await, no second readiness: the mock permits one call only.
    let mut response = client.call(get(URL));
    let Poll::Ready(Some((request, reply))) = handle.poll_request() else {
        panic!("not sent");
    };
    assert_eq!(request.headers()["authorization"], "Bearer fake-token-1");
    assert_eq!(request.uri(), URL);
    assert!(poll(&mut response).is_pending());
    reply.send_response(ok());
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_credential_is_sensitive_and_the_rest_is_unchanged() {
    let world = World::warm().await;
    let api = Api::new();
    let request = Request::put(URL)
        .header("x-one", "1")
        .header("x-one", "2")
        .extension(7_u8)
        .body(Full::from("body"))
        .unwrap();
    in_time(world.over(api.clone()).oneshot(request))
        .await
        .unwrap();

    let [seen] = api.seen().try_into().unwrap();
    assert!(seen.headers["authorization"].is_sensitive());
    assert_eq!(seen.headers.len(), 3);
    assert_eq!(
        seen.headers.get_all("x-one").iter().collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(seen.extensions.get(), Some(&7_u8));
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.body, "body");
}

#[tokio::test(start_paused = true)]
async fn all_headers_of_a_scheme_are_set() {
    let scheme = Scheme::header(HeaderName::from_static("x-login-token"))
        .unwrap()
        .and_header(HeaderName::from_static("appid"), "fake-app")
        .unwrap();
    let world = World::with(|builder| builder.scheme(scheme));
    world.warm_up().await;
    let api = Api::new();
    in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();

    let [seen] = api.seen().try_into().unwrap();
    for (name, value) in [("x-login-token", "fake-token-1"), ("appid", "fake-app")] {
        assert_eq!(seen.headers[name], value);
        assert!(seen.headers[name].is_sensitive());
    }
    assert_eq!(seen.headers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_response_is_returned_unchanged() {
    let world = World::warm().await;
    let api = Api::answering(|_| Ok(ok()));
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert!(response.extensions().is_empty());
    let outcome = AuthOutcome::of(&response);
    assert_eq!((outcome.sends(), outcome.waited()), (1, Duration::ZERO));
    assert!(outcome.generation().is_none() && outcome.not_replayed().is_none());
}

#[tokio::test(start_paused = true)]
async fn extensions_of_the_client_below_cost_no_outcome() {
    // Real clients leave their own extensions, for example the connection's addresses.
    let world = World::warm().await;
    let api = Api::answering(|_| {
        let mut response = ok();
        response.extensions_mut().insert("connection");
        Ok(response)
    });
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();
    assert_eq!(response.extensions().get(), Some(&"connection"));
    assert_eq!(response.extensions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn g2_ahead_of_expiry_the_old_token_is_used_and_one_token_request_runs() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = world.over(api.clone());
    let before = world.clock.world_elapsed();
    world
        .clock
        .advance(Duration::from_secs(3600 * 8 / 10))
        .await;
    for _ in 0..3 {
        send(&mut client, get(URL)).await.unwrap();
    }
    assert_eq!(api.tokens(), ["fake-token-1"; 3]);
    settle().await;
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!(api.tokens()[3], "fake-token-2");
    assert_eq!(world.source.fetches(), 2);
    // No request waited.
    assert_eq!(
        world.clock.world_elapsed() - before,
        Duration::from_secs(2880)
    );
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<()>>();
    let mut client = mock::Spawn::new(world.over(service));
    handle.allow(0);
    assert!(client.poll_ready().is_pending());
    handle.allow(1);
    assert!(client.is_woken());
    assert!(matches!(client.poll_ready(), Poll::Ready(Ok(()))));

    handle.send_error(Broken("not ready"));
    let Poll::Ready(Err(Error::Inner(error))) = client.poll_ready() else {
        panic!("an error of readiness got lost");
    };
    assert_eq!(error.downcast_ref(), Some(&Broken("not ready")));
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_accessible() {
    let world = World::cold();
    let mut client = world.layer().layer(Api::new());
    let _: (&Api, &mut Api) = (&client.get_ref().clone(), client.get_mut());
    let api: Api = client.into_inner();
    assert_eq!(api.calls(), 0);
}
