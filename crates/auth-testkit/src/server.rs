use std::{fmt, sync::Arc, time::Duration};

use axum::{Router, extract::Request, routing::any};

use crate::{
    Counters, MemoryService, MemoryTransport, RecordedRequest, Script, Side, TestServerBuilder,
    TokenUse, VirtualClock,
    listen::{Listening, Port},
    state::State,
};

/// An authorization server and the API that it protects, in the test's own process.
///
/// Without a script it does what the standards say (RFC 6749 at `/token`, RFC 6750 below `/api`)
/// and nothing more lenient. [`token`](Self::token) and [`api`](Self::api) take scripts of faults;
/// [`counters`](Self::counters) and [`recorded`](Self::recorded) tell what the *server* saw.
///
/// It listens on a free loopback port ([`start`](Self::start)), or on none
/// ([`TestServerBuilder::in_memory`]): then [`transport`](Self::transport) and
/// [`service`](Self::service) lead to it, which tests under a paused clock need.
///
/// # The API
///
/// | path | answer to a valid token |
/// |---|---|
/// | `/api/redirect?status=307&to=URL` | that redirect |
/// | `/api/forbidden` | 403, `insufficient_scope` |
/// | any other below `/api` | 200, JSON: `method`, `path`, `token` (its number), `body_len`, `body_hash` (see [`body_hash`](crate::body_hash)) |
///
/// Without a valid token: 401 with a challenge; with two credentials, or one in the URI: 400.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_testkit::{Reply, TestServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::builder()
///     .client("fake-client", "fake-secret-1")
///     .token_lifetime(Duration::from_secs(60))
///     .start()
///     .await;
/// server.token().then(Reply::status(503));
/// // ... hand `server.token_url()` to the client under test, let it call `server.api_url()` ...
/// let seen = server.counters();
/// assert_eq!((seen.token_requests, seen.api_status(200)), (0, 0));
/// # }
/// ```
///
/// # Security
///
/// Nothing here is secret: tokens and defaults are obviously fake. Never give it a real credential.
pub struct TestServer {
    state: Arc<State>,
    token_origin: String,
    api_origin: String,
    listening: Vec<Listening>,
}

