//! The basis of these tests: a machine without HTTP, and the whole stack without sockets.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, Key, Origins, RefreshPolicy, Scheme,
    Secret, Token, TokenSource,
};
use auth_oauth2::Client;
use auth_testkit::{
    MemoryBody, MemoryError, MemoryService, TestServer, TestServerBuilder, VirtualClock,
};
use auth_tower::{Auth, AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The permitted origin in tests without a server.
pub(crate) const API: &str = "https://api.example.test";

/// Lets virtual time pass. Everything that becomes due meanwhile happens.
pub(crate) async fn elapse(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for a future. Fails if no task wakes it: then only virtual time advances.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    let ended = tokio::time::timeout(HOUR, future).await;
    ended.expect("the future was not woken")
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns the result of a caller that does not wait.
pub(crate) fn at_once(authenticator: &Authenticator) -> Poll<Result<Token, Error>> {
    poll_once(&mut authenticator.token())
}

/// Returns the generation that a caller gets without waiting.
#[track_caller]
pub(crate) fn served(authenticator: &Authenticator) -> u64 {
    match at_once(authenticator) {
        Poll::Ready(Ok(token)) => token.generation().get(),
        other => panic!("no token at once: {other:?}"),
    }
}

/// Returns the error that a caller gets without waiting.
#[track_caller]
pub(crate) fn failed(authenticator: &Authenticator) -> Error {
    match at_once(authenticator) {
        Poll::Ready(Err(error)) => error,
        other => panic!("no error at once: {other:?}"),
    }
}

pub(crate) fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "no answer")
}

/// Makes an authenticator with a source that the test scripts, and a clock that it advances.
pub(crate) fn machine(source: impl TokenSource) -> Authenticator {
    machine_with(source, |options| options)
}

pub(crate) fn machine_with(
    source: impl TokenSource,
    set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
) -> Authenticator {
    let options = set(AuthenticatorOptions::new().clock(VirtualClock::new()));
    let builder = Authenticator::builder(source, Origins::new([API]).unwrap());
    let key = Key::builder("example").client("my-client").build();
    let builder = builder.vendor("example").key(key).options(options);
    builder.build().unwrap()
}

/// A policy without jitter.
pub(crate) fn exact() -> RefreshPolicy {
    RefreshPolicy::default().jitter(0.0).unwrap()
}

/// The whole stack with a server in memory: layer, authenticator, client credentials.
pub(crate) struct Stack {
    pub(crate) server: TestServer,
    pub(crate) clock: VirtualClock,
    pub(crate) authenticator: Authenticator,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self::with(TestServer::builder(), |options| options)
    }

    pub(crate) fn with(
        server: TestServerBuilder,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        Self::of(server, Scheme::bearer(), set)
    }

    /// Makes a stack with another scheme.
    pub(crate) fn signing(server: TestServerBuilder, scheme: Scheme) -> Self {
        Self::of(server, scheme, |options| options)
    }

    fn of(
        server: TestServerBuilder,
        scheme: Scheme,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        let clock = VirtualClock::new();
        let server = server.clock(&clock).in_memory();
        let secret = Secret::new(server.client_secret());
        let source = Client::builder(server.token_url(), server.client_id(), server.transport())
            .secret(secret)
            .clock(clock.clone())
            .build()
            .unwrap()
            .client_credentials();
        let origins = Origins::new([server.origin()]).unwrap();
        let authenticator = Authenticator::builder(source, origins)
            .vendor("example")
            .scheme(scheme)
            .options(set(AuthenticatorOptions::new().clock(clock.clone())))
            .build()
            .unwrap();
        Self {
            server,
            clock,
            authenticator,
        }
    }

    pub(crate) fn client(&self) -> Auth<MemoryService> {
        AuthLayer::new(self.authenticator.clone()).layer(self.server.service())
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let url = format!("{}/things", self.server.api_url());
        Request::get(url).body(Full::default()).unwrap()
    }

    pub(crate) async fn get(&self) -> Result<Answer, auth_tower::Error<MemoryError>> {
        let response = self.client().oneshot(self.request()).await?;
        Ok(Answer::read(response).await)
    }

    /// Sends a request that must succeed.
    pub(crate) async fn get_well(&self) -> Answer {
        let answer = self.get().await.unwrap();
        assert_eq!(answer.status, 200);
        answer
    }
}

/// A response that was read completely.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) outcome: AuthOutcome,
}

impl Answer {
    pub(crate) async fn read(response: Response<MemoryBody>) -> Self {
        let outcome = AuthOutcome::of(&response);
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
            outcome,
        }
    }
}
