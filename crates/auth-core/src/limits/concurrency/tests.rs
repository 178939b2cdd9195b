use crate::authenticator::flight::Flight;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use crate::{
    AccessToken, Authenticator, AuthenticatorOptions, Origins, RefreshPolicy, SystemClock,
    TokenRequest, TokenRequestReason, TokenSource,
};

use super::*;

mod given_back;
mod waits;

/// Token requests that take a second each, in the order in which they started.
#[derive(Clone, Default)]
struct Vendor(Arc<Shared>);

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    most: AtomicUsize,
    started: Mutex<Vec<(usize, TokenRequestReason, Duration)>>,
    begun: Mutex<Option<Instant>>,
}

struct Tenant {
    vendor: Vendor,
    number: usize,
}

impl TokenSource for Tenant {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let shared = &self.vendor.0;
        let begun = *shared
            .begun
            .lock()
            .unwrap()
            .get_or_insert_with(Instant::now);
        let start = (self.number, token_request.reason, begun.elapsed());
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
    fn tenants(&self, count: usize, limit: &TokenRequestLimit) -> Vec<Authenticator> {
        let clock = Paused(Instant::now(), crate::Clock::now(&SystemClock::new()));
        let tenant = |number| {
            let vendor = self.clone();
            let origins = Origins::new(["https://api.example.com"]).unwrap();
            Authenticator::builder(Tenant { vendor, number }, origins)
                .options(
                    AuthenticatorOptions::new()
                        .policy(RefreshPolicy::default().jitter(0.0).unwrap())
                        .limit(limit.clone())
                        .clock(clock.clone()),
                )
                .build()
                .unwrap()
        };
        (0..count).map(tenant).collect()
    }

