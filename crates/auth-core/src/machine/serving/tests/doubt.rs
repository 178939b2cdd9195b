use super::*;

/// The token was refused, and no renewal may start for `seconds`.
fn doubted(seconds: u64) -> Desk {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    assert!(flies(desk.refuse_newest()));
    desk.throttle(seconds);
    desk
}

#[test]
fn g07_others_wait_for_the_renewal_for_two_seconds_at_most() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    let refused = desk.newest();
    desk.refuse(refused);
    assert_eq!(desk.demand(), Action::Wait);
    desk.pass(millis(1999));
    assert_eq!(desk.demand(), Action::Wait);
    desk.pass(millis(1));
    assert_eq!(desk.demand(), Action::Serve);
    assert_eq!(desk.serves(), Some(refused));
    assert_eq!(desk.refuse(refused), Action::Wait, "the refused one waits");
}

#[test]
fn g07_two_seconds_count_from_when_the_token_request_may_start() {
    let mut desk = Desk::proven();
    desk.refuse_newest();
    desk.pass(millis(2999));
    assert_eq!(desk.demand(), Action::Wait, "the floor is 1 s");
    desk.pass(millis(1));
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g07_other_requests_use_the_refused_token_when_its_renewal_fails() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    desk.refuse_newest();
    assert_eq!(desk.fail(Failure::Unknown), Action::Report);
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass(millis(999));
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff, "backs off");
    desk.pass(millis(1));
    assert_eq!(
        desk.refuse_newest(),
        Action::Fly(Start::example(TokenRequestReason::Refused))
    );
}

/// The caller of a refused request asks again after each token request that ends early.
#[test]
fn g05_a_refused_request_waits_for_a_silent_server_no_longer_than_for_one_token_request() {
    for joins_after in [0, 5, 9] {
        let mut desk = Desk::proven();
        desk.pass_secs(2_900);
        let Action::ServeAndFly(start) = desk.demand() else {
            panic!("a renewal ahead of expiry is due");
        };
        let ends = desk.now + start.deadline;
        desk.pass_secs(joins_after);
        assert_eq!(desk.refuse_newest(), Action::Wait);
        let begun = desk.now;
        desk.pass(desk.now.until(ends));
        let mut token_requests = 1;
        loop {
            let mut silent = failed(Failure::Unknown);
            silent.silent = true;
            silent.cut_short = true;
            if desk.step(Event::Failed(silent)) == Action::Report {
                break;
            }
            let Action::Fly(start) = desk.refuse_newest() else {
                panic!("the next token request follows at once");
            };
            token_requests += 1;
            assert!(token_requests <= 4, "joined after {joins_after} s");
            desk.pass(start.after + start.deadline);
        }
        let waited = desk.now.wait_since(begun);
        assert!(waited <= millis(12_500), "{joins_after} s: {waited:?}");
        assert_eq!(desk.demand(), Action::Serve, "the others continue");
    }
}

#[test]
fn g07_others_do_not_wait_for_a_renewal_that_replaces_nothing_refused() {
    let mut desk = doubted(1);
    desk.pass_secs(2870);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g09_five_refusals_a_second_apart_drop_a_token_that_cannot_be_renewed() {
    let mut desk = doubted(100);
    let refused = desk.newest();
    // The first one started the renewal that failed. More of them in one second count once.
    for _ in 0..3 {
        desk.pass(millis(999));
        for _ in 0..10 {
            assert_eq!(desk.refuse(refused), Action::RefusalBackOff);
        }
        desk.pass(millis(1));
        assert_eq!(desk.refuse(refused), Action::RefusalBackOff);
    }
    desk.pass(millis(999));
    assert_eq!(desk.refuse(refused), Action::RefusalBackOff);
    assert_eq!(desk.serves(), Some(refused), "four in a row");
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass(millis(1));
    assert_eq!(desk.refuse(refused), Action::RefusalBackOff);
    assert_eq!(desk.serves(), None, "five in a row");
    assert_eq!(desk.state.usable_until(), None);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(96) });
    desk.pass_secs(96);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g09_no_token_is_dropped_while_its_renewal_is_in_progress() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    assert!(flies(desk.refuse_newest()));
    for _ in 0..9 {
        desk.pass_secs(1);
        assert_eq!(desk.refuse_newest(), Action::Wait);
    }
    assert_eq!(desk.serves(), Some(desk.newest()));
}

#[test]
fn g09_an_acceptance_clears_the_doubt() {
    let mut desk = doubted(1000);
    let generation = desk.newest();
    for _ in 0..3 {
        desk.pass_secs(1);
        desk.refuse(generation);
    }
    desk.accept(generation);
    for _ in 0..4 {
        desk.pass_secs(1);
        assert_eq!(desk.refuse(generation), Action::RefusalBackOff);
        assert_eq!(desk.serves(), Some(generation));
    }
    desk.pass_secs(1);
    assert_eq!(desk.refuse(generation), Action::RefusalBackOff);
    assert_eq!(desk.serves(), None);
}

#[test]
fn g09_the_acceptance_of_an_older_token_clears_nothing() {
    let mut desk = Desk::proven();
    let old = desk.newest();
    desk.refuse(old);
    desk.fetch_known();
    desk.pass_secs(1);
    desk.refuse_newest();
    desk.throttle(100);
    for _ in 0..4 {
        desk.accept(old);
        desk.pass_secs(1);
        desk.refuse_newest();
    }
    assert_eq!(desk.serves(), None);
}

#[test]
fn g09_a_permanent_credential_is_never_dropped() {
    let mut desk = doubted(3600);
    let generation = desk.newest();
    for _ in 0..1000 {
        desk.pass_secs(1);
        let action = desk.step(Event::Refused {
            generation,
            permanent: true,
        });
        assert_eq!(action, Action::RefusalBackOff);
    }
    assert_eq!(desk.serves(), Some(generation));
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g07_a_new_token_is_not_in_doubt() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.fetch_known();
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(1);
    assert!(flies(desk.refuse_newest()), "its first refusal");
    desk.throttle(100);
    for _ in 0..3 {
        desk.pass_secs(1);
        desk.refuse_newest();
    }
    assert_eq!(desk.serves(), Some(desk.newest()), "four in a row");
}
