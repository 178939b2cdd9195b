use super::*;
use crate::{TokenRequestOutcome, TokenRequestReason, machine::backoff::Row};

/// What a process knows of a key, with a clock that the test sets.
struct Desk {
    key: KeyState,
    policy: RefreshPolicy,
    now: Moment,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn print(text: &str) -> Print {
    Print::of_text(text)
}

fn token(text: &str, lifetime: u64) -> AccessToken {
    AccessToken::new(text).expires_in(secs(lifetime))
}

impl Desk {
    fn with(quota: Option<Quota>) -> Self {
        Self {
            key: KeyState::new(quota),
            policy: RefreshPolicy::default().jitter(0.0).unwrap(),
            now: Moment::new(secs(1000), secs(1_700_000_000)),
        }
    }

    /// A valid token that the API has accepted.
    fn proven(text: &str) -> Self {
        let mut desk = Self::with(None);
        let generation = desk.gets(text);
        desk.key.accepted(&desk.policy, generation, desk.now);
        desk
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + secs(seconds);
    }

    fn ask(&mut self, event: Event) -> Action {
        self.key.ask(&self.policy, event, self.now)
    }

    fn refuse(&mut self, generation: Generation) -> Action {
        let permanent = false;
        self.ask(Event::Refused {
            generation,
            permanent,
        })
    }

    fn flies(&mut self) {
        let action = self.ask(Event::Demand);
        assert!(
            matches!(action, Action::Fly(_) | Action::ServeAndFly(_)),
            "{action:?}"
        );
    }

    fn landing(&self, end: End) -> Landing {
        Landing {
            end,
            ..Landing::failed(Error::new(ErrorKind::Closed, "fake"), self.now)
        }
    }

    fn land(&mut self, end: End) -> Landed<()> {
        let landing = self.landing(end);
        self.key.land(
            &self.policy,
            &landing,
            Jitter(0),
            self.now,
            |_| Ok(()),
            |wait| Error::new(ErrorKind::Quota, "used up").with_retry_after(wait),
        )
    }

    fn lands(&mut self, token: AccessToken) -> Landed<()> {
        self.land(End::Token(token, Duration::ZERO))
    }

    /// Requests a token of an hour.
    fn gets(&mut self, text: &str) -> Generation {
        self.flies();
        match self.lands(token(text, 3600)) {
            Landed::Published(generation, ()) => generation,
            landed => panic!("{landed:?}"),
        }
    }

