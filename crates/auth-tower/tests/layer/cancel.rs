//! A cancelled request affects no other request (T15).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use auth_core::{Error, ErrorKind};
use auth_testkit::Outcome;
use auth_tower::AuthOutcome;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_test::mock::{self, Handle, Mock};

use crate::support::{Api, Broken, URL, World, get, in_time, ok, poll, ready, send, settle, start};

type Sent = Request<Full<Bytes>>;
type Answer = Response<Full<Bytes>>;

fn below() -> (Mock<Sent, Answer>, Handle<Sent, Answer>) {
    mock::pair()
}

fn refused() -> Answer {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

/// Asserts that a request of the same client is signed with this token at once and answered.
async fn assert_next<S>(client: &mut S, handle: &mut Handle<Sent, Answer>, token: &str)
where
    S: Service<Sent, Response = Answer, Future: Unpin, Error: std::fmt::Debug>,
{
    handle.allow(1);
    let mut next = start(client, get(URL)).await;
    assert!(poll(&mut next).is_pending());
    let Poll::Ready(Some((request, reply))) = handle.poll_request() else {
        panic!("the next request was not sent at once");
    };
    assert_eq!(
        request.headers()["authorization"],
        format!("Bearer {token}")
    );
    reply.send_response(ok());
    let response = in_time(next).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_before_its_first_poll() {
    let world = World::cold();
    let api = Api::new();
    let mut client = world.over(api.clone());
    drop(start(&mut client, get(URL)).await);
    settle().await;
    assert_eq!(
        (world.source.fetches(), api.calls(), api.holding()),
        (0, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_while_it_waits_for_a_token() {
    let world = World::cold();
    let gate = world.gate();
    let (service, mut handle) = below();
    let mut client = world.over(service);
    let mut call = start(&mut client, get(URL)).await;
    assert!(poll(&mut call).is_pending());
    in_time(gate.reached(1)).await;
    drop(call);
    settle().await;
    assert_eq!(
        world.source.in_flight(),
        1,
        "the token request was cancelled"
    );

    gate.open();
    settle().await;
    assert!(
        handle.poll_request().is_pending(),
        "sent after it was dropped"
    );
    assert_next(&mut client, &mut handle, "fake-token-1").await;
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_while_it_waits_for_readiness() {
    let world = World::cold();
    let (service, mut handle) = below();
    let mut client = world.over(service);
    let mut call = start(&mut client, get(URL)).await;
    handle.allow(0);
    assert!(poll(&mut call).is_pending());
    settle().await;
    assert!(poll(&mut call).is_pending());
    assert!(world.authenticator.try_token().is_some());
    drop(call);
    assert_next(&mut client, &mut handle, "fake-token-1").await;
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_during_the_first_send() {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    let alive = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&alive);
    let service = service_fn(move |_: Sent| {
        count.fetch_add(1, SeqCst);
        let guard = Alive(Arc::clone(&count));
        async move {
            let _guard = guard;
            std::future::pending::<Result<Answer, Broken>>().await
        }
    });
    for world in [World::cold(), World::warm().await] {
        let mut client = world.over(service.clone());
        let mut call = Box::pin(start(&mut client, get(URL)).await);
        assert!(poll(&mut call).is_pending());
        settle().await;
        assert!(poll(&mut call).is_pending());
        assert_eq!(alive.load(SeqCst), 1);
        drop(call);
        assert_eq!(alive.load(SeqCst), 0, "the request goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_while_a_refused_token_is_renewed() {
    let world = World::warm().await;
    let gate = world.gate();
    let (service, mut handle) = below();
    let mut client = world.over(service);
    let mut call = start(&mut client, get(URL)).await;
    let (_, reply) = in_time(handle.next_request()).await.unwrap();
    reply.send_response(refused());
    assert!(poll(&mut call).is_pending());
    in_time(gate.reached(1)).await;
    drop(call);
    settle().await;
    assert_eq!(
        world.source.in_flight(),
        1,
        "the token request was cancelled"
    );

    gate.open();
    settle().await;
    assert!(
        handle.poll_request().is_pending(),
        "sent after it was dropped"
    );
    assert_next(&mut client, &mut handle, "fake-token-2").await;
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_while_a_second_send_waits_for_readiness() {
    let world = World::warm().await;
    let (service, mut handle) = below();
    let mut client = world.over(service);
    let mut call = start(&mut client, get(URL)).await;
    let (_, reply) = in_time(handle.next_request()).await.unwrap();
    handle.allow(0);
    reply.send_response(refused());
    assert!(poll(&mut call).is_pending());
    in_time(world.source.fetches_reached(2)).await;
    settle().await;
    assert!(poll(&mut call).is_pending());
    drop(call);
    assert!(handle.poll_request().is_pending());
    assert_next(&mut client, &mut handle, "fake-token-2").await;
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn t15_dropped_during_the_second_send() {
    let world = World::warm().await;
    let (service, mut handle) = below();
    let mut client = world.over(service);
    let mut call = start(&mut client, get(URL)).await;
    let (_, reply) = in_time(handle.next_request()).await.unwrap();
    reply.send_response(refused());
    assert!(poll(&mut call).is_pending());
    in_time(world.source.fetches_reached(2)).await;
    settle().await;
    assert!(poll(&mut call).is_pending());
    assert!(handle.poll_request().is_ready());
    drop(call);
    assert_next(&mut client, &mut handle, "fake-token-2").await;
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn t15_the_token_request_continues_after_all_callers_are_dropped() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let mut client = world.over(api.clone());
    let mut calls = Vec::new();
    for _ in 0..100 {
        calls.push(start(&mut client, get(URL)).await);
    }
    assert!(calls.iter_mut().all(|call| poll(call).is_pending()));
    in_time(gate.reached(1)).await;
    // First the request that started the token request, then all others.
    drop(calls.remove(0));
    drop(calls);
    gate.open();
    settle().await;
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!(api.tokens(), ["fake-token-1"]);
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn t17_a_call_that_is_never_polled_again_delays_no_other() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let mut client = world.over_one_place(&api);
    let mut parked = Box::pin(start(&mut client, get(URL)).await);
    assert!(poll(&mut parked).is_pending());
    in_time(gate.reached(1)).await;
    gate.open();
    // The token has arrived, and the parked call is woken but never polled.
    settle().await;
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!(api.tokens(), ["fake-token-1"]);

    in_time(parked).await.unwrap();
    assert_eq!(api.calls(), 2);
}

/// Polls a future that has ended. The only permitted effect is the panic with which every future
/// may answer.
fn poll_after_the_end<F: Future + Unpin>(future: &mut F) {
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(future).is_ready()));
    assert!(polled.is_err(), "polled to another end");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_has_ended_does_nothing_more() {
    let failure = || Outcome::error(Error::new(ErrorKind::Unavailable, "no answer"));

    // The request was sent once, or twice.
    for revoked in ["fake-none", "fake-token-1"] {
        let world = World::cold();
        let api = Api::new();
        api.revoke(revoked);
        let mut client = world.over(api.clone());
        let mut call = start(&mut client, get(URL)).await;
        (&mut call).await.unwrap();
        let calls = api.calls();
        poll_after_the_end(&mut call);
        assert_eq!(api.calls(), calls);
    }

    // There was no token, so the request was not sent.
    let world = World::cold();
    world.source.then(failure());
    let api = Api::new();
    let mut client = world.over(api.clone());
    let mut call = start(&mut client, get(URL)).await;
    (&mut call).await.unwrap_err();
    world
        .clock
        .advance(std::time::Duration::from_secs(60))
        .await;
    poll_after_the_end(&mut call);
    settle().await;
    assert_eq!((api.calls(), world.source.fetches()), (0, 1));

    // There was no second token, so the request was not sent again.
    let world = World::warm().await;
    world.source.then(failure());
    let api = Api::refusing();
    let mut client = world.over(api.clone());
    let mut call = start(&mut client, get(URL)).await;
    (&mut call).await.unwrap();
    world
        .clock
        .advance(std::time::Duration::from_secs(60))
        .await;
    poll_after_the_end(&mut call);
    settle().await;
    assert_eq!((api.calls(), world.source.fetches()), (1, 2));

    // The request was rejected because it carries credentials.
    let world = World::cold();
    let api = Api::new();
    let layer = world
        .layer()
        .existing(auth_tower::ExistingCredential::Reject);
    let mut client = layer.layer(api.clone());
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("Bearer fake-own");
    request.headers_mut().insert("authorization", own);
    let mut call = start(&mut client, request).await;
    (&mut call).await.unwrap_err();
    poll_after_the_end(&mut call);
    assert_eq!(api.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_has_ended_holds_no_service() {
    // A kept future must not keep a clone of the service, which may occupy a place of a limit.
    let world = World::cold();
    world.source.always(Outcome::error(Error::new(
        ErrorKind::Unavailable,
        "no answer",
    )));
    let kept = Arc::new(());
    let alive = Arc::clone(&kept);
    let service = service_fn(move |_: Sent| {
        let _ = &alive;
        async { Ok::<_, Broken>(ok()) }
    });
    let mut client = world.over(service);
    ready(&mut client).await;
    let mut call = Box::pin(client.call(get(URL)));
    (&mut call).await.unwrap_err();
    drop(client);
    assert_eq!(Arc::strong_count(&kept), 1);
    drop(call);
}
