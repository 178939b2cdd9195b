//! No order is placed twice (G14): a refusal at the end of a redirect is about the last hop. A POST
//! that was answered with 303 was carried out, and is not sent again.

use std::time::Duration;

use auth_core::RedirectsUnseen;
use auth_tower::{AnsweredRequest, AuthOutcome, NotReplayed, OriginGuardLayer, ReplayBodyLayer};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    util::{BoxCloneService, MapResponse},
};
#[cfg(not(feature = "follow-redirect"))]
use tower_http::follow_redirect::FollowRedirect;
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::support::{
    Api, Broken, FOREIGN, ORIGIN, Seen, URL, World, in_time, ok, settle, unauthorized,
};

type Client =
    BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, auth_tower::Error<Broken>>;

const RECEIPT: &str = "https://api.example.com/receipts/1";

/// Accepts each order, and redirects with this status. After the redirect, the first token is
/// refused.
fn shop(status: u16, location: &'static str) -> Api {
    Api::answering(move |seen| {
        let is_first = seen.uri == URL && seen.method != Method::GET;
        let refused = seen.token() == Some("fake-token-1");
        Ok(match (is_first, refused) {
            (true, _) => redirect(status, location),
            (false, true) => unauthorized(seen),
            (false, false) => ok(),
        })
    })
}

fn redirect(status: u16, location: &str) -> Response<Full<Bytes>> {
    let redirect = Response::builder()
        .status(status)
        .header("location", location);
    redirect.body(Full::default()).unwrap()
}

fn order(method: Method) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(URL)
        .body(Full::default())
        .unwrap()
}

fn guarded(world: &World, api: Api) -> Client {
    let client = ServiceBuilder::new()
        .layer(world.layer())
        .layer(FollowRedirectLayer::new())
        .layer(OriginGuardLayer::new(world.authenticator.clone()))
        .service(api);
    client.boxed_clone()
}

#[cfg(feature = "follow-redirect")]
fn unguarded(world: &World, api: Api) -> Client {
    let client = ServiceBuilder::new()
        .layer(world.layer())
        .layer(FollowRedirectLayer::new())
        .service(api);
    client.boxed_clone()
}

/// Every stack that detects which redirects were followed.
fn stacks() -> Vec<fn(&World, Api) -> Client> {
    vec![
        guarded,
        #[cfg(feature = "follow-redirect")]
        unguarded,
    ]
}

/// Waits until a renewal in the background has ended, if there is one.
async fn renewed(world: &World) {
    settle().await;
    world.clock.advance(Duration::from_secs(60)).await;
    settle().await;
}

fn orders(api: &Api) -> usize {
    let is_order = |seen: &&Seen| seen.uri == URL && seen.method != Method::GET;
    api.seen().iter().filter(is_order).count()
}

