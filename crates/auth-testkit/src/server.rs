use std::{fmt, sync::Arc, time::Duration};

use axum::Router;

use crate::{
    Counters, MemoryService, MemoryTransport, RecordedRequest, RefreshTokenUse, Script, TokenUse,
    VendorRules, VirtualClock,
    handler::Handler,
    listen::{Listening, Port},
    place::Place,
    state::State,
    vendor::SharedRules,
};

/// An authorization server and the API that it protects, in the test's own process.
///
/// Without a script it follows the standards strictly (RFC 6749 at `/token`, RFC 6750 below
/// `/api`), or the [rules](crate::TestServerBuilder::vendor) of a vendor. [`token`](Self::token)
/// and [`api`](Self::api) take scripts of faults; [`counters`](Self::counters) and
/// [`recorded`](Self::recorded) return what the *server* saw.
///
/// The server listens on a free loopback port ([`start`](Self::start)), or on none
/// ([`in_memory`](crate::TestServerBuilder::in_memory)): then [`transport`](Self::transport) and
/// [`service`](Self::service) reach it, which tests under a paused clock need.
///
/// # The API
///
/// | path below [`api_url`](Self::api_url) | answer to a valid token |
/// |---|---|
/// | `/redirect?status=307&to=URL` | that redirect |
/// | `/forbidden` | 403, `insufficient_scope` |
/// | any other | 200, JSON: `method`, `path`, `token` (its number), `body_len`, `body_hash` (see [`body_hash`](crate::body_hash)) |
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
/// // ... pass `server.token_url()` to the client under test, let it call `server.api_url()` ...
/// let seen = server.counters();
/// assert_eq!((seen.token_requests, seen.api_status(200)), (0, 0));
/// # }
/// ```
///
/// # Security
///
/// No value here is secret: tokens and defaults are obviously fake. Never pass a real credential.
pub struct TestServer {
    state: Arc<State>,
    rules: SharedRules,
    /// One or two: the first has the token side, the last the API.
    places: Vec<Arc<Place>>,
    listening: Vec<Listening>,
}

impl TestServer {
    /// Returns the URL of the token endpoint, the first of the token side's paths.
    #[must_use]
    pub fn token_url(&self) -> String {
        let paths = self.rules.token_paths();
        let path = paths.first().map_or("", String::as_str);
        format!("{}{path}", self.token_origin())
    }

