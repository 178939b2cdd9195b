use super::*;

#[test]
fn g03_one_token_request_serves_all_waiting_callers() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
    for _ in 0..100 {
        assert_eq!(desk.demand(), Action::Wait);
    }
    let token = desk.fetch();
    assert_eq!(token, Action::Publish(desk.newest()));
    assert_eq!(desk.demand(), Action::Serve);
    assert_eq!(desk.serves(), Some(desk.newest()));
}

#[test]
fn g02_one_renewal_runs_while_the_cached_token_serves() {
    let mut desk = Desk::proven();
    desk.pass_secs(2879);
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(1);
    let ahead = Start {
        beyond: secs(660),
        ..Start::example(TokenRequestReason::Ahead)
    };
    assert_eq!(desk.demand(), Action::ServeAndFly(ahead));
    for _ in 0..100 {
        assert_eq!(desk.demand(), Action::Serve);
    }
    assert!(!desk.state.is_urgent());
    let before = desk.newest();
    assert_eq!(desk.fetch(), Action::Publish(desk.newest()));
    assert!(desk.newest() > before);
    desk.pass_secs(2879);
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g02_renewal_ahead_takes_at_most_half_of_the_remaining_time() {
    // (asked at, deadline in ms): the token is valid for 3,540 s.
    let asked = [
        (2880, 10_000),
        (3520, 10_000),
        (3522, 9000),
        (3538, 1000),
        (3539, 500),
    ];
    for (at, deadline) in asked {
        let mut desk = Desk::proven();
        desk.pass_secs(at);
        let Action::ServeAndFly(start) = desk.demand() else {
            panic!("renewed ahead at {at} s");
        };
        assert_eq!(start.deadline, millis(deadline), "at {at} s");
        assert_eq!(start.beyond, secs(3540 - at), "at {at} s");
    }
}

#[test]
fn g02_a_token_serves_until_its_margin_and_not_longer() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    desk.pass(secs(660) - millis(1));
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass(millis(1));
    assert_eq!(desk.serves(), None);
    assert_eq!(desk.demand(), Action::Wait, "the renewal is joined");
    assert!(desk.state.is_urgent());
}

#[test]
fn g02_the_vendors_hint_and_the_tokens_age_count() {
    let mut desk = Desk::new();
    desk.demand();
    let mut token = desk.token(HOUR);
    (token.age, token.hint) = (secs(100), Some(secs(1000)));
    desk.step(Event::Fetched(token));
    desk.pass_secs(899);
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(1);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    desk.pass_secs(2540);
    assert_eq!(desk.serves(), None, "3,540 s old");
}

#[test]
fn g04_a_failed_renewal_backs_off_while_the_token_serves() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    assert_eq!(desk.fail(Failure::Unknown), Action::Report);
    desk.pass(millis(999));
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass(millis(1));
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
}

#[test]
fn g04_retry_after_wins_and_callers_hear_of_it_when_the_token_has_ended() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    desk.throttle(700);
    for _ in 0..659 {
        desk.pass_secs(1);
        assert_eq!(desk.demand(), Action::Serve);
    }
    desk.pass_secs(1);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(40) });
    desk.pass_secs(40);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g04_caller_that_joined_a_shortened_renewal_asks_again() {
    let story = |joins: bool, cut_short: bool, told: bool| {
        let mut desk = Desk::proven();
        desk.pass_secs(3539);
        desk.demand();
        desk.pass_secs(1);
        if joins {
            assert_eq!(desk.demand(), Action::Wait);
        }
        let mut failed = failed(Failure::Unknown);
        (failed.cut_short, failed.told) = (cut_short, told);
        let action = desk.step(Event::Failed(failed));
        (action, desk.demand())
    };
    // Without a caller that joined it too: the token has ended, and the next caller needs one.
    for joins in [true, false] {
        let (action, next) = story(joins, true, false);
        assert_eq!(action, Action::Retry);
        assert_eq!(
            next,
            Action::Fly(Start::example(TokenRequestReason::Needed)),
            "at once"
        );
    }
    for (joins, cut_short, told) in [(true, false, false), (true, true, true)] {
        let (action, next) = story(joins, cut_short, told);
        assert_eq!(action, Action::Report);
        assert!(matches!(next, Action::Fail { .. }), "{next:?}");
    }
}

#[test]
fn prolonging_waits_for_one_renewal_and_keeps_the_floor() {
    let mut desk = Desk::proven();
    desk.pass(millis(999));
    assert_eq!(desk.prolong(), Action::Serve, "within the floor");
    desk.pass(millis(1));
    let ahead = Start {
        beyond: secs(3539),
        ..Start::example(TokenRequestReason::Ahead)
    };
    assert_eq!(desk.prolong(), Action::Fly(ahead));
    assert_eq!(desk.prolong(), Action::Wait);
    assert_eq!(desk.demand(), Action::Serve, "others do not wait");
    desk.fail(Failure::Unknown);
    assert_eq!(desk.prolong(), Action::Serve, "the cached token is used");
}

#[test]
fn g03_abandoned_flight_is_followed_by_another_after_the_interval() {
    let mut desk = Desk::new();
    desk.demand();
    assert_eq!(desk.step(Event::Abandoned), Action::Nothing);
    desk.pass(millis(400));
    let next = Start {
        after: millis(600),
        ..Start::example(TokenRequestReason::Needed)
    };
    assert_eq!(desk.demand(), Action::Fly(next));
    assert_eq!(desk.demand(), Action::Wait);
}
