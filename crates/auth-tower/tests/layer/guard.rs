//! The guarantees of `OriginGuardLayer`: an authenticator's headers are not sent to other origins,
//! with any layer between the guard and `AuthLayer` (G12).

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Scheme};
use auth_testkit::ScriptedSource;
use auth_tower::{AuthLayer, AuthOutcome, OriginGuard, OriginGuardLayer, Unsigned};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{
    Layer, ServiceBuilder, ServiceExt,
    util::{BoxCloneService, MapResponse},
};
use tower_http::follow_redirect::{FollowRedirect, FollowRedirectLayer};

use crate::{
    origin::{ELSEWHERE, worlds},
    support::{
        Api, Broken, FOREIGN, ORIGIN, URL, World, get, in_time, ok, send, settle, unauthorized,
    },
};

type Guarded = auth_tower::Auth<FollowRedirect<OriginGuard<Api>>>;

/// A follower below `AuthLayer`, and the guard below the follower.
fn guarded(world: &World, layer: AuthLayer, api: Api) -> Guarded {
    ServiceBuilder::new()
        .layer(layer)
        .layer(FollowRedirectLayer::new())
        .layer(guard(world))
        .service(api)
}

fn guard(world: &World) -> OriginGuardLayer {
    OriginGuardLayer::new(world.authenticator.clone())
}

/// An API that redirects every request to another origin, which gives this answer.
fn away(there: fn() -> Response<Full<Bytes>>) -> Api {
    Api::answering(move |seen| {
        if seen.uri == URL {
            let redirect = Response::builder().status(307).header("location", FOREIGN);
            return Ok(redirect.body(Default::default()).unwrap());
        }
        Ok(there())
    })
}