    fn is_refused(&self, text: &str) -> bool {
        self.key.memory.refused.contains(print(text))
    }
}

// --- refusals ---

#[test]
fn g07_a_refusal_of_the_current_token_is_remembered() {
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(10);
    let first = desk.key.newest.expect("a token came").0;
    assert!(matches!(desk.refuse(first), Action::Fly(_)));
    assert!(desk.is_refused("fake-token-1"));
    desk.lands(token("fake-token-2", 3600));
    assert_eq!(desk.key.memory.current, Some(print("fake-token-2")));
    // The next token was not refused.
    desk.refuse(first);
    assert!(!desk.is_refused("fake-token-2"));
}

#[test]
fn g07_a_refusal_of_an_expired_token_proves_nothing() {
    let mut desk = Desk::proven("fake-token-1");
    let first = desk.key.newest.expect("a token came").0;
    desk.pass(3540);
    desk.refuse(first);
    assert!(!desk.is_refused("fake-token-1"));
}

#[test]
fn g07_a_refusal_of_a_token_that_the_api_may_not_know_yet_is_forgotten() {
    let mut desk = Desk::with(None);
    let first = desk.gets("fake-token-1");
    assert!(matches!(desk.refuse(first), Action::SendAgain { .. }));
    assert!(!desk.is_refused("fake-token-1"));
    // The previous token serves meanwhile.
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(2880);
    let second = desk.gets("fake-token-2");
    assert_eq!(desk.refuse(second), Action::ServePrevious);
    assert!(!desk.is_refused("fake-token-2"));
}

#[test]
fn g07_an_acceptance_ends_the_refusal_of_the_same_token_only() {
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(10);
    let first = desk.key.newest.expect("a token came").0;
    desk.refuse(first);
    let other = Generation::after(Some(first));
    desk.key.accepted(&desk.policy, other, desk.now);
    assert!(desk.is_refused("fake-token-1"));
    desk.key.accepted(&desk.policy, first, desk.now);
    assert!(!desk.is_refused("fake-token-1"));
}

#[test]
fn g07_a_refusal_during_a_back_off_is_remembered() {
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(2880);
    desk.flies();
    let throttled = Error::new(ErrorKind::Throttled, "too many").with_retry_after(secs(60));
    desk.land(End::Failed(throttled));
    let first = desk.key.newest.expect("a token came").0;
    assert_eq!(desk.refuse(first), Action::RefusalBackOff);
    assert!(desk.is_refused("fake-token-1"));
}

#[test]
fn g04_an_invalidated_token_is_never_taken_again() {
    let mut desk = Desk::proven("fake-token-1");
    desk.key.invalidate(&desk.policy, desk.now);
    assert!(desk.is_refused("fake-token-1"));
    assert_eq!(desk.key.state.usable_until(), None);
}

#[test]
fn a_credential_that_does_not_expire_is_read_again_after_a_refusal() {
    let mut desk = Desk::with(None);
    desk.flies();
    let key = || AccessToken::permanent("fake-api-key-1");
    let Landed::Published(first, ()) = desk.lands(key()) else {
        panic!("it is published");
    };
    desk.key.accepted(&desk.policy, first, desk.now);
    desk.pass(10);
    desk.refuse(first);
    assert!(!desk.is_refused("fake-api-key-1"));
    let landed = desk.lands(key());
    assert!(matches!(landed, Landed::Published(same, ()) if same == first));
    desk.key.invalidate(&desk.policy, desk.now);
    assert!(!desk.is_refused("fake-api-key-1"));
}

// --- flights ---

#[test]
fn g03_a_caller_hurries_the_current_flight_only() {
    let rules = Rules {
        policy: RefreshPolicy::default().into(),
        quota: None,
        shares: false,
        keeps_refresh_tokens: false,
        needs_refresh_token: false,
        owner: "".into(),
    };
    for (is_urgent, is_current, reason) in [
        (true, true, TokenRequestReason::Needed),
        (true, false, TokenRequestReason::Ahead),
        (false, true, TokenRequestReason::Ahead),
    ] {
        let mut desk = Desk::proven("fake-token-1");
        desk.pass(2880);
        let Action::ServeAndFly(start) = desk.ask(Event::Demand) else {
            panic!("renews ahead of expiry");
        };
        if is_urgent {
            let first = desk.key.newest.expect("a token came").0;
            desk.refuse(first);
        }
        let mut flight = Flight::new(start);
        let mut step = |fact| {
            let draw = Draw {
                jitter: Jitter(0),
                number: 1,
            };
            desk.key
                .fly(&mut flight, is_current, &rules, fact, desk.now, draw)
        };
        assert!(matches!(step(Fact::Begun), Order::Read));
        let own = super::super::orders::Own {
            id: None,
            lockable: false,
            first: Ok(None),
            forbidden: None,
        };
        let Order::Request { reason: sent, .. } = step(Fact::Read(Ok(own))) else {
            panic!("a token is requested");
        };
        assert_eq!(sent, reason, "{is_urgent}, {is_current}");
    }
}

#[test]
fn g11_changed_credentials_take_one_more_slot() {
    for (limit, may) in [(2, true), (1, false)] {
        let mut desk = Desk::with(Some(Quota::new(limit, secs(3600)).unwrap()));
        desk.flies();
        let again = desk.key.may_try_again(&desk.policy, desk.now);
        assert_eq!(again, may, "{limit}");
    }
    let mut desk = Desk::with(None);
    desk.flies();
    assert!(desk.key.may_try_again(&desk.policy, desk.now));
}

#[test]
fn g19_after_an_abandoned_flight_another_one_starts() {
    let mut desk = Desk::with(None);
    desk.flies();
    assert_eq!(desk.ask(Event::Demand), Action::Wait);
    desk.key.abandoned(&desk.policy, desk.now);
    desk.flies();
}

#[test]
fn g07_a_flight_that_wrote_missing_facts_ends_without_a_token() {
    let mut desk = Desk::proven("fake-token-1");
    let settled = Landing {
        settle_at: Some(desk.now),
        ..desk.landing(End::Settled)
    };
    assert!(desk.key.land_settled(&desk.policy, &settled, desk.now));
    let action = desk.ask(Event::Demand);
    assert!(matches!(action, Action::ServeAndSettle(_)), "{action:?}");
    let other = Landing {
        settle_at: Some(desk.now),
        ..desk.landing(End::Unchanged)
    };
    assert!(!desk.key.land_settled(&desk.policy, &other, desk.now));
    assert_eq!(desk.ask(Event::Demand), Action::Serve);
}

#[test]
fn g19_a_flight_that_was_given_up_brings_its_token_if_no_token_is_valid() {
    let late = |desk: &mut Desk, end: End| {
        let landing = desk.landing(end);
        let now = desk.now;
        let key = &mut desk.key;
        let landed = key.land_late(&desk.policy, &landing, Jitter(0), now, |_| Ok(()));
        landed.is_some()
    };
    let end = || End::Token(token("fake-token-2", 3600), Duration::ZERO);
    let mut desk = Desk::proven("fake-token-1");
    assert!(!late(&mut desk, end()), "a valid token is cached");
    assert_eq!(desk.key.memory.current, Some(print("fake-token-1")));
    let mut desk = Desk::with(None);
    desk.flies();
    let lost = Error::new(ErrorKind::TimedOut, "no reply");
    assert!(!late(&mut desk, End::Failed(lost)));
    assert!(late(&mut desk, end()));
    assert_eq!(desk.key.memory.current, Some(print("fake-token-2")));
    // The current flight goes on.
    desk.pass(3540);
    assert_eq!(desk.ask(Event::Demand), Action::Wait);
}

// --- ends of flights ---

#[test]
fn g11_a_quota_that_is_used_up_is_no_failure_of_the_vendor() {
    let mut desk = Desk::with(None);
    desk.flies();
    let landed = desk.land(End::OverQuota(secs(30)));
    let Landed::Failed(error) = landed else {
        panic!("{landed:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Quota);
    assert!(!desk.key.state.is_failing());
    assert_eq!(desk.ask(Event::Demand), Action::Fail { wait: secs(30) });
}

#[test]
fn g05_a_renewal_that_was_cut_short_is_no_failure_for_callers_that_wait() {
    let timed_out = Error::new(ErrorKind::TimedOut, "no reply");
    let page = Error::new(ErrorKind::Protocol, "an HTML page")
        .with_outcome(TokenRequestOutcome::NotUnderstood);
    for (end, is_retried) in [
        (End::Failed(timed_out), true),
        (End::OverQuota(secs(30)), true),
        (End::Failed(page), false),
    ] {
        let mut desk = Desk::proven("fake-token-1");
        desk.pass(3535);
        desk.flies();
        desk.pass(5);
        let landed = desk.land(end);
        let retried = matches!(landed, Landed::Retry(_));
        assert_eq!(retried, is_retried, "{landed:?}");
    }
}

#[test]
fn g06_credentials_that_have_not_changed_change_nothing() {
    let mut desk = Desk::with(None);
    desk.flies();
    let landed = desk.land(End::Unchanged);
    assert!(matches!(landed, Landed::Unchanged), "{landed:?}");
    desk.flies();
}

#[test]
fn g10_the_refused_token_is_not_published_again() {
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(10);
    let first = desk.key.newest.expect("a token came").0;
    desk.refuse(first);
    let landed = desk.lands(token("fake-token-1", 3600));
    let Landed::Failed(error) = landed else {
        panic!("{landed:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn the_same_text_keeps_its_generation() {
    let mut desk = Desk::proven("fake-token-1");
    let first = desk.key.newest.expect("a token came").0;
    desk.pass(2880);
    assert_eq!(desk.gets("fake-token-1"), first);
    desk.pass(2880);
    assert_ne!(desk.gets("fake-token-2"), first);
}

#[test]
fn g10_a_token_that_has_expired_on_arrival_is_for_those_who_wait() {
    let mut desk = Desk::with(None);
    desk.flies();
    let landed = desk.lands(token("fake-token-1", 0));
    assert!(matches!(landed, Landed::Delivered(..)), "{landed:?}");
    assert_eq!(desk.key.memory.current, Some(print("fake-token-1")));
    // With a cached token, no caller waits for it.
    let mut desk = Desk::proven("fake-token-1");
    desk.pass(2880);
    desk.flies();
    let landed = desk.lands(token("fake-token-2", 0));
    assert!(matches!(landed, Landed::Delivered(..)), "{landed:?}");
    assert_eq!(desk.key.memory.current, Some(print("fake-token-1")));
}

#[test]
fn a_token_that_no_header_can_carry_is_a_failure() {
    let mut desk = Desk::with(None);
    desk.flies();
    let landing = desk.landing(End::Token(token("fake-token-1", 3600), Duration::ZERO));
    let landed = desk.key.land::<()>(
        &desk.policy,
        &landing,
        Jitter(0),
        desk.now,
        |_| Err(Error::new(ErrorKind::Protocol, "a line break")),
        |_| Error::new(ErrorKind::Quota, "used up"),
    );
    assert!(matches!(landed, Landed::Failed(_)), "{landed:?}");
    assert_eq!(desk.key.memory.current, None);
}

#[test]
fn g07_no_refusal_of_a_token_on_trial_is_remembered_however_often_the_api_refuses() {
    let mut desk = Desk::with(None);
    let first = desk.gets("fake-token-1");
    let mut actions = Vec::new();
    for _ in 0..6 {
        let action = desk.refuse(first);
        assert!(!desk.is_refused("fake-token-1"), "{action:?}");
        actions.push(action);
        desk.pass(1);
    }
    assert!(matches!(actions[0], Action::SendAgain { .. }));
    assert_eq!(actions[5], Action::RefusalBackOff);
}

#[test]
fn g05f_a_lost_login_counts_after_those_of_other_processes() {
    for (times, seconds) in [(1, 1), (2, 300)] {
        let mut desk = Desk::with(None);
        desk.flies();
        let lost = Error::new(ErrorKind::TimedOut, "no reply");
        let landing = Landing {
            lockable: true,
            row: Some(Row {
                failure: Failure::Unknown,
                times,
            }),
            ..desk.landing(End::Failed(lost))
        };
        desk.key.land(
            &desk.policy,
            &landing,
            Jitter(0),
            desk.now,
            |_| Ok(()),
            |wait| Error::new(ErrorKind::Quota, "used up").with_retry_after(wait),
        );
        let wait = desk.key.state.next_try(desk.now);
        assert_eq!(wait, secs(seconds), "{times}");
    }
}