    /// Returns the URL of the API, without a slash at its end.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}{}", self.origin(), self.rules.api_path())
    }

    /// Returns the origin of the API, where tokens are sent.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.places.last().map_or("", |place| &place.origin)
    }

    /// Returns the origin of the token side, which may be the API's.
    #[must_use]
    pub fn token_origin(&self) -> &str {
        self.places.first().map_or("", |place| &place.origin)
    }

    /// Returns the rules that the server was created with, if they are of this type.
    #[must_use]
    pub fn rules<R: VendorRules>(&self) -> Option<&R> {
        self.rules.downcast()
    }

    /// Returns the client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.state.settings.client_id
    }

    /// Returns the client's current secret.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.state.client_secret()
    }

    /// Replaces the client's secret; the old one is refused from now on.
    pub fn change_client_secret(&self, secret: impl Into<String>) {
        self.state.change_client_secret(secret.into());
    }

    /// Returns the user's name; empty if there is no user.
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.state.settings.user.as_deref().unwrap_or_default()
    }

    /// Returns the user's current password; empty if there is no user.
    #[must_use]
    pub fn user_password(&self) -> String {
        self.state.user_password().unwrap_or_default()
    }

    /// Replaces the user's password; the old one is refused from now on.
    pub fn change_user_password(&self, password: impl Into<String>) {
        self.state.change_password(password.into());
    }

    /// Logs a person in, as by an authorization code in a browser, and returns the refresh token,
    /// for the server's default scope.
    #[must_use]
    pub fn log_in(&self) -> String {
        let scope = &self.state.settings.scope;
        self.state
            .refreshes(|refreshes| refreshes.log_in(scope))
            .token
    }

    /// Makes the token endpoint refuse every refresh token that was issued before.
    pub fn revoke_refresh_tokens(&self) {
        self.state.refreshes(|refreshes| refreshes.revoke_all());
    }

    /// Returns how often each refresh token was used, in the order of issue.
    #[must_use]
    pub fn refresh_token_uses(&self) -> Vec<RefreshTokenUse> {
        self.state.refreshes(|refreshes| refreshes.uses())
    }

    /// Returns the issued refresh tokens, in the order of issue.
    #[must_use]
    pub fn expose_refresh_tokens(&self) -> Vec<String> {
        self.state.refreshes(|refreshes| refreshes.tokens())
    }

    /// Returns the lifetime of tokens, unless a script changes it.
    #[must_use]
    pub fn token_lifetime(&self) -> Duration {
        self.state.settings.lifetime
    }

    /// Returns the clock for the lifetime of tokens and for quotas.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.state.settings.clock
    }

    /// Returns the script of the token endpoint.
    #[must_use]
    pub fn token(&self) -> &Script {
        &self.state.token
    }

    /// Returns the script of the API.
    #[must_use]
    pub fn api(&self) -> &Script {
        &self.state.api
    }

    /// Makes the API refuse a token from now on; `false` if it was never issued or is already
    /// revoked.
    pub fn revoke(&self, token: &str) -> bool {
        self.state.ledger(|ledger| ledger.revoke(token))
    }

    /// Makes the API refuse every token that was issued before.
    pub fn revoke_all(&self) {
        self.state.ledger(|ledger| ledger.revoke_all());
    }

    /// Makes the API refuse every token, new ones too.
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

    /// Returns the issued tokens, in the order of issue, to search for them in logs.
    #[must_use]
    pub fn expose_tokens(&self) -> Vec<String> {
        self.state.ledger(|ledger| ledger.tokens())
    }

    /// Returns everything that must not leak, to search for it: the client's secret and the user's
    /// password with their previous values, the tokens, refresh tokens, and secrets that the
    /// vendor's rules recorded.
    #[must_use]
    pub fn expose_secrets(&self) -> Vec<String> {
        self.state.all_secrets()
    }

    /// Returns the largest number of requests that reached the token endpoint within any window of
    /// this length: the count of a vendor with a rolling quota.
    #[must_use]
    pub fn max_token_requests_within(&self, window: Duration) -> usize {
        self.state.max_token_requests_within(window)
    }

    /// Returns the time of each request that reached the token endpoint, by
    /// [`VirtualClock::world_elapsed`](crate::VirtualClock), those refused for the quota included.
    #[must_use]
    pub fn token_request_times(&self) -> Vec<Duration> {
        self.state.token_request_times()
    }

    /// Returns the latest requests in the order of arrival, up to 1,024.
    #[must_use]
    pub fn recorded(&self) -> Vec<RecordedRequest> {
        self.state.record.to_vec()
    }

    /// Resets the counters, the records and the quota's window. Tokens stay valid, scripts stay
    /// queued.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Waits until at least `count` requests have reached the token endpoint.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn token_requests_reached(&self, count: u64) {
        self.counters_reached(|counters| counters.token_requests >= count)
            .await;
    }

    /// Waits until at least `count` requests have reached the API.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn api_requests_reached(&self, count: u64) {
        self.counters_reached(|counters| counters.api_requests >= count)
            .await;
    }

    /// Waits until the counters meet a condition.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn counters_reached(&self, condition: impl FnMut(&Counters) -> bool) {
        self.state.tally.until(condition).await;
    }

    /// Returns a transport to the token endpoint that needs no socket.
    #[must_use]
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport::new(self.service())
    }

    /// Returns a tower service for the whole server that needs no socket.
    #[must_use]
    pub fn service(&self) -> MemoryService {
        let routes = self
            .places
            .iter()
            .map(|place| (place.origin.clone(), self.router(place)));
        MemoryService::new(routes.collect())
    }

    /// Stops the server and waits until its ports are closed. Dropping it stops it too, without
    /// waiting.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server stops nevertheless.
    pub async fn shutdown(self) {
        for listening in self.listening {
            listening.shutdown().await;
        }
    }

    /// Creates a server that can be reached in memory only.
    pub(crate) fn new(state: State, rules: SharedRules, places: Vec<Place>) -> Self {
        Self {
            state: Arc::new(state),
            rules,
            places: places.into_iter().map(Arc::new).collect(),
            listening: Vec::new(),
        }
    }

    /// Serves each place behind its port.
    pub(crate) fn listen(mut self, ports: Vec<Port>) -> Self {
        self.listening = ports
            .into_iter()
            .zip(&self.places)
            .map(|(port, place)| port.serve(self.router(place)))
            .collect();
        self
    }

    fn router(&self, place: &Arc<Place>) -> Router {
        let handler = Handler {
            state: self.state.clone(),
            rules: self.rules.clone(),
        };
        handler.router(place.clone())
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

#[cfg(test)]
mod tests;
