//! Helpers of this crate's tests: a client in memory and one with sockets.

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_service::Service;

pub(crate) use crate::by_hand::{Received, ask, call_api};
use crate::{MemoryError, TestServer};

/// A valid request for a token, with id and secret in the body.
pub(crate) fn token_request(server: &TestServer) -> Request<Bytes> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", server.client_id())
        .append_pair("client_secret", &server.client_secret())
        .finish();
    form_request(server, &body)
}

pub(crate) fn form_request(server: &TestServer, body: &str) -> Request<Bytes> {
    Request::post(server.token_url())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.to_owned().into())
        .unwrap()
}

/// A request to a path below the API, with a token or without.
pub(crate) fn api_request(server: &TestServer, path: &str, token: &str) -> Request<Bytes> {
    let mut request = Request::get(format!("{}{path}", server.api_url()))
        .body(Bytes::new())
        .unwrap();
    if !token.is_empty() {
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request
}

pub(crate) async fn new_token(server: &TestServer) -> String {
    ask(server, token_request(server)).await.token()
}

/// Sends a request in memory; the answer may be missing or incomplete.
pub(crate) async fn try_ask(
    server: &TestServer,
    request: Request<Bytes>,
) -> Result<Received, MemoryError> {
    let response = server.service().call(request.map(Full::new)).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body).into())
}

/// A client with sockets that never retries.
#[derive(Clone, Debug)]
pub(crate) struct Sockets(Client<HttpConnector, AxumBody>);

impl Sockets {
    pub(crate) fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.retry_canceled_requests(false);
        Self(builder.build_http())
    }

    pub(crate) async fn ask(&self, request: Request<Bytes>) -> Received {
        let (parts, body) = self.head(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, body).into()
    }

    /// Waits for the head only.
    pub(crate) async fn head(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<hyper::body::Incoming>, hyper_util::client::legacy::Error> {
        self.0.request(request.map(AxumBody::from)).await
    }
}
