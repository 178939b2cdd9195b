use super::*;

#[test]
fn g20_a_token_whose_end_the_wall_clock_has_reached_is_not_sent() {
    let mut desk = Desk::proven();
    desk.pass_secs(1);
    desk.set_wall_forwards(secs(3538));
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)), "due");
    desk.set_wall_forwards(secs(1));
    assert_eq!(desk.serves(), None);
    assert_eq!(desk.demand(), Action::Wait);
}

#[test]
fn g20_a_jump_of_the_wall_clock_costs_one_token_request() {
    let mut desk = Desk::proven();
    desk.set_wall_forwards(secs(10_000_000));
    desk.pass_secs(1);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
    desk.fetch();
    for _ in 0..2879 {
        assert_eq!(desk.demand(), Action::Serve);
        desk.pass_secs(1);
    }
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g20_a_wall_clock_that_is_set_back_lengthens_no_token() {
    let mut desk = Desk::proven();
    desk.set_wall_back(secs(1_000_000));
    desk.pass_secs(2880);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    desk.pass_secs(660);
    assert_eq!(desk.serves(), None);
}

#[test]
fn g20_the_wall_clock_neither_ends_nor_lengthens_a_back_off() {
    for forwards in [true, false] {
        let mut desk = Desk::new();
        desk.demand();
        desk.throttle(100);
        if forwards {
            desk.set_wall_forwards(secs(1_000_000))
        } else {
            desk.set_wall_back(secs(1_000_000))
        }
        desk.pass_secs(99);
        assert_eq!(desk.demand(), Action::Fail { wait: secs(1) });
        desk.pass_secs(1);
        assert!(flies(desk.demand()));
    }
}

#[test]
fn g20_the_wall_clock_frees_no_slot_of_the_quota() {
    for forwards in [true, false] {
        let mut desk = Desk::with_quota(1, 100);
        desk.demand();
        desk.fail(Failure::Unknown);
        if forwards {
            desk.set_wall_forwards(secs(1_000_000))
        } else {
            desk.set_wall_back(secs(1_000_000))
        }
        desk.pass_secs(99);
        assert_eq!(desk.demand(), Action::OverQuota { wait: secs(1) });
        desk.pass_secs(1);
        assert!(flies(desk.demand()));
    }
}

#[test]
fn g20_the_wall_clock_ends_no_back_off_of_refusals_and_drops_no_token() {
    let mut desk = Desk::proven();
    for _ in 0..4 {
        desk.pass_secs(desk.renews_after());
        desk.refuse_newest();
        desk.fetch_known();
    }
    desk.set_wall_forwards(secs(1000));
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    for _ in 0..20 {
        desk.set_wall_forwards(secs(10));
        assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    }
    assert_eq!(
        desk.serves(),
        Some(desk.newest()),
        "one refusal in a second counts"
    );
    assert_eq!(desk.renews_after(), 8);
}

#[test]
fn g20_a_token_request_that_took_a_suspend_brings_an_expired_token() {
    let mut desk = Desk::new();
    desk.demand();
    let token = desk.token(HOUR);
    desk.set_wall_forwards(secs(3600));
    assert!(matches!(
        desk.step(Event::Fetched(token)),
        Action::Deliver(_)
    ));
}
