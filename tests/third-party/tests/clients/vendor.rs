//! The basis of the clients, and the API that they call.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, RefreshPolicy, Secret};
use auth_testkit::{Answer, TestServer, VendorRequest, VendorRules};
use auth_tower::ServiceTransport;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

/// An API whose answers its client can read, and which accepts standard tokens.
pub(crate) struct Api {
    pub(crate) path: &'static str,
    pub(crate) answer: fn(&VendorRequest<'_>) -> Value,
}

impl VendorRules for Api {
    fn api_path(&self) -> &str {
        self.path
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        let bearer = request
            .header("authorization")
            .and_then(|line| line.strip_prefix("Bearer "));
        match bearer.and_then(|token| request.accept(token)) {
            Some(_) => Answer::json(StatusCode::OK, &(self.answer)(request)),
            // Kubernetes writes the status into the body too.
            None => Answer::json(
                StatusCode::UNAUTHORIZED,
                &json!({ "status": "Failure", "message": "no access", "code": 401 }),
            ),
        }
    }
}

impl Api {
    pub(crate) async fn start(self) -> TestServer {
        TestServer::builder().vendor(self).start().await
    }
}

/// hyper's client for bodies of the type that the client of the test sends.
pub(crate) fn http<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) fn authenticator(server: &TestServer) -> Authenticator {
    let source = auth_oauth2::Client::builder(
        server.token_url(),
        server.client_id(),
        ServiceTransport::new(http::<Full<Bytes>>()),
    )
    .secret(Secret::new(server.client_secret()))
    .danger_allow_http(&server.token_url())
    .unwrap()
    .build()
    .unwrap()
    .client_credentials();
    let origins = Origins::danger_allow_http([server.origin()]).unwrap();
    // The default of one second between two token requests would be real time here.
    let policy = RefreshPolicy::default()
        .min_interval(Duration::from_millis(1))
        .unwrap();
    Authenticator::builder(source, origins)
        .vendor("testkit")
        .options(AuthenticatorOptions::new().policy(policy))
        .build()
        .unwrap()
}

/// Asserts the number of token requests, and of accepted and refused API requests.
#[track_caller]
pub(crate) fn assert_counts(server: &TestServer, tokens: u64, taken: u64, refused: u64) {
    let seen = server.counters();
    let counts = (
        seen.token_requests,
        seen.api_status(200),
        seen.api_status(401),
    );
    assert_eq!(counts, (tokens, taken, refused));
    assert_eq!(seen.api_requests, taken + refused);
}