impl TestServer {
    /// Starts a server with default settings on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no such port, or outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// If dropped, nothing is left behind.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Begins with the default settings.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::new()
    }

    /// Returns the URL of the token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.token_origin)
    }

    /// Returns the URL of the API, without a slash at its end.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.api_origin)
    }

    /// Returns the origin of the API, where tokens belong.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.api_origin
    }

    /// Returns the client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.state.settings.client_id
    }

    /// Returns the client's secret as the server knows it now.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.state.client_secret()
    }

    /// Makes the server take another client secret from now on, and no more the old one.
    pub fn change_client_secret(&self, secret: impl Into<String>) {
        self.state.change_client_secret(secret.into());
    }

    /// Returns the clock by which tokens age and quotas refill.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.state.settings.clock
    }

    /// Returns the plan of the token endpoint.
    #[must_use]
    pub fn token(&self) -> &Script {
        &self.state.token
    }

    /// Returns the plan of the API.
    #[must_use]
    pub fn api(&self) -> &Script {
        &self.state.api
    }

    /// Makes the API refuse a token from now on; `false` if it was never issued or already
    /// revoked.
    pub fn revoke(&self, token: &str) -> bool {
        self.state.ledger(|ledger| ledger.revoke(token))
    }

    /// Makes the API refuse every token that was issued so far.
    pub fn revoke_all(&self) {
        self.state.ledger(|ledger| ledger.revoke_all());
    }

    /// Makes the API refuse every token, new ones too: the endless 401.
    pub fn always_refuse(&self, on: bool) {
        self.state.ledger(|ledger| ledger.refuse_all(on));
    }

    /// Returns what the server has seen.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state.counters()
    }

    /// Returns how often each token was used, in the order of issue.
    #[must_use]
    pub fn token_uses(&self) -> Vec<TokenUse> {
        self.state.token_uses()
    }

    /// Returns the tokens that were issued, in that order, to search for them in logs.
    #[must_use]
    pub fn expose_tokens(&self) -> Vec<String> {
        self.state.ledger(|ledger| ledger.tokens())
    }

    /// Returns the most requests that reached the token endpoint within any window of this length:
    /// what a vendor with a rolling quota would have counted.
    #[must_use]
    pub fn max_token_requests_within(&self, window: Duration) -> usize {
        self.state.max_token_requests_within(window)
    }

    /// Returns the latest requests in the order of arrival, up to 1,024.
    #[must_use]
    pub fn recorded(&self) -> Vec<RecordedRequest> {
        self.state.record.to_vec()
    }

    /// Begins to count anew: counters, records and the quota's window. Tokens stay valid, scripts
    /// stay queued.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Waits until at least `count` requests have reached the token endpoint.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time; it only looks.
    pub async fn token_requests_reached(&self, count: u64) {
        self.counters_reached(|counters| counters.token_requests >= count)
            .await;
    }

    /// Waits until at least `count` requests have reached the API.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time; it only looks.
    pub async fn api_requests_reached(&self, count: u64) {
        self.counters_reached(|counters| counters.api_requests >= count)
            .await;
    }

    /// Waits until the counters meet a condition.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time; it only looks.
    pub async fn counters_reached(&self, condition: impl FnMut(&Counters) -> bool) {
        self.state.tally.until(condition).await;
    }

    /// Returns a way to the token endpoint that needs no socket.
    #[must_use]
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport::new(self.service())
    }

    /// Returns a way to the whole server that needs no socket.
    #[must_use]
    pub fn service(&self) -> MemoryService {
        let origins = [&self.token_origin, &self.api_origin];
        MemoryService::new(origins.into_iter().cloned().zip(self.routers()).collect())
    }

    /// Stops the server and waits until its ports are closed. Dropping it stops it too, without
    /// waiting.
    ///
    /// # Cancel safety
    ///
    /// If dropped, the server stops all the same.
    pub async fn shutdown(self) {
        for listening in self.listening {
            listening.shutdown().await;
        }
    }

    /// One origin has both sides, or each has its own.
    fn routers(&self) -> Vec<Router> {
        if self.token_origin == self.api_origin {
            let sides = token_side(&self.state).merge(api_side(&self.state));
            vec![stray(&self.state, sides)]
        } else {
            vec![
                stray(&self.state, token_side(&self.state)),
                stray(&self.state, api_side(&self.state)),
            ]
        }
    }

    /// Makes a server behind the given ports: the first for tokens, the last for the API.
    pub(crate) fn listen(ports: Vec<Port>, state: impl FnOnce(&str) -> State) -> Self {
        let origins: Vec<_> = ports.iter().map(Port::origin).collect();
        let token_origin = origins.first().cloned().unwrap_or_default();
        let api_origin = origins.last().cloned().unwrap_or_default();
        let mut this = Self::in_memory(token_origin, api_origin, state);
        let routers = this.routers();
        this.listening = ports
            .into_iter()
            .zip(routers)
            .map(|(port, router)| port.serve(router))
            .collect();
        this
    }

    pub(crate) fn in_memory(
        token_origin: String,
        api_origin: String,
        state: impl FnOnce(&str) -> State,
    ) -> Self {
        let state = Arc::new(state(&token_origin));
        Self {
            state,
            token_origin,
            api_origin,
            listening: Vec::new(),
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("token_url", &self.token_url())
            .field("api_url", &self.api_url())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn token_side(state: &Arc<State>) -> Router {
    let state = state.clone();
    Router::new().route(
        "/token",
        any(move |request: Request| state.handle(Side::Token, request)),
    )
}

fn api_side(state: &Arc<State>) -> Router {
    let state = state.clone();
    let api = any(move |request: Request| state.handle(Side::Api, request));
    Router::new()
        .route("/api", api.clone())
        .route("/api/", api.clone())
        .route("/api/{*path}", api)
}

fn stray(state: &Arc<State>, router: Router) -> Router {
    let state = state.clone();
    router.fallback(move |request: Request| state.handle(Side::Stray, request))
}

#[cfg(test)]
mod tests;
