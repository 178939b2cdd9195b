//! One token for several processes: here authenticators that share nothing but a store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, Error, ErrorKind, Key, MemoryStore, NewEntry, Origins, Secret,
    StoredEntry, TokenStore, Version,
};
use auth_testkit::{Outcome, ScriptedSource, VirtualClock};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn key() -> Key {
    Key::builder("example").client("my-client").build()
}

/// One vendor, one clock, and processes that come and go.
struct Fleet<S> {
    source: ScriptedSource,
    clock: VirtualClock,
    store: S,
}

impl<S: TokenStore + Clone> Fleet<S> {
    fn new(store: S) -> Self {
        Self {
            source: ScriptedSource::new(),
            clock: VirtualClock::new(),
            store,
        }
    }

    /// A process that has just started.
    fn process(&self) -> Authenticator {
        Authenticator::builder(self.source.clone())
            .vendor("example")
            .origins(Origins::new(["https://api.example.com"]).unwrap())
            .store(self.store.clone(), key())
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    async fn token(&self, process: &Authenticator) -> String {
        let mut headers = http::HeaderMap::new();
        process.token().await.unwrap().sign(&mut headers);
        headers["authorization"].to_str().unwrap().to_owned()
    }
}

fn fleet() -> Fleet<MemoryStore> {
    Fleet::new(MemoryStore::new())
}

#[tokio::test(start_paused = true)]
async fn g03f_twenty_cold_processes_make_one_exchange() {
    let fleet = fleet();
    fleet.source.then(Outcome::fresh().delay(SECOND));
    let processes: Vec<_> = (0..20).map(|_| fleet.process()).collect();
    let begun = Instant::now();
    let tokens = processes
        .iter()
        .map(|process| tokio::spawn(process.token()));
    for token in tokens.collect::<Vec<_>>() {
        token.await.unwrap().unwrap();
    }
    // From the publication to the last that adopts it.
    assert!(begun.elapsed() < SECOND + Duration::from_millis(200));
    assert_eq!(fleet.source.fetches(), 1);
    assert_eq!(
        fleet.token(&processes[0]).await,
        fleet.token(&processes[19]).await
    );
}

#[tokio::test(start_paused = true)]
async fn g03f_a_program_that_starts_a_hundred_times_an_hour_makes_one_exchange() {
    let fleet = fleet();
    for _ in 0..100 {
        fleet.token(&fleet.process()).await;
        fleet.clock.advance(HOUR * 9 / 10 / 100).await;
    }
    assert_eq!(fleet.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_about_to_end_is_not_taken() {
    let fleet = fleet();
    fleet.token(&fleet.process()).await;
    fleet.clock.advance(HOUR - MINUTE - SECOND).await;
    fleet.token(&fleet.process()).await;
    assert_eq!(fleet.source.fetches(), 1);
    // Less than the minute that a token needs to arrive in time.
    fleet.clock.advance(2 * SECOND).await;
    fleet.token(&fleet.process()).await;
    assert_eq!(fleet.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g02f_a_lifetime_costs_the_fleet_one_exchange() {
    let fleet = fleet();
    let processes: Vec<_> = (0..10).map(|_| fleet.process()).collect();
    for _ in 0..10 * 60 {
        for process in &processes {
            fleet.token(process).await;
        }
        sleep(MINUTE).await;
    }
    let exchanges = fleet.source.fetches();
    // Renewed after three quarters of an hour's life at the earliest.
    assert!((10..=14).contains(&exchanges), "{exchanges} in ten hours");
}

#[tokio::test(start_paused = true)]
async fn g08f_a_refusal_costs_the_fleet_one_exchange() {
    let fleet = fleet();
    let processes: Vec<_> = (0..10).map(|_| fleet.process()).collect();
    for process in &processes {
        fleet.token(process).await;
    }
    for process in &processes {
        let generation = process.token().await.unwrap().generation();
        process.refuse(generation);
        assert!(!fleet.token(process).await.ends_with("fake-token-1"));
    }
    assert_eq!(fleet.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g07f_a_refused_token_is_nobodys_even_if_no_other_can_be_had() {
    let fleet = fleet();
    let process = fleet.process();
    let generation = process.token().await.unwrap().generation();
    let error = Error::new(ErrorKind::Unavailable, "example: no answer");
    fleet.source.always(Outcome::error(error));
    process.refuse(generation);
    assert!(process.token().await.is_err());
    assert!(
        fleet.process().token().await.is_err(),
        "another one does not take it"
    );
    fleet.source.clear();
    sleep(2 * MINUTE).await;
    assert!(fleet.process().token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn g17_a_lease_that_nobody_gives_back_ends_in_its_time() {
    let fleet = fleet();
    // Taken by a process that is gone.
    let lease = 12 * SECOND;
    assert!(fleet.store.lease(&key(), "gone", lease).await.unwrap());
    let begun = Instant::now();
    fleet.token(&fleet.process()).await;
    let waited = begun.elapsed();
    assert!((lease..lease + SECOND).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn g05_a_silent_vendor_ends_at_the_exchanges_deadline_with_a_store_too() {
    let fleet = fleet();
    fleet.source.always(Outcome::never());
    let begun = Instant::now();
    let error = fleet.process().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!((10 * SECOND..11 * SECOND).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn g17_an_exchange_that_failed_gives_its_lease_back() {
    let fleet = fleet();
    let error = Error::new(ErrorKind::Unavailable, "example: no answer");
    fleet.source.then(Outcome::error(error));
    assert!(fleet.process().token().await.is_err());
    assert!(fleet.store.lease(&key(), "other", SECOND).await.unwrap());
}

/// A store that fails, or never answers.
#[derive(Clone)]
struct Broken {
    inner: MemoryStore,
    hangs: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Broken {
    fn new() -> Self {
        Self {
            inner: MemoryStore::new(),
            hangs: Arc::default(),
            fails: Arc::default(),
            calls: Arc::default(),
        }
    }

    async fn trouble(&self) -> Result<(), Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match self.fails.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Store, "the store is away")),
            false => Ok(()),
        }
    }
}

impl TokenStore for Broken {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.trouble().await?;
        self.inner.load(key).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<Version>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.trouble().await?;
        self.inner.replace(key, expected, entry).await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.trouble().await?;
        self.inner.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.trouble().await?;
        self.inner.release(key, owner).await
    }
}

#[tokio::test(start_paused = true)]
async fn g16_a_store_that_hangs_costs_50_ms_once() {
    let store = Broken::new();
    store.hangs.store(true, Ordering::Relaxed);
    let fleet = Fleet::new(store.clone());
    let process = fleet.process();
    let begun = Instant::now();
    fleet.token(&process).await;
    assert!(
        begun.elapsed() <= Duration::from_millis(51),
        "{:?}",
        begun.elapsed()
    );
    // Left alone from then on, for a while.
    let calls = store.calls.load(Ordering::Relaxed);
    let generation = process.token().await.unwrap().generation();
    process.accepted(generation);
    process.refuse(generation);
    let begun = Instant::now();
    fleet.token(&process).await;
    assert!(
        begun.elapsed() <= SECOND,
        "only the floor between two exchanges"
    );
    assert_eq!(store.calls.load(Ordering::Relaxed), calls);
}

#[tokio::test(start_paused = true)]
async fn g16_a_store_that_fails_is_asked_again_later_and_shared_again() {
    let store = Broken::new();
    store.fails.store(true, Ordering::Relaxed);
    let fleet = Fleet::new(store.clone());
    let process = fleet.process();
    fleet.token(&process).await;
    assert_eq!(store.calls.load(Ordering::Relaxed), 1);
    store.fails.store(false, Ordering::Relaxed);
    // The next renewal finds it well, and others share what it brings.
    sleep(50 * MINUTE).await;
    fleet.token(&process).await;
    sleep(SECOND).await;
    assert_eq!(fleet.source.fetches(), 2);
    assert_eq!(
        fleet.token(&fleet.process()).await,
        fleet.token(&process).await
    );
    assert_eq!(fleet.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g16_a_request_with_a_token_at_hand_asks_no_store() {
    let store = Broken::new();
    let fleet = Fleet::new(store.clone());
    let process = fleet.process();
    fleet.token(&process).await;
    let calls = store.calls.load(Ordering::Relaxed);
    for _ in 0..1_000 {
        fleet.token(&process).await;
    }
    assert_eq!(store.calls.load(Ordering::Relaxed), calls);
}

#[tokio::test(start_paused = true)]
async fn g16_what_cannot_be_understood_is_nothing() {
    let fleet = fleet();
    let foreign = Bytes::from_static(b"auth-core 2\nwhatever comes then");
    fleet
        .store
        .replace(&key(), None, NewEntry::new(Version::new(1), foreign, HOUR))
        .await
        .unwrap();
    fleet.token(&fleet.process()).await;
    // And is replaced by what can be.
    fleet.token(&fleet.process()).await;
    assert_eq!(fleet.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn t27_keys_share_nothing() {
    let fleet = fleet();
    fleet.token(&fleet.process()).await;
    let other = Authenticator::builder(fleet.source.clone())
        .origins(Origins::new(["https://api.example.com"]).unwrap())
        .store(
            fleet.store.clone(),
            Key::builder("example").client("another").build(),
        )
        .clock(fleet.clock.clone())
        .build()
        .unwrap();
    fleet.token(&other).await;
    assert_eq!(fleet.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_end_or_none_to_speak_of_is_not_stored() {
    for token in [
        AccessToken::new("fake-token"),
        AccessToken::new("fake-token").expires_in(Duration::ZERO),
        AccessToken::permanent("fake-key"),
    ] {
        let fleet = fleet();
        fleet.source.always(Outcome::token(token));
        fleet.token(&fleet.process()).await;
        assert!(fleet.store.load(&key()).await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn g20_a_clock_that_was_set_back_makes_no_token_live_longer() {
    let fleet = fleet();
    fleet.token(&fleet.process()).await;
    fleet.clock.jump_wall_back(10 * HOUR);
    let process = fleet.process();
    fleet.token(&process).await;
    assert!(process.health().usable_for().unwrap() <= HOUR);
}

/// Each vendor's crate, twice on one store: the second one finds what the first one put there.
#[tokio::test(start_paused = true)]
async fn g03f_every_vendor_shares_its_token() {
    use auth_axonize::Axonize;
    use auth_kaizen::{Central, Kaizen};
    use auth_kayzen::Kayzen;
    use auth_testkit::{TestServer, fakes};
    use auth_verdigris::Verdigris;

    type Make = fn(&TestServer, MemoryStore) -> Result<Authenticator, Error>;
    let verdigris: Make = |server, store| {
        Verdigris::builder(server.client_id(), Secret::new(server.client_secret()))
            .transport(server.transport())
            .token_url(server.token_url())
            .base_url(server.origin())
            .clock(server.clock().clone())
            .store(store)
            .build()
    };
    let kaizen: Make = |server, store| {
        let secret = Secret::new(server.client_secret());
        let kaizen = Kaizen::<Central>::builder(server.client_id(), secret)
            .transport(server.transport())
            .token_url(server.token_url())
            .base_url(server.origin())
            .clock(server.clock().clone())
            .store(store)
            .build()?;
        Ok(kaizen.into())
    };
    let kayzen: Make = |server, store| {
        let secret = Secret::new(server.client_secret());
        let password = Secret::new(server.user_password());
        Kayzen::builder(server.client_id(), secret, server.user_name(), password)
            .transport(server.transport())
            .token_url(server.token_url())
            .base_url(server.origin())
            .clock(server.clock().clone())
            .store(store)
            .build()
    };
    let axonize: Make = |server, store| {
        let password = Secret::new(server.user_password());
        Axonize::login(
            server.origin(),
            server.client_id(),
            server.user_name(),
            password,
        )
        .transport(server.transport())
        .clock(server.clock().clone())
        .store(store)
        .build()
    };
    let store = MemoryStore::new();
    for (server, make) in [
        (fakes::verdigris(), verdigris),
        (fakes::kaizen_central(), kaizen),
        (fakes::kayzen(), kayzen),
        (fakes::axonize(), axonize),
    ] {
        let server = server.in_memory();
        for _ in 0..3 {
            let authenticator = make(&server, store.clone()).unwrap();
            authenticator.warm_up().await.unwrap();
        }
        assert_eq!(server.counters().token_requests, 1, "{server:?}");
    }
}
