//! T20: `tower::retry` above and below. If both retry a refusal, their numbers multiply. No policy
//! should retry a 401, because the layer has already tried a new token.

use std::future::{Ready, ready};

use auth_core::ErrorKind;
use auth_testkit::Outcome;
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceBuilder, retry::Policy};

use crate::support::{Api, Broken, Seen, URL, World, get, ok, send, unauthorized};

/// Retries this number of times after answers with some status, and after errors.
#[derive(Clone)]
struct Again {
    times: usize,
    after: fn(StatusCode) -> bool,
}

fn on_errors(times: usize) -> Again {
    let after = |status: StatusCode| status.is_server_error();
    Again { times, after }
}

/// Retries refusals, which no policy should do.
fn on_refusals(times: usize) -> Again {
    let after = |status: StatusCode| status == StatusCode::UNAUTHORIZED;
    Again { times, after }
}

impl<E> Policy<Request<Full<Bytes>>, Response<Full<Bytes>>, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Full<Bytes>>, E>,
    ) -> Option<Ready<()>> {
        let again = result
            .as_ref()
            .map_or(true, |response| (self.after)(response.status()));
        self.times = self.times.checked_sub(usize::from(again))?;
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

/// Refuses the first token; with the second one, two sends fail before one succeeds.
fn breaking() -> Api {
    let broken = std::sync::atomic::AtomicUsize::new(0);
    Api::answering(move |seen: &Seen| {
        if seen.token() == Some("fake-token-1") {
            return Ok(unauthorized(seen));
        }
        match broken.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(Broken("reset")),
            1 => Ok(Response::builder()
                .status(503)
                .body(Full::default())
                .unwrap()),
            _ => Ok(ok()),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn t20_retries_of_failures_add_and_do_not_multiply() {
    // Above: refused and failed, failed, succeeded.
    let (world, api) = (World::warm().await, breaking());
    let mut above = ServiceBuilder::new()
        .retry(on_errors(3))
        .layer(world.layer())
        .service(api.clone());
    let response = send(&mut above, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((api.calls(), world.source.fetches()), (4, 2));

    // Below: the layer sees one response to each of its two sends.
    let (world, api) = (World::warm().await, breaking());
    let mut below = ServiceBuilder::new()
        .layer(world.layer())
        .retry(on_errors(3))
        .service(api.clone());
    let response = send(&mut below, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!((api.calls(), world.source.fetches()), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_retries_of_refusals_below_are_at_most_doubled() {
    // They send the refused token repeatedly, and the renewed one as often.
    let (world, api) = (World::warm().await, Api::refusing());
    let mut client = ServiceBuilder::new()
        .layer(world.layer())
        .retry(on_refusals(3))
        .service(api.clone());
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((api.calls(), world.source.fetches()), (2 * (1 + 3), 2));
}

#[tokio::test(start_paused = true)]
async fn t20_retries_above_and_below_send_at_most_their_doubled_product() {
    let (world, api) = (World::warm().await, Api::refusing());
    let mut client = ServiceBuilder::new()
        .retry(on_refusals(2))
        .layer(world.layer())
        .retry(on_refusals(2))
        .service(api.clone());
    send(&mut client, get(URL)).await.unwrap();
    // (1 + 2) above, (1 + 2) below. The layer doubles each: the first with a second token, the
    // others with the same token, because it is on trial.
    assert_eq!((api.calls(), world.source.fetches()), (2 * 3 * 3, 2));
    assert_eq!(api.tokens()[3..], ["fake-token-2"; 15]);
}

#[tokio::test(start_paused = true)]
async fn t20_without_a_token_no_retry_reaches_the_api() {
    let world = World::cold();
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure));
    let api = Api::new();
    let mut client = ServiceBuilder::new()
        .retry(on_errors(5))
        .layer(AuthLayer::new(world.authenticator.clone()))
        .retry(on_errors(5))
        .service(api.clone());
    send(&mut client, get(URL)).await.unwrap_err();
    assert_eq!((api.calls(), world.source.fetches()), (0, 1));
}
