//! Shared by the tests: an authenticator under virtual time, and an API below the layer that checks
//! tower's contract.

use std::{
    collections::HashSet,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use auth_core::{Authenticator, AuthenticatorBuilder, AuthenticatorOptions, Origins};
use auth_testkit::{Gate, Outcome, ScriptedSource, VirtualClock};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

pub(crate) const ORIGIN: &str = "https://api.example.com";
pub(crate) const URL: &str = "https://api.example.com/v1/things?page=2";
pub(crate) const FOREIGN: &str = "https://elsewhere.example/v1/things";

/// An authenticator, and the objects that control it.
pub(crate) struct World {
    pub(crate) source: ScriptedSource,
    pub(crate) clock: VirtualClock,
    pub(crate) authenticator: Authenticator,
}

impl World {
    /// Makes a world without a cached token.
    pub(crate) fn cold() -> Self {
        Self::with(|builder| builder)
    }

    /// Makes a world without a cached token, with other settings.
    pub(crate) fn with(set: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder) -> Self {
        Self::of(Origins::new([ORIGIN]).unwrap(), set)
    }

    /// Makes a world without a cached token, with other origins.
    pub(crate) fn at(origins: Origins) -> Self {
        Self::of(origins, |builder| builder)
    }

    fn of(
        origins: Origins,
        set: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        let source = ScriptedSource::new();
        let clock = VirtualClock::new();
        let builder = Authenticator::builder(source.clone(), origins)
            .vendor("example")
            .options(AuthenticatorOptions::new().clock(clock.clone()));
        let authenticator = set(builder).build().unwrap();
        Self {
            source,
            clock,
            authenticator,
        }
    }

    /// Makes a world with the cached token `fake-token-1`.
    pub(crate) async fn warm() -> Self {
        let world = Self::cold();
        world.warm_up().await;
        world
    }

    /// Fetches a token that the API has accepted once, so that it is not on trial.
    pub(crate) async fn warm_up(&self) {
        let token = self.authenticator.token().await.unwrap();
        self.authenticator.report_accepted(token.generation());
    }

    pub(crate) fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.authenticator.clone())
    }

    /// Makes the next token request wait at a gate.
    pub(crate) fn gate(&self) -> Gate {
        let gate = Gate::new();
        self.source.then(Outcome::fresh().after(&gate));
        gate
    }

    /// The layer with its defaults above an API that takes one request at a time.
    pub(crate) fn over_one_place(&self, api: &Api) -> auth_tower::Auth<ConcurrencyLimit<Api>> {
        self.over(ConcurrencyLimit::new(api.clone(), 1))
    }

    /// The layer with its defaults above `inner`.
    pub(crate) fn over<S: Clone>(&self, inner: S) -> auth_tower::Auth<S> {
        self.layer().layer(inner)
    }
}

/// A request as it reached the API.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    pub(crate) fn token(&self) -> Option<&str> {
        let value = self.headers.get("authorization")?.to_str().unwrap();
        Some(value.strip_prefix("Bearer ").unwrap_or(value))
    }

    /// Returns all that a second send must repeat: everything except the credential.
    pub(crate) fn but_the_token(&self) -> impl PartialEq + fmt::Debug + use<> {
        let mut headers = self.headers.clone();
        headers.remove("authorization");
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone(), value.is_sensitive()))
            .collect();
        (
            self.method.clone(),
            self.uri.clone(),
            self.version,
            headers,
            self.body.clone(),
            self.trailers.clone(),
        )
    }
}

pub(crate) type Reply = Result<Response<Full<Bytes>>, Broken>;
type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The service below the layer. It panics if it is called without being ready, its clones are not
/// ready, and it records the requests.
pub(crate) struct Api {
    shared: Arc<Shared>,
    ready: bool,
}

struct Shared {
    answer: Box<Answer>,
    revoked: Arc<Mutex<HashSet<String>>>,
    seen: Mutex<Vec<Seen>>,
    calls: AtomicUsize,
    readied: AtomicUsize,
    /// The number of instances that are ready and neither called nor dropped.
    holding: AtomicUsize,
}

impl Api {
    /// Answers 200, and 401 to tokens that were [revoked](Self::revoke).
    pub(crate) fn new() -> Self {
        let revoked = Arc::new(Mutex::new(HashSet::<String>::new()));
        let list = Arc::clone(&revoked);
        Self::build(revoked, move |seen| {
            let dead = seen
                .token()
                .is_some_and(|token| list.lock().unwrap().contains(token));
            Ok(if dead { unauthorized(seen) } else { ok() })
        })
    }