    fn started(&self) -> Vec<(usize, TokenRequestReason, Duration)> {
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
async fn t19_tenants_that_expire_together_keep_to_the_limit() {
    let vendor = Vendor::default();
    let tenants = vendor.tenants(100, &TokenRequestLimit::new(8).unwrap());
    assert!(all(&tenants).await.iter().all(Result::is_ok));
    assert_eq!(vendor.0.most.load(Ordering::Relaxed), 8);
    assert_eq!(vendor.started().len(), 100);
    // 13 rounds of 1 s. The deadline of 10 s for a token request ends no round early.
    assert_eq!(vendor.started().last().unwrap().2, Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn t19_starts_are_spread_evenly() {
    let vendor = Vendor::default();
    let tenants = vendor.tenants(
        50,
        &TokenRequestLimit::new(100).unwrap().per_second(10).unwrap(),
    );
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
async fn t19_token_requests_that_callers_wait_for_go_before_renewals() {
    let limit = TokenRequestLimit::new(1).unwrap();
    let vendor = Vendor::default();
    let ahead = vendor.tenants(5, &limit);
    assert!(all(&ahead).await.iter().all(Result::is_ok));
    time::advance(HOUR * 4 / 5).await;
    // One renewal runs, and four wait. No caller waits for any of them.
    assert!(ahead.iter().all(|tenant| tenant.fresh_token().is_none()));
    assert!(
        all(&ahead).await.iter().all(Result::is_ok),
        "the old tokens stay in use"
    );
    let needed = vendor.tenants(3, &limit);
    all(&needed).await;
    time::sleep(Duration::from_secs(10)).await;
    let reasons: Vec<_> = vendor.started()[5..].iter().map(|start| start.1).collect();
    use TokenRequestReason::{Ahead, Needed};
    assert_eq!(
        reasons,
        [Ahead, Needed, Needed, Needed, Ahead, Ahead, Ahead, Ahead]
    );
}

#[tokio::test(start_paused = true)]
async fn t19_a_renewal_moves_up_when_a_caller_waits_for_its_token() {
    let limit = TokenRequestLimit::new(1).unwrap().max_wait(10 * HOUR);
    let vendor = Vendor::default();
    let tenants = vendor.tenants(5, &limit);
    all(&tenants).await;
    time::advance(HOUR * 4 / 5).await;
    let blocker = vendor.tenants(1, &limit).remove(0);
    let held = limit.admit(&*flight(TokenRequestReason::Needed)).await;
    all(&tenants).await;
    // The last tenant's token expires while its renewal is last in line.
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

#[test]
fn limits_of_zero_are_config_errors() {
    for (refused, problem) in [
        (TokenRequestLimit::new(0), "no token request can run"),
        (
            TokenRequestLimit::new(1).unwrap().per_second(0),
            "no token request can start",
        ),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("limit"))
        );
        assert!(error.to_string().contains(problem), "{error}");
    }
    TokenRequestLimit::new(1).unwrap().per_second(1).unwrap();
}

impl TokenRequestLimit {
    fn assert_idle(&self) {
        let queue = self.queue();
        assert_eq!(
            (queue.waiting(), queue.granted.len(), queue.running),
            (0, 0, 0)
        );
        assert_eq!(queue.timer, None);
    }
}

/// The token requests that a limit let through, as the vendor sees them.
#[derive(Default)]
struct Record {
    starts: Mutex<Vec<(Instant, Kind)>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

type Kind = TokenRequestReason;

impl Record {
    /// One flight: its turn, and then a token request of `length`.
    async fn fly(
        self: Arc<Self>,
        limit: TokenRequestLimit,
        flight: Arc<Flight>,
        length: Duration,
    ) -> Result<(), Error> {
        let permit = limit.admit(&*flight).await?;
        self.starts
            .lock()
            .unwrap()
            .push((Instant::now(), flight.reason));
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        time::sleep(length).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        drop(permit);
        Ok(())
    }

    fn starts(&self) -> Vec<(Instant, Kind)> {
        self.starts.lock().unwrap().clone()
    }

    fn assert_rate(&self, per_second: usize) {
        let starts = self.starts();
        for (index, &(first, _)) in starts.iter().enumerate() {
            let within = |start: &&(Instant, Kind)| start.0 < first + Duration::from_secs(1);
            let count = starts[index..].iter().take_while(within).count();
            assert!(
                count <= per_second,
                "{count} starts in a second from {index}"
            );
        }
    }
}

fn flight(reason: TokenRequestReason) -> Arc<Flight> {
    let runtime = tokio::runtime::Handle::current().id();
    Arc::new(Flight::new(1, reason, crate::Moment::NEVER, runtime))
}

/// Lets all tasks run until they wait, without time passing.
async fn settled() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t19_200_tenants_share_10_starts_a_second_with_one_token_request_each() {
    let limit = TokenRequestLimit::new(8).unwrap().per_second(10).unwrap();
    let vendor = Vendor::default();
    let tenants = vendor.tenants(200, &limit);
    let begun = Instant::now();
    assert!(all(&tenants).await.iter().all(Result::is_ok));
    let started = vendor.started();
    assert_eq!(started.len(), 200);
    // 25 rounds of 8 token requests that take 1 s each, plus 0.7 s until the first round is full.
    let took = begun.elapsed();
    assert!(
        took.abs_diff(Duration::from_millis(25_700)) < Duration::from_millis(100),
        "{took:?}"
    );
    limit.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn t19_starts_stay_below_the_rate_and_permits_below_the_count_in_any_second() {
    for (concurrent, rate) in [(100, 10), (3, 50), (20, 7), (4, 3), (1000, 1500), (1, 1)] {
        let limit = TokenRequestLimit::new(concurrent)
            .unwrap()
            .per_second(rate)
            .unwrap();
        let record = Arc::new(Record::default());
        let mut rng = fastrand::Rng::with_seed(u64::from(rate));
        let mut flights = Vec::new();
        for index in 0..200 {
            let reason = if rng.bool() {
                TokenRequestReason::Ahead
            } else {
                TokenRequestReason::Needed
            };
            let length = Duration::from_millis(rng.u64(0..400));
            let fly = Arc::clone(&record).fly(limit.clone(), flight(reason), length);
            let task = tokio::spawn(fly);
            // One in five flights is cancelled: in line, with a granted permit, or while its token
            // request runs.
            if index % 5 == 0 {
                let gone = Duration::from_micros(rng.u64(0..20_000_000));
                let abort = task.abort_handle();
                tokio::spawn(async move {
                    time::sleep(gone).await;
                    abort.abort();
                });
            }
            flights.push(task);
            time::sleep(Duration::from_micros(rng.u64(0..30_000))).await;
        }
        let mut outcomes = [0; 3];
        for task in flights {
            match task.await {
                Ok(Ok(())) => outcomes[0] += 1,
                Ok(Err(error)) => {
                    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
                    outcomes[1] += 1;
                }
                Err(aborted) => {
                    assert!(aborted.is_cancelled());
                    outcomes[2] += 1;
                }
            }
        }
        record.assert_rate(rate as usize);
        assert!(record.most.load(Ordering::Relaxed) <= concurrent);
        limit.assert_idle();
        // Each flight that was not cancelled was served, or the rate has no place for it within 60
        // s.
        assert!(
            outcomes[1] == 0 || rate < 4,
            "{concurrent} {rate} {outcomes:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn t19_a_rate_is_reached_as_well_as_kept() {
    for rate in [10, 50, 400, 2_000] {
        let limit = TokenRequestLimit::new(10_000)
            .unwrap()
            .per_second(rate)
            .unwrap();
        let record = Arc::new(Record::default());
        let begun = Instant::now();
        let flights: Vec<_> = (0..rate * 5)
            .map(|_| {
                let fly = Arc::clone(&record);
                tokio::spawn(fly.fly(
                    limit.clone(),
                    flight(TokenRequestReason::Needed),
                    Duration::ZERO,
                ))
            })
            .collect();
        for flight in flights {
            flight.await.unwrap().unwrap();
        }
        record.assert_rate(rate as usize);
        // Within 2 % of the rate, although timers are late.
        assert!(
            begun.elapsed() < Duration::from_millis(5_100),
            "{rate}: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn t19_a_renewal_that_a_caller_waits_for_gets_the_next_start() {
    let limit = TokenRequestLimit::new(9).unwrap().per_second(1).unwrap();
    let record = Arc::new(Record::default());
    let ahead: Vec<_> = (0..10).map(|_| flight(TokenRequestReason::Ahead)).collect();
    let tasks: Vec<_> = ahead
        .iter()
        .map(|flight| {
            let fly = Arc::clone(&record);
            tokio::spawn(fly.fly(limit.clone(), Arc::clone(flight), Duration::ZERO))
        })
        .collect();
    settled().await;
    let begun = Instant::now();
    ahead[9].hurry();
    for (index, task) in tasks.into_iter().enumerate().rev() {
        task.await.unwrap().unwrap();
        if index == 9 {
            assert!(
                begun.elapsed() < Duration::from_millis(1_005),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    limit.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn changed_rate_makes_a_separate_limit() {
    let slow = TokenRequestLimit::new(9).unwrap().per_second(1).unwrap();
    let fast = slow.clone().per_second(1_000).unwrap();
    drop(
        slow.admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    let begun = Instant::now();
    drop(
        fast.admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    assert!(begun.elapsed() < Duration::from_millis(5));
    drop(
        slow.admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn starts_that_are_not_picked_up_yet_count_in_the_rate() {
    let mut pace = pace::Pace::new(2);
    let begun = Instant::now();
    assert_eq!(pace.due(begun, 0), None);
    // Both starts of a second are taken by flights that have not been polled since.
    pace.take(begun);
    pace.take(begun);
    let later = begun + Duration::from_secs(2);
    assert_eq!(pace.due(later, 2), Some(later + Duration::from_millis(500)));
    assert_eq!(pace.due(later, 1), None);
}

/// The wait that the error of a flight states.
async fn stated_wait(limit: &TokenRequestLimit, reason: TokenRequestReason) -> Duration {
    let turned_away = limit.admit(&*flight(reason)).await;
    turned_away.err().unwrap().retry_after().unwrap()
}

#[tokio::test(start_paused = true)]
async fn g05_a_free_permit_is_not_part_of_the_stated_wait() {
    let limit = TokenRequestLimit::new(2).unwrap().per_second(1).unwrap();
    let limit = limit.max_wait(Duration::ZERO);
    let needed = flight(TokenRequestReason::Needed);
    let held = limit.admit(&*needed).await.unwrap();
    time::sleep(Duration::from_secs(10)).await;
    drop(held);
    // One of two permits is free, and a start is free after a second.
    let _held = limit.admit(&*needed).await.unwrap();
    let wait = stated_wait(&limit, TokenRequestReason::Needed).await;
    assert_eq!(wait, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn g05_the_stated_wait_includes_a_start_for_each_flight_in_line() {
    for (others, line) in [(0, 0), (1, 1000), (2, 1900)] {
        let limit = TokenRequestLimit::new(9).unwrap().per_second(1).unwrap();
        let limit = limit.max_wait(Duration::from_millis(1900));
        let needed = flight(TokenRequestReason::Needed);
        drop(limit.admit(&*needed).await.unwrap());
        // The start after a second goes to this flight.
        let next = tokio::spawn({
            let limit = limit.clone();
            async move {
                let needed = flight(TokenRequestReason::Needed);
                limit.admit(&*needed).await.map(drop)
            }
        });
        settled().await;
        let late = tokio::spawn({
            let limit = limit.clone();
            async move { stated_wait(&limit, TokenRequestReason::Needed).await }
        });
        time::sleep(Duration::from_millis(500)).await;
        let in_line: Vec<_> = (0..others)
            .map(|_| {
                let limit = limit.clone();
                tokio::spawn(async move {
                    let ahead = flight(TokenRequestReason::Ahead);
                    limit.admit(&*ahead).await.map(drop)
                })
            })
            .collect();
        next.await.unwrap().unwrap();
        // The next start is free 100 ms after the flight gave up.
        let wait = late.await.unwrap();
        let expected = Duration::from_millis(100 + line);
        assert!(
            wait.abs_diff(expected) < Duration::from_millis(5),
            "{wait:?}"
        );
        in_line.into_iter().for_each(|flight| flight.abort());
    }
}