#[tokio::test(start_paused = true)]
async fn g12_no_header_of_the_scheme_is_sent_to_another_origin() {
    for world in worlds().await {
        let api = Api::new();
        let mut client = guard(&world).layer(api.clone());
        for (number, url) in ELSEWHERE.into_iter().enumerate() {
            let mut request = get("/");
            *request.uri_mut() = url.parse().unwrap();
            world
                .authenticator
                .token()
                .await
                .unwrap()
                .sign(request.headers_mut());
            assert!(!request.headers().is_empty());
            request
                .headers_mut()
                .insert("x-other", HeaderValue::from_static("kept"));
            send(&mut client, request).await.unwrap();
            // The instance that was made ready is the one that is called.
            assert_eq!((api.calls(), api.readied()), (number + 1, number + 1));
            let seen = api.seen().pop().unwrap();
            assert_eq!(seen.headers.len(), 1, "{url}: {:?}", seen.headers);
            assert_eq!(
                (&seen.headers["x-other"], seen.uri),
                (&"kept".parse().unwrap(), url.parse().unwrap())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_a_permitted_origin_is_unchanged() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = world.over(guard(&world).layer(api.clone()));
    for url in [URL, ORIGIN, "https://API.Example.com:443/"] {
        let response = send(&mut client, get(url)).await.unwrap();
        assert!(AuthOutcome::of(&response).unsigned().is_none());
    }
    assert_eq!(api.tokens(), ["fake-token-1"; 3]);
}

#[tokio::test(start_paused = true)]
async fn g12_headers_are_removed_by_name_also_if_the_caller_set_them() {
    let [_, _, world] = worlds().await;
    let api = Api::new();
    let mut client = world.over(guard(&world).layer(api.clone()));
    for value in ["fake-own-1", "fake-own-2"] {
        let mut request = get(FOREIGN);
        let headers = request.headers_mut();
        headers.append("appid", HeaderValue::from_static(value));
        headers.append("appid", HeaderValue::from_static("fake-own-3"));
        headers.append("cookie", HeaderValue::from_static("a=b"));
        send(&mut client, request).await.unwrap();
        let headers = api.seen().pop().unwrap().headers;
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["cookie"]);
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_follower_below_carries_no_credential_to_another_origin() {
    for world in worlds().await {
        let api = away(ok);
        let client = guarded(&world, world.layer(), api.clone());
        let response = in_time(client.oneshot(get(URL))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let [home, there] = api.seen().try_into().unwrap();
        assert!(!home.headers.is_empty());
        assert!(there.headers.is_empty(), "{:?}", there.headers);
        assert_eq!(there.uri, FOREIGN);

        // Without the guard, the vendor's own header arrives.
        let api = away(ok);
        let client = world.over(FollowRedirect::new(api.clone()));
        in_time(client.oneshot(get(URL))).await.unwrap();
        let [home, there] = api.seen().try_into().unwrap();
        let own = home.headers.len() - usize::from(home.headers.contains_key("authorization"));
        assert_eq!(there.headers.len(), own);
    }
}

#[tokio::test(start_paused = true)]
async fn g12_a_refusal_of_another_origin_after_a_redirect_is_ignored() {
    for world in worlds().await {
        world.warm_up().await;
        let fetches = world.source.fetches();
        let api = away(refused);
        let layer = world.layer().refused_when(|_| true);
        let client = guarded(&world, layer.clone(), api.clone());
        let response = in_time(client.clone().oneshot(get(FOREIGN))).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let response = in_time(client.oneshot(get(URL))).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!AuthOutcome::of(&response).was_refused());
        settle().await;
        assert_eq!((api.calls(), world.source.fetches()), (3, fetches));

        // Without the guard and the follower's mark, the 401 of the other origin causes a token
        // request and a second send.
        let follower = FollowRedirect::new(api.clone());
        let client: BoxCloneService<Request<Full<Bytes>>, _, _> =
            if cfg!(feature = "follow-redirect") {
                BoxCloneService::new(MapResponse::new(follower, unmarked))
            } else {
                BoxCloneService::new(follower)
            };
        let response = in_time(layer.layer(client).oneshot(get(URL)))
            .await
            .unwrap();
        assert!(AuthOutcome::of(&response).was_refused());
        assert_eq!((api.calls(), world.source.fetches()), (7, fetches + 1));
    }
}

/// The response of another origin, or of a permitted one after a detour, answers a request without
/// the token.
#[tokio::test(start_paused = true)]
async fn g21_the_outcome_says_that_a_layer_below_removed_the_token() {
    const BACK: &str = "https://api.example.com/back";
    for refuses in [false, true] {
        for comes_back in [false, true] {
            let world = World::warm().await;
            let api = Api::answering(move |seen| {
                let to = |location: &str| {
                    let redirect = Response::builder().status(307).header("location", location);
                    Ok(redirect.body(Default::default()).unwrap())
                };
                match refuses {
                    _ if seen.uri == URL => to(FOREIGN),
                    _ if seen.uri == FOREIGN && comes_back => to(BACK),
                    true => Ok(unauthorized(seen)),
                    false => Ok(ok()),
                }
            });
            let client = guarded(&world, world.layer(), api.clone());
            let response = in_time(client.oneshot(get(URL))).await.unwrap();
            let outcome = AuthOutcome::of(&response);
            let why = outcome.unsigned();
            let is_it = if comes_back {
                matches!(why, Some(Unsigned::RemovedBelow))
            } else {
                matches!(why, Some(Unsigned::OtherOrigin))
            };
            assert!(is_it, "{refuses} {comes_back} {why:?}");
            assert_eq!((outcome.sends(), outcome.was_refused()), (1, false));
            settle().await;
            let calls = 2 + usize::from(comes_back);
            assert_eq!((api.calls(), world.source.fetches()), (calls, 1));
        }
    }
}

/// A vendor's own header is still on the request after the detour, so the refusal is about the
/// token.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_detour_counts_if_the_token_was_sent() {
    let [_, _, world] = worlds().await;
    world.warm_up().await;
    let fetches = world.source.fetches();
    let api = Api::answering(|seen| {
        let to = |location: &str| {
            let redirect = Response::builder().status(307).header("location", location);
            Ok(redirect.body(Default::default()).unwrap())
        };
        match seen.uri == URL {
            true => to(FOREIGN),
            false if seen.uri == FOREIGN => to("https://api.example.com/back"),
            false => Ok(refused()),
        }
    });
    let client = guarded(&world, world.layer(), api.clone());
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(outcome.unsigned().is_none() && outcome.was_refused());
    assert_eq!(world.source.fetches(), fetches + 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_permitted_origin_counts() {
    let world = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let client = guarded(&world, world.layer(), api.clone());
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
}

/// One authenticator's other origin may be a permitted origin of another.
#[tokio::test(start_paused = true)]
async fn the_guard_of_one_authenticator_does_not_affect_another() {
    let world = World::warm().await;
    let source = ScriptedSource::new().prefix("fake-other");
    let origins = Origins::new(["https://elsewhere.example"]).unwrap();
    let other = Authenticator::builder(source.clone(), origins)
        .scheme(Scheme::header("x-other-token".parse().unwrap()).unwrap())
        .options(AuthenticatorOptions::new().clock(world.clock.clone()))
        .build()
        .unwrap();
    let api = Api::answering(|seen| {
        let first = seen.headers.get("x-other-token").unwrap() == "fake-other-1";
        Ok(if first { unauthorized(seen) } else { ok() })
    });
    let token = other.token().await.unwrap();
    other.report_accepted(token.generation());
    let client = AuthLayer::new(other).layer(guard(&world).layer(api.clone()));
    let response = in_time(client.oneshot(get(FOREIGN))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((api.calls(), source.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_guard_returns_errors_unchanged_and_gives_access_to_the_service() {
    let world = World::warm().await;
    let api = Api::answering(|_| Err(Broken("reset")));
    let mut client = guard(&world).layer(api.clone());
    for url in [URL, FOREIGN] {
        assert_eq!(
            send(&mut client, get(url)).await.unwrap_err(),
            Broken("reset")
        );
    }
    assert_eq!(client.get_ref().calls(), 2);
    assert_eq!(client.get_mut().calls(), 2);
    assert_eq!(client.into_inner().calls(), 2);
}

/// Removes the mark of tower-http's follower.
fn unmarked(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.extensions_mut().clear();
    response
}

fn refused() -> Response<Full<Bytes>> {
    let response = Response::builder().status(401);
    response.body(Default::default()).unwrap()
}
