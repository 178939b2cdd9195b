//! Orders behind redirects that another layer follows.

use auth_core::{Authenticator, Error, ErrorKind, Origins};
use auth_reqwest::{AuthMiddleware, ReqwestService, client_builder};
use auth_testkit::{ForeignServer, Outcome, Reply, ScriptedSource};
use auth_tower::{AuthLayer, AuthOutcome, NotReplayed, OriginGuardLayer, Unsigned};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use reqwest::redirect::Policy;
use reqwest_middleware::ClientBuilder;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirectLayer;

needs![
    "redirects":
    an_order_through_a_client_of_our_own_is_placed_once,
    an_order_through_the_middleware_and_a_plain_client_is_placed_once,
    an_order_through_the_middleware_and_its_client_is_placed_once,
    an_order_through_a_follower_without_a_guard_is_placed_once,
    a_refused_order_is_placed_after_all,
    a_refused_order_is_placed_where_nothing_is_followed,
    a_refused_order_that_is_not_placed_says_why,
    an_answer_from_another_origin_is_told_from_ours,
    an_answer_after_a_detour_is_told_from_ours,
    a_refusal_during_an_outage_does_not_claim_a_renewal,
];

/// A shop that accepts an order, redirects to the same page, and refuses the request for that page.
async fn shop() -> ForeignServer {
    let shop = ForeignServer::start().await;
    shop.script().then(Reply::redirect(303, &shop.url()));
    shop.script().then(Reply::status(401));
    shop
}

/// A shop that refuses an order at once, because the token was revoked.
async fn strict() -> ForeignServer {
    let shop = ForeignServer::start().await;
    shop.script().then(Reply::status(401));
    shop
}

fn orders(shop: &ForeignServer) -> usize {
    let is_order = |request: &&auth_testkit::RecordedRequest| request.expose_body() == "order";
    shop.recorded().iter().filter(is_order).count()
}

async fn authenticator(shop: &ForeignServer) -> Authenticator {
    with_source(shop, ScriptedSource::new()).await
}

/// Makes an authenticator whose token the API has accepted.
async fn with_source(shop: &ForeignServer, source: ScriptedSource) -> Authenticator {
    let origins = Origins::danger_allow_http([shop.origin()]).unwrap();
    let authenticator = Authenticator::builder(source, origins)
        .vendor("example")
        .build()
        .unwrap();
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    authenticator
}

fn order(shop: &ForeignServer) -> Request<Full<Bytes>> {
    Request::post(shop.url()).body(Full::from("order")).unwrap()
}

/// A client that `client_builder` did not make.
fn plain(policy: Policy) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(policy);
    client.tls_certs_only([]).build().unwrap()
}

fn ours() -> reqwest::Client {
    client_builder().tls_certs_only([]).build().unwrap()
}

/// A client that follows no redirects.
fn http() -> ReqwestService {
    let builder = client_builder().tls_certs_only([]);
    ReqwestService::from_builder(builder, Policy::none()).unwrap()
}

/// Sends an order with a finished client.
async fn by_service(shop: &ForeignServer, service: ReqwestService) -> (u16, AuthOutcome) {
    let client = AuthLayer::new(authenticator(shop).await).layer(service);
    let response = client.oneshot(order(shop)).await.unwrap();
    (response.status().as_u16(), AuthOutcome::of(&response))
}

/// Sends an order with `AuthMiddleware`.
async fn by_middleware(
    shop: &ForeignServer,
    client: reqwest::Client,
    set: fn(AuthMiddleware) -> AuthMiddleware,
) -> (u16, AuthOutcome) {
    let middleware = set(AuthMiddleware::new(authenticator(shop).await));
    let client = ClientBuilder::new(client).with(middleware).build();
    let response = client.post(shop.url()).body("order").send().await.unwrap();
    let outcome = AuthOutcome::in_extensions(response.extensions());
    (response.status().as_u16(), outcome)
}

async fn an_order_through_a_client_of_our_own_is_placed_once() {
    let shop = shop().await;
    let service = ReqwestService::danger_from_client(plain(Policy::default()));
    let (status, outcome) = by_service(&shop, service).await;
    assert_eq!((status, orders(&shop)), (401, 1));
    let why = outcome.not_replayed();
    assert!(matches!(why, Some(NotReplayed::RedirectsUnseen)), "{why:?}");
}

async fn an_order_through_the_middleware_and_a_plain_client_is_placed_once() {
    let shop = shop().await;
    let (status, outcome) = by_middleware(&shop, plain(Policy::default()), |set| set).await;
    assert_eq!((status, orders(&shop)), (401, 1));
    let why = outcome.not_replayed();
    assert!(matches!(why, Some(NotReplayed::RedirectsUnseen)), "{why:?}");
}

