use std::{
    collections::HashMap,
    sync::{Barrier, Mutex, atomic::AtomicUsize},
    thread,
};

use tokio::time;

use crate::{
    AccessToken, AuthenticatorOptions, Clock, KeyPart, Moment, Origins, Secret, TokenRequest,
    TokenSource, authenticator::residue::Residue,
};

use super::*;

mod residues;

/// Returns a separate token for each key after a second, and counts.
#[derive(Clone, Default)]
struct Vendor {
    counts: Arc<Counts>,
    /// The clock of the map and of its authenticators.
    clock: SharedClock,
}

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    token_requests: AtomicUsize,
}

struct Source {
    vendor: Vendor,
    user: String,
}

impl TokenSource for Source {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        self.vendor
            .counts
            .token_requests
            .fetch_add(1, Ordering::Relaxed);
        time::sleep(Duration::from_secs(1)).await;
        let token = format!("fake-token-of-{}", self.user);
        Ok(AccessToken::new(token).expires_in(Duration::from_secs(3600)))
    }
}

impl Vendor {
    fn with_clock(clock: impl Into<SharedClock>) -> Self {
        let counts = Arc::default();
        let clock = clock.into();
        Self { counts, clock }
    }

    fn map(&self) -> AuthenticatorMapBuilder {
        let vendor = self.clone();
        let clock = self.clock.clone();
        let map = AuthenticatorMap::builder(move |key| {
            vendor.counts.made.fetch_add(1, Ordering::Relaxed);
            let user = key.get(KeyPart::Subject).unwrap_or_default().to_owned();
            let vendor = vendor.clone();
            let clock = vendor.clock.clone();
            let origins = Origins::new(["https://api.example.com"])?;
            Authenticator::builder(Source { vendor, user }, origins)
                .options(AuthenticatorOptions::new().clock(clock).shards(1))
                .build()
        });
        map.clock(clock)
    }

    fn made(&self) -> usize {
        self.counts.made.load(Ordering::Relaxed)
    }
}

pub(super) fn key(user: usize) -> Key {
    let subject = Secret::new(user.to_string());
    Key::builder("example").subject(&subject).build()
}

#[derive(Clone, Debug)]
pub(super) struct Turned(Arc<Mutex<Moment>>);

impl Turned {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::PAST)))
    }

    pub(super) fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = *now + time;
    }
}

