use std::{
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime,
    time::{self, Instant},
};

use super::*;
use crate::{
    AccessToken, ApiKey, Credentials, EntryVersion, ErrorKind, Event, MemoryStore, Moment,
    NewEntry, Observer, Quota, RefreshPolicy, Secret, StoredEntry, TokenRequest, TokenRequestLimit,
    TokenStore,
};

fn builder() -> AuthenticatorBuilder {
    let source = ApiKey::new(Secret::new("fake-key-1"));
    Authenticator::builder(source, Origins::new(["https://api.example.com"]).unwrap())
}

#[test]
fn a_store_without_a_key_is_a_config_error() {
    let options = AuthenticatorOptions::new().store(MemoryStore::new());
    let error = builder().options(options.clone()).build().unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("key"))
    );
    let key = Key::builder("example").client("my-client").build();
    let shared = builder().key(key.clone()).options(options).build().unwrap();
    let (_, used) = shared.shared().store().unwrap();
    assert_eq!(*used, key);
    // A key without a store is allowed.
    let single = builder().key(key).build().unwrap();
    assert!(single.shared().store().is_none());
}

#[test]
fn all_options_reach_the_settings() {
    let policy = RefreshPolicy::default()
        .deadline(Duration::from_secs(3))
        .unwrap();
    let quota = Quota::new(3, Duration::from_secs(60)).unwrap();
    let wait = Duration::from_millis(7);
    let options = AuthenticatorOptions::new()
        .policy(policy.clone())
        .quota(quota)
        .limit(TokenRequestLimit::new(1).unwrap().max_wait(wait))
        .shards(32);
    let authenticator = builder().options(options).build().unwrap();
    let settings = &authenticator.shared().settings;
    let rules = &authenticator.shared().rules;
    assert_eq!(*rules.policy, policy);
    assert_eq!(rules.quota, Some(quota));
    let limit = settings
        .limit
        .as_deref()
        .map(TokenRequestLimit::longest_wait);
    assert_eq!(limit, Some(wait));
    assert_eq!(authenticator.shards(), 32);
}

/// Returns tokens that are valid for an hour, or the error that is set. Each token request takes a
/// second.
#[derive(Clone, Default)]
struct Vendor(Arc<Script>);

#[derive(Default)]
struct Script {
    error: Mutex<Option<Error>>,
    token_requests: Mutex<u32>,
    events: Mutex<Vec<&'static str>>,
    is_store_down: AtomicBool,
    /// Whether the token request sends a client secret.
    has_secret: AtomicBool,
    /// The owners of the leases.
    owners: Mutex<Vec<String>>,
}

impl TokenSource for Vendor {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        *self.0.token_requests.lock().unwrap() += 1;
        let number = self.token_requests();
        time::sleep(LATENCY).await;
        match &*self.0.error.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => Ok(AccessToken::new(format!("fake-token-{number}")).expires_in(HOUR)),
        }
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let secret = Secret::new("fake-secret-1");
        Ok(if self.0.has_secret.load(Ordering::Relaxed) {
            Credentials::new(&["my-client"], [secret])
        } else {
            Credentials::none()
        })
    }
}

impl Observer for Vendor {
    fn on_event(&self, event: &Event) {
        self.0.events.lock().unwrap().push(event.name());
    }
}

impl Vendor {
    /// Makes an authenticator that renews its token exactly after 48 minutes.
    fn authenticator(&self, clock: impl Clock) -> Authenticator {
        self.with_options(AuthenticatorOptions::new().clock(clock))
    }

    fn with_options(&self, options: AuthenticatorOptions) -> Authenticator {
        let policy = RefreshPolicy::default().jitter(0.0).unwrap();
        let options = options.policy(policy).observer(self.clone());
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(self.clone(), origins)
            .vendor("example")
            .key(Key::builder("example").client("my-client").build())
            .options(options.label("tenant-1"))
            .build()
            .unwrap()
    }

    fn fail(&self, error: impl Into<Option<Error>>) {
        *self.0.error.lock().unwrap() = error.into();
    }

