//! G7 and G9 in a fleet: a refused token is not taken from the store again.

use std::collections::BTreeMap;

use auth_core::{AuthenticatorOptions, ErrorKind, Refusal};
use tokio::time::{Instant, sleep};

use super::*;

/// The answers of an API to the requests of all processes.
#[derive(Debug, Default)]
struct Met {
    /// Per token: the number of refusals, and the time of the last one.
    refused: BTreeMap<String, (usize, Duration)>,
    accepted: usize,
    failed: usize,
    /// The time of the first accepted request.
    first: Option<Duration>,
}

impl Met {
    fn see(&mut self, text: String, at: Duration, accepts: &dyn Fn(&str) -> bool) -> bool {
        if accepts(&text) {
            self.accepted += 1;
            self.first.get_or_insert(at);
            return true;
        }
        let refused = self.refused.entry(text).or_default();
        *refused = (refused.0 + 1, at);
        false
    }

    /// Sends one request the way the layer does.
    async fn send(
        &mut self,
        process: &Authenticator,
        at: Duration,
        accepts: &dyn Fn(&str) -> bool,
    ) {
        let Ok(sent) = process.token().await else {
            self.failed += 1;
            return;
        };
        if self.see(text(&sent), at, accepts) {
            process.report_accepted(sent.generation());
            return;
        }
        let next = match process.report_refused(sent.generation()) {
            Refusal::Superseded(next) => Ok(next),
            Refusal::Renewing(next) | Refusal::TooYoung(next) => next.await,
            _ => return,
        };
        if let Ok(next) = next
            && next.generation() != sent.generation()
            && self.see(text(&next), at, accepts)
        {
            process.report_accepted(next.generation());
        }
    }

    /// Sends one request per second in each process.
    async fn for_duration(
        &mut self,
        processes: &[Authenticator],
        time: Duration,
        accepts: &dyn Fn(&str) -> bool,
    ) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            for process in processes {
                self.send(process, begun.elapsed(), accepts).await;
            }
            sleep(SECOND).await;
        }
    }
}

fn text(token: &auth_core::Token) -> String {
    let mut headers = http::HeaderMap::new();
    token.sign(&mut headers);
    headers["authorization"].to_str().unwrap().to_owned()
}

fn but_the_first(text: &str) -> bool {
    text != "Bearer fake-token-1"
}