impl Clock for Turned {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn t27_each_key_has_its_own_token() {
    let map = Vendor::default().map().build().unwrap();
    let mut tasks = Vec::new();
    for round in 0..3 {
        for user in 0..1_000 {
            let map = map.clone();
            tasks.push(tokio::spawn(async move {
                let token = map.get(&key(user)).unwrap().token().await.unwrap();
                let mut headers = http::HeaderMap::new();
                token.sign(&mut headers);
                let expected = format!("Bearer fake-token-of-{user}");
                assert_eq!(headers["authorization"], expected, "{round}");
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g03_a_key_has_one_authenticator_and_one_token_request() {
    let vendor = Vendor::default();
    let map = vendor.map().build().unwrap();
    let tokens: Vec<_> = (0..100)
        .map(|_| map.get(&key(1)).unwrap().token())
        .collect();
    for token in tokens {
        token.await.unwrap();
    }
    assert_eq!(vendor.made(), 1);
    assert_eq!(vendor.counts.token_requests.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn t23_the_map_never_exceeds_max_entries() {
    let vendor = Vendor::default();
    let map = vendor.map().max_entries(100).build().unwrap();
    for user in 0..10_000 {
        map.get(&key(user)).unwrap();
        assert!(map.len() <= 100, "{}", map.len());
    }
    assert_eq!(vendor.made(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn t23_authenticator_with_a_flight_is_never_evicted() {
    let vendor = Vendor::default();
    let map = vendor.map().max_entries(10).build().unwrap();
    // No caller waits for the token, and no caller holds the authenticator.
    let mut waiting = Box::pin(map.get(&key(0)).unwrap().token());
    std::future::poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(waiting);
    tokio::task::yield_now().await;
    for user in 1..1_000 {
        map.get(&key(user)).unwrap();
    }
    map.get(&key(0)).unwrap().token().await.unwrap();
    assert_eq!(vendor.counts.token_requests.load(Ordering::Relaxed), 1);
    assert!(map.len() <= 10);
}

#[tokio::test(start_paused = true)]
async fn t23_held_authenticator_is_never_made_twice() {
    let vendor = Vendor::default();
    let map = vendor.map().max_entries(10).build().unwrap();
    let held: Vec<_> = (0..50).map(|user| map.get(&key(user)).unwrap()).collect();
    for user in 0..50 {
        map.get(&key(user)).unwrap();
    }
    assert_eq!(vendor.made(), 50);
    drop(held);
    for user in 50..200 {
        map.get(&key(user)).unwrap();
    }
    assert!(map.len() <= 10, "{}", map.len());
}

#[tokio::test(start_paused = true)]
async fn g19_idle_authenticator_is_evicted_when_another_is_made() {
    let clock = Turned::new();
    let vendor = Vendor::with_clock(clock.clone());
    let hour = Duration::from_secs(3600);
    let builder = vendor.map().idle_after(hour);
    let map = builder.build().unwrap();
    for user in 0..100 {
        map.get(&key(user)).unwrap();
    }
    clock.pass(hour / 2);
    map.get(&key(7)).unwrap();
    let held = map.get(&key(8)).unwrap();
    clock.pass(hour * 3 / 4);
    assert_eq!(map.len(), 100, "nothing runs without callers");
    map.get(&key(100)).unwrap();
    assert_eq!(map.len(), 3, "the new, the used and the held authenticator");
    drop(held);
    clock.pass(hour * 2);
    map.get(&key(101)).unwrap();
    assert_eq!(map.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_was_idle_for_exactly_the_default_of_an_hour_is_evicted() {
    let minute = Duration::from_secs(60);
    for (idle, len) in [(59 * minute, 2), (60 * minute, 1)] {
        let clock = Turned::new();
        let map = Vendor::with_clock(clock.clone()).map().build().unwrap();
        assert!(map.is_empty());
        map.get(&key(0)).unwrap();
        assert!(!map.is_empty());
        clock.pass(idle);
        map.get(&key(1)).unwrap();
        assert_eq!(map.len(), len, "{idle:?}");
    }
}

/// A sweep locks every shard, so new keys at a high rate must not cause one each.
#[tokio::test(start_paused = true)]
async fn a_sweep_runs_at_most_four_times_in_the_idle_time() {
    let minute = Duration::from_secs(60);
    let clock = Turned::new();
    let builder = Vendor::with_clock(clock.clone()).map();
    let map = builder.idle_after(60 * minute).build().unwrap();
    map.get(&key(0)).unwrap();
    clock.pass(5 * minute);
    map.get(&key(1)).unwrap();
    clock.pass(55 * minute);
    map.get(&key(2)).unwrap();
    assert_eq!(map.len(), 2, "the first one was idle for an hour");
    clock.pass(14 * minute);
    map.get(&key(3)).unwrap();
    assert_eq!(map.len(), 3, "14 minutes after a sweep");
    clock.pass(minute);
    map.get(&key(4)).unwrap();
    assert_eq!(
        map.len(),
        3,
        "15 minutes after a sweep, the second one is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn failure_to_make_an_authenticator_is_not_cached() {
    let calls = AtomicUsize::new(0);
    let map = AuthenticatorMap::builder(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::config("tenant", "is unknown")),
        _ => Authenticator::builder(
            crate::ApiKey::new(Secret::new("fake-key")),
            Origins::new(["https://api.example.com"])?,
        )
        .build(),
    });
    let map = map.build().unwrap();
    assert_eq!(map.get(&key(1)).unwrap_err().field(), Some("tenant"));
    assert!(map.is_empty());
    assert!(map.get(&key(1)).is_ok());
    map.remove(&key(1));
    assert!(map.is_empty());
}

#[test]
fn map_for_zero_entries_is_a_config_error() {
    let map = Vendor::default().map().max_entries(0).build();
    assert_eq!(map.unwrap_err().field(), Some("max_entries"));
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A flight that no caller waits for, of an authenticator that no caller holds.
async fn start_flight(map: &AuthenticatorMap, key: &Key) {
    let mut waiting = Box::pin(map.get(key).unwrap().token());
    std::future::poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(waiting);
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn t23_the_sweep_evicts_nothing_in_use() {
    let clock = Turned::new();
    let vendor = Vendor::default();
    // Only the map's clock is moved, so that no token of the authenticators expires.
    let map = vendor.map().idle_after(HOUR).clock(clock.clone());
    let map = map.build().unwrap();
    let held = map.get(&key(0)).unwrap();
    start_flight(&map, &key(1)).await;
    let waiting = map.get(&key(2)).unwrap().token();
    map.get(&key(3)).unwrap();
    for sweep in 0..5 {
        clock.pass(10 * HOUR);
        map.get(&key(100 + sweep)).unwrap();
        // These three, and the new one.
        assert_eq!(map.len(), 4);
    }
    let made = vendor.made();
    assert!(same(&held, &map.get(&key(0)).unwrap()));
    map.get(&key(1)).unwrap().token().await.unwrap();
    map.get(&key(2)).unwrap();
    assert_eq!(vendor.made(), made, "all three are unchanged");
    waiting.await.unwrap();
    assert_eq!(vendor.counts.token_requests.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn t23_max_entries_evicts_nothing_in_use() {
    for max in [1, 2, 40] {
        let vendor = Vendor::default();
        let map = vendor.map().max_entries(max).build().unwrap();
        let held = map.get(&key(0)).unwrap();
        start_flight(&map, &key(1)).await;
        let waiting = map.get(&key(2)).unwrap().token();
        for user in 3..500 {
            map.get(&key(user)).unwrap();
            assert!(map.len() <= max.max(4), "{max}: {}", map.len());
        }
        let made = vendor.made();
        assert!(same(&held, &map.get(&key(0)).unwrap()));
        map.get(&key(1)).unwrap().token().await.unwrap();
        map.get(&key(2)).unwrap();
        assert_eq!(vendor.made(), made, "all three are unchanged");
        waiting.await.unwrap();
        assert_eq!(vendor.counts.token_requests.load(Ordering::Relaxed), 2);
    }
}

pub(super) fn same(one: &Authenticator, other: &Authenticator) -> bool {
    std::ptr::eq(one.origins(), other.origins())
}

#[test]
fn t23_no_key_has_two_authenticators_under_concurrent_use_and_eviction() {
    let clock = Turned::new();
    let idle = Duration::from_secs(2);
    let vendor = Vendor::with_clock(clock.clone());
    let map = vendor.map().max_entries(3).idle_after(idle);
    let map = map.build().unwrap();
    let held: Mutex<HashMap<usize, (usize, usize)>> = Mutex::default();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (map, held, clock) = (&map, &held, &clock);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                for _ in 0..3_000 {
                    let user = rng.usize(0..8);
                    let authenticator = map.get(&key(user)).unwrap();
                    let place = std::ptr::from_ref(authenticator.origins()) as usize;
                    {
                        let mut held = held.lock().unwrap();
                        let (known, holders) = held.entry(user).or_insert((place, 0));
                        assert!(*holders == 0 || *known == place, "two for one key");
                        (*known, *holders) = (place, *holders + 1);
                    }
                    if rng.bool() {
                        clock.pass(Duration::from_secs(rng.u64(0..4)));
                        thread::yield_now();
                    }
                    let mut held = held.lock().unwrap();
                    held.get_mut(&user).unwrap().1 -= 1;
                    drop(authenticator);
                }
            });
        }
    });
}

/// A residue that matters until `end`, left by the key's authenticator when it is evicted.
pub(super) fn with_residue(map: &AuthenticatorMap, user: usize, end: Moment) {
    let authenticator = map.get(&key(user)).unwrap();
    authenticator.restore(Residue::example(user as u64, end));
}

/// Takes the residue that the key's authenticator was given, and returns its number.
pub(super) fn residue_of(map: &AuthenticatorMap, user: usize) -> Option<u64> {
    let authenticator = map.get(&key(user)).unwrap();
    authenticator.residue().map(|residue| residue.number())
}

#[tokio::test]
async fn g20_wall_clock_set_back_does_not_delay_eviction() {
    #[derive(Clone, Debug)]
    struct Stuck(Turned);
    impl Clock for Stuck {
        fn now(&self) -> Moment {
            Moment::new(self.0.now().monotonic(), Duration::ZERO)
        }
    }
    let turned = Turned::new();
    let vendor = Vendor::with_clock(Stuck(turned.clone()));
    let map = vendor.map().idle_after(HOUR).build().unwrap();
    map.get(&key(0)).unwrap();
    turned.pass(2 * HOUR);
    map.get(&key(1)).unwrap();
    assert_eq!(map.len(), 1);
}