    fn token_requests(&self) -> u32 {
        *self.0.token_requests.lock().unwrap()
    }

    fn events(&self, name: &str) -> usize {
        let events = self.0.events.lock().unwrap();
        events.iter().filter(|event| **event == name).count()
    }
}

/// A store that can be taken down.
struct Store(Vendor, MemoryStore);

impl Store {
    fn answer(&self) -> Result<(), Error> {
        if self.0.0.is_store_down.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Store, "no reply"));
        }
        Ok(())
    }
}

impl TokenStore for Store {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.answer()?;
        self.1.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.answer()?;
        self.1.replace(key, expected, entry).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.answer()?;
        self.0.0.owners.lock().unwrap().push(owner.to_owned());
        self.1.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.answer()?;
        self.1.release(key, owner).await
    }
}

/// Follows the clock of tokio.
#[derive(Debug)]
struct Paused {
    start: Instant,
    /// Unique among the clocks of a process.
    identity: usize,
}

impl Paused {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        Self {
            start: Instant::now(),
            identity: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Clock for Paused {
    fn now(&self) -> Moment {
        START + self.start.elapsed()
    }

    fn identity(&self) -> usize {
        self.identity
    }
}

/// Advances when a test says so, also outside a runtime.
#[derive(Clone, Debug, Default)]
struct Turned(Arc<Mutex<Duration>>);

impl Turned {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Turned {
    fn now(&self) -> Moment {
        START + *self.0.lock().unwrap()
    }
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "no reply")
}

fn rejected() -> Error {
    Error::new(ErrorKind::Rejected, "wrong client secret").with_code("invalid_client")
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn is_close(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= Duration::from_millis(5)
}

const START: Moment = Moment::PAST;
const HOUR: Duration = seconds(3600);
const LATENCY: Duration = seconds(1);
const RENEWAL: Duration = seconds(2880);

#[tokio::test(start_paused = true)]
async fn sign_says_whether_the_request_or_the_token_prevents_it() {
    let authenticator = Vendor::default().authenticator(Paused::new());
    let mut vacant = HeaderMap::new();
    assert!(matches!(authenticator.sign(&mut vacant), Signing::NoToken));
    assert!(vacant.is_empty());
    authenticator.warm_up().await.unwrap();
    let signed = authenticator.sign(&mut vacant);
    assert!(matches!(signed, Signing::Signed(_)));
    assert_eq!(vacant["authorization"], "Bearer fake-token-1");
    assert!(authenticator.has_token(&vacant));
    authenticator.unsign(&mut vacant);
    assert!(vacant.is_empty() && !authenticator.has_token(&vacant));
    let mut occupied = HeaderMap::new();
    occupied.insert("authorization", "Basic fake".parse().unwrap());
    let signed = authenticator.sign(&mut occupied);
    assert!(matches!(signed, Signing::Occupied));
    assert_eq!(occupied["authorization"], "Basic fake");
}

#[tokio::test(start_paused = true)]
async fn health_follows_success_and_failure() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    let new = authenticator.health();
    let names = ("example", Some("tenant-1"));
    assert_eq!((new.vendor(), new.label()), names);
    assert_eq!((authenticator.vendor(), authenticator.label()), names);
    assert!(new.last_success().is_none() && new.last_failure().is_none());
    assert!(new.last_error().is_none() && new.renewal_due().is_none());
    assert!(new.next_try().is_none() && !new.is_renewing() && !new.is_usable());

    let first = tokio::spawn(authenticator.token());
    time::sleep(LATENCY / 2).await;
    assert!(authenticator.health().is_renewing());
    first.await.unwrap().unwrap();
    time::sleep(seconds(30)).await;
    let valid = authenticator.health();
    assert!(is_close(valid.last_success().unwrap(), seconds(30)));
    // The lifetime counts from the start of the token request.
    let due = RENEWAL - LATENCY - seconds(30);
    assert!(is_close(valid.renewal_due().unwrap(), due));
    assert!(valid.next_try().is_none() && !valid.is_renewing());

    vendor.fail(unavailable());
    authenticator.refresh_now().await.unwrap_err();
    let failing = authenticator.health();
    let wait = failing.next_try().unwrap();
    assert!(wait > Duration::ZERO && wait <= seconds(2), "{wait:?}");
    let error = failing.last_error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(wait));
    assert!(failing.is_usable() && !failing.is_failing());