#[tokio::test(start_paused = true)]
async fn g07f_a_token_refused_during_a_retry_after_is_not_used_again() {
    for processes in [1, 4] {
        let fleet = Fleet::new();
        let _ = fleet.source.script.clone().lifetime(5 * HOUR);
        let processes = fleet.processes(processes);
        let mut met = Met::default();
        met.for_duration(&processes, MINUTE, &|_| true).await;
        let busy = Error::new(ErrorKind::Throttled, "429");
        fleet
            .source
            .script
            .then(Outcome::error(busy.with_retry_after(10 * MINUTE)));
        // After 80 % of the lifetime, the renewal is due with any jitter.
        sleep(4 * HOUR - MINUTE + SECOND).await;
        tokens(&processes).await;
        sleep(SECOND).await;
        assert_eq!(fleet.token_requests(), 2);
        let mut met = Met::default();
        met.for_duration(&processes, HOUR, &but_the_first).await;
        println!("{} processes: {met:?}", processes.len());
        // Each process drops the token after five refusals; the next token arrives after
        // `Retry-After`.
        assert!(met.refused["Bearer fake-token-1"].0 <= 5 * processes.len());
        assert!(met.first.unwrap() <= 10 * MINUTE + 5 * SECOND, "{met:?}");
        assert_eq!(met.refused.len(), 1);
        assert!(
            met.refused["Bearer fake-token-1"].1 <= 10 * SECOND,
            "{met:?}"
        );
        assert_eq!(fleet.token_requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn g07f_a_token_refused_while_the_quota_is_used_up_is_not_used_again() {
    let fleet = Fleet {
        quota: Some(Quota::new(4, HOUR).unwrap()),
        ..Fleet::new()
    };
    let _ = fleet.source.script.clone().lifetime(24 * HOUR);
    let process = fleet.process();
    token(&process).await.unwrap();
    process.report_accepted(process.token().await.unwrap().generation());
    // Other keys of the client use the rest of the quota.
    for scope in ["a", "b", "c"] {
        token(&fleet.process_for(scope, VirtualClock::new()))
            .await
            .unwrap();
    }
    let mut met = Met::default();
    met.for_duration(&[process], 2 * HOUR, &but_the_first).await;
    println!("{met:?}");
    let (refused, last) = met.refused["Bearer fake-token-1"];
    assert!(refused <= 10, "{met:?}");
    assert!(last <= MINUTE, "{met:?}");
    assert!(met.first.unwrap() <= HOUR + MINUTE, "{met:?}");
    assert_eq!(fleet.token_requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn g07f_a_token_refused_while_the_store_is_down_is_not_used_again() {
    let fleet = Fleet::new();
    let _ = fleet.source.script.clone().lifetime(24 * HOUR);
    let processes = fleet.processes(4);
    let mut met = Met::default();
    met.for_duration(&processes, MINUTE, &|_| true).await;
    fleet.store.fail(true);
    let down = Error::new(ErrorKind::Unavailable, "no answer");
    fleet.source.script.always(Outcome::error(down));
    let mut met = Met::default();
    met.for_duration(&processes, MINUTE, &but_the_first).await;
    fleet.store.fail(false);
    fleet.source.script.clear();
    let mut after = Met::default();
    after
        .for_duration(&processes, 2 * HOUR, &but_the_first)
        .await;
    println!("{met:?} {after:?}");
    assert!(met.refused["Bearer fake-token-1"].0 <= 20 * 4, "{met:?}");
    // No process sends the token again, although the store may still contain it.
    assert!(after.refused.is_empty(), "{after:?}");
    assert!(after.first.unwrap() <= 10 * SECOND, "{after:?}");
    // A process that starts later meets one refusal at most, because the refusal could not be
    // written.
    let mut late = Met::default();
    late.for_duration(&fleet.processes(1), HOUR, &but_the_first)
        .await;
    let refused: usize = late.refused.values().map(|(times, _)| times).sum();
    assert!(refused <= 1 && late.failed == 0, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn g07f_a_token_refused_while_the_store_is_down_is_marked_afterwards() {
    for seed in 0..5 {
        fastrand::seed(seed);
        let fleet = Fleet::new();
        let _ = fleet.source.script.clone().lifetime(24 * HOUR);
        let processes = fleet.processes(4);
        let mut met = Met::default();
        met.for_duration(&processes, MINUTE, &|_| true).await;
        fleet.store.fail(true);
        // Each process gets its own token, and starts no flight for hours.
        let mut met = Met::default();
        met.for_duration(&processes, 2 * MINUTE, &but_the_first)
            .await;
        assert!(met.accepted > 400, "{met:?}");
        let requests = fleet.token_requests();
        fleet.store.fail(false);
        let mut met = Met::default();
        met.for_duration(&processes, 12 * SECOND, &but_the_first)
            .await;
        assert!(met.refused.is_empty(), "{met:?}");
        let calls = fleet.store.calls.load(Ordering::SeqCst);
        let mut late = Met::default();
        late.for_duration(&fleet.processes(5), MINUTE, &but_the_first)
            .await;
        assert!(late.refused.is_empty(), "seed {seed}: {late:?}");
        assert_eq!(fleet.token_requests(), requests + 1);
        // When nothing is left to write, the store is not called.
        let before = fleet.store.calls.load(Ordering::SeqCst);
        met.for_duration(&processes, MINUTE, &but_the_first).await;
        assert_eq!(fleet.store.calls.load(Ordering::SeqCst), before, "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn g09f_an_api_that_refuses_everything_does_not_use_the_fleets_reserve() {
    let fleet = Fleet {
        quota: Some(Quota::new(20, HOUR).unwrap()),
        ..Fleet::new()
    };
    let processes = fleet.processes(20);
    let mut met = Met::default();
    met.for_duration(&processes, MINUTE, &|_| true).await;
    let mut met = Met::default();
    met.for_duration(&processes, HOUR - 2 * MINUTE, &|_| false)
        .await;
    println!(
        "{} token requests, {} failed",
        fleet.token_requests(),
        met.failed
    );
    // A fifth of the slots is reserved for tokens that expire.
    assert!(
        fleet.token_requests() <= 16,
        "{} token requests",
        fleet.token_requests()
    );
}

#[tokio::test(start_paused = true)]
async fn g09_two_processes_without_a_store_at_a_vendor_with_one_live_token() {
    fastrand::seed(9);
    let source = Source::default();
    let process = || {
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        Authenticator::builder(source.clone(), origins)
            .vendor("example")
            .options(AuthenticatorOptions::new().clock(VirtualClock::new()))
            .build()
            .unwrap()
    };
    let processes = [process(), process()];
    let script = source.script.clone();
    // Each new token revokes the one before.
    let newest = move |text: &str| text == format!("Bearer fake-token-{}", script.fetches());
    let mut met = Met::default();
    met.for_duration(&processes, HOUR, &newest).await;
    let requests = source.script.fetches();
    println!(
        "{requests} token requests, {} accepted, {} failed",
        met.accepted, met.failed
    );
    assert!(requests <= 150, "{requests} token requests");
    assert!(met.accepted >= 3_000, "{met:?}");
}
