//! Errors of real connections, with their sources.

use auth_core::{Authenticator, Origins, Secret, SharedTransport, Transport};
use auth_reqwest::ReqwestTransport;
use auth_testkit::{Reply, TestServer};
use auth_tower::ServiceTransport;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

use crate::planted::{CLIENT_ID, CLIENT_SECRET, PASSWORD, assert_clean, told};

/// Both transports, with settings that show as much as possible.
pub(crate) fn transports() -> [SharedTransport; 2] {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let reqwest = ReqwestTransport::builder().configure(|client| client.connection_verbose(true));
    [
        SharedTransport::new(ServiceTransport::new(client).with_error_source()),
        SharedTransport::new(reqwest.build().unwrap()),
    ]
}

#[tokio::test]
async fn g18_errors_of_connections_show_no_secret() {
    for transport in transports() {
        let server = TestServer::builder()
            .client(CLIENT_ID, CLIENT_SECRET)
            .start()
            .await;
        for reply in [
            Reply::cut(),
            Reply::normal().cut_after(20),
            Reply::oversize(100_000),
            Reply::redirect(307, "http://127.0.0.1:1/"),
        ] {
            server.token().then(reply);
            let error = token_request(&transport, server.token_url()).await;
            assert_clean(told(&error), &server.expose_tokens());
        }
        server.shutdown().await;
    }
}

#[tokio::test]
async fn g18_errors_of_refused_connections_show_no_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for transport in transports() {
        let url = format!("http://{address}/token");
        let error = token_request(&transport, url).await;
        assert_clean(told(&error), &[]);
        // A transport receives the whole request, here with credentials also in the URL.
        let url = format!("http://{address}/token?password=Pw3Jtfake-password");
        let request = Request::post(url).header("authorization", CLIENT_SECRET);
        let request = request.body(Bytes::from(PASSWORD)).unwrap();
        let error = transport.send(request, 1_000).await.unwrap_err();
        assert_clean(told(&error), &["Pw3Jtfake-password".to_owned()]);
    }
}

async fn token_request(transport: &SharedTransport, url: String) -> auth_core::Error {
    let secret = Secret::new(CLIENT_SECRET);
    let client = auth_oauth2::Client::builder(&url, CLIENT_ID, transport.clone())
        .secret(secret)
        .danger_allow_http(&url)
        .unwrap()
        .extra("password", PASSWORD);
    let origins = Origins::new(["https://api.example.test"]).unwrap();
    let authenticator =
        Authenticator::builder(client.build().unwrap().client_credentials(), origins)
            .build()
            .unwrap();
    authenticator.token().await.unwrap_err()
}