async fn an_order_through_the_middleware_and_its_client_is_placed_once() {
    let shop = shop().await;
    let (status, outcome) = by_middleware(&shop, ours(), |set| set).await;
    assert_eq!((status, orders(&shop)), (401, 1));
    let why = outcome.not_replayed();
    assert!(matches!(why, Some(NotReplayed::Redirected)), "{why:?}");
}

async fn an_order_through_a_follower_without_a_guard_is_placed_once() {
    let shop = shop().await;
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator(&shop).await))
        .layer(FollowRedirectLayer::new())
        .service(http());
    let response = client.oneshot(order(&shop)).await.unwrap();
    assert_eq!((response.status().as_u16(), orders(&shop)), (401, 1));
}

async fn a_refused_order_is_placed_after_all() {
    let shop = strict().await;
    let (status, outcome) = by_middleware(&shop, ours(), |set| set).await;
    assert_eq!((status, orders(&shop), outcome.sends()), (200, 2, 2));

    let shop = strict().await;
    let builder = client_builder().tls_certs_only([]);
    let service = ReqwestService::from_builder(builder, Policy::default()).unwrap();
    let (status, outcome) = by_service(&shop, service).await;
    assert_eq!((status, orders(&shop), outcome.sends()), (200, 2, 2));
}

async fn a_refused_order_is_placed_where_nothing_is_followed() {
    let shop = strict().await;
    let client = plain(Policy::none());
    let stated = AuthMiddleware::danger_client_follows_no_redirects;
    let (status, _) = by_middleware(&shop, client, stated).await;
    assert_eq!((status, orders(&shop)), (200, 2));

    let shop = strict().await;
    let service = ReqwestService::danger_from_client(plain(Policy::none()));
    let service = service.danger_client_follows_no_redirects();
    let (status, _) = by_service(&shop, service).await;
    assert_eq!((status, orders(&shop)), (200, 2));
}

async fn a_refused_order_that_is_not_placed_says_why() {
    let shop = strict().await;
    let (status, outcome) = by_middleware(&shop, plain(Policy::default()), |set| set).await;
    assert_eq!((status, orders(&shop)), (401, 1));
    let why = outcome.not_replayed().unwrap().to_string();
    assert!(why.contains("auth_reqwest::client_builder"), "{why}");
}

/// The first server redirects all requests to another server, which may redirect them back.
async fn detour(comes_back: bool) -> AuthOutcome {
    let home = ForeignServer::start().await;
    let elsewhere = ForeignServer::start().await;
    home.script().then(Reply::redirect(307, &elsewhere.url()));
    if comes_back {
        let back = format!("{}/back", home.origin());
        elsewhere.script().then(Reply::redirect(307, &back));
        home.script().then(Reply::status(401));
    } else {
        elsewhere.script().then(Reply::status(401));
    }
    let source = ScriptedSource::new();
    let authenticator = with_source(&home, source.clone()).await;
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .layer(FollowRedirectLayer::new())
        .layer(OriginGuardLayer::new(authenticator))
        .service(http());
    let request = Request::get(home.url()).body(Full::<Bytes>::default());
    let response = client.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let outcome = AuthOutcome::of(&response);
    // No server refused the token.
    assert_eq!((outcome.was_refused(), source.fetches()), (false, 1));
    outcome
}

async fn an_answer_from_another_origin_is_told_from_ours() {
    let outcome = detour(false).await;
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
}

async fn an_answer_after_a_detour_is_told_from_ours() {
    let outcome = detour(true).await;
    let why = outcome.unsigned().unwrap();
    assert!(matches!(why, Unsigned::RemovedBelow), "{why:?}");
    assert!(why.to_string().contains("put the follower above"), "{why}");
}

async fn a_refusal_during_an_outage_does_not_claim_a_renewal() {
    let api = ForeignServer::start().await;
    api.script().always(Reply::status(401));
    let source = ScriptedSource::new();
    let authenticator = with_source(&api, source.clone()).await;
    source.always(Outcome::error(Error::new(
        ErrorKind::Unavailable,
        "example: no answer",
    )));
    let client = AuthLayer::new(authenticator).layer(http());
    let mut causes = Vec::new();
    for _ in 0..2 {
        let response = client.clone().oneshot(order(&api)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        causes.push(outcome.not_replayed().unwrap().clone());
    }
    assert!(matches!(causes[0], NotReplayed::NoToken(_)), "{causes:?}");
    assert!(
        matches!(causes[1], NotReplayed::RefusalBackOff),
        "{causes:?}"
    );
    let text = causes[1].to_string();
    assert!(text.contains("an earlier one failed or"), "{text}");
}
