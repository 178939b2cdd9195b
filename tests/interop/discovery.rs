use std::{net::TcpListener, time::Duration};

use auth_core::{Error, ErrorKind, RefreshPolicy, Secret, Transport};
use auth_oauth2::{Client, ClientBuilder, Discovery};
use auth_reqwest::ReqwestTransport;
use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::{server::Server, stack::Api};

/// A client that is configured with the issuer only.
fn discovering(issuer: &str) -> ClientBuilder {
    let transport = ReqwestTransport::new().expect("a transport");
    with_secret(Client::discover(issuer, "cc-basic", transport))
        .danger_allow_http(issuer)
        .expect("an origin")
}

fn with_secret(client: ClientBuilder) -> ClientBuilder {
    client.secret(Secret::new("cc-basic-secret-0123456789abcdef"))
}

async fn assert_answered(api: &Api) {
    for _ in 0..3 {
        let answer = api.get().await.expect("a token");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.body["client_id"], "cc-basic");
    }
}

/// The OpenID form, for an issuer without and with a path.
pub(crate) async fn openid_form() {
    for flags in [&[][..], &["--issuer-path", "/tenant-a"]] {
        let server = Server::start(flags).await;
        let api = Api::new(&server, discovering(server.issuer()));
        assert_answered(&api).await;
        let stats = server.stats().await;
        assert_eq!((stats.discovery_requests(), stats.token_requests()), (1, 1));
    }
}

/// The form of RFC 8414, at a server that has no other.
pub(crate) async fn rfc_8414_form() {
    for flags in [&[][..], &["--issuer-path", "/tenant-a"]] {
        let server = Server::start(flags).await;
        let transport = WithoutOpenId(ReqwestTransport::new().expect("a transport"));
        let discovery = Discovery::builder(transport).danger_allow_http(server.issuer());
        let discovery = discovery.expect("an origin").build().expect("limits");
        let client = discovery.client(server.issuer(), "cc-basic");
        let api = Api::new(&server, with_secret(client));
        assert_answered(&api).await;
        let stats = server.stats().await;
        assert_eq!((stats.discovery_requests(), stats.token_requests()), (1, 1));
    }
}

struct WithoutOpenId(ReqwestTransport);

impl Transport for WithoutOpenId {
    async fn send(&self, request: Request<Bytes>, max: usize) -> Result<Response<Bytes>, Error> {
        if request.uri().path().ends_with("/openid-configuration") {
            let mut reply = Response::new(Bytes::from("fake-page"));
            *reply.status_mut() = StatusCode::NOT_FOUND;
            return Ok(reply);
        }
        self.0.send(request, max).await
    }
}

/// With an additional slash, the server's own issuer differs, and no secret is sent.
pub(crate) async fn another_spelling_of_the_issuer() {
    let server = Server::start(&[]).await;
    let issuer = format!("{}/", server.issuer());
    let api = Api::new(&server, discovering(&issuer));
    let error = api.get().await.err().expect("no token");
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("issuer"))
    );
    let stats = server.stats().await;
    assert_eq!((stats.discovery_requests(), stats.token_requests()), (1, 0));
}

/// The metadata of a real server.
pub(crate) async fn metadata_at_start() {
    let server = Server::start(&[]).await;
    let client = discovering(server.issuer())
        .build()
        .expect("right settings");
    let metadata = client.metadata().await.expect("metadata");
    assert_eq!(metadata.issuer(), server.issuer());
    assert_eq!(metadata.token_endpoint(), server.token_endpoint());
    for method in ["client_secret_basic", "private_key_jwt"] {
        let mut methods = metadata.token_endpoint_auth_methods_supported();
        assert!(methods.any(|supported| supported == method), "{method}");
    }
    let mut algorithms = metadata.token_endpoint_auth_signing_alg_values_supported();
    assert!(algorithms.any(|supported| supported == "ES256"));
    let api = Api::of(
        &server,
        client.client_credentials(),
        RefreshPolicy::default(),
    );
    assert_answered(&api).await;
    assert_eq!(server.stats().await.discovery_requests(), 1);
}

/// The service starts before its issuer.
pub(crate) async fn an_issuer_that_starts_later() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its port").port()
    };
    let issuer = format!("http://127.0.0.1:{port}");
    let api = Api::at(
        &issuer,
        discovering(&issuer)
            .build()
            .expect("right settings")
            .client_credentials(),
        RefreshPolicy::default(),
    );
    for _ in 0..20 {
        let error = api.get().await.err().expect("no token");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.retry_after().expect("a time") <= Duration::from_secs(60));
    }
    let server = Server::start(&["--port", &port.to_string()]).await;
    assert_eq!(server.issuer(), issuer);
    api.get_until_answered().await;
    let stats = server.stats().await;
    assert_eq!((stats.discovery_requests(), stats.token_requests()), (1, 1));
}
