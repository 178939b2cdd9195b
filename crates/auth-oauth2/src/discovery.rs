use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::{Error, ErrorKind, HttpHosts, SharedClock, SharedTransport, Transport};
use tokio::{sync::watch, time};

mod cache;
mod fetch;
mod issuer;
mod metadata;

use cache::{Cache, Step};
use fetch::Fetch;
pub(crate) use issuer::Issuer;
pub use metadata::Metadata;

/// Reads and caches the metadata of authorization servers (RFC 8414, OpenID Connect Discovery 1.0).
/// With it, a client is configured with the issuer only, not with the token endpoint.
///
/// [`Client::discover`](crate::Client::discover) makes a `Discovery` for one client. Make one
/// yourself to share its cache between the clients of a program, or to set its limits. Clones share
/// the cache.
///
/// # Example
///
/// ```
/// use auth_core::{Error, Secret, Transport};
/// use auth_oauth2::{Client, Discovery};
///
/// fn clients(transport: impl Transport) -> Result<[Client; 2], Error> {
///     let discovery = Discovery::builder(transport).build()?;
///     let issuer = "https://login.example.com";
///     let client = |id, secret| {
///         let client = discovery.client(issuer, id);
///         client.secret(Secret::new(secret)).build()
///     };
///     Ok([
///         client("reader", "fake-secret-1")?,
///         client("writer", "fake-secret-2")?,
///     ])
/// }
/// ```
///
/// # Which documents
///
/// For the issuer `https://login.example.com/tenant`, in this order:
///
/// | request | specification |
/// |---|---|
/// | `GET https://login.example.com/tenant/.well-known/openid-configuration` | OpenID Connect Discovery 1.0 section 4.1 |
/// | `GET https://login.example.com/.well-known/oauth-authorization-server/tenant` | RFC 8414 section 3.1 |
///
/// The OpenID form is first because most servers have it and many have no other (for example Entra
/// ID and Amazon Cognito). Both documents have the members that this crate reads. The second
/// request is sent only if the answer to the first one is not metadata and its status is 2xx, 3xx
/// or 4xx, for example a 404 or an HTML page. Invalid metadata, a 5xx, a 429 and a server that
/// cannot be reached end the discovery.
///
/// # What is checked
///
/// - `issuer` is the configured issuer, byte for byte (RFC 8414 section 3.3). A final slash counts.
/// - `token_endpoint` is an `https` URL without user information and fragment, or an `http` URL of
///   an origin that [`danger_allow_http`](DiscoveryBuilder::danger_allow_http) names. Its host may
///   differ from the issuer's host, as Google's does.
/// - No member that is read occurs twice. The document is JSON in UTF-8, and not larger than
///   [`max_reply`](DiscoveryBuilder::max_reply).
/// - A redirect is not followed.
///
/// # What is cached
///
/// One document per issuer, for [`lifetime`](DiscoveryBuilder::lifetime). All callers that wait for
/// the same issuer share one discovery.
///
/// If an expired document cannot be read again, the old one is used for up to 24 hours after it was
/// read, and the server is asked once a minute. If a token request shows that the token endpoint
/// may have moved (no connection, a 404, an HTML page), the document is read again, unless it is
/// younger than one minute. Without a document, a failure is returned to all callers for 1 second,
/// or for the time in the server's `Retry-After`.
///
/// # Security
///
/// The server that answers for the issuer over `https` chooses the host to which client secrets are
/// sent. The issuer must therefore be a setting of the program, never a text from a request or from
/// an API's response.
#[derive(Clone)]
pub struct Discovery(Arc<Shared>);

struct Shared {
    fetch: Fetch,
    deadline: Duration,
    clock: SharedClock,
    cache: Mutex<Cache>,
}

/// The outcome of a discovery. `None` while it runs.
type Outcome = Option<Result<Metadata, Error>>;

impl Discovery {
    /// Starts with the default settings and the transport that sends the requests.
    pub fn builder(transport: impl Transport) -> DiscoveryBuilder {
        DiscoveryBuilder::new(SharedTransport::new(transport))
    }

    /// Returns an issuer's metadata, from the cache or from the authorization server.
    ///
    /// # Errors
    ///
    /// Each error has the step `discovery`, the host, and the [outcome](Error::outcome)
    /// [`NotSent`](auth_core::TokenRequestOutcome::NotSent), because a failed discovery does not
    /// reject credentials. No error contains a byte of the answer.
    ///
    /// - [`Config`](ErrorKind::Config) on field `issuer`: not an `https` URL; a URL with a query, a
    ///   fragment or user information (RFC 8414 section 2); or the metadata name another issuer.
    /// - [`Protocol`](ErrorKind::Protocol): the answer is not metadata, or the metadata are
    ///   invalid. [`Error::field`] names the member.
    /// - [`Unavailable`](ErrorKind::Unavailable): no connection, no complete answer, a 5xx, or a
    ///   429.
    /// - [`TimedOut`](ErrorKind::TimedOut): no answer within the deadline.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// A task that no caller owns sends the requests. Dropping the future does not affect other
    /// callers.
    pub async fn metadata(&self, issuer: &str) -> Result<Metadata, Error> {
        let issuer = Issuer::parse(issuer, self.http())?;
        self.metadata_of(&issuer).await
    }

