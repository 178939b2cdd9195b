//! What the state reports to the driver, to the health of the key and to the observer.

use super::*;
use crate::machine::backoff::Row;

#[test]
fn failures_are_reported_until_a_token_arrives() {
    let mut desk = Desk::new();
    let reported = |desk: &Desk| {
        let state = &desk.state;
        (
            state.failing_for(desk.now),
            state.is_failing(),
            state.is_rejected(),
        )
    };
    assert_eq!(reported(&desk), (None, false, false));
    desk.demand();
    desk.fail(Failure::Unknown);
    assert_eq!(reported(&desk), (Some(secs(0)), true, false));
    desk.pass_secs(5);
    assert_eq!(reported(&desk), (Some(secs(5)), true, false));
    desk.demand();
    desk.fail(Failure::Rejected(RejectedPart::Credentials));
    assert_eq!(reported(&desk), (Some(secs(5)), true, true));
    desk.pass_secs(400);
    desk.get();
    assert_eq!(reported(&desk), (None, false, false));
}

#[test]
fn a_quota_of_this_process_is_no_failure_of_the_vendor() {
    let mut desk = Desk::new();
    desk.demand();
    desk.fail(Failure::OwnQuota);
    assert!(!desk.state.is_failing());
}

#[test]
fn the_time_until_the_renewal_is_reported() {
    let mut desk = Desk::new();
    assert_eq!(desk.state.renewal_in(desk.now), None);
    desk.get();
    assert_eq!(desk.state.renewal_in(desk.now), Some(secs(2880)));
    desk.pass_secs(2800);
    assert_eq!(desk.state.renewal_in(desk.now), Some(secs(80)));
    desk.pass_secs(100);
    assert_eq!(desk.state.renewal_in(desk.now), Some(secs(0)));
}

#[test]
fn a_token_is_unaccepted_until_a_caller_reports_an_acceptance() {
    let mut desk = Desk::new();
    let first = desk.get();
    assert!(desk.state.is_unaccepted(first));
    desk.accept(first);
    assert!(!desk.state.is_unaccepted(first));
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    let second = desk.newest();
    assert!(desk.state.is_unaccepted(second));
    assert!(!desk.state.is_unaccepted(first), "another token is cached");
}

#[test]
fn the_previous_token_is_reported_while_the_new_one_is_on_trial() {
    let mut desk = Desk::proven();
    let first = desk.newest();
    assert_eq!(desk.state.previous_generation(), None);
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    assert_eq!(desk.state.previous_generation(), Some(first));
    let second = desk.newest();
    desk.accept(second);
    assert_eq!(desk.state.previous_generation(), None);
}

#[test]
fn g07_a_refused_token_is_reported() {
    let mut desk = Desk::proven();
    assert!(!desk.state.is_refused(desk.now));
    desk.pass_secs(10);
    desk.refuse_newest();
    assert!(desk.state.is_refused(desk.now));
    desk.fetch_known();
    assert!(!desk.state.is_refused(desk.now), "a renewed token");
    assert_eq!(desk.state.refusals.unaccepted, 1);
    // The renewed token is refused too, and replaced.
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.fetch_known();
    assert_eq!(desk.state.refusals.unaccepted, 2);
    assert!(desk.state.is_refused(desk.now), "two renewals helped not");
    let newest = desk.newest();
    desk.accept(newest);
    assert!(!desk.state.is_refused(desk.now));
}

#[test]
fn g07_a_refusal_of_a_token_on_trial_is_reported() {
    let mut desk = Desk::new();
    desk.get();
    assert!(!desk.state.is_refused(desk.now));
    desk.refuse_newest();
    assert!(desk.state.is_refused(desk.now));
}

#[test]
fn g07_a_refusal_is_reported_until_a_token_arrives_although_none_is_valid() {
    let mut desk = Desk::proven();
    assert!(!desk.state.is_refused(desk.now));
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.pass_secs(3540);
    assert!(
        desk.state.is_refused(desk.now),
        "the renewal is in progress"
    );
    desk.fetch_known();
    assert!(!desk.state.is_refused(desk.now));
    desk.pass_secs(3540);
    assert!(!desk.state.is_refused(desk.now), "expired, but not refused");
}

#[test]
fn g09_the_refusal_back_off_is_reported() {
    let mut desk = Desk::proven();
    assert_eq!(desk.state.refusal_back_off(desk.now), Duration::ZERO);
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.fetch_known();
    assert_eq!(desk.state.refusal_back_off(desk.now), secs(1));
    desk.pass(millis(600));
    assert_eq!(desk.state.refusal_back_off(desk.now), millis(400));
}

#[test]
fn without_callers_nothing_is_decided_before_a_renewal_may_start() {
    let mut desk = Desk::with_quota(5, 7200);
    assert_eq!(desk.state.rests_for(desk.now), Duration::ZERO);
    desk.get();
    assert_eq!(desk.state.rests_for(desk.now), secs(2880));
    desk.pass_secs(1000);
    assert_eq!(desk.state.rests_for(desk.now), secs(1880));
    desk.pass_secs(1880);
    assert_eq!(desk.state.rests_for(desk.now), Duration::ZERO);
    desk.demand();
    desk.throttle(60);
    assert_eq!(desk.state.rests_for(desk.now), secs(60));
    // Four token requests of five: the last slot is a reserve.
    for _ in 0..2 {
        desk.pass_secs(60);
        desk.demand();
        desk.throttle(60);
    }
    assert_eq!(desk.state.rests_for(desk.now), secs(3600 - 2880 - 120));
    desk.pass_secs(3600);
    assert_eq!(desk.state.rests_for(desk.now), Duration::ZERO, "expired");
}

