use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, Key, Origins, RefreshPolicy, Secret, TokenSource,
};
use auth_oauth2::{Client, ClientBuilder};
use auth_reqwest::ReqwestTransport;
use auth_tower::{Auth, AuthLayer};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};
use tower::{ServiceBuilder, ServiceExt};

use crate::server::{Http, Server, http};

/// A client of the protected resource, built like that of a service: the layer above an HTTP
/// client.
#[derive(Clone)]
pub(crate) struct Api {
    stack: Auth<Http>,
    resource: String,
}

/// The response of the resource.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Api {
    pub(crate) fn new(server: &Server, login: ClientBuilder) -> Self {
        Self::with_policy(server, login, RefreshPolicy::default())
    }

    pub(crate) fn with_policy(
        server: &Server,
        login: ClientBuilder,
        policy: RefreshPolicy,
    ) -> Self {
        let client = login.build().expect("right settings");
        Self::of(server, client.client_credentials(), policy)
    }

    /// Makes a client that signs with the tokens of a source.
    pub(crate) fn of(server: &Server, source: impl TokenSource, policy: RefreshPolicy) -> Self {
        Self::at(server.origin(), source, policy)
    }

    /// Same as [`of`](Self::of), for a server that may not run yet.
    pub(crate) fn at(origin: &str, source: impl TokenSource, policy: RefreshPolicy) -> Self {
        let options = AuthenticatorOptions::new().policy(policy);
        Self::with_options(origin, source, "oidc-provider", options)
    }

    /// Signs with tokens that `client` shares by the options' store.
    pub(crate) fn with_options(
        origin: &str,
        source: impl TokenSource,
        client: &str,
        options: AuthenticatorOptions,
    ) -> Self {
        let origins = Origins::danger_allow_http([origin]).expect("an origin");
        let authenticator = Authenticator::builder(source, origins)
            .key(Key::builder("oidc-provider").client(client).build())
            .options(options)
            .build()
            .expect("right settings");
        let layer = AuthLayer::new(authenticator);
        let stack = ServiceBuilder::new().layer(layer).service(http());
        Self {
            stack,
            resource: format!("{origin}/resource"),
        }
    }

    /// Sends one request to the resource.
    pub(crate) async fn get(&self) -> Result<Answer, Error> {
        self.get_path("").await
    }

    /// Sends one request to a path below the resource's.
    pub(crate) async fn get_path(&self, path: &str) -> Result<Answer, Error> {
        let request = Request::get(format!("{}{path}", self.resource));
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let response = match self.stack.clone().oneshot(request).await {
            Ok(response) => response,
            Err(auth_tower::Error::Auth(error)) => return Err(error),
            Err(auth_tower::Error::Inner(error)) => panic!("the resource did not answer: {error}"),
        };
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a whole reply")
            .to_bytes();
        Ok(Answer {
            status,
            body: serde_json::from_slice(&body).expect("JSON"),
        })
    }

    /// Sends requests until one is answered. Returns how many failed. Every error must say when to
    /// try again.
    pub(crate) async fn get_until_answered(&self) -> u32 {
        let mut pace = time::interval(Duration::from_millis(20));
        let mut failed = 0;
        loop {
            pace.tick().await;
            match self.get().await {
                Ok(answer) => {
                    assert_eq!(answer.status, StatusCode::OK);
                    return failed;
                }
                Err(error) => assert!(error.retry_after().is_some(), "{error:?}"),
            }
            failed += 1;
        }
    }

    /// Sends requests from four tasks. Returns how many were answered with 200; any other result
    /// fails the test.
    pub(crate) async fn traffic(&self, go_on: impl Fn() -> bool + Clone + Send + 'static) -> u64 {
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (api, go_on) = (self.clone(), go_on.clone());
            tasks.spawn(async move {
                let mut pace = time::interval(Duration::from_millis(10));
                let mut answered = 0;
                while go_on() {
                    pace.tick().await;
                    let answer = api.get().await.expect("a token");
                    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                    answered += 1;
                }
                answered
            });
        }
        tasks.join_all().await.into_iter().sum()
    }
}

/// Makes a condition for `traffic` that holds for some time.
pub(crate) fn during(time: Duration) -> impl Fn() -> bool + Clone {
    let end = Instant::now() + time;
    move || Instant::now() < end
}

/// A client of the server, with the secret in the server's README.
pub(crate) fn login(server: &Server, id: &str) -> ClientBuilder {
    login_with(server, id, &format!("{id}-secret-0123456789abcdef"))
}

/// A client of the server, with another secret.
pub(crate) fn login_with(server: &Server, id: &str, secret: &str) -> ClientBuilder {
    let transport = ReqwestTransport::new().expect("a transport");
    Client::builder(server.token_endpoint(), id, transport)
        .secret(Secret::new(secret))
        .danger_allow_http(server.token_endpoint())
        .expect("an origin")
}
