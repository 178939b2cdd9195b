//! The stack that the needs test.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Error, Origins, Secret, TokenSource};
use auth_oauth2::{Client, ClientBuilder, RefreshToken};
use auth_testkit::TestServer;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt as _};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// An application's client for its API.
pub(crate) struct Stack {
    pub(crate) server: TestServer,
    authenticator: Authenticator,
}

impl Stack {
    pub(crate) fn new(server: TestServer, source: impl TokenSource) -> Self {
        let authenticator =
            Authenticator::builder(source, Origins::new([server.origin()]).unwrap())
                .vendor("example")
                .options(AuthenticatorOptions::new().clock(server.clock().clone()))
                .build();
        Self::of(server, authenticator.unwrap())
    }

    pub(crate) fn of(server: TestServer, authenticator: Authenticator) -> Self {
        Self {
            server,
            authenticator,
        }
    }

    /// Makes a stack whose client has the right secret.
    pub(crate) fn with_client(server: TestServer) -> Self {
        let source = client(&server).build().unwrap().client_credentials();
        Self::new(server, source)
    }

    /// Returns the status of one request, or why it was not sent.
    pub(crate) async fn get(&self) -> Result<u16, Error> {
        let client = ServiceBuilder::new()
            .layer(AuthLayer::new(self.authenticator.clone()))
            .service(self.server.service());
        let request = Request::get(format!("{}/things", self.server.api_url()));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        match client.oneshot(request).await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(auth_tower::Error::Auth(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn fails(&self) -> Error {
        self.get()
            .await
            .expect_err("the token endpoint has no token")
    }

    /// Sends one request per second until one is answered. Returns the seconds without an answer.
    pub(crate) async fn seconds_without_service(&self, most: u64) -> u64 {
        for second in 0..=most {
            if self.get().await.is_ok_and(|status| status == 200) {
                return second;
            }
            self.pass(SECOND).await;
        }
        panic!("no service for more than {most} s");
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.server.clock().advance(time).await;
    }

    pub(crate) fn token_requests(&self) -> u64 {
        self.server.counters().token_requests
    }
}

/// A client of the server, with the right secret.
pub(crate) fn client(server: &TestServer) -> ClientBuilder {
    let secret = Secret::new(server.client_secret());
    Client::builder(server.token_url(), server.client_id(), server.transport()).secret(secret)
}

/// A source for the refresh token of a person's login.
pub(crate) fn person(server: &TestServer, refresh_token: &str) -> RefreshToken {
    let client = client(server).build().unwrap();
    client.refresh_token(Secret::new(refresh_token)).unwrap()
}
