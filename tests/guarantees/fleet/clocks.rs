//! G20: the clock of the store's server is set.

use std::collections::HashMap;

use auth_core::{ErrorKind, RejectedPart};
use tokio::time::{Instant, sleep};

use super::*;

/// A store that keeps time by a wall clock, which can be set, as a Redis server does.
#[derive(Clone)]
struct ByWallClock {
    entries: Arc<Mutex<HashMap<Key, Written>>>,
    leases: MemoryStore,
    begun: Instant,
    /// By how much the clock was set back.
    behind: Arc<Mutex<Duration>>,
}

struct Written {
    entry: NewEntry,
    /// By the clock.
    at: Duration,
}

impl ByWallClock {
    fn new() -> Self {
        Self {
            entries: Arc::default(),
            leases: MemoryStore::new(),
            begun: Instant::now(),
            behind: Arc::default(),
        }
    }

    fn set_back(&self, by: Duration) {
        *self.behind.lock().unwrap() += by;
    }

    fn now(&self) -> Duration {
        1_000 * HOUR + self.begun.elapsed() - *self.behind.lock().unwrap()
    }
}

impl TokenStore for ByWallClock {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let now = self.now();
        let entries = self.entries.lock().unwrap();
        let live = entries.get(key).filter(|written| written.lives(now));
        Ok(live.map(|Written { entry, at }| {
            let age = now.checked_sub(*at).unwrap_or(StoredEntry::UNKNOWN_AGE);
            StoredEntry::new(entry.version, entry.bytes.clone(), age)
        }))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let at = self.now();
        let mut entries = self.entries.lock().unwrap();
        let live = entries.get(key).filter(|written| written.lives(at));
        let is_expected = live.map(|written| written.entry.version) == expected;
        if is_expected {
            entries.insert(key.clone(), Written { entry, at });
        }
        Ok(is_expected)
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.leases.lease(key, owner, time).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.leases.release(key, owner).await
    }
}

impl Written {
    fn lives(&self, now: Duration) -> bool {
        now < self.at + self.entry.time_to_live
    }
}

/// One vendor, and processes that share a store by a wall clock.
struct Site {
    source: Source,
    store: ByWallClock,
    quota: Option<Quota>,
}

impl Site {
    fn new() -> Self {
        Self {
            source: Source::default(),
            store: ByWallClock::new(),
            quota: None,
        }
    }

    /// A process that has just started, with a clock that nobody sets.
    fn process(&self, scope: &str) -> Authenticator {
        let mut options = AuthenticatorOptions::new()
            .store(self.store.clone())
            .clock(VirtualClock::new());
        if let Some(quota) = self.quota {
            options = options.quota(quota);
        }
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(self.source.clone(), origins)
            .key(key(scope))
            .options(options)
            .build()
            .unwrap()
    }

    fn token_requests(&self) -> usize {
        self.source.script.fetches()
    }
}

#[tokio::test(start_paused = true)]
async fn g20f_a_quota_slot_that_a_process_knows_lasts_no_longer_when_the_stores_clock_is_set_back()
{
    for set_back_after in [10, 40, 59].map(|minutes| minutes * MINUTE) {
        let mut site = Site::new();
        site.quota = Some(Quota::new(2, HOUR).unwrap());
        let _ = site.source.script.clone().lifetime(10 * HOUR);
        for scope in ["a", "b"] {
            token(&site.process(scope)).await.unwrap();
        }
        let waits = site.process("c");
        let error = token(&waits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
        sleep(set_back_after).await;
        site.store.set_back(set_back_after - SECOND);
        let error = token(&waits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quota, "the slots are not free yet");
        sleep(HOUR - set_back_after - SECOND).await;
        assert!(token(&waits).await.is_err());
        // A slot counts for an hour, and a token request may take ten seconds.
        sleep(12 * SECOND).await;
        token(&waits).await.unwrap();
        assert_eq!(site.token_requests(), 3, "{set_back_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g20f_a_token_that_has_expired_is_not_taken_back_when_the_stores_clock_is_set_back() {
    let site = Site::new();
    let process = site.process("a");
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-1");
    sleep(HOUR - SECOND).await;
    site.store.set_back(HOUR - 2 * SECOND);
    sleep(2 * SECOND).await;
    // The entry says that the token has an hour left.
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-2");
    assert_eq!(site.token_requests(), 2);
    assert_eq!(
        token(&site.process("a")).await.unwrap(),
        "Bearer fake-token-2"
    );
}

#[tokio::test(start_paused = true)]
async fn g20f_rejected_logins_are_kept_back_no_longer_when_the_stores_clock_is_set_back() {
    let mut site = Site::new();
    site.source.lockable = true;
    let wrong = Error::new(ErrorKind::Rejected, "wrong password")
        .with_rejected_part(RejectedPart::Credentials);
    site.source.script.always(Outcome::error(wrong));
    for _ in 0..2 {
        assert!(token(&site.process("a")).await.is_err());
        sleep(10 * MINUTE).await;
    }
    let process = site.process("a");
    assert!(token(&process).await.is_err());
    assert_eq!(site.token_requests(), 2);
    sleep(20 * HOUR).await;
    site.store.set_back(19 * HOUR);
    for _ in 0..3 {
        assert!(token(&process).await.is_err());
        sleep(HOUR).await;
    }
    assert_eq!(site.token_requests(), 2);
    // A day after the last rejection.
    sleep(HOUR).await;
    assert!(token(&process).await.is_err());
    assert_eq!(site.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn g20f_a_retry_after_lasts_no_longer_when_the_stores_clock_is_set_back() {
    let site = Site::new();
    let busy = Error::new(ErrorKind::Throttled, "429").with_retry_after(30 * MINUTE);
    site.source.script.then(Outcome::error(busy));
    assert!(token(&site.process("a")).await.is_err());
    let process = site.process("a");
    assert!(token(&process).await.is_err());
    sleep(29 * MINUTE).await;
    site.store.set_back(28 * MINUTE);
    assert!(token(&process).await.is_err());
    sleep(MINUTE + SECOND).await;
    token(&process).await.unwrap();
    assert_eq!(site.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g20f_a_refusal_back_off_lasts_no_longer_when_the_stores_clock_is_set_back() {
    let site = Site::new();
    let process = site.process("a");
    // The API refuses each new token at first.
    for _ in 0..8 {
        let generation = process.token().await.unwrap().generation();
        process.report_accepted(generation);
        drop(process.report_refused(generation));
        sleep(SECOND).await;
    }
    let other = site.process("a");
    let before = site.token_requests();
    let generation = other.token().await.unwrap().generation();
    other.report_accepted(generation);
    let begun = Instant::now();
    drop(other.report_refused(generation));
    sleep(SECOND).await;
    site.store.set_back(begun.elapsed());
    while site.token_requests() == before {
        assert!(
            begun.elapsed() <= MINUTE + 2 * SECOND,
            "{:?}",
            begun.elapsed()
        );
        let generation = other.token().await.unwrap().generation();
        drop(other.report_refused(generation));
        sleep(SECOND).await;
    }
    println!("{:?}", begun.elapsed());
}
