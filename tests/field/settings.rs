//! Settings for private networks: plain `http`.

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Secret};
use auth_kayzen::Kayzen;
use auth_oauth2::{Client, ClientBuilder};
use auth_testkit::{MemoryService, TestServer};
use auth_tower::{AuthLayer, ServiceTransport};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt as _, util::MapRequest};

needs![
    "settings":
    plain_http_to_a_compose_service_works_when_named,
    a_vendor_behind_a_compose_service_works_when_named,
    the_error_for_plain_http_says_what_to_write,
    plain_http_goes_to_no_other_port_host_or_scheme,
];

const SERVICE: &str = "http://payments:8080";

type Body = Full<Bytes>;
type Network = MapRequest<MemoryService, fn(Request<Body>) -> Request<Body>>;

/// The network of a docker-compose project, in which `payments:8080` is the test server.
fn network(server: &TestServer) -> Network {
    MapRequest::new(server.service(), |mut request| {
        let url = request.uri().to_string();
        let path = url.strip_prefix(SERVICE).expect("a request to the service");
        *request.uri_mut() = format!("https://payments.test{path}").parse().unwrap();
        request
    })
}

fn on_network(url: &str) -> String {
    url.replace("https://payments.test", SERVICE)
}

fn client(server: &TestServer) -> ClientBuilder {
    Client::builder(
        on_network(&server.token_url()),
        server.client_id(),
        ServiceTransport::new(network(server)),
    )
    .secret(Secret::new(server.client_secret()))
}

async fn get(server: &TestServer, authenticator: Authenticator) -> u16 {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(network(server));
    let request = Request::get(on_network(&format!("{}/things", server.api_url())));
    let request = request.body(Body::default()).unwrap();
    client.oneshot(request).await.unwrap().status().as_u16()
}

async fn plain_http_to_a_compose_service_works_when_named() {
    let server = TestServer::builder().name("payments").in_memory();
    let source = client(&server).danger_allow_http(SERVICE).unwrap();
    let origins = Origins::danger_allow_http([SERVICE]).unwrap();
    let authenticator =
        Authenticator::builder(source.build().unwrap().client_credentials(), origins)
            .options(AuthenticatorOptions::new().clock(server.clock().clone()))
            .build();
    assert_eq!(get(&server, authenticator.unwrap()).await, 200);
    assert_eq!(server.counters().token_requests, 1);
}

async fn a_vendor_behind_a_compose_service_works_when_named() {
    let server = auth_kayzen::fake::server().name("payments").in_memory();
    let authenticator = Kayzen::builder(
        server.client_id(),
        Secret::new(server.client_secret()),
        server.user_name(),
        Secret::new(server.user_password()),
        ServiceTransport::new(network(&server)),
    )
    .options(AuthenticatorOptions::new().clock(server.clock().clone()))
    .token_url(on_network(&server.token_url()))
    .base_url(SERVICE)
    .danger_allow_http(SERVICE)
    .unwrap()
    .build();
    assert_eq!(get(&server, authenticator.unwrap()).await, 200);
    assert_eq!(server.counters().token_requests, 1);
}

async fn the_error_for_plain_http_says_what_to_write() {
    let server = TestServer::builder().name("payments").in_memory();
    let error = client(&server).build().unwrap_err();
    assert_eq!(error.field(), Some("token_url"));
    let text = error.to_string();
    assert!(
        text.contains("write https://")
            && text.contains(r#"danger_allow_http("http://payments:8080")"#),
        "{text}"
    );
    let error = client(&server)
        .danger_allow_http("payments:8080")
        .unwrap_err();
    assert_eq!(error.field(), Some("danger_allow_http"), "{error}");
}

async fn plain_http_goes_to_no_other_port_host_or_scheme() {
    let server = TestServer::builder().name("payments").in_memory();
    for named in [
        "http://payments",
        "http://payments:8081",
        "http://payments.default.svc.cluster.local:8080",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
    ] {
        let builder = client(&server).danger_allow_http(named).unwrap();
        assert_eq!(
            builder.build().unwrap_err().field(),
            Some("token_url"),
            "{named}"
        );
    }
    let https = client(&server).danger_allow_http("https://payments:8080");
    assert_eq!(https.unwrap_err().field(), Some("danger_allow_http"));
    assert_eq!(server.counters().token_requests, 0);
}
