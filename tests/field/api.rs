//! Requests to APIs: gateways, redirects, customers' hosts, plain http.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{Authenticator, AuthenticatorOptions, Origins};
use auth_testkit::{LogCapture, ScriptedSource, VirtualClock};
use auth_tower::{
    AuthLayer, AuthOutcome, MinLifetimeLayer, NotReplayed, OriginGuardLayer, Unsigned,
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;

needs![
    "api":
    a_copied_host_header_takes_no_token_to_another_virtual_host,
    a_mistyped_origin_does_not_go_unnoticed,
    a_wildcard_origin_is_refused_with_advice,
    a_vendor_may_have_a_host_for_each_customer,
    a_service_of_docker_compose_may_be_plain_http,
    what_only_looks_like_home_gets_no_token,
    an_order_behind_a_redirect_is_placed_once,
    an_upload_with_its_own_credential_does_not_wait,
    short_tokens_are_not_renewed_each_second,
];

const HOME: &str = "https://api.example.com";
const ORDERS: &str = "https://api.example.com/orders";

type Api = Arc<Mutex<Vec<(Method, String, Option<String>)>>>;

/// Records method, URI and credential of a request.
fn record(api: &Api, request: &Request<Full<Bytes>>) {
    let credential = request.headers().get("authorization");
    let credential = credential.map(|value| value.to_str().unwrap().to_owned());
    let (method, uri) = (request.method().clone(), request.uri().to_string());
    api.lock().unwrap().push((method, uri, credential));
}

/// An API that accepts everything.
fn welcoming(
    api: &Api,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<> {
    let api = Arc::clone(api);
    service_fn(move |request| {
        record(&api, &request);
        async { Ok(Response::new(Full::default())) }
    })
}

/// Returns the credentials that arrived, in order.
fn credentials(api: &Api) -> Vec<Option<String>> {
    let seen = api.lock().unwrap();
    seen.iter()
        .map(|(_, _, credential)| credential.clone())
        .collect()
}

fn authenticator(source: &ScriptedSource, origins: Origins) -> Authenticator {
    Authenticator::builder(source.clone(), origins)
        .vendor("example")
        .options(AuthenticatorOptions::new().clock(VirtualClock::new()))
        .build()
        .unwrap()
}

async fn warm() -> Authenticator {
    let origins = Origins::new([HOME]).unwrap();
    let authenticator = authenticator(&ScriptedSource::new(), origins);
    authenticator.warm_up().await.unwrap();
    authenticator
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

fn upload() -> Request<Full<Bytes>> {
    Request::put(ORDERS)
        .body(Full::from("a long film"))
        .unwrap()
}

/// Sends a request to each URL. Returns which of them were signed.
async fn signed(origins: Origins, urls: &[&str]) -> Vec<bool> {
    let api = Api::default();
    let authenticator = authenticator(&ScriptedSource::new(), origins);
    let client = AuthLayer::new(authenticator).layer(welcoming(&api));
    for url in urls {
        client.clone().oneshot(get(url)).await.unwrap();
    }
    credentials(&api).iter().map(Option::is_some).collect()
}

async fn a_copied_host_header_takes_no_token_to_another_virtual_host() {
    let api = Api::default();
    let client = AuthLayer::new(warm().await).layer(welcoming(&api));
    let mut request = get(ORDERS);
    let host = "tenant.evil.example".parse().unwrap();
    request.headers_mut().insert("host", host);
    let response = client.clone().oneshot(request).await.unwrap();
    assert_eq!(credentials(&api), [None]);
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherHost)));
    let mut request = get(ORDERS);
    let host = "API.example.com:443".parse().unwrap();
    request.headers_mut().insert("host", host);
    client.oneshot(request).await.unwrap();
    assert_eq!(credentials(&api)[1].as_deref(), Some("Bearer fake-token-1"));
}