#[tokio::test(start_paused = true)]
async fn g14_a_post_that_was_applied_is_not_sent_again() {
    for stack in stacks() {
        for (status, location) in [
            (303, RECEIPT),
            (302, RECEIPT),
            (301, RECEIPT),
            (307, RECEIPT),
            (308, RECEIPT),
            // Post/Redirect/Get to the same URI: only the method changes.
            (303, URL),
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                // With 301 and 302 only a POST becomes a GET; other methods would be redirected
                // without end.
                if location == URL && method != Method::POST {
                    continue;
                }
                let cell = format!("{status} {location} {method}");
                let world = World::warm().await;
                let api = shop(status, location);
                let client = stack(&world, api.clone());
                let response = in_time(client.oneshot(order(method))).await.unwrap();
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{cell}");
                assert_eq!(orders(&api), 1, "{cell}");
                let outcome = AuthOutcome::of(&response);
                let why = outcome.not_replayed();
                assert!(
                    matches!(why, Some(NotReplayed::Redirected)),
                    "{cell} {why:?}"
                );
                assert_eq!(
                    (outcome.sends(), outcome.was_refused()),
                    (1, true),
                    "{cell}"
                );
                // The next request has a valid token.
                renewed(&world).await;
                assert_eq!(world.source.fetches(), 2, "{cell}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g07_a_get_whose_redirect_was_refused_is_sent_again() {
    for stack in stacks() {
        let world = World::warm().await;
        let api = Api::answering(|seen| {
            Ok(match (seen.uri == URL, seen.token()) {
                (true, _) => redirect(302, RECEIPT),
                (false, Some("fake-token-1")) => unauthorized(seen),
                (false, _) => ok(),
            })
        });
        let client = stack(&world, api.clone());
        let response = in_time(client.oneshot(order(Method::GET))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(api.calls(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn g07_a_post_that_was_refused_itself_is_sent_again_below_a_guard() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let client = guarded(&world, api.clone());
    let response = in_time(client.oneshot(order(Method::POST))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((orders(&api), AuthOutcome::of(&response).sends()), (2, 2));
}

/// A follower that reports only the last URI does not say whether the POST was carried out.
#[cfg(feature = "follow-redirect")]
#[tokio::test(start_paused = true)]
async fn g14_without_a_guard_a_refused_post_is_not_sent_again() {
    let world = World::warm().await;
    let api = Api::refusing();
    let client = unguarded(&world, api.clone());
    let response = in_time(client.oneshot(order(Method::POST))).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(
        outcome.not_replayed(),
        Some(NotReplayed::Redirected)
    ));
    assert_eq!(api.calls(), 1);
}

/// Without the feature, the follower's mark is not read, but the type of the stack contains the
/// follower.
#[cfg(not(feature = "follow-redirect"))]
#[tokio::test(start_paused = true)]
async fn g14_a_follower_in_the_stacks_type_prevents_a_second_order() {
    for (status, location) in [(303, RECEIPT), (302, RECEIPT), (301, RECEIPT), (303, URL)] {
        let world = World::warm().await;
        let api = shop(status, location);
        let client = world.over(FollowRedirect::new(api.clone()));
        let response = in_time(client.oneshot(order(Method::POST))).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        let why = outcome.not_replayed();
        let is_it = matches!(why, Some(NotReplayed::RedirectsUnseen));
        assert!(is_it, "{status} {location} {why:?}");
        assert_eq!((orders(&api), outcome.sends()), (1, 1));
        renewed(&world).await;
        assert_eq!(world.source.fetches(), 2);
    }
    // Idempotent requests are sent again.
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let world = World::warm().await;
        let api = Api::new();
        api.revoke("fake-token-1");
        let client = world.over(FollowRedirect::new(api.clone()));
        let response = in_time(client.oneshot(order(method))).await.unwrap();
        assert_eq!((response.status(), api.calls()), (StatusCode::OK, 2));
    }
}

/// In place of a release of tower-http whose mark this crate does not know: only its name is known.
mod another_release {
    use std::task::{Context, Poll};

    use tower::Service;

    #[derive(Clone)]
    pub(super) struct FollowRedirect<S>(pub(super) S);

    impl<S: Service<Request>, Request> Service<Request> for FollowRedirect<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Request) -> S::Future {
            self.0.call(request)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_another_release_prevents_a_second_order() {
    for (method, sends) in [(Method::POST, 1), (Method::PUT, 2)] {
        let world = World::warm().await;
        let api = Api::new();
        api.revoke("fake-token-1");
        let client = world.over(another_release::FollowRedirect(api.clone()));
        let response = in_time(client.oneshot(order(method.clone())));
        let outcome = AuthOutcome::of(&response.await.unwrap());
        assert_eq!(api.calls(), sends, "{method}");
        let why = outcome.not_replayed();
        let is_it = matches!(why, Some(NotReplayed::RedirectsUnseen));
        assert_eq!(is_it, sends == 1, "{method} {why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g14_a_client_with_unseen_redirects_prevents_a_second_order() {
    for (method, sends) in [
        (Method::GET, 2),
        (Method::PUT, 2),
        (Method::DELETE, 2),
        (Method::POST, 1),
        (Method::PATCH, 1),
        (Method::from_bytes(b"ORDER").unwrap(), 1),
    ] {
        for guarded in [false, true] {
            let world = World::warm().await;
            let api = Api::new();
            api.revoke("fake-token-1");
            let client = MapResponse::new(api.clone(), |mut response: Response<Full<Bytes>>| {
                response.extensions_mut().insert(RedirectsUnseen);
                response
            });
            // The guard knows what it sent, but not which redirects the client followed.
            let client = if guarded {
                BoxCloneService::new(
                    OriginGuardLayer::new(world.authenticator.clone()).layer(client),
                )
            } else {
                BoxCloneService::new(client)
            };
            let response = in_time(world.over(client).oneshot(order(method.clone())));
            let outcome = AuthOutcome::of(&response.await.unwrap());
            let why = outcome.not_replayed();
            assert_eq!(api.calls(), sends, "{method} {guarded}");
            let is_it = matches!(why, Some(NotReplayed::RedirectsUnseen));
            assert_eq!(is_it, sends == 1, "{method} {guarded} {why:?}");
            renewed(&world).await;
            assert_eq!(world.source.fetches(), 2, "{method} {guarded}");
        }
    }
}

/// A client that follows redirects itself, and marks its responses.
fn client(world: &World, api: Api, answered: AnsweredRequest) -> Client {
    let client = ServiceBuilder::new()
        .layer(world.layer())
        .map_response(move |mut response: Response<Full<Bytes>>| {
            response.extensions_mut().get_or_insert(answered.clone());
            response
        })
        .service(api);
    client.boxed_clone()
}

#[tokio::test(start_paused = true)]
async fn g14_the_clients_mark_decides_whether_a_request_is_sent_again() {
    let uri = |text: &'static str| AnsweredRequest::new(Uri::from_static(text));
    for (answered, method, sends, fetches) in [
        (uri(URL), Method::GET, 2, 2),
        (uri(URL), Method::POST, 1, 2),
        (uri(URL).method(Method::POST), Method::POST, 2, 2),
        (uri(URL).method(Method::GET), Method::POST, 1, 2),
        (uri(ORIGIN).method(Method::POST), Method::POST, 1, 2),
        (uri(ORIGIN).method(Method::GET), Method::GET, 2, 2),
        // Of another origin, so nothing about the token.
        (uri(FOREIGN).method(Method::GET), Method::GET, 1, 1),
        (uri(FOREIGN).method(Method::POST), Method::POST, 1, 1),
    ] {
        let world = World::warm().await;
        let api = Api::new();
        api.revoke("fake-token-1");
        let cell = format!("{answered:?} {method}");
        let mut client = client(&world, api.clone(), answered);
        let call = client.ready().await.unwrap().call(order(method));
        in_time(call).await.unwrap();
        renewed(&world).await;
        assert_eq!(
            (api.calls(), world.source.fetches()),
            (sends, fetches),
            "{cell}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_clients_mark_also_counts_for_a_stream() {
    for (method, sends) in [(Method::GET, 1), (Method::POST, 2)] {
        let world = World::warm().await;
        let api = Api::new();
        api.revoke("fake-token-1");
        let answered = AnsweredRequest::new(Uri::from_static(URL)).method(method.clone());
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::new(1_024))
            .layer(world.layer())
            .map_response(move |mut response: Response<Full<Bytes>>| {
                response.extensions_mut().insert(answered.clone());
                response
            })
            .service(api.clone());
        let mut order = order(Method::POST);
        *order.body_mut() = Full::from("one order");
        let response = in_time(client.oneshot(order)).await.unwrap();
        assert_eq!(api.calls(), sends, "answered: {method}");
        let outcome = AuthOutcome::of(&response);
        let why = outcome.not_replayed();
        let is_it = matches!(why, Some(NotReplayed::Redirected));
        assert_eq!(is_it, sends == 1, "{why:?}");
    }
}

#[test]
fn g18_debug_shows_no_path() {
    let uri = Uri::from_static("https://api.example.com/fake-secret-1?q=fake-secret-1");
    let shown = format!("{:?}", AnsweredRequest::new(uri).method(Method::GET));
    assert!(!shown.contains("fake-secret"), "{shown}");
}
