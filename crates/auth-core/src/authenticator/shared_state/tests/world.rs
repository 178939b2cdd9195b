//! A vendor, a store and an observer that follow a script, under tokio's paused clock.

use std::collections::VecDeque;

use tokio::time::{self, Instant};

use crate::{
    AccessToken, Authenticator, AuthenticatorBuilder, AuthenticatorOptions, Clock, Credentials,
    EntryVersion, Event, NewEntry, Observer, StoredEntry, TokenRequest, TokenRequestOutcome,
    TokenSource, TokenStore, observer::EventKind,
};

use super::super::*;

pub(in crate::authenticator) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(in crate::authenticator) const HOUR: Duration = Duration::from_secs(3600);

/// Lets all tasks run until they wait, without time passing.
pub(in crate::authenticator) async fn settled() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(in crate::authenticator) fn key() -> Key {
    Key::builder("example").client("fake-client").build()
}

/// Follows tokio's clock. `ahead` moves this clock alone.
#[derive(Clone, Debug)]
pub(in crate::authenticator) struct TestClock {
    begun: Instant,
    number: usize,
    ahead: Arc<Mutex<Duration>>,
}

impl TestClock {
    pub(in crate::authenticator) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        Self {
            begun: Instant::now(),
            number: NUMBER.fetch_add(1, Ordering::SeqCst) as usize,
            ahead: Arc::default(),
        }
    }

    pub(in crate::authenticator) fn jump(&self, time: Duration) {
        *self.ahead.lock().unwrap() += time;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        let start = Moment::new(HOUR, 400_000 * HOUR);
        start + self.begun.elapsed() + *self.ahead.lock().unwrap()
    }

    /// Each test counts its rejected logins separately.
    fn identity(&self) -> usize {
        self.number
    }
}

type Reply = (Duration, Result<AccessToken, Error>);

/// Replies as the script says, and then with a new token for an hour each time.
#[derive(Clone, Default)]
pub(in crate::authenticator) struct Vendor(Arc<VendorState>);

#[derive(Default)]
struct VendorState {
    script: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<TokenRequest>>,
    passwords: Mutex<VecDeque<&'static str>>,
    refresh_tokens: AtomicBool,
    scope: OnceLock<&'static str>,
    lockable: AtomicBool,
}

impl Vendor {
    pub(in crate::authenticator) fn replies(self, result: Result<AccessToken, Error>) -> Self {
        self.replies_after(Duration::ZERO, result)
    }

    pub(in crate::authenticator) fn replies_after(
        self,
        after: Duration,
        result: Result<AccessToken, Error>,
    ) -> Self {
        self.0.script.lock().unwrap().push_back((after, result));
        self
    }

    /// The passwords, in the order in which they are read. The last one stays.
    pub(in crate::authenticator) fn passwords(self, all: &[&'static str]) -> Self {
        self.0.passwords.lock().unwrap().extend(all);
        self
    }

    pub(in crate::authenticator) fn lockable(self) -> Self {
        self.0.lockable.store(true, Ordering::SeqCst);
        self
    }

    pub(in crate::authenticator) fn keeps_refresh_tokens(self) -> Self {
        self.0.refresh_tokens.store(true, Ordering::SeqCst);
        self
    }

    pub(in crate::authenticator) fn scope(self, scope: &'static str) -> Self {
        self.0.scope.set(scope).unwrap();
        self
    }

    pub(in crate::authenticator) fn requests(&self) -> usize {
        self.0.requests.lock().unwrap().len()
    }

    pub(in crate::authenticator) fn scopes(&self) -> Vec<Option<String>> {
        let requests = self.0.requests.lock().unwrap();
        requests.iter().map(|one| one.scope.clone()).collect()
    }
}

impl TokenSource for Vendor {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let number = {
            let mut requests = self.0.requests.lock().unwrap();
            requests.push(token_request);
            requests.len()
        };
        let reply = self.0.script.lock().unwrap().pop_front();
        let Some((after, result)) = reply else {
            return Ok(token(number));
        };
        time::sleep(after).await;
        result
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut passwords = self.0.passwords.lock().unwrap();
        let password = match passwords.len() {
            0 => return Ok(Credentials::none()),
            1 => passwords[0],
            _ => passwords.pop_front().unwrap(),
        };
        let secrets = [crate::Secret::new(password)];
        Ok(if self.0.lockable.load(Ordering::SeqCst) {
            Credentials::lockable(&["fake-account"], secrets)
        } else {
            Credentials::new(&["fake-account"], secrets)
        })
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.0.refresh_tokens.load(Ordering::SeqCst)
    }

    fn own_scope(&self) -> Option<&str> {
        self.0.scope.get().copied()
    }
}

pub(in crate::authenticator) fn token(number: usize) -> AccessToken {
    AccessToken::new(format!("fake-token-{number}")).expires_in(HOUR)
}

pub(in crate::authenticator) fn unavailable() -> Error {
    let error = Error::new(ErrorKind::Unavailable, "fake outage");
    error.with_outcome(TokenRequestOutcome::NotUnderstood)
}

