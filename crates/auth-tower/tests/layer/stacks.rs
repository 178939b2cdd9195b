//! Other layers above and below: no request waits without end, no service is called before it is
//! ready, and the number of sends is limited (T17, T18, T20).

mod two_layers;

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
