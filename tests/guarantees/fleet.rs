//! Processes that share a store: failures, rejections, the quota and refresh tokens apply to all of
//! them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Credentials, EntryVersion, Error, Key,
    KeyPart, MemoryStore, NewEntry, Origins, Quota, Secret, SharedClock, StoredEntry, TokenRequest,
    TokenSource, TokenStore,
};
use auth_testkit::{Outcome, ScriptedSource, VirtualClock};

mod alone;
mod clocks;
mod dead;
mod failures;
mod hostile;
mod quota;
mod refresh;
mod refused;
mod sharing;
mod spent;
mod stores;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// One vendor with its store, and processes that start and end.
#[derive(Clone)]
struct Fleet {
    source: Source,
    store: Unreliable,
    quota: Option<Quota>,
}

impl Fleet {
    fn new() -> Self {
        Self {
            source: Source::default(),
            store: Unreliable::default(),
            quota: None,
        }
    }

    /// Makes a fleet whose credentials are a password.
    fn with_password() -> Self {
        let mut fleet = Self::new();
        fleet.source.lockable = true;
        fleet
    }

    /// Makes a process that has just started.
    fn process(&self) -> Authenticator {
        self.process_for("read", VirtualClock::new())
    }

    /// Makes a process that shares nothing.
    fn process_without_store(&self) -> Authenticator {
        let options = AuthenticatorOptions::new().clock(VirtualClock::new());
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(self.source.clone(), origins)
            .vendor("example")
            .options(options)
            .build()
            .unwrap()
    }

    fn process_for(&self, scope: &str, clock: impl Into<SharedClock>) -> Authenticator {
        let mut options = AuthenticatorOptions::new()
            .store(self.store.clone())
            .clock(clock);
        if let Some(quota) = self.quota {
            options = options.quota(quota);
        }
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(self.source.clone(), origins)
            .vendor("example")
            .key(key(scope))
            .options(options)
            .build()
            .unwrap()
    }

    fn processes(&self, count: usize) -> Vec<Authenticator> {
        (0..count).map(|_| self.process()).collect()
    }

    fn token_requests(&self) -> usize {
        self.source.script.fetches()
    }

    fn spent(&self) -> Vec<Option<String>> {
        let log = self.source.script.log();
        let token = |token_request: &TokenRequest| {
            let token = token_request.refresh_token.as_ref();
            token.map(|token| token.expose().to_owned())
        };
        log.iter()
            .map(|fetch| token(&fetch.token_request))
            .collect()
    }
}

fn key(scope: &str) -> Key {
    Key::builder("example")
        .client("my-client")
        .scope(scope)
        .build()
}

/// Returns the `Authorization` value, or the error.
async fn token(process: &Authenticator) -> Result<String, Error> {
    let mut headers = http::HeaderMap::new();
    process.token().await?.sign(&mut headers);
    Ok(headers["authorization"].to_str().unwrap().to_owned())
}

/// Calls all processes at once.
async fn tokens(processes: &[Authenticator]) -> Vec<Result<String, Error>> {
    let asking: Vec<_> = processes
        .iter()
        .map(|process| {
            let process = process.clone();
            tokio::spawn(async move { token(&process).await })
        })
        .collect();
    let mut told = Vec::new();
    for process in asking {
        told.push(process.await.unwrap());
    }
    told
}

/// A scripted source with credentials that can be changed, and refresh tokens.
#[derive(Clone, Default)]
struct Source {
    script: ScriptedSource,
    credential: Arc<AtomicU64>,
    /// Whether the vendor may lock the account.
    lockable: bool,
    keeps: bool,
    first: Arc<Mutex<Option<Secret>>>,
}

impl Source {
    fn change_credential(&self, version: u64) {
        self.credential.store(version, Ordering::SeqCst);
    }
}

impl TokenSource for Source {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        self.script.fetch(token_request).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let scripted = self.script.credentials().await?;
        let version = self.credential.load(Ordering::SeqCst);
        let own = Secret::new(format!("fake-secret-{version}"));
        let secrets = scripted.secret(0).cloned().into_iter().chain([own]);
        Ok(if self.lockable {
            Credentials::lockable(&["my-account"], secrets)
        } else {
            Credentials::new(&["my-account"], secrets)
        })
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.keeps
    }

    async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
        Ok(self.first.lock().unwrap().clone())
    }
}

/// A store that counts its calls and can fail.
#[derive(Clone, Default)]
struct Unreliable {
    inner: MemoryStore,
    fails: Arc<AtomicBool>,
    /// The number of writes that succeed before one fails, if one must fail.
    writes_left: Arc<Mutex<Option<usize>>>,
    calls: Arc<AtomicUsize>,
    leases: Arc<AtomicUsize>,
    /// From this call on, the store does not answer.
    silent_from: Arc<Mutex<Option<usize>>>,
    /// The delay of the next lease.
    late: Arc<Mutex<Option<Duration>>>,
    /// The answers to this number of writes are delayed by this time.
    late_writes: Arc<Mutex<(usize, Duration)>>,
    latency_budget: Option<Duration>,
    /// Whether all leases are denied.
    denies: Arc<AtomicBool>,
    /// Whether all writes lose, as if another process were always faster.
    loses: Arc<AtomicBool>,
    /// The same for the entries that all keys of a client share.
    loses_accounts: Arc<AtomicBool>,
}

impl Unreliable {
    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Removes everything, like a restarted server.
    async fn flush(&self) {
        let entry = self.inner.load(&key("read")).await.unwrap();
        let version = entry.map(|entry| entry.version);
        let gone = NewEntry::new(EntryVersion::new(0), bytes::Bytes::new(), Duration::ZERO);
        self.inner
            .replace(&key("read"), version, gone)
            .await
            .unwrap();
    }

    fn fail_after_writes(&self, count: usize) {
        *self.writes_left.lock().unwrap() = Some(count);
    }

    async fn answer(&self) -> Result<(), Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let silent_from = *self.silent_from.lock().unwrap();
        if silent_from.is_some_and(|first| call >= first) {
            std::future::pending::<()>().await;
        }
        if self.fails.load(Ordering::SeqCst) {
            Err(Error::new(auth_core::ErrorKind::Store, "store: down"))
        } else {
            Ok(())
        }
    }
}

impl TokenStore for Unreliable {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.answer().await?;
        self.inner.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        {
            let mut left = self.writes_left.lock().unwrap();
            match left.as_mut() {
                Some(0) => {
                    *left = None;
                    self.fail(true);
                }
                Some(left) => *left -= 1,
                None => {}
            }
        }
        self.answer().await?;
        let is_account = key.get(KeyPart::Scope).is_none();
        if self.loses.load(Ordering::SeqCst)
            || is_account && self.loses_accounts.load(Ordering::SeqCst)
        {
            return Ok(false);
        }
        let replaced = self.inner.replace(key, expected, entry).await;
        let late = {
            let mut late = self.late_writes.lock().unwrap();
            let is_late = late.0 > 0;
            late.0 = late.0.saturating_sub(1);
            late.1 * u32::from(is_late)
        };
        tokio::time::sleep(late).await;
        replaced
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.answer().await?;
        self.leases.fetch_add(1, Ordering::SeqCst);
        if self.denies.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let is_held = self.inner.lease(key, owner, time).await;
        let late = self.late.lock().unwrap().take();
        tokio::time::sleep(late.unwrap_or_default()).await;
        is_held
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.answer().await?;
        self.inner.release(key, owner).await
    }

    fn latency_budget(&self) -> Duration {
        self.latency_budget.unwrap_or(Duration::from_millis(50))
    }
}