    vendor.fail(None);
    time::sleep(wait).await;
    authenticator.refresh_now().await.unwrap();
    let recovered = authenticator.health();
    assert!(recovered.last_error().is_none());
    let failure = recovered.last_failure().unwrap();
    assert_eq!(failure.error.kind(), ErrorKind::Unavailable);
    assert!(is_close(failure.ago, wait + LATENCY), "{:?}", failure.ago);
}

#[tokio::test(start_paused = true)]
async fn health_counts_requests_that_are_not_replayed() {
    let authenticator = Vendor::default().authenticator(Paused::new());
    assert!(authenticator.health().not_replayed().is_none());
    authenticator.observe_not_replayed("body", "api.example.com", None);
    time::sleep(seconds(9)).await;
    let health = authenticator.health();
    let lost = health.not_replayed().unwrap();
    assert_eq!((lost.count, lost.cause), (1, "body"));
    assert_eq!((&*lost.host, lost.ago), ("api.example.com", seconds(9)));
    assert!(health.unsigned().is_none());
}

#[tokio::test(start_paused = true)]
async fn health_counts_requests_that_are_sent_unsigned() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    authenticator.observe_unsigned("other_origin", "a.example", None);
    let health = authenticator.health();
    let lost = health.unsigned().unwrap();
    let told = (lost.count, lost.cause, &*lost.host);
    assert_eq!(told, (1, "other_origin", "a.example"));
    assert!(health.not_replayed().is_none());
    assert_eq!(vendor.events("request_unsigned"), 1);
}

#[tokio::test(start_paused = true)]
async fn invalidated_token_is_not_returned_again() {
    let authenticator = Vendor::default().authenticator(Paused::new());
    let leaked = authenticator.token().await.unwrap().generation();
    authenticator.invalidate();
    assert!(authenticator.try_token().is_none());
    let next = authenticator.token().await.unwrap().generation();
    assert!(next > leaked);
}

