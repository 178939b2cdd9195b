use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    AccessToken, Authenticator, Exchange, Origins, Reason, RefreshPolicy, SystemClock, TokenSource,
};

use super::*;

/// Exchanges that take a second, in the order in which they started.
#[derive(Clone, Default)]
struct Vendor(Arc<Shared>);

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    most: AtomicUsize,
    started: Mutex<Vec<(usize, Reason, Duration)>>,
    begun: Mutex<Option<Instant>>,
}

struct Tenant {
    vendor: Vendor,
    number: usize,
}

impl TokenSource for Tenant {
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let shared = &self.vendor.0;
        let begun = *shared
            .begun
            .lock()
            .unwrap()
            .get_or_insert_with(Instant::now);
        let start = (self.number, exchange.reason, begun.elapsed());
        shared.started.lock().unwrap().push(start);
        let running = shared.running.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most.fetch_max(running, Ordering::Relaxed);
        time::sleep(Duration::from_secs(1)).await;
        shared.running.fetch_sub(1, Ordering::Relaxed);
        Ok(AccessToken::new(format!("fake-token-{}", self.number)).expires_in(HOUR))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Follows tokio's clock, which the tests pause.
#[derive(Clone, Debug)]
struct Paused(Instant, crate::Moment);

impl crate::Clock for Paused {
    fn now(&self) -> crate::Moment {
        self.1 + self.0.elapsed()
    }
}

impl Vendor {
    fn tenants(&self, count: usize, limit: &ExchangeLimit) -> Vec<Authenticator> {
        let clock = Paused(Instant::now(), crate::Clock::now(&SystemClock::new()));
        let tenant = |number| {
            let vendor = self.clone();
            Authenticator::builder(Tenant { vendor, number })
                .origins(Origins::new(["https://api.example.com"]).unwrap())
                .policy(RefreshPolicy::default().jitter(0.0))
                .limit(limit.clone())
                .clock(clock.clone())
                .build()
                .unwrap()
        };
        (0..count).map(tenant).collect()
    }

    fn started(&self) -> Vec<(usize, Reason, Duration)> {
        self.0.started.lock().unwrap().clone()
    }
}

async fn all(tenants: &[Authenticator]) -> Vec<Result<(), Error>> {
    let tasks = tenants.iter().map(|tenant| tokio::spawn(tenant.token()));
    let mut results = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        results.push(task.await.unwrap().map(drop));
    }
    results
}

#[tokio::test(start_paused = true)]
async fn t19_tenants_that_expire_together_ask_so_many_at_once() {
    let vendor = Vendor::default();
    let tenants = vendor.tenants(100, &ExchangeLimit::new(8));
    assert!(all(&tenants).await.iter().all(Result::is_ok));
    assert_eq!(vendor.0.most.load(Ordering::Relaxed), 8);
    assert_eq!(vendor.started().len(), 100);
    // 13 rounds, which no exchange's deadline of ten seconds cuts short.
    assert_eq!(vendor.started().last().unwrap().2, Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn t19_starts_are_spread_evenly() {
    let vendor = Vendor::default();
    let tenants = vendor.tenants(50, &ExchangeLimit::new(100).per_second(10));
    all(&tenants).await;
    for (index, (_, _, at)) in vendor.started().into_iter().enumerate() {
        let due = Duration::from_millis(100 * index as u64);
        assert!(
            at.abs_diff(due) < Duration::from_millis(5),
            "{index} {at:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn t19_who_is_waited_for_goes_before_who_is_not() {
    let limit = ExchangeLimit::new(1);
    let vendor = Vendor::default();
    let ahead = vendor.tenants(5, &limit);
    assert!(all(&ahead).await.iter().all(Result::is_ok));
    time::advance(HOUR * 4 / 5).await;
    // One has its turn, four stand in line, for nobody.
    assert!(ahead.iter().all(|tenant| tenant.try_token().is_none()));
    assert!(
        all(&ahead).await.iter().all(Result::is_ok),
        "the old tokens serve"
    );
    let needed = vendor.tenants(3, &limit);
    all(&needed).await;
    time::sleep(Duration::from_secs(10)).await;
    let reasons: Vec<_> = vendor.started()[5..].iter().map(|start| start.1).collect();
    use Reason::{Ahead, Needed};
    assert_eq!(
        reasons,
        [Ahead, Needed, Needed, Needed, Ahead, Ahead, Ahead, Ahead]
    );
}

#[tokio::test(start_paused = true)]
async fn t19_who_is_waited_for_by_now_moves_up() {
    let limit = ExchangeLimit::new(1).max_wait(10 * HOUR);
    let vendor = Vendor::default();
    let tenants = vendor.tenants(5, &limit);
    all(&tenants).await;
    time::advance(HOUR * 4 / 5).await;
    let blocker = vendor.tenants(1, &limit).remove(0);
    let held = limit
        .admit(&Flight::new(Reason::Needed, crate::Moment::PAST))
        .await;
    all(&tenants).await;
    // Its token expires while its renewal stands in line behind all the others.
    time::advance(HOUR).await;
    let last = tokio::spawn(tenants[4].token());
    tokio::task::yield_now().await;
    let needed = tokio::spawn(blocker.token());
    tokio::task::yield_now().await;
    drop(held);
    last.await.unwrap().unwrap();
    needed.await.unwrap().unwrap();
    assert_eq!(vendor.started()[5].0, 4);
}

#[tokio::test(start_paused = true)]
async fn g05_who_waits_too_long_is_told_so() {
    let limit = ExchangeLimit::new(1).max_wait(Duration::from_millis(2_500));
    let vendor = Vendor::default();
    let results = all(&vendor.tenants(6, &limit)).await;
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 3);
    for error in failed {
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.to_string().contains("wait for their turn"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn g19_nothing_stays_in_the_queue() {
    let limit = ExchangeLimit::new(2).max_wait(Duration::from_millis(1_500));
    let vendor = Vendor::default();
    all(&vendor.tenants(20, &limit)).await;
    let queue = limit.queue();
    assert!(queue.is_empty());
    assert_eq!(queue.running, 0);
}

#[test]
fn limits_that_let_nothing_pass_are_refused() {
    for limit in [ExchangeLimit::new(0), ExchangeLimit::new(1).per_second(0)] {
        assert_eq!(limit.validate().unwrap_err().field(), Some("limit"));
    }
    assert!(ExchangeLimit::new(1).per_second(1).validate().is_ok());
}