    pub(crate) async fn metadata_of(&self, issuer: &Issuer) -> Result<Metadata, Error> {
        let mut outcome = match self.step(issuer) {
            Step::Use(metadata) => return Ok(metadata),
            Step::Fail(error) => return Err(error),
            Step::Wait(outcome) => outcome,
            Step::Fetch(publisher, outcome) => {
                tokio::spawn(self.clone().discover(issuer.clone(), publisher));
                outcome
            }
        };
        // The task has this deadline too, but its runtime may have stopped.
        let ended = time::timeout(self.0.deadline, outcome.wait_for(Option::is_some)).await;
        let error = match ended.map(|ended| ended.map(|outcome| outcome.clone())) {
            Ok(Ok(Some(result))) => return result,
            Ok(_) => {
                let message = "ended with its runtime, without an outcome; it is started again";
                issuer.failed(ErrorKind::Closed, message.into())
            }
            Err(_) => self.timed_out(issuer),
        };
        self.cache().abandon(issuer, &outcome);
        Err(error)
    }

    /// Records that a token request failed in a way that suggests a moved token endpoint.
    pub(crate) fn doubt(&self, issuer: &Issuer) {
        self.cache().doubt(issuer);
    }

    pub(crate) fn http(&self) -> &HttpHosts {
        &self.0.fetch.http
    }

    pub(crate) fn transport(&self) -> &SharedTransport {
        &self.0.fetch.transport
    }

    fn step(&self, issuer: &Issuer) -> Step {
        self.cache().step(issuer, self.0.clock.now())
    }

    async fn discover(self, issuer: Issuer, publisher: watch::Sender<Outcome>) {
        let result = match time::timeout(self.0.deadline, self.0.fetch.metadata(&issuer)).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(&issuer)),
        };
        let now = self.0.clock.now();
        let told = self.cache().end(&issuer, &publisher, result, now);
        publisher.send_replace(Some(told));
    }

    fn timed_out(&self, issuer: &Issuer) -> Error {
        let message = format!("no metadata within {:?}", self.0.deadline);
        issuer.failed(ErrorKind::TimedOut, message)
    }

    /// No code panics while it holds the lock, and each call leaves the cache consistent.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Discovery`]. Made by [`Discovery::builder`].
#[must_use]
pub struct DiscoveryBuilder {
    transport: SharedTransport,
    http: HttpHosts,
    lifetime: Duration,
    max_entries: usize,
    max_reply: usize,
    deadline: Duration,
    clock: SharedClock,
}

impl DiscoveryBuilder {
    pub(crate) fn new(transport: SharedTransport) -> Self {
        Self {
            transport,
            http: HttpHosts::default(),
            lifetime: Duration::from_secs(3600),
            max_entries: 64,
            max_reply: 64 * 1024,
            deadline: Duration::from_secs(5),
            clock: SharedClock::default(),
        }
    }

    /// Sets how long metadata are used before they are read again. Default: 1 hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the maximum number of issuers in the cache. Above it, the issuer whose last use is
    /// longest ago is removed. Default: 64.
    pub fn max_entries(mut self, issuers: usize) -> Self {
        self.max_entries = issuers;
        self
    }

    /// Sets the maximum size of a document, in bytes. Default: 65,536 (64 KiB).
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Sets the deadline of a discovery, for both requests together. Default: 5 seconds.
    ///
    /// The deadline must be shorter than that of a token request
    /// ([`RefreshPolicy::deadline`](auth_core::RefreshPolicy::deadline), default: 10 seconds),
    /// because a discovery runs inside a token request. Otherwise an issuer that does not answer is
    /// reported as a token request with an unknown outcome.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Permits plain `http` to one exact origin, for the issuer and for the token endpoint in the
    /// metadata, for example `http://localhost:8080`. A path is ignored. May be called several
    /// times. Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `danger_allow_http` if the text is not an absolute
    /// `http` URL, has user information (`user@host`), or has a wildcard.
    ///
    /// # Security
    ///
    /// Anyone who can change traffic on the network path to this host can redirect the client
    /// secret to a host of their choice.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.http.allow(origin)?;
        Ok(self)
    }

    pub(crate) fn http_hosts(mut self, http: HttpHosts) -> Self {
        self.http = http;
        self
    }

    /// Sets the clock. Default: [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Validates the settings and makes the discovery.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `lifetime`, `max_entries`, `max_reply` or `deadline`
    /// if the value is zero.
    pub fn build(self) -> Result<Discovery, Error> {
        for (field, is_zero) in [
            ("lifetime", self.lifetime.is_zero()),
            ("max_entries", self.max_entries == 0),
            ("max_reply", self.max_reply == 0),
            ("deadline", self.deadline.is_zero()),
        ] {
            if is_zero {
                return Err(Error::config(field, "must be more than zero"));
            }
        }
        Ok(Discovery(Arc::new(Shared {
            fetch: Fetch {
                transport: self.transport,
                http: self.http,
                max_reply: self.max_reply,
                clock: self.clock.clone(),
            },
            deadline: self.deadline,
            clock: self.clock,
            cache: Mutex::new(Cache::new(self.lifetime, self.max_entries)),
        })))
    }
}

impl fmt::Debug for DiscoveryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveryBuilder")
            .field("lifetime", &self.lifetime)
            .field("max_entries", &self.max_entries)
            .field("max_reply", &self.max_reply)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
