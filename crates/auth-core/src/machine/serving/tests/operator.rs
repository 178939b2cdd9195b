//! Renewals that the operator asks for, and rarer ends of token requests.

use super::*;

fn renew(desk: &mut Desk) -> Action {
    desk.step(Event::Renew)
}

#[test]
fn g04_a_renewal_starts_at_once_and_the_caller_waits() {
    let mut desk = Desk::new();
    assert!(flies(renew(&mut desk)), "without a token");
    desk.fetch_known();
    desk.pass_secs(10);
    let ahead = Start {
        beyond: secs(2940 - 10),
        ..Start::example(TokenRequestReason::Ahead)
    };
    assert_eq!(renew(&mut desk), Action::Fly(ahead));
    assert!(!desk.state.is_urgent());
    assert_eq!(renew(&mut desk), Action::Wait);
    assert!(desk.state.is_urgent());
}

#[test]
fn g04_a_renewal_waits_for_the_shortest_interval() {
    let mut desk = Desk::proven();
    desk.pass(millis(300));
    let Action::Fly(start) = renew(&mut desk) else {
        panic!("a renewal starts");
    };
    assert_eq!(start.after, millis(700));
}

#[test]
fn g04_a_renewal_obeys_back_offs_and_the_quota() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    renew(&mut desk);
    desk.throttle(60);
    assert_eq!(renew(&mut desk), Action::Fail { wait: secs(60) });
    desk.pass_secs(60);
    assert!(flies(renew(&mut desk)));
    // The back-off of refusals.
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.fetch_known();
    assert_eq!(renew(&mut desk), Action::Fail { wait: secs(1) });
    // The reserve of the quota.
    let mut desk = Desk::with_quota(5, 7200);
    desk.get();
    for _ in 0..3 {
        desk.pass_secs(10);
        assert!(flies(renew(&mut desk)));
        desk.fetch_known();
    }
    desk.pass_secs(10);
    let action = renew(&mut desk);
    // The first token expires before the window ends.
    assert_eq!(action, Action::OverQuota { wait: secs(3560) });
}

/// Rounds of a refusal, a renewal and an acceptance. All tokens are older than a trial.
fn refused_before(desk: &mut Desk, rounds: u32) {
    for _ in 0..rounds {
        desk.pass_secs(2);
        assert!(flies(desk.refuse_newest()));
        desk.fetch_known();
        let newest = desk.newest();
        desk.accept(newest);
    }
}

#[test]
fn g09_an_api_that_refuses_often_does_not_use_up_the_reserve() {
    for (rounds, starts) in [(0, true), (1, false)] {
        let mut desk = Desk::with_quota(5, 7200);
        desk.get();
        let first = desk.newest();
        desk.accept(first);
        refused_before(&mut desk, rounds);
        for _ in rounds..3 {
            desk.pass_secs(2);
            assert!(flies(renew(&mut desk)));
            desk.fetch_known();
        }
        desk.pass_secs(2);
        let action = desk.refuse_newest();
        assert_eq!(flies(action), starts, "{rounds}: {action:?}");
    }
}

#[test]
fn g09_a_token_that_the_api_never_accepted_is_not_replaced_with_the_reserve() {
    let mut desk = Desk::with_quota(5, 7200);
    desk.get();
    let first = desk.newest();
    desk.accept(first);
    desk.pass_secs(2);
    assert!(flies(desk.refuse_newest()));
    desk.fetch_known();
    for _ in 0..2 {
        desk.pass_secs(2);
        assert!(flies(renew(&mut desk)));
        desk.fetch_known();
    }
    // The renewal after the refusal is no longer a recent one.
    desk.pass_secs(2880);
    assert_eq!(desk.state.recent(desk.now), 0);
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
}

