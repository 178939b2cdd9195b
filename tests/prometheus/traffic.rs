//! Real requests over loopback, which between them change every metric.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, EntryVersion, Error, ErrorKind, Key,
    MemoryStore, NewEntry, Origins, Quota, RefreshPolicy, Secret, StoredEntry, TokenStore,
    WiderScope, measure::measure,
};
use auth_metrics::{METRICS, MetricsObserver};
use auth_oauth2::Client;
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_testkit::{ForeignServer, Gate, RecordingObserver, Reply, TestServer};
use auth_tower::{AuthLayer, AuthOutcome, OriginGuardLayer};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusRecorder;
use tower::{Layer, ServiceBuilder, ServiceExt};

pub(crate) struct World {
    server: TestServer,
    away: ForeignServer,
    counting: Arc<MetricsObserver>,
    events: RecordingObserver,
}

impl World {
    pub(crate) async fn new(recorder: PrometheusRecorder) -> Self {
        Self {
            server: TestServer::start().await,
            away: ForeignServer::start().await,
            counting: Arc::new(MetricsObserver::with_recorder(recorder)),
            events: RecordingObserver::new(),
        }
    }

    /// Sends requests in every kind of trouble. New authenticators each time, with the same labels.
    pub(crate) async fn round(&self) {
        self.refusals().await;
        self.outage().await;
        self.rejection().await;
        self.unused().await;
        self.store().await;
        self.evictions().await;
        self.wider_scope().await;
    }

