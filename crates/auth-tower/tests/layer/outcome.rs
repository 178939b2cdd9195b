//! How the API's response is judged, and what the outcome tells the caller.

use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, EventKind, Origins, TokenRefused,
};
use auth_testkit::{Outcome, RecordingObserver, ScriptedSource};
use auth_tower::{AuthLayer, AuthOutcome, MissingToken, ReplayBodyLayer, StepUp, Unsigned};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::support::{Api, FOREIGN, ORIGIN, URL, World, get, in_time, ok, settle, text};

fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("the API's own words"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    response
        .headers_mut()
        .extend(headers.collect::<HeaderMap>());
    response
}

/// An API that gives this answer to the first token, and 200 to every other.
fn saying(first: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) -> Api {
    Api::answering(move |seen| {
        Ok(match seen.token() {
            Some("fake-token-1") => first(),
            _ => ok(),
        })
    })
}

async fn send_through(
    layer: impl FnOnce(AuthLayer) -> AuthLayer,
    api: &Api,
) -> (World, Response<Full<Bytes>>) {
    let world = World::warm().await;
    let client = layer(world.layer()).layer(api.clone());
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    settle().await;
    (world, response)
}

/// Asserts that the response is returned unchanged, after one send and without a token request.
async fn assert_untouched(
    layer: impl FnOnce(AuthLayer) -> AuthLayer,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
) {
    let api = saying(move || answer(status, headers));
    let (world, response) = send_through(layer, &api).await;
    assert_eq!(
        (api.calls(), world.source.fetches()),
        (1, 1),
        "{status} {headers:?}"
    );
    let outcome = AuthOutcome::of(&response);
    assert_eq!(outcome.sends(), 1);
    assert!(!outcome.was_refused() && outcome.not_replayed().is_none());
    let expected = answer(status, headers);
    assert_eq!(response.status(), expected.status());
    assert_eq!(response.headers(), expected.headers());
    assert_eq!(text(response).await, "the API's own words");
}

/// Asserts that the token was renewed and the request sent once more.
async fn assert_renewed(
    layer: impl FnOnce(AuthLayer) -> AuthLayer,
    first: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static,
) {
    let api = saying(first);
    let (world, response) = send_through(layer, &api).await;
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
    assert_eq!(world.source.fetches(), 2);
    assert_eq!(response.status(), StatusCode::OK);
    let outcome = AuthOutcome::of(&response);
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (2, 1));
}

