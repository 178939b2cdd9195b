use super::*;

/// Returns the seconds after which nothing has to be remembered.
fn rests_after(desk: &Desk) -> u64 {
    let left = desk.state.without_token();
    let rests = |wait: &u64| left.is_at_rest(desk.now + secs(*wait));
    (0..100_000).find(rests).expect("is at rest some day")
}

#[test]
fn unused_state_is_at_rest() {
    assert_eq!(rests_after(&Desk::new()), 0);
}

#[test]
fn g19_without_a_token_the_back_off_is_remembered() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    desk.throttle(500);
    assert_eq!(rests_after(&desk), 500);
    desk.state = desk.state.without_token();
    assert_eq!(desk.serves(), None);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(500) });
}

#[test]
fn g19_a_flight_is_not_remembered() {
    let mut desk = Desk::new();
    desk.demand();
    desk.state = desk.state.without_token();
    assert!(!desk.state.is_urgent());
    assert!(flies(desk.demand()));
}

#[test]
fn g09_renewals_that_followed_refusals_are_remembered_for_as_long_as_they_count() {
    let mut desk = Desk::proven();
    for minutes in 1..=4 {
        desk.refuse_newest();
        desk.fetch_known();
        let generation = desk.newest();
        desk.accept(generation);
        assert_eq!(rests_after(&desk), 60 * minutes);
    }
    desk.state = desk.state.without_token();
    assert!(flies(desk.demand()));
    desk.fetch_known();
    assert_eq!(
        desk.refuse_newest(),
        Action::RefusalBackOff,
        "four recent ones"
    );
}

#[test]
fn g11_used_slots_are_remembered() {
    let mut desk = Desk::with_quota(1, 700);
    desk.get();
    desk.pass_secs(100);
    assert_eq!(rests_after(&desk), 600);
    desk.state = desk.state.without_token();
    assert_eq!(desk.demand(), Action::OverQuota { wait: secs(600) });
}

#[test]
fn g11_an_open_slot_is_remembered() {
    let mut desk = Desk::with_quota(5, 700);
    desk.demand();
    assert!(
        !desk
            .state
            .without_token()
            .is_at_rest(desk.now + secs(100_000))
    );
}

#[test]
fn g06_rejected_credentials_are_remembered() {
    let mut desk = Desk::new();
    desk.demand();
    let rejected = Failed {
        about: Some(credentials("fake-secret-1")),
        ..failed(Failure::Rejected(RejectedPart::Credentials))
    };
    desk.step(Event::Failed(rejected));
    assert_eq!(rests_after(&desk), 300);
    desk.state = desk.state.without_token();
    let Action::Fly(start) = desk.demand() else {
        panic!("the credentials are read");
    };
    assert_eq!(start.unless, Some(credentials("fake-secret-1")));
}
