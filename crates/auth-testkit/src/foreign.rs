use std::{fmt, net::Ipv4Addr, sync::Arc};

use axum::Router;
use http::StatusCode;

use crate::{
    Leak, RecordedRequest, Script, VirtualClock, find_secrets,
    handler::Handler,
    listen::{Listening, Port},
    place::{Has, Place},
    settings::Settings,
    state::{Secrets, State},
    vendor::SharedRules,
};

/// A server that must never receive a secret: it answers every request with 200 and keeps what it
/// received.
///
/// Let a [`TestServer`](crate::TestServer) redirect to it, run the client under test, and check
/// [`secrets_seen`](Self::secrets_seen).
///
/// # Example
///
/// ```
/// use auth_testkit::{ForeignServer, Reply, TestServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::start().await;
/// let foreign = ForeignServer::start().await;
/// server.api().then(Reply::redirect(307, &foreign.url()));
/// // ... call `server.api_url()` with the client under test ...
/// let secret = server.client_secret();
/// assert!(foreign.secrets_seen(&[&secret]).is_empty());
/// # }
/// ```
pub struct ForeignServer {
    state: Arc<State>,
    origin: String,
    listening: Option<Listening>,
}

impl ForeignServer {
    /// Starts a server on a free loopback port.
    ///
    /// # Panics
    ///
    /// If no port is free, or outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing remains.
    pub async fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST).await
    }

    /// Starts a server on a free port of another loopback address, such as 127.0.0.2, for clients
    /// that compare hosts. Linux answers on all of 127.0.0.0/8; other systems need an alias.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and for an address that is not loopback.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing remains.
    pub async fn start_on(host: Ipv4Addr) -> Self {
        let port = Port::bind_on(host).await;
        let origin = port.origin();
        let mut this = Self::new(origin, VirtualClock::from_system());
        this.listening = Some(port.serve(this.router()));
        this
    }

    /// Creates a server without sockets at `https://NAME.test`. Clients reach it through
    /// [`MemoryService::with_foreign`](crate::MemoryService::with_foreign).
    #[must_use]
    pub fn in_memory(name: &str) -> Self {
        Self::new(format!("https://{name}.test"), VirtualClock::new())
    }

    /// Returns the origin, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns a URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/foreign", self.origin)
    }

    /// Returns the script of the server: its answers other than 200.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.state.stray
    }

    /// Returns the number of requests that have arrived.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.counters().stray_requests
    }

    /// Waits until at least `count` requests have arrived.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the wait changes nothing.
    pub async fn requests_reached(&self, count: u64) {
        self.state
            .tally
            .until(|counters| counters.stray_requests >= count)
            .await;
    }

    /// Returns the latest requests, up to 1,024.
    #[must_use]
    pub fn recorded(&self) -> Vec<RecordedRequest> {
        self.state.record.to_vec()
    }

    /// Searches everything that arrived (request lines, headers, bodies, trailers) for secrets, in
    /// the forms that [`find_secrets`] knows.
    ///
    /// # Panics
    ///
    /// If not everything that arrived was kept: after more than 1,024 requests since the last
    /// [`reset`](Self::reset), or a body of more than 1 MiB. The result would be incomplete.
    #[must_use]
    pub fn secrets_seen(&self, secrets: &[&str]) -> Vec<Leak> {
        let requests = self.recorded();
        let whole = requests.iter().all(RecordedRequest::is_kept_whole);
        assert!(
            whole && requests.len() as u64 == self.requests(),
            "more has arrived than is kept: call `reset` more often"
        );
        requests
            .iter()
            .flat_map(|request| find_secrets(request.to_bytes(), secrets))
            .collect()
    }

    /// Forgets all requests.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Stops the server and waits until its port is closed. Dropping it stops it too, without
    /// waiting.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server stops nevertheless.
    pub async fn shutdown(self) {
        if let Some(listening) = self.listening {
            listening.shutdown().await;
        }
    }

    pub(crate) fn router(&self) -> Router {
        let handler = Handler {
            state: self.state.clone(),
            rules: SharedRules::standard(),
        };
        let place = Arc::new(Place {
            origin: self.origin.clone(),
            shown: self.origin.clone(),
            has: Has::Nothing,
        });
        handler.router(place)
    }

    fn new(origin: String, clock: VirtualClock) -> Self {
        let mut settings = Settings::new(clock);
        settings.stray_status = StatusCode::OK;
        settings.keep_body = 1024 * 1024;
        let state = Arc::new(State::new(settings, Secrets::default(), &origin));
        Self {
            state,
            origin,
            listening: None,
        }
    }
}

impl fmt::Debug for ForeignServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignServer")
            .field("origin", &self.origin)
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