const INVALID_TOKEN: (&str, &str) = ("www-authenticate", r#"Bearer error="invalid_token""#);
const INSUFFICIENT_SCOPE: (&str, &str) = (
    "www-authenticate",
    r#"Bearer error="insufficient_scope", scope="a""#,
);
const INVALID_REQUEST: (&str, &str) = ("www-authenticate", r#"Bearer error="invalid_request""#);

#[tokio::test(start_paused = true)]
async fn s20_s27_a_401_is_a_refused_token() {
    assert_renewed(|layer| layer, || answer(401, &[INVALID_TOKEN])).await;
    assert_renewed(|layer| layer, || answer(401, &[])).await;
    assert_renewed(
        |layer| layer,
        || answer(401, &[("www-authenticate", "Basic")]),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn s21_s24_s25_a_response_that_no_new_token_can_change_is_returned() {
    for (status, headers) in [
        (401, &[INSUFFICIENT_SCOPE]),
        (401, &[INVALID_REQUEST]),
        (400, &[INVALID_REQUEST]),
        (403, &[INSUFFICIENT_SCOPE]),
        (403, &[INVALID_TOKEN]),
        (404, &[INVALID_TOKEN]),
        (407, &[INVALID_TOKEN]),
        (429, &[("retry-after", "1")]),
        (500, &[INVALID_TOKEN]),
        (503, &[("retry-after", "1")]),
        (302, &[("location", "https://elsewhere.example/login")]),
    ] {
        assert_untouched(|layer| layer, status, headers).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s27_a_401_without_a_challenge_is_returned_if_one_is_required() {
    assert_untouched(|layer| layer.require_challenge(true), 401, &[]).await;
    let layer = |layer: AuthLayer| layer.require_challenge(true);
    assert_renewed(layer, || answer(401, &[INVALID_TOKEN])).await;
    let layer = |layer: AuthLayer| layer.require_challenge(true).require_challenge(false);
    assert_renewed(layer, || answer(401, &[])).await;
}

const STEP_UP: (&str, &str) = (
    "www-authenticate",
    r#"Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="60""#,
);

#[tokio::test(start_paused = true)]
async fn s47_the_response_says_that_a_stronger_login_is_required() {
    assert_untouched(|layer| layer, 401, &[STEP_UP]).await;
    let (_, response) = send_through(|layer| layer, &saying(|| answer(401, &[STEP_UP]))).await;
    let wanted = response.extensions().get::<StepUp>().unwrap();
    assert_eq!(wanted.acr_values().collect::<Vec<_>>(), ["gold", "silver"]);
    assert_eq!(wanted.max_age(), Some(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn grpc_status_16_is_a_refused_token_on_request() {
    let unauthenticated = || answer(200, &[("grpc-status", "16")]);
    assert_renewed(|layer| layer.grpc(true), unauthenticated).await;
    assert_untouched(|layer| layer, 200, &[("grpc-status", "16")]).await;
    assert_untouched(|layer| layer.grpc(true), 200, &[("grpc-status", "7")]).await;
    assert_untouched(|layer| layer.grpc(true), 200, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_custom_rule_can_refuse_a_token() {
    let layer = |layer: AuthLayer| {
        layer.refused_when(|head| head.status == 403 && head.headers.contains_key("x-expired"))
    };
    assert_renewed(layer, || answer(403, &[("x-expired", "1")])).await;
    assert_renewed(layer, || answer(401, &[])).await;
    assert_untouched(layer, 403, &[]).await;
    assert_untouched(layer, 200, &[("x-expired", "1")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_mark_from_a_layer_below_is_a_refused_token() {
    let marked = || {
        let mut response = answer(404, &[]);
        response.extensions_mut().insert(TokenRefused);
        response
    };
    assert_renewed(|layer| layer, marked).await;
}

/// Real clients leave their own extensions.
#[tokio::test(start_paused = true)]
async fn an_extension_of_the_client_does_not_hide_why_a_request_was_not_signed() {
    let world = World::warm().await;
    let api = Api::answering(|_| {
        let mut response = ok();
        response.extensions_mut().insert("the client's own");
        Ok(response)
    });
    let response = in_time(world.over(api).oneshot(get(FOREIGN)));
    let outcome = AuthOutcome::of(&response.await.unwrap());
    let why = outcome.unsigned();
    assert!(matches!(why, Some(Unsigned::OtherOrigin)), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn the_event_of_an_unsigned_and_of_a_refused_request_has_the_cause() {
    let failure = || Error::new(ErrorKind::Unavailable, "no answer");
    let kind_told = |events: &RecordingObserver| {
        let told = events.events();
        let mut errors = told.iter().filter_map(|event| match event.kind() {
            EventKind::RequestUnsigned { error, .. }
            | EventKind::RequestNotReplayed { error, .. } => Some(error.clone()),
            _ => None,
        });
        let error = errors.next().expect("an event");
        assert!(errors.next().is_none());
        error.map(|error| error.kind())
    };
    let events = RecordingObserver::new();
    let observed = || AuthenticatorOptions::new().observer(events.clone());
    let world = World::with(|builder| builder.options(observed()));
    world.source.always(Outcome::error(failure()));
    let layer = world.layer().without_token(MissingToken::SendUnsigned);
    let client = layer.layer(Api::new());
    in_time(client.oneshot(get(URL))).await.unwrap();
    assert_eq!(kind_told(&events), Some(ErrorKind::Unavailable));

    let events = RecordingObserver::new();
    let observed = || AuthenticatorOptions::new().observer(events.clone());
    let world = World::with(|builder| builder.options(observed()));
    world.warm_up().await;
    world.source.always(Outcome::error(failure()));
    in_time(world.over(Api::refusing()).oneshot(get(URL)))
        .await
        .unwrap();
    let error = kind_told(&events);
    assert_eq!(error, Some(ErrorKind::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_refused_token_has_the_host_if_it_is_known() {
    let both = "api.example.com, other.example.com";
    for (is_stream, is_off, expected) in [
        (false, false, "api.example.com"),
        (true, false, "api.example.com"),
        (false, true, both),
    ] {
        let events = RecordingObserver::new();
        let origins = Origins::new([ORIGIN, "https://other.example.com"]).unwrap();
        let authenticator = Authenticator::builder(ScriptedSource::new(), origins)
            .options(AuthenticatorOptions::new().observer(events.clone()))
            .build()
            .unwrap();
        let (api, layer) = (Api::refusing(), AuthLayer::new(authenticator));
        let response = if is_off {
            let client = layer.replay_off().layer(api);
            in_time(client.oneshot(get(URL))).await
        } else if is_stream {
            let client = ReplayBodyLayer::new(1_024).layer(layer.layer(api));
            in_time(client.oneshot(get(URL).map(|_| Full::<Bytes>::from("body")))).await
        } else {
            in_time(layer.layer(api).oneshot(get(URL))).await
        };
        response.unwrap();
        let told = events.events();
        let host = told.iter().find_map(|event| match event.kind() {
            EventKind::TokenRefused { host, .. } => Some(host.clone()),
            _ => None,
        });
        assert_eq!(host.as_deref(), Some(expected), "{is_stream} {is_off}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_response_has_no_outcome_with_any_rules() {
    for layer in [
        (|layer| layer) as fn(AuthLayer) -> AuthLayer,
        |layer| layer.grpc(true),
        |layer| layer.refused_when(|_| false),
        |layer| layer.require_challenge(true),
    ] {
        for status in [200, 403, 503] {
            let (_, response) = send_through(layer, &saying(move || answer(status, &[]))).await;
            assert!(response.extensions().is_empty(), "{status}");
        }
    }
}