    /// Answers 401 to the first token, and 200 to all others. The API has accepted the first token
    /// from another caller before, so it is not on trial.
    pub(crate) fn refusing_the_first(world: &World) -> Self {
        let authenticator = world.authenticator.clone();
        Self::answering(move |seen| {
            if seen.token() != Some("fake-token-1") {
                return Ok(ok());
            }
            authenticator.report_accepted(authenticator.try_token().unwrap().generation());
            Ok(unauthorized(seen))
        })
    }

    /// Answers 401 to all requests.
    pub(crate) fn refusing() -> Self {
        Self::answering(|seen| Ok(unauthorized(seen)))
    }

    pub(crate) fn answering(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::build(Arc::default(), answer)
    }

    fn build(
        revoked: Arc<Mutex<HashSet<String>>>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                answer: Box::new(answer),
                revoked,
                seen: Mutex::default(),
                calls: AtomicUsize::new(0),
                readied: AtomicUsize::new(0),
                holding: AtomicUsize::new(0),
            }),
            ready: false,
        }
    }

    pub(crate) fn revoke(&self, token: &str) {
        self.shared.revoked.lock().unwrap().insert(token.to_owned());
    }

    /// Returns the complete requests, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the tokens, in the order of arrival.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let seen = self.seen();
        let tokens = seen.iter().map(|seen| seen.token().unwrap_or("none"));
        tokens.map(str::to_owned).collect()
    }

    /// Returns how often the API was called.
    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(SeqCst)
    }

    /// Returns how often the API was made ready.
    pub(crate) fn readied(&self) -> usize {
        self.shared.readied.load(SeqCst)
    }

    /// Returns how many instances are ready and not called yet.
    pub(crate) fn holding(&self) -> usize {
        self.shared.holding.load(SeqCst)
    }

    fn give_back(&mut self) -> bool {
        let was_ready = std::mem::take(&mut self.ready);
        if was_ready {
            self.shared.holding.fetch_sub(1, SeqCst);
        }
        was_ready
    }
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ready: false,
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<B> Service<Request<B>> for Api
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Debug + Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if !self.ready {
            self.ready = true;
            self.shared.readied.fetch_add(1, SeqCst);
            self.shared.holding.fetch_add(1, SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(self.give_back(), "called without having been made ready");
        self.shared.calls.fetch_add(1, SeqCst);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap();
            let seen = Seen {
                method: parts.method,
                uri: parts.uri,
                version: parts.version,
                headers: parts.headers,
                extensions: parts.extensions,
                trailers: body.trailers().cloned(),
                body: body.to_bytes(),
            };
            let reply = (shared.answer)(&seen);
            shared.seen.lock().unwrap().push(seen);
            reply
        })
    }
}

/// The error of the API.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken(pub(crate) &'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Broken {}

pub(crate) fn ok() -> Response<Full<Bytes>> {
    Response::new(Full::from("here you are"))
}

/// A refusal that differs from all others.
pub(crate) fn unauthorized(seen: &Seen) -> Response<Full<Bytes>> {
    Response::builder()
        .status(401)
        .header("www-authenticate", r#"Bearer error="invalid_token""#)
        .header("x-refused", seen.token().unwrap_or("none"))
        .body(format!("refused {:?}", seen.token()).into())
        .unwrap()
}

pub(crate) fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

pub(crate) async fn text(response: Response<Full<Bytes>>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Polls once.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Fails instead of waiting without end: when no task can run, virtual time advances to the
/// time-out.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    let day = Duration::from_secs(24 * 3600);
    let result = tokio::time::timeout(day, future).await;
    result.expect("a deadlock: no task can run")
}

/// Lets all other tasks run until each of them waits.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Makes the client ready for requests with a body of bytes.
pub(crate) async fn ready<S: Service<Request<Full<Bytes>>, Error: fmt::Debug>>(client: &mut S) {
    client.ready().await.unwrap();
}

/// Makes the client ready and calls it. The future is not polled.
pub(crate) async fn start<S, B>(client: &mut S, request: Request<B>) -> S::Future
where
    S: Service<Request<B>, Error: fmt::Debug>,
{
    let ready = in_time(client.ready()).await.unwrap();
    ready.call(request)
}

/// Makes the client ready, calls it and waits for the response.
pub(crate) async fn send<S, B>(client: &mut S, request: Request<B>) -> Result<S::Response, S::Error>
where
    S: Service<Request<B>, Error: fmt::Debug>,
{
    in_time(start(client, request).await).await
}
