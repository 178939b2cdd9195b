//! Other layers above and below: no request waits without end, no service is called before it is
//! ready, and the number of sends is limited (T17, T18, T20).

use std::time::Duration;

use auth_core::ErrorKind;
use auth_testkit::Outcome;
use auth_tower::{AuthOutcome, Error, ExistingCredential, MissingToken, NotReplayed, Unsigned};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, load_shed::error::Overloaded,
    retry::Policy, timeout::error::Elapsed, util::BoxCloneService,
};

use crate::support::{
    Api, Broken, FOREIGN, URL, World, get, in_time, ok, send, settle, start, unauthorized,
};

type Stack = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

fn boxed<S>(service: S) -> Stack
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    BoxCloneService::new(service.map_err(Into::into))
}

/// Every stack with the layers that wait, once above and once below.
fn stacks(world: &World, api: &Api) -> Vec<(&'static str, Stack)> {
    let timeout = Duration::from_secs(30);
    let build = ServiceBuilder::new;
    let auth = || world.layer();
    let api = || api.clone();
    vec![
        ("alone", boxed(build().layer(auth()).service(api()))),
        (
            "limit above",
            boxed(build().concurrency_limit(1).layer(auth()).service(api())),
        ),
        (
            "limit below",
            boxed(build().layer(auth()).concurrency_limit(1).service(api())),
        ),
        (
            "limits above and below",
            boxed(
                build()
                    .concurrency_limit(1)
                    .layer(auth())
                    .concurrency_limit(1)
                    .service(api()),
            ),
        ),
        (
            "buffer above",
            boxed(build().buffer(1).layer(auth()).service(api())),
        ),
        (
            "buffer below",
            boxed(
                build()
                    .map_err(Error::into_boxed)
                    .layer(auth())
                    .buffer(1)
                    .service(api()),
            ),
        ),
        (
            "buffer above, limit below",
            boxed(
                build()
                    .buffer(1)
                    .layer(auth())
                    .concurrency_limit(1)
                    .service(api()),
            ),
        ),
        (
            "buffer and limit below",
            boxed(
                build()
                    .map_err(Error::into_boxed)
                    .layer(auth())
                    .buffer(1)
                    .concurrency_limit(1)
                    .service(api()),
            ),
        ),
        (
            "timeout above",
            boxed(build().timeout(timeout).layer(auth()).service(api())),
        ),
        (
            "timeout below",
            boxed(
                build()
                    .map_err(Error::into_boxed)
                    .layer(auth())
                    .timeout(timeout)
                    .service(api()),
            ),
        ),
        (
            "load shed above",
            boxed(build().load_shed().layer(auth()).service(api())),
        ),
        (
            "everything above",
            boxed(
                build()
                    .buffer(4)
                    .concurrency_limit(1)
                    .timeout(timeout)
                    .layer(auth())
                    .service(api()),
            ),
        ),
        (
            "everything below",
            boxed(
                build()
                    .map_err(Error::into_boxed)
                    .layer(auth())
                    .buffer(4)
                    .concurrency_limit(1)
                    .timeout(timeout)
                    .service(api()),
            ),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn t18_cold_and_refused_requests_succeed_in_every_stack() {
    for number in 0..stacks(&World::cold(), &Api::new()).len() {
        let world = World::cold();
        let api = Api::new();
        let (name, stack) = stacks(&world, &api).swap_remove(number);
        // All at once, so that each waits for a token, a permit or a place.
        for revoked in ["fake-none", "fake-token-1"] {
            api.revoke(revoked);
            let before = api.calls();
            let calls: Vec<_> = (0..20)
                .map(|_| tokio::spawn(stack.clone().oneshot(get(URL))))
                .collect();
            for call in calls {
                let response = in_time(call)
                    .await
                    .unwrap()
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(response.status(), StatusCode::OK, "{name}");
                assert!(AuthOutcome::of(&response).sends() <= 2, "{name}");
            }
            assert!(api.calls() - before <= 40, "{name}");
        }
        assert_eq!(world.source.fetches(), 2, "{name}");
        assert!(
            world.clock.world_elapsed() < Duration::from_secs(2),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn t18_dropped_requests_leave_every_stack_usable() {
    for number in 0..stacks(&World::cold(), &Api::new()).len() {
        let world = World::cold();
        let gate = world.gate();
        let api = Api::new();
        let (name, mut stack) = stacks(&world, &api).swap_remove(number);
        let call = tokio::spawn(start(&mut stack, get(URL)).await);
        in_time(gate.reached(1)).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        gate.open();
        settle().await;
        let response = send(&mut stack, get(URL)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert_eq!(world.source.fetches(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_ends_the_wait_and_not_the_token_request() {
    let world = World::cold();
    world
        .source
        .then(Outcome::fresh().delay(Duration::from_secs(5)));
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(world.layer())
        .concurrency_limit(1)
        .service(api.clone());
    let error = send(&mut client, get(URL)).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "{error}");
    assert_eq!(world.source.in_flight(), 1);
    world.clock.advance(Duration::from_secs(4)).await;
    settle().await;
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!((api.calls(), world.source.fetches()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_measures_the_service_and_not_the_wait() {
    let world = World::cold();
    world
        .source
        .then(Outcome::fresh().delay(Duration::from_secs(5)));
    let mut client = ServiceBuilder::new()
        .layer(world.layer())
        .timeout(Duration::from_secs(1))
        .service(Api::new());
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!(world.clock.world_elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_token_do_not_overload_the_service_below() {
    let world = World::cold();
    let gate = world.gate();
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .layer(world.layer())
        .load_shed()
        .concurrency_limit(1)
        .service(api.clone());
    let waiting = tokio::spawn(start(&mut client, get(URL)).await);
    in_time(gate.reached(1)).await;
    send(&mut client, get(FOREIGN)).await.unwrap();
    gate.open();
    in_time(waiting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_send_that_is_shed_is_a_typed_error() {
    // One place, which the test occupies while the refused token is renewed.
    let world = World::warm().await;
    let gate = world.gate();
    let api = Api::new();
    api.revoke("fake-token-1");
    let mut below = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .service(api.clone());
    let mut client = world.over(below.clone());
    let refused = tokio::spawn(start(&mut client, get(URL)).await);
    in_time(gate.reached(1)).await;
    let _taken = start(&mut below, get(FOREIGN)).await;
    gate.open();
    let error = in_time(refused).await.unwrap().unwrap_err();
    let Error::Inner(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.is::<Overloaded>(), "{error}");
}

/// Retries a 401 and errors, as a careless client does.
#[derive(Clone)]
struct Again(usize);

impl<E> Policy<Request<Full<Bytes>>, Response<Full<Bytes>>, E> for Again {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Full<Bytes>>, E>,
    ) -> Option<Self::Future> {
        let good = matches!(result, Ok(response) if response.status() != StatusCode::UNAUTHORIZED);
        self.0 = self.0.checked_sub(usize::from(!good))?;
        (!good).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn t20_each_retry_above_sends_at_most_twice() {
    let world = World::warm().await;
    let api = Api::refusing();
    let mut client = ServiceBuilder::new()
        .retry(Again(3))
        .layer(world.layer())
        .concurrency_limit(1)
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // The first try replaces the token. The others send the second token twice, because it is on
    // trial.
    assert_eq!(api.calls(), 2 * 4);
    assert_eq!(api.tokens()[1..], ["fake-token-2"; 7]);
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn t20_retries_above_do_not_multiply_token_requests() {
    let world = World::cold();
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure));
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .retry(Again(3))
        .layer(world.layer())
        .service(api.clone());
    send(&mut client, get(URL)).await.unwrap_err();
    assert_eq!((api.calls(), world.source.fetches()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn t20_two_equal_layers_sign_and_replay_once() {
    // A token that is on trial is sent again; another one is replaced.
    for (world, fetches) in [(World::cold(), 1), (World::warm().await, 2)] {
        let api = Api::refusing();
        let mut client = ServiceBuilder::new()
            .layer(world.layer())
            .layer(world.layer())
            .concurrency_limit(1)
            .service(api.clone());
        let response = send(&mut client, get(URL)).await.unwrap();
        let last = format!("fake-token-{fetches}");
        assert_eq!(api.tokens(), ["fake-token-1", &last]);
        assert_eq!(world.source.fetches(), fetches);
        let outcome = AuthOutcome::of(&response);
        assert_eq!(outcome.sends(), 2);
        assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Twice)));
        for seen in api.seen() {
            assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t20_two_equal_layers_that_replace_credentials_replay_once() {
    // A token that is on trial is sent again; another one is replaced.
    for (world, fetches) in [(World::cold(), 1), (World::warm().await, 2)] {
        let api = Api::refusing();
        let mut client = ServiceBuilder::new()
            .layer(world.layer())
            .layer(world.layer().existing(ExistingCredential::Replace))
            .service(api.clone());
        let response = send(&mut client, get(URL)).await.unwrap();
        let last = format!("fake-token-{fetches}");
        assert_eq!(api.tokens(), ["fake-token-1", &last]);
        assert_eq!(world.source.fetches(), fetches);
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn t20_the_outcome_counts_a_second_send_of_an_inner_layer() {
    // Two credentials, in two headers.
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let client = outer.layer().layer(inner.over(api.clone()));
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
    assert_eq!((outer.source.fetches(), inner.source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_two_credentials_make_two_sends_and_never_three() {
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::refusing();
    // From here on the inner layer's renewals are in refusal back-off, which is shorter than the
    // outer layer's.
    send(&mut inner.over(api.clone()), get(URL)).await.unwrap();
    assert_eq!(api.calls(), 2);
    outer
        .source
        .always(Outcome::fresh().delay(Duration::from_secs(5)));
    let mut client = outer.layer().layer(inner.over(api.clone()));
    let response = in_time(send(&mut client, get(URL))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.calls(), 2 + 2);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
}

/// Each layer sees one refusal of the token that it added, at another send.
#[tokio::test(start_paused = true)]
async fn the_second_send_of_an_outer_layer_is_not_sent_again_below() {
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::answering(|seen| {
        let is_first = seen.headers["x-login-token"] == "fake-token-1";
        Ok(match (is_first, seen.token()) {
            // Without a challenge, this refusal is about the outer token only.
            (true, _) => {
                let mut refusal = Response::new(Full::default());
                *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                refusal
            }
            (false, Some("fake-token-1")) => unauthorized(seen),
            (false, _) => ok(),
        })
    });
    let layer = inner.layer().require_challenge(true);
    let mut client = outer.layer().layer(layer.layer(api.clone()));
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
    // The refused inner token is renewed for the next request.
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((response.status(), api.calls()), (StatusCode::OK, 3));
}

/// Layers for two headers, of which only the inner one signs.
async fn outer_with_own_credentials(inner: &World, api: &Api) -> (World, Response<Full<Bytes>>) {
    let name = http::HeaderName::from_static("x-login-token");
    let scheme = auth_core::Scheme::header(name.clone()).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    let mut client = outer.layer().layer(inner.over(api.clone()));
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("fake-own");
    request.headers_mut().insert(name, own);
    let response = send(&mut client, request).await.unwrap();
    (outer, response)
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_an_inner_layer_takes_precedence_over_an_outer_one_that_does_not_sign() {
    let inner = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let (_outer, response) = outer_with_own_credentials(&inner, &api).await;
    let outcome = AuthOutcome::of(&response);
    assert_eq!((outcome.sends(), outcome.was_refused()), (2, true));
    assert!(outcome.unsigned().is_none(), "{outcome:?}");

    let elsewhere = World::at(auth_core::Origins::new(["https://elsewhere.example"]).unwrap());
    let (_outer, response) = outer_with_own_credentials(&elsewhere, &Api::new()).await;
    let outcome = AuthOutcome::of(&response);
    let why = outcome.unsigned();
    assert!(matches!(why, Some(Unsigned::OtherOrigin)), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outer_layer_that_signs_keeps_the_wait_of_an_inner_one_that_did_not_sign() {
    let delay = Duration::from_secs(3);
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::cold();
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    inner.source.always(Outcome::error(failure).delay(delay));
    let layer = inner.layer().without_token(MissingToken::SendUnsigned);
    let mut client = outer.layer().layer(layer.layer(Api::new()));
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(outcome.unsigned().is_none(), "{outcome:?}");
    assert_eq!((outcome.sends(), outcome.waited()), (1, delay));

    // Without a wait, nothing is left to say.
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("Bearer fake-own");
    request.headers_mut().insert("authorization", own);
    let response = send(&mut client, request).await.unwrap();
    assert!(response.extensions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn t20_waits_and_sends_of_both_layers_are_counted() {
    let delay = Duration::from_secs(3);
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    for without_token in [MissingToken::Fail, MissingToken::SendUnsigned] {
        let outer = World::with(|builder| builder.scheme(scheme.clone()));
        let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
        outer.source.always(match without_token {
            MissingToken::Fail => Outcome::fresh().delay(delay),
            _ => Outcome::error(failure).delay(delay),
        });
        let inner = World::warm().await;
        inner.clock.advance(Duration::from_secs(1)).await;
        inner.source.always(Outcome::fresh().delay(delay));
        let api = Api::new();
        api.revoke("fake-token-1");
        let layer = outer.layer().without_token(without_token);
        let mut client = layer.layer(inner.over(api.clone()));
        let response = send(&mut client, get(URL)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        assert_eq!((outcome.sends(), outcome.waited()), (2, 2 * delay));
    }
}

#[tokio::test(start_paused = true)]
async fn inner_errors_keep_their_type_through_the_layer() {
    let world = World::warm().await;
    let api = Api::answering(|_| Err(Broken("reset")));
    let client = ServiceBuilder::new()
        .layer(world.layer())
        .timeout(Duration::from_secs(1))
        .service(api);
    let error = in_time(client.oneshot(get(URL))).await.unwrap_err();
    let Error::Inner(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.downcast_ref(), Some(&Broken("reset")));
}
