//! The hot path asks the rules when there is something to decide, and not before.

use super::*;

/// Walks a story in steps of a quarter second. A caller that would not ask would get the cached
/// token as if it had asked; one that asks, does so for something.
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
fn g01_without_a_token_everybody_asks() {
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
fn g01_nobody_asks_while_the_renewal_is_under_way() {
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
fn g04_nobody_asks_while_a_failed_renewal_backs_off() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    let asked = walk(&mut desk, 660, |desk, _| {
        desk.throttle(100);
    });
    assert_eq!(asked, 7);
}

#[test]
fn g11_nobody_asks_until_a_slot_frees() {
    let mut desk = Desk::with_quota(2, 1000);
    desk.demand();
    desk.fail(Failure::Unknown);
    desk.pass_secs(100);
    desk.demand();
    desk.fetch_of(500);
    let generation = desk.newest();
    desk.accept(generation);
    // Renewal is due at 400 s, valid until 450 s; slots free at 600 s and 1,000 s.
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
fn g07_during_a_trial_every_request_asks_if_somebody_reports() {
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
    // For as long as the token before may have to serve.
    desk.pass_secs(659);
    assert_eq!(desk.state.check_at(desk.now), Moment::PAST);
    desk.pass_secs(1);
    assert_eq!(
        desk.now.until(desk.state.check_at(desk.now)),
        secs(2880 - 660)
    );
}

#[test]
fn g20_nobody_asks_for_nothing_after_a_jump_of_the_wall_clock() {
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
    // The renewal itself was due by the wall clock.
    let mut desk = Desk::proven();
    desk.set_wall_forwards(secs(2880));
    desk.pass(millis(500));
    assert_eq!(desk.demand(), Action::Serve, "the floor");
    assert!(!desk.now.reached(desk.state.check_at(desk.now)));
    desk.pass(millis(500));
    assert!(desk.now.reached(desk.state.check_at(desk.now)));
}
