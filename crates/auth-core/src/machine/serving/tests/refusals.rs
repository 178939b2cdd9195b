use super::*;

#[test]
fn g07_a_refused_token_is_replaced_by_one_token_request() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    let refused = desk.newest();
    assert_eq!(
        desk.refuse(refused),
        Action::Fly(Start::example(TokenRequestReason::Refused))
    );
    for _ in 0..50 {
        assert_eq!(desk.refuse(refused), Action::Wait);
    }
    assert!(matches!(desk.fetch(), Action::Publish(_)));
    // The other requests that were in progress with the refused token.
    for _ in 0..50 {
        assert_eq!(desk.refuse(refused), Action::Serve);
    }
}

#[test]
fn g07_a_refusal_within_the_floor_waits_for_the_floor() {
    let mut desk = Desk::proven();
    desk.pass(millis(300));
    let start = Start {
        after: millis(700),
        ..Start::example(TokenRequestReason::Refused)
    };
    assert_eq!(desk.refuse_newest(), Action::Fly(start));
}

#[test]
fn g07_a_refusal_makes_a_renewal_ahead_urgent() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    assert_eq!(desk.refuse_newest(), Action::Wait);
    assert!(desk.state.is_urgent());
    assert!(matches!(desk.fetch(), Action::Publish(_)));
    assert_eq!(
        desk.state.refusals.unaccepted, 1,
        "counted as a renewal that followed a refusal"
    );
}

#[test]
fn g08_the_refusal_of_an_older_token_starts_nothing() {
    let mut desk = Desk::proven();
    let old = desk.newest();
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    let current = desk.newest();
    desk.accept(current);
    assert_eq!(desk.refuse(old), Action::Serve);
    assert_eq!(desk.serves(), Some(current));
}

#[test]
fn g08_the_refusal_of_an_expired_token_proves_nothing() {
    let mut desk = Desk::proven();
    desk.pass_secs(3540);
    assert_eq!(
        desk.refuse_newest(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

/// Returns the waits before each of `times` renewals that follow refusals.
fn waits(times: usize, accepted: bool) -> Vec<u64> {
    let mut desk = Desk::proven();
    let mut waits = Vec::new();
    for _ in 0..times {
        let wait = desk.renews_after();
        waits.push(wait);
        desk.pass_secs(wait);
        assert!(flies(desk.refuse_newest()));
        desk.fetch_known();
        if accepted {
            let generation = desk.newest();
            desk.accept(generation);
        }
    }
    waits
}

#[test]
fn g09_renewals_back_off_while_the_api_refuses_every_token() {
    let expected = [0, 1, 2, 4, 8, 16, 32, 60, 60, 60];
    assert_eq!(waits(expected.len(), false), expected);
}

#[test]
fn g09_more_than_three_recent_renewals_back_off_even_if_their_tokens_are_accepted() {
    let expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60];
    assert_eq!(waits(expected.len(), true), expected);
}

#[test]
fn g09_one_renewal_is_forgotten_each_minute() {
    let mut desk = Desk::proven();
    for _ in 0..6 {
        desk.pass_secs(desk.renews_after());
        assert!(flies(desk.refuse_newest()));
        desk.fetch_known();
        let generation = desk.newest();
        desk.accept(generation);
    }
    assert_eq!(desk.renews_after(), 4);
    // Six are known; after two minutes four, and the next one makes five.
    for (minutes, wait) in [(1, 4), (2, 2), (3, 1), (4, 0), (60, 0)] {
        let mut later = desk.clone();
        later.pass_secs(60 * minutes);
        assert!(flies(later.refuse_newest()));
        later.fetch_known();
        let generation = later.newest();
        later.accept(generation);
        assert_eq!(later.renews_after(), wait, "after {minutes} minutes");
    }
    // A refusal during the wait is returned, and the token stays in use.
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    assert_eq!(desk.demand(), Action::Serve);
}

#[test]
fn g09_an_acceptance_ends_the_back_off() {
    let mut desk = Desk::proven();
    for _ in 0..3 {
        desk.pass_secs(desk.renews_after());
        desk.refuse_newest();
        desk.fetch_known();
    }
    assert_eq!(desk.renews_after(), 4);
    let generation = desk.newest();
    desk.accept(generation);
    assert_eq!(desk.renews_after(), 0);
}

#[test]
fn g09_an_acceptance_of_an_older_token_proves_nothing_of_the_newest() {
    let mut desk = Desk::proven();
    let old = desk.newest();
    desk.refuse_newest();
    desk.fetch_known();
    desk.pass_secs(1);
    desk.refuse_newest();
    desk.fetch_known();
    desk.accept(old);
    assert_eq!(desk.renews_after(), 2);
}
