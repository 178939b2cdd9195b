//! Processes that share a store: the cost of a request with a cached token, and how long twenty
//! processes that start together wait for one token. Each process is a thread with its own runtime
//! here, and shares only the store with the others.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;

use std::{
    process::ExitCode,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, EntryVersion, Error, Key, MemoryStore,
    NewEntry, Origins, StoredEntry, TokenRequest, TokenSource, TokenStore,
};
use report::{Limit, Report, Table, cell};
use tokio::{runtime, time::sleep};

fn main() -> ExitCode {
    let mut report = Report::new("fleet");
    let mut table = Table::new(&["processes that share a store", ""]);
    with_cached_token(&mut table, &mut report);
    cold_start(&mut table, &mut report);
    table.print();
    report.finish()
}

const REQUESTS: usize = 1_000_000;

fn with_cached_token(table: &mut Table, report: &mut Report) {
    let vendor = Vendor::default();
    let store = Counting::default();
    let process = process(&vendor, &store);
    let runtime = runtime();
    runtime.block_on(process.token()).expect("a token");
    let before = store.calls();
    let mut headers = http::HeaderMap::new();
    for _ in 0..REQUESTS {
        headers.clear();
        process
            .try_token()
            .expect("a cached token")
            .sign(&mut headers);
    }
    let calls = store.calls() - before;
    let what = format!("store calls in {REQUESTS} requests with a cached token");
    table.row([what.clone(), calls.to_string()]);
    report.gate(what, calls as f64, Limit::AtMost(0.0));
}

const PROCESSES: usize = 20;

fn cold_start(table: &mut Table, report: &mut Report) {
    let vendor = Vendor::default();
    let store = Counting::default();
    let start = Barrier::new(PROCESSES);
    let last = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..PROCESSES {
            scope.spawn(|| {
                let process = process(&vendor, &store);
                let runtime = runtime();
                start.wait();
                runtime.block_on(process.token()).expect("a token");
                let now = Instant::now();
                let mut last = last.lock().expect("nobody panics");
                *last = (*last).max(Some(now));
            });
        }
    });
    let published = *store.published.lock().expect("nobody panics");
    let last = *last.lock().expect("nobody panics");
    let (Some(published), Some(last)) = (published, last) else {
        panic!("nothing was published");
    };
    let token_requests = vendor.token_requests.load(Ordering::SeqCst);
    let adopted = (last - published).as_secs_f64() * 1e3;
    table.row([
        format!("token requests of {PROCESSES} that start at once"),
        token_requests.to_string(),
    ]);
    table.row([
        String::from("milliseconds from the first publish to the last adoption"),
        cell(adopted, 1),
    ]);
    report.gate(
        "token requests of a cold start",
        token_requests as f64,
        Limit::AtMost(1.0),
    );
    report.gate(
        "milliseconds to the last adoption",
        adopted,
        Limit::AtMost(1_000.0),
    );
}

fn runtime() -> runtime::Runtime {
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime")
}

fn process(vendor: &Vendor, store: &Counting) -> Authenticator {
    let origins = Origins::new(["https://api.example.com"]).expect("a valid origin");
    Authenticator::builder(vendor.clone(), origins)
        .key(Key::builder("example").client("bench").build())
        .options(AuthenticatorOptions::new().store(store.clone()))
        .build()
        .expect("valid settings")
}

/// A token request takes as long as in a data centre.
#[derive(Clone, Default)]
struct Vendor {
    token_requests: Arc<AtomicUsize>,
}

impl TokenSource for Vendor {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        self.token_requests.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(24 * 3600)))
    }
}

#[derive(Clone, Default)]
struct Counting {
    inner: MemoryStore,
    calls: Arc<AtomicUsize>,
    published: Arc<Mutex<Option<Instant>>>,
}

impl Counting {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl TokenStore for Counting {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.count();
        self.inner.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.count();
        let is_replaced = self.inner.replace(key, expected, entry).await?;
        let mut published = self.published.lock().expect("nobody panics");
        published.get_or_insert_with(Instant::now);
        Ok(is_replaced)
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.count();
        self.inner.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.count();
        self.inner.release(key, owner).await
    }

    fn latency_budget(&self) -> Duration {
        // With twenty threads on two processors, the threads wait for each other, not for the
        // store.
        Duration::from_secs(1)
    }
}
