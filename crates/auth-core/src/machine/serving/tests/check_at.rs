//! The fast path asks the rules when something has to be decided, and not before.

use super::*;

/// Runs a story in steps of a quarter second. A caller that does not ask gets the cached token, as
/// it would by asking. A caller that asks gets another answer.
fn walk(desk: &mut Desk, seconds: u64, mut happens: impl FnMut(&mut Desk, Action)) -> u32 {
    let mut asked = 0;
    for _ in 0..seconds * 4 {
        let would = desk.clone().demand();
        let asks = desk.now.reached(desk.state.check_at(desk.now));
        assert_eq!(asks, would != Action::Serve, "{would:?} at {:?}", desk.now);
        if asks {
            asked += 1;
            let action = desk.demand();
            happens(desk, action);
        }
        desk.pass(millis(250));
    }
    asked
}

#[test]
fn g01_without_a_token_all_callers_ask() {
    let mut desk = Desk::new();
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    desk.demand();
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    desk.fail(Failure::Unknown);
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
}

#[test]
fn g01_a_token_is_asked_about_when_its_renewal_is_due() {
    let mut desk = Desk::proven();
    let asked = walk(&mut desk, 3 * 2880, |desk, action| {
        assert!(matches!(action, Action::ServeAndFly(_)));
        desk.fetch();
        let generation = desk.newest();
        desk.accept(generation);
    });
    assert_eq!(asked, 2);
}

#[test]
fn g01_no_caller_asks_while_the_renewal_is_in_progress() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    let asked = walk(&mut desk, 660, |_, action| {
        assert!(matches!(action, Action::ServeAndFly(_)));
    });
    assert_eq!(asked, 1);
    assert_eq!(
        desk.state.check_at(desk.now),
        desk.state.usable_until().unwrap()
    );
    assert_eq!(desk.demand(), Action::Wait);
}

#[test]
fn g04_no_caller_asks_while_a_failed_renewal_backs_off() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    let asked = walk(&mut desk, 660, |desk, _| {
        desk.throttle(100);
    });
    assert_eq!(asked, 7);
}

#[test]
fn g11_no_caller_asks_until_a_slot_is_free() {
    let mut desk = Desk::with_quota(2, 1000);
    desk.demand();
    desk.fail(Failure::Unknown);
    desk.pass_secs(100);
    desk.demand();
    desk.fetch_of(500);
    let generation = desk.newest();
    desk.accept(generation);
    // Renewal is due at 400 s, and the token is valid until 450 s. Slots become free at 600 s and
    // 1,000 s.
    let asked = walk(&mut desk, 450, |_, action| panic!("{action:?}"));
    assert_eq!(asked, 0);
    assert_eq!(desk.demand(), Action::OverQuota { wait: secs(50) });
}

#[test]
fn g07_during_a_doubt_every_request_asks() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    desk.refuse_newest();
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    desk.throttle(100);
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    let generation = desk.newest();
    desk.accept(generation);
    let until = desk.state.check_at(desk.now);
    assert_eq!(desk.now.until(until), secs(2870));
}

#[test]
fn g07_during_a_trial_every_request_asks_if_acceptances_are_reported() {
    let mut silent = Desk::new();
    silent.get();
    assert_eq!(
        silent.now.until(silent.state.check_at(silent.now)),
        secs(2880)
    );
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    // As long as the previous token may be needed.
    desk.pass_secs(659);
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    desk.pass_secs(1);
    assert_eq!(
        desk.now.until(desk.state.check_at(desk.now)),
        secs(2880 - 660)
    );
}

#[test]
fn g20_no_caller_asks_without_need_after_a_jump_of_the_wall_clock() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    desk.throttle(300);
    desk.set_wall_forwards(secs(600));
    assert_eq!(desk.demand(), Action::Serve);
    assert_eq!(
        desk.now.until(desk.state.check_at(desk.now)),
        secs(60),
        "its end"
    );
    assert!(!desk.now.reached(desk.state.check_at(desk.now)));
    desk.set_wall_forwards(secs(60));
    assert!(desk.now.reached(desk.state.check_at(desk.now)));
    // By the wall clock, the renewal was due.
    let mut desk = Desk::proven();
    desk.set_wall_forwards(secs(2880));
    desk.pass(millis(500));
    assert_eq!(desk.demand(), Action::Serve, "the floor");
    assert!(!desk.now.reached(desk.state.check_at(desk.now)));
    desk.pass(millis(500));
    assert!(desk.now.reached(desk.state.check_at(desk.now)));
}