async fn a_mistyped_origin_does_not_go_unnoticed() {
    let log = LogCapture::new();
    let client = AuthLayer::new(warm().await).layer(welcoming(&Api::default()));
    let _guard = log.install();
    for _ in 0..3 {
        let url = "https://api.exmaple.com/orders/fake-secret-1?key=fake-secret-1";
        let response = client.clone().oneshot(get(url)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        assert!(matches!(outcome.unsigned(), Some(Unsigned::OtherOrigin)));
    }
    let text = log.text();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
    let [warning] = warnings[..] else {
        panic!("{text}");
    };
    assert!(warning.contains("api.exmaple.com"), "{warning}");
    assert!(warning.contains("not in `origins`"), "{warning}");
    log.assert_no_secret(&["fake-secret-1", "fake-token"]);
}

async fn a_wildcard_origin_is_refused_with_advice() {
    let error = Origins::new(["https://*.example.com"]).unwrap_err();
    assert_eq!(error.field(), Some("origins"));
    let text = error.to_string();
    assert!(
        text.contains("\"https://*.example.com\" contains a wildcard"),
        "{text}"
    );
    assert!(text.contains("subdomains_of"), "{text}");
}

async fn a_vendor_may_have_a_host_for_each_customer() {
    let origins = Origins::default().subdomains_of("https://my.salesforce.com");
    let urls = [
        "https://acme.my.salesforce.com/services",
        "https://evil-my.salesforce.com/",
        "https://a.b.my.salesforce.com/",
        "https://my.salesforce.com.evil.example/",
    ];
    let signed = signed(origins.unwrap(), &urls).await;
    assert_eq!(signed, [true, false, false, false]);
}

async fn a_service_of_docker_compose_may_be_plain_http() {
    let error = Origins::new(["http://payments:8080"])
        .unwrap_err()
        .to_string();
    let advice = "Origins::danger_allow_http([\"http://payments:8080\"])";
    assert!(error.contains(advice), "{error}");
    let origins = Origins::danger_allow_http(["http://payments:8080", "http://localhost:3000"]);
    let urls = [
        "http://payments:8080/v1",
        "http://localhost:3000/",
        "http://payments/v1",
        "http://other:8080/v1",
    ];
    let signed = signed(origins.unwrap(), &urls).await;
    assert_eq!(signed, [true, true, false, false]);
}

async fn what_only_looks_like_home_gets_no_token() {
    let origins = Origins::new(["https://[2001:db8::1]:8443", HOME]).unwrap();
    let urls = [
        "https://[2001:db8::1]:8443/",
        "https://[2001:db8::1]evil.com:8443/",
        "https://api.example.com:443/",
        "https://api.example.com:+443/",
    ];
    assert_eq!(signed(origins, &urls).await, [true, false, true, false]);
}

/// The order is carried out and answered with 303, and the token expires before the receipt is
/// requested.
async fn an_order_behind_a_redirect_is_placed_once() {
    let authenticator = warm().await;
    let api = Api::default();
    let seen = Arc::clone(&api);
    let shop = service_fn(move |request: Request<Full<Bytes>>| {
        record(&seen, &request);
        let (status, location) = match *request.method() {
            Method::POST => (StatusCode::SEE_OTHER, "/receipts/1"),
            _ => (StatusCode::UNAUTHORIZED, ""),
        };
        let response = Response::builder()
            .status(status)
            .header("location", location);
        async { Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap()) }
    });
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .layer(FollowRedirectLayer::new())
        .layer(OriginGuardLayer::new(authenticator))
        .service(shop);
    let order = Request::post(ORDERS).body(Full::default()).unwrap();
    let response = client.oneshot(order).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(
        outcome.not_replayed(),
        Some(NotReplayed::Redirected)
    ));
    let seen = api.lock().unwrap();
    let orders = seen.iter().filter(|(method, _, _)| *method == Method::POST);
    assert_eq!((orders.count(), seen.len()), (1, 2));
}

async fn an_upload_with_its_own_credential_does_not_wait() {
    let source = ScriptedSource::new();
    let authenticator = authenticator(&source, Origins::new([HOME]).unwrap());
    let api = Api::default();
    let client = ServiceBuilder::new()
        .layer(MinLifetimeLayer::new(
            authenticator.clone(),
            Duration::from_secs(300),
        ))
        .layer(AuthLayer::new(authenticator))
        .service(welcoming(&api));
    let mut request = upload();
    let own = "Bearer fake-own".parse().unwrap();
    request.headers_mut().insert("authorization", own);
    client.oneshot(request).await.unwrap();
    assert_eq!(credentials(&api)[0].as_deref(), Some("Bearer fake-own"));
    assert_eq!(source.fetches(), 0);
}

async fn short_tokens_are_not_renewed_each_second() {
    let source = ScriptedSource::new().lifetime(Duration::from_secs(600));
    let authenticator = authenticator(&source, Origins::new([HOME]).unwrap());
    let api = Api::default();
    let client = ServiceBuilder::new()
        .layer(MinLifetimeLayer::new(
            authenticator.clone(),
            Duration::from_secs(1_200),
        ))
        .layer(AuthLayer::new(authenticator))
        .service(welcoming(&api));
    for _ in 0..300 {
        client.clone().oneshot(upload()).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // The first token, and the renewal that shows that tokens do not live longer.
    assert_eq!((credentials(&api).len(), source.fetches()), (300, 2));
}
