//! G20: clocks that are set, and machines that sleep.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, Clock, Error, Moment, Refusal, TokenRequest, TokenSource,
};
use auth_testkit::{Gate, Outcome, ScriptedSource, VirtualClock};

use crate::support::{HOUR, MINUTE, SECOND, elapse, exact, machine_with, soon, unavailable};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIFETIME: Duration = Duration::from_secs(600);
/// Less 10 percent.
const USABLE: Duration = Duration::from_secs(540);

#[derive(Clone, Copy, Debug)]
enum Jump {
    None,
    Forward(Duration),
    Back(Duration),
    Suspend(Duration),
}

const JUMPS: [Jump; 8] = [
    Jump::Forward(HOUR),
    Jump::Back(HOUR),
    Jump::Forward(Duration::from_secs(10 * 365 * 86_400)),
    Jump::Back(Duration::from_secs(10 * 365 * 86_400)),
    Jump::Back(Duration::MAX),
    Jump::Suspend(MINUTE),
    Jump::Suspend(HOUR),
    Jump::Suspend(Duration::from_secs(10 * 86_400)),
];

impl Jump {
    fn make(self, clock: &VirtualClock) {
        match self {
            Self::None => {}
            Self::Forward(by) => clock.jump_wall_forward(by),
            Self::Back(by) => clock.jump_wall_back(by),
            Self::Suspend(by) => clock.suspend(by),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g20_a_clock_jump_sends_no_expired_token_and_costs_at_most_one_token_request() {
    let usual = half_an_hour_of_traffic(Jump::None, Duration::ZERO).await;
    for jump in JUMPS {
        // Fresh, due for renewal, and shortly before the hard deadline.
        for at in [10, 300, 479, 481, 530, 539].map(Duration::from_secs) {
            let token_requests = half_an_hour_of_traffic(jump, at).await;
            assert!(
                (usual..=usual + 1).contains(&token_requests),
                "{jump:?} at {at:?}: {token_requests} in place of {usual}"
            );
        }
    }
}

/// Sends one request per second for 30 minutes, and checks each token against both clocks.
async fn half_an_hour_of_traffic(jump: Jump, at: Duration) -> usize {
    let (source, clock, authenticator) = stamped();
    let start = clock.now();
    let mut pending = Some(jump);
    while clock.now().wait_since(start) < HOUR / 2 {
        let token = authenticator.token().await.unwrap();
        let sent = source.sent(token.generation().get());
        assert!(!is_past(clock.now(), sent), "{jump:?} at {at:?}");
        elapse(SECOND).await;
        if clock.now().wait_since(start) >= at
            && let Some(jump) = pending.take()
        {
            jump.make(&clock);
        }
    }
    source.count()
}

#[tokio::test(start_paused = true)]
async fn g20_clock_jumps_every_minute_cost_at_most_one_token_request_each() {
    let (source, clock, authenticator) = stamped();
    let jumps = 240;
    for minute in 0..jumps {
        JUMPS[minute % JUMPS.len()].make(&clock);
        for _ in 0..MINUTE.as_secs() {
            let token = authenticator.token().await.unwrap();
            let sent = source.sent(token.generation().get());
            assert!(!is_past(clock.now(), sent));
            elapse(SECOND).await;
        }
    }
    // 240 jumps, and one renewal every eight minutes in four hours.
    test_report::figure!(
        "G20: {} token requests in four hours with {} jumps of the clock and 31 renewals",
        source.count() => 0..=271,
        jumps => 240,
    );
}

#[tokio::test(start_paused = true)]
async fn g20_a_jump_during_the_token_request_counts_against_its_token() {
    for jump in JUMPS {
        let source = ScriptedSource::new().lifetime(LIFETIME);
        let gate = Gate::new();
        source.then(Outcome::fresh().after(&gate));
        let clock = VirtualClock::new();
        let authenticator = machine_with(source.clone(), |options| options.clock(clock.clone()));
        let waiting = tokio::spawn(authenticator.token());
        soon(gate.reached(1)).await;
        jump.make(&clock);
        gate.open();
        // Waiting callers get this token.
        assert_eq!(soon(waiting).await.unwrap().unwrap().generation().get(), 1);
        elapse(2 * SECOND).await;
        authenticator.token().await.unwrap();
        // The token has expired by one of the clocks, is renewed ahead of expiry, or is still
        // valid.
        let passed = match jump {
            Jump::Forward(by) | Jump::Suspend(by) => by,
            Jump::None | Jump::Back(_) => Duration::ZERO,
        };
        let expected = if passed >= USABLE { 2 } else { 1 };
        assert_eq!(source.fetches(), expected, "{jump:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g20_setting_the_wall_clock_does_not_end_a_backoff() {
    for jump in JUMPS {
        let source = ScriptedSource::new();
        let error = unavailable().with_retry_after(10 * MINUTE);
        source.then(Outcome::error(error));
        let clock = VirtualClock::new();
        let authenticator = machine_with(source.clone(), |options| options.clock(clock.clone()));
        authenticator.token().await.unwrap_err();
        jump.make(&clock);
        for _ in 0..10 {
            authenticator.token().await.unwrap_err();
            elapse(MINUTE - SECOND).await;
        }
        assert_eq!(source.fetches(), 1, "{jump:?}");
        elapse(10 * SECOND).await;
        authenticator.token().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g20_after_a_sleep_of_days_the_first_request_gets_a_new_token() {
    let (source, clock, authenticator) = stamped();
    authenticator.token().await.unwrap();
    clock.suspend(3 * DAY);
    assert!(authenticator.try_token().is_none());
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 2);
    assert_eq!(source.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn g20_setting_the_clock_back_does_not_extend_a_token() {
    let (_, clock, authenticator) = stamped();
    authenticator.token().await.unwrap();
    clock.jump_wall_back(10 * DAY);
    elapse(USABLE).await;
    assert!(authenticator.try_token().is_none());
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 2);
}

#[tokio::test(start_paused = true)]
async fn g20_a_young_token_that_expires_while_its_request_waits_is_not_sent_again() {
    let source = ScriptedSource::new().lifetime(SECOND);
    let authenticator = machine_with(source, |options| options);
    let young = authenticator.token().await.unwrap().generation();
    let Refusal::TooYoung(later) = authenticator.report_refused(young) else {
        panic!("the API may not know the token yet");
    };
    let next = soon(later).await.unwrap();
    assert_ne!(next.generation(), young);
    assert!(authenticator.health().usable_for().is_some());
}

/// Returns whether either clock has passed the time until which a token may be sent.
fn is_past(now: Moment, sent: Moment) -> bool {
    let by_mono = now.monotonic().saturating_sub(sent.monotonic());
    let by_wall = now
        .since_unix_epoch()
        .saturating_sub(sent.since_unix_epoch());
    by_mono >= USABLE || by_wall >= USABLE
}

fn stamped() -> (Stamped, VirtualClock, Authenticator) {
    let clock = VirtualClock::new();
    let source = Stamped {
        clock: clock.clone(),
        sent: Arc::default(),
    };
    let authenticator = machine_with(source.clone(), |options| {
        options.clock(clock.clone()).policy(exact())
    });
    (source, clock, authenticator)
}

/// A source that records by the client's clocks when each token request was sent.
#[derive(Clone)]
struct Stamped {
    clock: VirtualClock,
    sent: Arc<Mutex<Vec<Moment>>>,
}

impl Stamped {
    fn sent(&self, generation: u64) -> Moment {
        self.sent.lock().unwrap()[generation as usize - 1]
    }

    fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl TokenSource for Stamped {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let number = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(self.clock.now());
            sent.len()
        };
        elapse(SECOND / 20).await;
        Ok(AccessToken::new(format!("fake-token-{number}")).expires_in(LIFETIME))
    }
}