#[tokio::test(start_paused = true)]
async fn token_is_renewed_first_only_if_it_expires_too_soon() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    authenticator.warm_up().await.unwrap();
    time::sleep(HOUR / 2).await;
    authenticator.token_valid_for(seconds(1200)).await.unwrap();
    assert_eq!(vendor.token_requests(), 1);
    authenticator.token_valid_for(seconds(2400)).await.unwrap();
    assert_eq!(vendor.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn health_says_that_the_store_fails_until_it_answers() {
    let vendor = Vendor::default();
    let store = Store(vendor.clone(), MemoryStore::new());
    let options = AuthenticatorOptions::new()
        .clock(Paused::new())
        .store(store);
    let authenticator = vendor.with_options(options);
    authenticator.warm_up().await.unwrap();
    assert!(!authenticator.health().is_store_failing());
    vendor.0.is_store_down.store(true, Ordering::Relaxed);
    time::sleep(RENEWAL).await;
    authenticator.refresh_now().await.unwrap();
    assert!(authenticator.health().is_store_failing());
}

#[tokio::test(start_paused = true)]
async fn each_token_request_has_its_own_lease_owner() {
    let vendor = Vendor::default();
    let store = Store(vendor.clone(), MemoryStore::new());
    let options = AuthenticatorOptions::new()
        .clock(Paused::new())
        .store(store);
    let authenticator = vendor.with_options(options);
    for _ in 0..3 {
        authenticator.refresh_now().await.unwrap();
        time::sleep(HOUR).await;
    }
    assert_eq!(vendor.token_requests(), 3);
    let mut owners = vendor.0.owners.lock().unwrap().clone();
    owners.dedup();
    assert_eq!(owners.len(), 3, "{owners:?}");
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_are_sent_again_after_clear_rejections() {
    let vendor = Vendor::default();
    vendor.0.has_secret.store(true, Ordering::Relaxed);
    let authenticator = vendor.authenticator(Paused::new());
    vendor.fail(rejected());
    for _ in 0..3 {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
    assert_eq!(vendor.token_requests(), 1);
    vendor.fail(None);
    time::sleep(seconds(5)).await;
    authenticator.token().await.unwrap_err();
    authenticator.clear_rejections();
    authenticator.token().await.unwrap();
    assert_eq!(vendor.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_a_token_request_with_rejected_credentials_is_a_probe() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    let next_try = || authenticator.health().next_try().unwrap();
    vendor.fail(unavailable());
    for _ in 0..3 {
        authenticator.token().await.unwrap_err();
        time::sleep(next_try()).await;
    }
    vendor.fail(rejected());
    authenticator.token().await.unwrap_err();
    for _ in 0..3 {
        authenticator.token().await.unwrap_err();
    }
    assert_eq!(vendor.token_requests(), 4);
    assert_eq!(vendor.events("probe"), 0);
    time::sleep(next_try()).await;
    authenticator.token().await.unwrap_err();
    assert_eq!(vendor.token_requests(), 5);
    assert_eq!(vendor.events("probe"), 1);
}

#[test]
fn without_a_runtime_only_a_valid_token_is_returned() {
    let vendor = Vendor::default();
    let clock = Turned::default();
    let authenticator = vendor.authenticator(clock.clone());
    // What the first poll returns outside a runtime.
    let token = || {
        let future = pin!(authenticator.token());
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("nothing can end the wait"),
        }
    };
    assert_eq!(token().unwrap_err().kind(), ErrorKind::Config);
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(authenticator.warm_up()).unwrap();
    clock.pass(RENEWAL);
    let held = token().unwrap().generation();
    match authenticator.report_refused(held) {
        Refusal::Failed(error) => assert_eq!(error.kind(), ErrorKind::Config),
        other => panic!("{other:?}"),
    }
    assert_eq!(token().unwrap().generation(), held);
    clock.pass(HOUR - RENEWAL);
    let error = token().unwrap_err();
    assert_eq!(
        error.to_string(),
        "example: no tokio runtime; request the token inside one"
    );
    assert_eq!(vendor.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_token_request_and_no_longer_than_it_may() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    let start = Instant::now();
    authenticator.shutdown(HOUR).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing is in progress");

    let _waiting = tokio::spawn(authenticator.token());
    tokio::task::yield_now().await;
    let error = authenticator.shutdown(LATENCY / 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(is_close(start.elapsed(), LATENCY / 2));
    authenticator.shutdown(HOUR).await.unwrap();
    assert!(is_close(start.elapsed(), LATENCY));
    assert!(authenticator.try_token().is_some());
}

#[tokio::test(start_paused = true)]
async fn dropped_keep_warm_ends_the_renewals() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    let warm = authenticator.keep_warm();
    time::sleep(RENEWAL * 3 + seconds(60)).await;
    assert_eq!(vendor.token_requests(), 4, "the first and three renewals");
    drop(warm);
    time::sleep(HOUR * 10).await;
    assert_eq!(vendor.token_requests(), 4);
    assert!(authenticator.try_token().is_none());
}

#[tokio::test(start_paused = true)]
async fn watch_returns_each_token_once() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    let mut watch = authenticator.watch();
    let start = Instant::now();
    let mut known = None;
    for renewals in 0..3 {
        let token = time::timeout(HOUR, watch.next()).await.unwrap().unwrap();
        assert!(known < Some(token.generation()));
        known = Some(token.generation());
        let due = RENEWAL * renewals + LATENCY;
        assert!(is_close(start.elapsed(), due), "{:?}", start.elapsed());
    }
    assert_eq!(vendor.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn watch_waits_for_the_back_off_after_an_error() {
    let vendor = Vendor::default();
    let authenticator = vendor.authenticator(Paused::new());
    vendor.fail(unavailable());
    let mut watch = authenticator.watch();
    for token_requests in 1..4 {
        watch.next().await.unwrap_err();
        assert_eq!(vendor.token_requests(), token_requests);
    }
    vendor.fail(None);
    watch.next().await.unwrap();
}