    /// The metrics that no request has changed.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let mut changed = Vec::new();
        for event in &self.events.events() {
            measure(event, |measurement| changed.push(measurement.instrument));
        }
        let all = METRICS.iter().zip(auth_core::measure::Instrument::ALL);
        let missing = all.filter(|(_, instrument)| !changed.contains(instrument));
        missing.map(|(metric, _)| metric.name()).collect()
    }

    fn options(&self, label: &str) -> AuthenticatorOptions {
        let moment = Duration::from_millis(20);
        let policy = RefreshPolicy::default()
            .min_interval(Duration::from_millis(1))
            .and_then(|policy| policy.backoff(moment, moment))
            .and_then(|policy| policy.probe_interval(moment));
        AuthenticatorOptions::new()
            .observer((Arc::clone(&self.counting), self.events.clone()))
            .label(label)
            .policy(policy.unwrap())
    }

    fn authenticator(&self, options: AuthenticatorOptions) -> Authenticator {
        let server = &self.server;
        let transport = ReqwestTransport::builder()
            .configure(reqwest::ClientBuilder::no_proxy)
            .build()
            .unwrap();
        let source = Client::builder(server.token_url(), server.client_id(), transport)
            .secret(Secret::new(server.client_secret()))
            .scope("read")
            .danger_allow_http(server.token_origin())
            .unwrap()
            .build()
            .unwrap()
            .client_credentials();
        Authenticator::builder(
            source,
            Origins::danger_allow_http([server.origin()]).unwrap(),
        )
        .vendor("example")
        .key(Key::builder("example").client(server.client_id()).build())
        .options(options)
        .build()
        .unwrap()
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let url = format!("{}/things", self.server.api_url());
        Request::get(url).body(Full::default()).unwrap()
    }

    async fn get(&self, authenticator: &Authenticator) -> Option<(StatusCode, AuthOutcome)> {
        let client = AuthLayer::new(authenticator.clone()).layer(service());
        let response = client.oneshot(self.request()).await.ok()?;
        Some((response.status(), AuthOutcome::of(&response)))
    }

    #[track_caller]
    fn assert_sends(answer: Option<(StatusCode, AuthOutcome)>, sends: u32) {
        let (status, outcome) = answer.expect("a response");
        assert_eq!(
            (status, u32::from(outcome.sends())),
            (StatusCode::OK, sends)
        );
    }

    /// Tokens that the API refuses, and requests that go elsewhere.
    async fn refusals(&self) {
        let quota = Quota::new(20, Duration::from_secs(3600)).unwrap();
        let authenticator = self.authenticator(self.options("refusals").quota(quota));
        Self::assert_sends(self.get(&authenticator).await, 1);
        self.server.revoke_all();
        Self::assert_sends(self.get(&authenticator).await, 2);

        self.server.revoke_all();
        let once = AuthLayer::new(authenticator.clone()).replay_with(|_: &Full<Bytes>| None);
        let response = once.layer(service()).oneshot(self.request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);

        let elsewhere = Request::get(self.away.url());
        let elsewhere = elsewhere.body(Full::<Bytes>::default()).unwrap();
        let client = AuthLayer::new(authenticator.clone()).layer(service());
        client.oneshot(elsewhere).await.unwrap();

        // A layer sends the signed request elsewhere.
        let away: http::Uri = self.away.url().parse().unwrap();
        let client = ServiceBuilder::new()
            .layer(AuthLayer::new(authenticator.clone()))
            .map_request(move |mut request: Request<_>| {
                *request.uri_mut() = away.clone();
                request
            })
            .layer(OriginGuardLayer::new(authenticator))
            .service(service());
        client.oneshot(self.request()).await.unwrap();
    }

    /// The token endpoint is down: first without a cached token, then with one.
    async fn outage(&self) {
        let authenticator = self.authenticator(self.options("outage"));
        self.server.token().then(Reply::status(503));
        assert!(self.get(&authenticator).await.is_none());
        self.succeed(&authenticator).await;
        self.server.token().then(Reply::status(503));
        authenticator.refresh_now().await.unwrap_err();
    }

    /// Rejected credentials, tried again.
    async fn rejection(&self) {
        let authenticator = self.authenticator(self.options("rejection"));
        let rejection = Reply::oauth_error(401, "invalid_client");
        self.server.token().then(rejection);
        assert!(self.get(&authenticator).await.is_none());
        self.succeed(&authenticator).await;
    }

    /// Waits as long as each error says.
    async fn succeed(&self, authenticator: &Authenticator) {
        while let Err(error) = authenticator.token().await {
            let wait = error.retry_after().unwrap_or(Duration::from_millis(1));
            assert!(wait < Duration::from_secs(5), "{error}");
            tokio::time::sleep(wait).await;
        }
    }

    /// The caller is gone when its token comes.
    async fn unused(&self) {
        let authenticator = self.authenticator(self.options("unused"));
        let gate = Gate::new();
        let reply = Reply::normal().answer_after(&gate);
        self.server.token().then(reply);
        let caller = tokio::spawn(authenticator.token());
        gate.reached(1).await;
        caller.abort();
        caller.await.unwrap_err();
        gate.open();
        while !authenticator.health().is_usable() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        authenticator.refresh_now().await.unwrap();
    }

    /// A store that fails once, one that another process writes, and a token of that process.
    async fn store(&self) {
        let down = Shared::new(Fault::Down);
        let authenticator = self.authenticator(self.options("store").store(down));
        authenticator.token().await.unwrap();
        let raced = Shared::new(Fault::Raced);
        let authenticator = self.authenticator(self.options("store").store(raced.clone()));
        authenticator.token().await.unwrap();
        let other = self.authenticator(self.options("store").store(raced));
        other.token().await.unwrap();
    }

    async fn evictions(&self) {
        let options = self.options("evictions").shards(1);
        let authenticator = self.authenticator(options);
        let map = AuthenticatorMap::builder(move |_: &Key| Ok(authenticator.clone()));
        let map = map.max_entries(1).build().unwrap();
        for tenant in ["tenant-1", "tenant-2"] {
            let key = Key::builder("example").client(tenant).build();
            map.get(&key).unwrap().token().await.unwrap();
        }
    }

    async fn wider_scope(&self) {
        let options = self
            .options("scope")
            .wider_scope(WiderScope::only(["write"]));
        let authenticator = self.authenticator(options);
        authenticator.token().await.unwrap();
        let challenge = r#"Bearer error="insufficient_scope", scope="write""#;
        let reply = Reply::status(403).header("www-authenticate", challenge);
        self.server.api().then(reply);
        Self::assert_sends(self.get(&authenticator).await, 2);
    }
}

fn service() -> ReqwestService {
    let client = reqwest::Client::builder().no_proxy();
    ReqwestService::from_builder(client, reqwest::redirect::Policy::none()).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Down,
    /// Another process writes first, once.
    Raced,
}

#[derive(Clone)]
struct Shared {
    store: MemoryStore,
    fault: Fault,
    is_raced: Arc<AtomicBool>,
}

impl Shared {
    fn new(fault: Fault) -> Self {
        Self {
            store: MemoryStore::new(),
            fault,
            is_raced: Arc::default(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.fault == Fault::Down {
            return Err(Error::new(ErrorKind::Store, "connection refused"));
        }
        Ok(())
    }
}

impl TokenStore for Shared {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.check()?;
        self.store.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        version: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.check()?;
        if !self.is_raced.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        self.store.replace(key, version, entry).await
    }

    async fn lease(&self, key: &Key, holder: &str, time: Duration) -> Result<bool, Error> {
        self.check()?;
        self.store.lease(key, holder, time).await
    }

    async fn release(&self, key: &Key, holder: &str) -> Result<(), Error> {
        self.check()?;
        self.store.release(key, holder).await
    }
}