#[test]
fn missing_facts_are_written_by_a_separate_flight_when_it_is_time() {
    let mut desk = Desk::proven();
    desk.state.settle_at(Some(desk.now + secs(5)));
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(5);
    let start = Start {
        settles: true,
        ..Start::example(TokenRequestReason::Ahead)
    };
    assert_eq!(desk.demand(), Action::ServeAndSettle(start));
    assert_eq!(desk.demand(), Action::Serve, "once");
}

#[test]
fn g05_failures_of_one_kind_count_only_while_they_follow_each_other() {
    let second_factor = Failure::Rejected(RejectedPart::SecondFactor);
    let waits = |failures: &[Failure]| -> Vec<u64> {
        let mut desk = Desk::new();
        let wait = |failure: &Failure| {
            assert!(flies(desk.demand()), "{failures:?}");
            desk.fail(*failure);
            let Action::Fail { wait } = desk.demand() else {
                panic!("{failures:?}: backs off");
            };
            desk.pass(wait);
            wait.as_secs()
        };
        failures.iter().map(wait).collect()
    };
    let (a, b) = (second_factor, Failure::Unknown);
    assert_eq!(waits(&[a, a, a])[2], 300, "two may be typing errors");
    let alternating = waits(&[a, b, a, b, a, b, a]);
    assert!(alternating.iter().all(|wait| *wait < 5), "{alternating:?}");
    let row = waits(&[a, b, a, a, a]);
    assert!(row[3] < 5 && row[4] == 300, "{row:?}");
    let interrupted = waits(&[a, a, b, a, a]);
    assert!(interrupted.iter().all(|wait| *wait < 5), "{interrupted:?}");
}

#[test]
fn g05_a_failure_that_is_told_again_is_no_further_failure() {
    let mut desk = Desk::new();
    let one = Some(Row {
        failure: Failure::Unknown,
        times: 1,
    });
    for row in [one, one, None, None] {
        assert!(flies(desk.demand()));
        desk.step(Event::Failed(Failed {
            retry_after: Some(secs(2)),
            told: true,
            row,
            ..failed(Failure::Unknown)
        }));
        desk.pass_secs(2);
    }
    let lost = |desk: &mut Desk| {
        assert!(flies(desk.demand()));
        desk.step(Event::Failed(Failed {
            lockable: true,
            ..failed(Failure::Unknown)
        }));
        desk.state.next_try(desk.now)
    };
    // The store fails, and this process loses a login too: the second one of all processes.
    assert_eq!(lost(&mut desk.clone()), secs(300));
    // Another process told of a page since.
    assert!(flies(desk.demand()));
    desk.step(Event::Failed(Failed {
        retry_after: Some(secs(2)),
        told: true,
        row: Row::after(one, Failure::NotUnderstood),
        ..failed(Failure::NotUnderstood)
    }));
    desk.pass_secs(2);
    // An eighth of ten seconds.
    assert_eq!(lost(&mut desk), millis(1250));
}

#[test]
fn g05_a_request_that_was_not_sent_neither_ends_nor_continues_a_row_of_failures() {
    let mut desk = Desk::new();
    let mut waits = Vec::new();
    for failure in [
        Failure::Unknown,
        Failure::NotSent,
        Failure::NotSent,
        Failure::Unknown,
    ] {
        assert!(flies(desk.demand()));
        desk.step(Event::Failed(Failed {
            lockable: true,
            ..failed(failure)
        }));
        let wait = desk.state.next_try(desk.now);
        desk.pass(wait);
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [1, 1, 1, 300]);
}

/// Callers wait no longer than for one token request, however often one has no answer.
#[test]
fn g05_token_requests_without_an_answer_share_the_time_of_one() {
    let mut desk = Desk::proven();
    let first = desk.newest();
    // The token is valid for 5 s more.
    desk.pass_secs(3535);
    let Action::ServeAndFly(ahead) = desk.demand() else {
        panic!("renews ahead of expiry");
    };
    assert_eq!(desk.refuse(first), Action::Wait);
    let mut deadlines = vec![ahead.deadline];
    loop {
        desk.pass(deadlines[deadlines.len() - 1]);
        let silent = Failed {
            silent: true,
            ..failed(Failure::Unknown)
        };
        match desk.step(Event::Failed(silent)) {
            Action::Retry => {}
            action => {
                assert_eq!(action, Action::Report);
                break;
            }
        }
        let Action::Fly(start) = desk.refuse(first) else {
            panic!("sends one more token request");
        };
        deadlines.push(start.deadline);
    }
    assert_eq!(deadlines, [millis(2500), millis(2500), secs(5)]);
}