#[test]
fn g09_what_follows_a_refusal_counts_as_one_although_the_token_expired_meanwhile() {
    use TokenRequestReason::{Needed, Refused};
    for (rounds, lasts, reason) in [
        (0, 10, Needed),
        (1, 10, Refused),
        (2, 10, Refused),
        // One renewal is forgotten each minute.
        (1, 60, Needed),
        (2, 60, Refused),
        (3, HOUR, Needed),
    ] {
        let mut desk = Desk::proven();
        refused_before(&mut desk, rounds);
        desk.pass_secs(10);
        assert!(flies(desk.refuse_newest()));
        desk.pass_secs(lasts);
        desk.state.held.as_mut().unwrap().usable_until = desk.now;
        desk.fail(Failure::Unknown);
        let Action::Fail { wait } = desk.demand() else {
            panic!("backs off");
        };
        desk.pass(wait);
        let Action::Fly(start) = desk.demand() else {
            panic!("a token is requested");
        };
        assert_eq!(start.reason, reason, "{rounds}, {lasts} s");
    }
}

#[test]
fn g02_a_shortened_renewal_is_not_repeated_while_its_token_serves() {
    let mut desk = Desk::proven();
    desk.pass_secs(3530);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    desk.pass_secs(5);
    let cut = Failed {
        cut_short: true,
        ..failed(Failure::Unknown)
    };
    assert_eq!(desk.step(Event::Failed(cut)), Action::Report);
    assert_eq!(desk.demand(), Action::Serve);
}

fn silent() -> Event {
    Event::Failed(Failed {
        silent: true,
        ..failed(Failure::Unknown)
    })
}

#[test]
fn g05_a_token_request_after_a_reported_failure_gets_the_whole_time() {
    let mut desk = Desk::new();
    desk.demand();
    assert_eq!(desk.step(silent()), Action::Report);
    desk.pass_secs(1);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g05_the_wait_of_callers_counts_from_when_their_token_expired() {
    let mut desk = Desk::proven();
    desk.pass_secs(3535);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    desk.pass_secs(5);
    assert_eq!(desk.demand(), Action::Wait);
    desk.pass_secs(5);
    assert_eq!(desk.step(silent()), Action::Retry);
    let Action::Fly(start) = desk.demand() else {
        panic!("a token is requested");
    };
    assert_eq!(start.deadline, secs(5), "they have waited for 5 s");
}

#[test]
fn g05_the_time_that_another_process_was_told_is_not_shortened() {
    let mut desk = Desk::new();
    desk.demand();
    let told = Failed {
        retry_after: Some(secs(9000)),
        told: true,
        ..failed(Failure::Unknown)
    };
    assert_eq!(desk.step(Event::Failed(told)), Action::Report);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(9000) });
    assert!(desk.state.is_failing());
}

// --- trials ---

fn trial_of_newest(desk: &Desk) -> Duration {
    let trial = desk.state.held.and_then(|held| held.trial);
    desk.now.wait_until(trial.expect("it is on trial").until)
}

#[test]
fn trials_grow_while_the_api_refuses_and_start_again_after_one_without_a_refusal() {
    let mut desk = Desk::new();
    desk.get();
    let shortest = trial_of_newest(&desk);
    desk.refuse_newest();
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    assert!(trial_of_newest(&desk) > shortest);
    // This one is not refused.
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    assert_eq!(trial_of_newest(&desk), shortest);
}

#[test]
fn the_previous_token_is_the_last_one_that_the_api_did_not_refuse() {
    for is_refused in [false, true] {
        let mut desk = Desk::proven();
        let first = desk.newest();
        desk.pass_secs(10);
        assert!(flies(renew(&mut desk)));
        desk.fetch();
        let second = desk.newest();
        if is_refused {
            assert_eq!(desk.refuse(second), Action::ServePrevious);
        }
        desk.pass_secs(10);
        assert!(flies(renew(&mut desk)));
        desk.fetch();
        let expected = if is_refused { first } else { second };
        assert_eq!(desk.state.previous_generation(), Some(expected));
    }
}
