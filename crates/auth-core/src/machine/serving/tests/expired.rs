use super::*;

#[test]
fn g10_token_that_has_expired_is_for_the_waiting_callers() {
    let mut desk = Desk::new();
    desk.demand();
    assert_eq!(desk.fetch_of(0), Action::Deliver(desk.newest()));
    assert_eq!(desk.serves(), None);
    assert_eq!(desk.state.usable_until(), None);
    // The flight waits for the shortest interval.
    let next = Start {
        after: secs(1),
        ..Start::example(TokenRequestReason::Needed)
    };
    assert_eq!(desk.demand(), Action::Fly(next));
}

#[test]
fn g10_token_whose_reply_took_too_long_has_expired() {
    let mut desk = Desk::new();
    desk.demand();
    let token = desk.token(10);
    desk.pass_secs(9);
    let action = desk.step(Event::Fetched(token));
    assert_eq!(action, Action::Deliver(desk.newest()), "valid for 9 s");
    let mut desk = Desk::new();
    desk.demand();
    let token = desk.token(10);
    desk.pass(secs(9) - millis(1));
    let action = desk.step(Event::Fetched(token));
    assert_eq!(action, Action::Publish(desk.newest()));
}

#[test]
fn g10_expired_tokens_lengthen_the_back_off() {
    let mut desk = Desk::new();
    let end = desk.now + secs(3600);
    let (mut requests, mut told) = (0, 0);
    while !desk.now.waited_for(end) {
        match desk.demand() {
            Action::Fly(start) => {
                requests += 1;
                desk.pass(start.after);
                desk.fetch_of(0);
            }
            Action::Fail { wait } => {
                told += 1;
                assert!(wait > secs(1), "a short one is waited for");
                desk.pass(wait);
            }
            action => panic!("{action:?}"),
        }
    }
    assert_eq!((requests, told), (95, 86));
}

#[test]
fn g10_expired_token_replaces_no_valid_one() {
    let mut desk = Desk::proven();
    let valid = desk.newest();
    desk.pass_secs(2880);
    desk.demand();
    assert!(matches!(desk.fetch_of(0), Action::Deliver(_)));
    assert_eq!(desk.serves(), Some(valid));
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(660);
    assert_eq!(desk.serves(), None);
}

#[test]
fn g10_the_refused_token_once_more_is_a_failure_for_the_next_refusal_only() {
    let mut desk = Desk::proven();
    let refused = desk.newest();
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        let Action::Fly(start) = desk.refuse(refused) else {
            panic!("a refusal starts a token request");
        };
        assert_eq!(start.reason, TokenRequestReason::Refused);
        assert_eq!(desk.fail(Failure::SameToken), Action::Report);
        assert_eq!(desk.demand(), Action::Serve, "others continue");
        assert_eq!(desk.renews_after(), wait);
        desk.pass_secs(wait);
    }
    assert_eq!(desk.serves(), Some(refused));
}

#[test]
fn g10_one_text_has_one_number() {
    let mut desk = Desk::proven();
    let first = desk.newest();
    desk.pass_secs(2880);
    desk.demand();
    let mut same = desk.token(HOUR);
    same.same = Some(first);
    assert_eq!(desk.step(Event::Fetched(same)), Action::Publish(first));
    desk.pass_secs(2879);
    assert_eq!(desk.demand(), Action::Serve, "its lifetime starts again");
    assert!(flies(desk.refuse(first)), "its refusal is no old token's");
}
