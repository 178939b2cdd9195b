use std::sync::{Mutex, atomic::AtomicUsize};

use tokio::time;

use crate::{AccessToken, Clock, Exchange, Moment, Origins, Part, Secret, TokenSource};

use super::*;

/// Gives each key a token of its own after a second, and counts.
#[derive(Clone, Default)]
struct Vendor(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    exchanges: AtomicUsize,
}

struct Source {
    vendor: Vendor,
    user: String,
}

impl TokenSource for Source {
    async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
        self.vendor.0.exchanges.fetch_add(1, Ordering::Relaxed);
        time::sleep(Duration::from_secs(1)).await;
        let token = format!("fake-token-of-{}", self.user);
        Ok(AccessToken::new(token).expires_in(Duration::from_secs(3600)))
    }
}

impl Vendor {
    fn map(&self) -> AuthenticatorsBuilder {
        let vendor = self.clone();
        Authenticators::builder(move |key| {
            vendor.0.made.fetch_add(1, Ordering::Relaxed);
            let user = key.get(Part::Subject).unwrap_or_default().to_owned();
            let vendor = vendor.clone();
            Authenticator::builder(Source { vendor, user })
                .shards(1)
                .origins(Origins::new(["https://api.example.com"])?)
                .build()
        })
    }

    fn made(&self) -> usize {
        self.0.made.load(Ordering::Relaxed)
    }
}

fn key(user: usize) -> Key {
    let subject = Secret::new(user.to_string());
    Key::builder("example").subject(&subject).build()
}

#[derive(Clone, Debug)]
struct Turned(Arc<Mutex<Moment>>);

impl Turned {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::PAST)))
    }

    fn pass(&self, time: Duration) {
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
async fn g03_a_key_has_one_authenticator_and_one_exchange() {
    let vendor = Vendor::default();
    let map = vendor.map().build().unwrap();
    let tokens: Vec<_> = (0..100)
        .map(|_| map.get(&key(1)).unwrap().token())
        .collect();
    for token in tokens {
        token.await.unwrap();
    }
    assert_eq!(vendor.made(), 1);
    assert_eq!(vendor.0.exchanges.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn t23_there_are_never_more_than_so_many() {
    let vendor = Vendor::default();
    let map = vendor.map().max_entries(100).build().unwrap();
    for user in 0..10_000 {
        map.get(&key(user)).unwrap();
        assert!(map.len() <= 100, "{}", map.len());
    }
    assert_eq!(vendor.made(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn t23_a_flight_is_never_evicted() {
    let vendor = Vendor::default();
    let map = vendor.map().max_entries(10).build().unwrap();
    // Nobody waits for it any longer, nobody holds its authenticator.
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
    assert_eq!(vendor.0.exchanges.load(Ordering::Relaxed), 1);
    assert!(map.len() <= 10);
}

#[tokio::test(start_paused = true)]
async fn t23_what_somebody_holds_is_never_made_twice() {
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
async fn g19_what_is_idle_goes_when_another_comes() {
    let clock = Turned::new();
    let vendor = Vendor::default();
    let hour = Duration::from_secs(3600);
    let builder = vendor.map().idle_after(hour).clock(clock.clone());
    let map = builder.build().unwrap();
    for user in 0..100 {
        map.get(&key(user)).unwrap();
    }
    clock.pass(hour / 2);
    map.get(&key(7)).unwrap();
    let held = map.get(&key(8)).unwrap();
    clock.pass(hour * 3 / 4);
    assert_eq!(map.len(), 100, "nothing runs while nobody asks");
    map.get(&key(100)).unwrap();
    assert_eq!(
        map.len(),
        3,
        "the new one, the used one, and the one that is held"
    );
    drop(held);
    clock.pass(hour * 2);
    map.get(&key(101)).unwrap();
    assert_eq!(map.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_make_one_is_not_kept() {
    let calls = AtomicUsize::new(0);
    let map = Authenticators::builder(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::config("tenant", "nobody knows it")),
        _ => Authenticator::builder(crate::ApiKey::new(Secret::new("fake-key")))
            .origins(Origins::new(["https://api.example.com"])?)
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
fn a_map_for_nothing_is_refused() {
    let map = Vendor::default().map().max_entries(0).build();
    assert_eq!(map.unwrap_err().field(), Some("max_entries"));
}