pub(in crate::authenticator) fn rejected(part: RejectedPart) -> Error {
    Error::new(ErrorKind::Rejected, "fake rejection")
        .with_outcome(TokenRequestOutcome::Rejected)
        .with_rejected_part(part)
}

/// A store in this process whose operations take a time and may fail.
#[derive(Clone, Default)]
pub(in crate::authenticator) struct Store(Arc<StoreState>);

#[derive(Default)]
struct StoreState {
    store: MemoryStore,
    load: Mutex<Duration>,
    replace: Mutex<Duration>,
    loads_fail: AtomicBool,
    writes_fail: AtomicBool,
    releases_fail: AtomicBool,
    connects: AtomicU32,
    releases: AtomicU32,
    leases: Mutex<Vec<(String, Duration)>>,
}

fn checked(fails: &AtomicBool) -> Result<(), Error> {
    if fails.load(Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Store, "fake failure"));
    }
    Ok(())
}

impl Store {
    pub(in crate::authenticator) fn load_takes(self, time: Duration) -> Self {
        *self.0.load.lock().unwrap() = time;
        self
    }

    pub(in crate::authenticator) fn replace_takes(self, time: Duration) -> Self {
        *self.0.replace.lock().unwrap() = time;
        self
    }

    pub(in crate::authenticator) fn fail_loads(&self, fail: bool) {
        self.0.loads_fail.store(fail, Ordering::SeqCst);
    }

    pub(in crate::authenticator) fn fail_writes(&self) {
        self.0.writes_fail.store(true, Ordering::SeqCst);
    }

    pub(in crate::authenticator) fn fail_releases(&self) {
        self.0.releases_fail.store(true, Ordering::SeqCst);
    }

    pub(in crate::authenticator) fn connects(&self) -> u32 {
        self.0.connects.load(Ordering::SeqCst)
    }

    pub(in crate::authenticator) fn releases(&self) -> u32 {
        self.0.releases.load(Ordering::SeqCst)
    }

    /// The owner and the time of each lease.
    pub(in crate::authenticator) fn leases(&self) -> Vec<(String, Duration)> {
        self.0.leases.lock().unwrap().clone()
    }
}

impl TokenStore for Store {
    async fn connect(&self) -> Result<(), Error> {
        self.0.connects.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let time = *self.0.load.lock().unwrap();
        time::sleep(time).await;
        checked(&self.0.loads_fail)?;
        self.0.store.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let time = *self.0.replace.lock().unwrap();
        time::sleep(time).await;
        checked(&self.0.writes_fail)?;
        self.0.store.replace(key, expected, entry).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let lease = (owner.to_owned(), time);
        self.0.leases.lock().unwrap().push(lease);
        self.0.store.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.0.releases.fetch_add(1, Ordering::SeqCst);
        checked(&self.0.releases_fail)?;
        self.0.store.release(key, owner).await
    }
}

/// Keeps all events.
#[derive(Clone, Default)]
pub(in crate::authenticator) struct Heard(Arc<Mutex<Vec<Event>>>);

impl Observer for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    /// Takes the events so far.
    pub(in crate::authenticator) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Takes the names of the events so far, without those of token requests and waits.
    pub(in crate::authenticator) fn names(&self) -> Vec<&'static str> {
        let events = self.take();
        let names = events.iter().map(Event::name);
        let names = names.filter(|name| !name.starts_with("token_request_"));
        names
            .filter(|name| !name.starts_with("requests_"))
            .collect()
    }

    /// Takes the events so far, and returns the first one that `find` finds.
    pub(in crate::authenticator) fn find<T>(
        &self,
        find: impl Fn(&EventKind) -> Option<T>,
    ) -> Option<T> {
        self.take().iter().find_map(|event| find(event.kind()))
    }
}

/// One process with an authenticator of [`key`].
pub(in crate::authenticator) struct World {
    pub(in crate::authenticator) vendor: Vendor,
    pub(in crate::authenticator) clock: TestClock,
    pub(in crate::authenticator) heard: Heard,
    pub(in crate::authenticator) options: AuthenticatorOptions,
}

impl World {
    pub(in crate::authenticator) fn new(vendor: Vendor) -> Self {
        let (clock, heard) = (TestClock::new(), Heard::default());
        let policy = RefreshPolicy::default().jitter(0.0).unwrap();
        let options = AuthenticatorOptions::new()
            .shards(1)
            .policy(policy)
            .clock(clock.clone())
            .observer(heard.clone());
        Self {
            vendor,
            clock,
            heard,
            options,
        }
    }

    pub(in crate::authenticator) fn with(
        mut self,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        self.options = set(self.options);
        self
    }

    pub(in crate::authenticator) fn store(self, store: &Store) -> Self {
        let store = store.clone();
        self.with(|options| options.store(store))
    }

    /// Makes an authenticator. Several of them are like several processes.
    pub(in crate::authenticator) fn build(&self) -> Authenticator {
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        let builder: AuthenticatorBuilder = Authenticator::builder(self.vendor.clone(), origins);
        let builder = builder.vendor("example").key(key());
        builder.options(self.options.clone()).build().unwrap()
    }
}

/// The text of a token.
pub(in crate::authenticator) fn text(token: &Token) -> String {
    token.secret().expose().to_owned()
}
