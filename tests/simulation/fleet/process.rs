use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, EntryVersion, Error, ErrorKind, Key,
    MemoryStore, NewEntry, Origins, Quota, StoredEntry, TokenRequest, TokenSource, TokenStore,
};
use auth_testkit::VirtualClock;
use fastrand::Rng;

use super::vendor::Vendor;

/// A process. When it dies, it never continues.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) authenticator: Authenticator,
    pub(super) life: Life,
}

/// The faults of a process.
#[derive(Clone)]
pub(super) struct Life {
    is_dead: Arc<AtomicBool>,
    /// With the lease, the process dies at one of this number of steps; zero means at no step.
    dies_in: Arc<AtomicU32>,
    has_lease: Arc<AtomicBool>,
    /// Whether it died while it held the lease.
    pub(super) died_at_work: Arc<AtomicBool>,
    is_cut_off: Arc<AtomicBool>,
    is_store_down: Arc<AtomicBool>,
    rng: Arc<std::sync::Mutex<Rng>>,
}

impl Life {
    pub(super) fn new(rng: Rng, dies_in: u32, is_store_down: &Arc<AtomicBool>) -> Self {
        Self {
            is_dead: Arc::default(),
            dies_in: Arc::new(AtomicU32::new(dies_in)),
            has_lease: Arc::default(),
            died_at_work: Arc::default(),
            is_cut_off: Arc::default(),
            is_store_down: Arc::clone(is_store_down),
            rng: Arc::new(std::sync::Mutex::new(rng)),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    pub(super) fn kill(&self) {
        let at_work = self.has_lease.load(Ordering::SeqCst);
        self.died_at_work.fetch_or(at_work, Ordering::SeqCst);
        self.is_dead.store(true, Ordering::SeqCst);
    }

    pub(super) fn cut_off(&self, is_cut_off: bool) {
        self.is_cut_off.store(is_cut_off, Ordering::SeqCst);
    }

    /// A step of the protocol: a dead process takes none, and some die here.
    async fn step(&self) {
        let dies_in = self.dies_in.load(Ordering::SeqCst);
        let at_work = dies_in > 0 && self.has_lease.load(Ordering::SeqCst);
        if at_work && self.rng.lock().unwrap().u32(0..dies_in) == 0 {
            self.kill();
        }
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    async fn ask<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.step().await;
        if self.is_store_down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Store, "store: down"));
        }
        if self.is_cut_off.load(Ordering::SeqCst) {
            return pending().await;
        }
        let answer = answer.await;
        self.step().await;
        answer
    }
}

impl Process {
    pub(super) fn new(
        vendor: &Vendor,
        store: &MemoryStore,
        quota: u32,
        life: Life,
        skew: i64,
    ) -> Self {
        let clock = VirtualClock::new();
        let by = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 {
            clock.jump_wall_back(by)
        } else {
            clock.jump_wall_forward(by)
        }
        let source = Source(vendor.clone(), life.clone());
        let authenticator =
            Authenticator::builder(source, Origins::new(["https://api.example.com"]).unwrap())
                .vendor("vendor")
                .key(key())
                .options(
                    AuthenticatorOptions::new()
                        .quota(Quota::new(quota, Duration::from_secs(3600)).unwrap())
                        .store(Store(store.clone(), life.clone()))
                        .clock(clock)
                        .shards(1),
                )
                .build()
                .unwrap();
        Self {
            authenticator,
            life,
        }
    }
}

fn key() -> Key {
    Key::builder("vendor").client("the-client").build()
}

struct Source(Vendor, Life);

impl TokenSource for Source {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        self.1.step().await;
        let answer = self.0.token_request().await;
        self.1.step().await;
        answer
    }
}

#[derive(Clone)]
struct Store(MemoryStore, Life);

impl TokenStore for Store {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.1.ask(self.0.load(key)).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.1.ask(self.0.replace(key, expected, entry)).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let lease = async {
            let is_held = self.0.lease(key, owner, time).await?;
            self.1.has_lease.store(is_held, Ordering::SeqCst);
            Ok(is_held)
        };
        self.1.ask(lease).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        let release = async {
            self.0.release(key, owner).await?;
            self.1.has_lease.store(false, Ordering::SeqCst);
            Ok(())
        };
        self.1.ask(release).await
    }
}
