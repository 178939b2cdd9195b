use super::*;

/// Returns how many milliseconds after its arrival a refusal of the token starts a token request.
fn trial(desk: &Desk) -> u64 {
    let renews = |wait: u64| {
        let mut later = desk.clone();
        later.pass(millis(wait));
        flies(later.refuse_newest())
    };
    let windows = [0, 6000, 60_000, 600_000];
    let found = windows.into_iter().find(|window| renews(*window));
    let window = found.expect("trials end");
    assert!(window == 0 || !renews(window - 1), "{window}");
    window
}

#[test]
fn g07_new_token_is_sent_again_after_one_two_and_four_seconds() {
    let mut desk = Desk::new();
    desk.get();
    for after in [1, 2, 4, 4, 4] {
        let again = Action::SendAgain { after: secs(after) };
        assert_eq!(desk.refuse_newest(), again);
        desk.pass(millis(999));
        assert_eq!(desk.refuse_newest(), again, "counted once in a second");
        assert_eq!(desk.demand(), Action::Serve, "others use it");
        desk.pass(millis(1));
    }
    // Five times are enough.
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    assert!(desk.state.is_young(desk.now));
    assert_eq!(desk.demand(), Action::Serve);
    desk.pass_secs(1);
    assert!(!desk.state.is_young(desk.now));
    assert_eq!(
        desk.refuse_newest(),
        Action::Fly(Start::example(TokenRequestReason::Refused))
    );
}

#[test]
fn g09_trials_last_longer_while_the_api_accepts_nothing() {
    let mut desk = Desk::new();
    desk.get();
    for window in [6, 60, 600, 600, 600] {
        assert_eq!(trial(&desk), window * 1000);
        assert!(matches!(desk.refuse_newest(), Action::SendAgain { .. }));
        desk.pass_secs(window);
        assert!(flies(desk.refuse_newest()));
        desk.fetch();
    }
    let generation = desk.newest();
    desk.accept(generation);
    assert_eq!(trial(&desk), 0, "an acceptance ends it");
    assert!(flies(desk.refuse(generation)));
    desk.fetch();
    desk.pass_secs(60);
    assert_eq!(trial(&desk), 0);
    desk.refuse_newest();
    desk.fetch();
    assert_eq!(trial(&desk), 6000, "as at first");
}

#[test]
fn g07_trials_do_not_grow_without_reports_of_acceptance() {
    let mut desk = Desk::new();
    desk.get();
    for _ in 0..5 {
        assert_eq!(trial(&desk), 6000);
        desk.pass_secs(2880);
        assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
        desk.fetch();
        let mut other = desk.clone();
        let again = Action::SendAgain { after: secs(1) };
        assert_eq!(other.refuse_newest(), again, "no predecessor is better");
    }
}

#[test]
fn g07_refusals_of_a_token_after_its_trial_do_not_lengthen_the_next_trial() {
    let mut desk = Desk::new();
    desk.get();
    for _ in 0..3 {
        desk.pass_secs(100);
        assert!(flies(desk.refuse_newest()));
        desk.fetch();
        assert_eq!(trial(&desk), 6000);
    }
}

#[test]
fn g07_token_that_other_processes_used_is_on_trial_for_the_rest_of_the_time() {
    for (age, window) in [(0, 6000), (2, 4000), (6, 0)] {
        let mut desk = Desk::new();
        desk.demand();
        let mut token = desk.token(HOUR);
        (token.age, token.requested) = (secs(age), false);
        desk.step(Event::Fetched(token));
        for (at, flown) in [(window, true), (window.max(1) - 1, window == 0)] {
            let mut later = desk.clone();
            later.pass(millis(at));
            assert_eq!(
                flies(later.refuse_newest()),
                flown,
                "{age} s old, at {at} ms"
            );
        }
    }
}

#[test]
fn g07_a_permanent_credential_is_not_on_trial() {
    let mut desk = Desk::new();
    desk.demand();
    let mut token = desk.token(0);
    token.lifetime = Some(Duration::MAX);
    desk.step(Event::Fetched(token));
    assert!(flies(desk.refuse_newest()));
}

/// A token that was accepted, and its renewal.
fn renewed() -> (Desk, Generation) {
    let mut desk = Desk::proven();
    let previous = desk.newest();
    desk.pass_secs(2880);
    desk.demand();
    desk.fetch();
    (desk, previous)
}

#[test]
fn g07_the_previous_token_serves_while_the_api_does_not_know_the_new_one() {
    let (mut desk, previous) = renewed();
    let young = desk.newest();
    assert_eq!(desk.serves(), Some(young), "the new one is tried first");
    for rest in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(desk.refuse(young), Action::ServePrevious);
        assert_eq!(desk.demand(), Action::ServePrevious);
        assert_eq!(desk.serves(), Some(previous));
        desk.pass(secs(rest) - millis(1));
        assert_eq!(desk.demand(), Action::ServePrevious);
        desk.pass(millis(1));
        assert_eq!(desk.demand(), Action::Serve, "tried again after {rest} s");
        assert_eq!(desk.serves(), Some(young));
    }
    // A previous token can be used, so the new one is not replaced at once.
    assert_eq!(desk.newest(), young);
    desk.accept(young);
    assert_eq!(desk.state.previous_generation(), None);
    assert!(flies(desk.refuse(young)));
}

#[test]
fn g07_the_previous_token_is_not_used_after_its_end() {
    let (mut desk, previous) = renewed();
    desk.pass_secs(659);
    assert_eq!(desk.refuse_newest(), Action::ServePrevious);
    assert_eq!(desk.serves(), Some(previous));
    desk.pass_secs(1);
    assert_eq!(desk.serves(), Some(desk.newest()));
    assert_eq!(desk.demand(), Action::Serve);
    assert_eq!(
        desk.refuse_newest(),
        Action::Fly(Start::example(TokenRequestReason::Refused))
    );
}

#[test]
fn g07_a_previous_token_that_is_refused_too_serves_no_more() {
    let (mut desk, previous) = renewed();
    assert_eq!(desk.refuse_newest(), Action::ServePrevious);
    assert_eq!(desk.refuse(previous), Action::Serve);
    assert_eq!(desk.serves(), Some(desk.newest()));
    assert_eq!(desk.refuse_newest(), Action::SendAgain { after: secs(1) });
}

#[test]
fn g07_refused_token_is_never_used_as_the_previous_token() {
    let mut desk = Desk::proven();
    desk.pass_secs(10);
    desk.refuse_newest();
    desk.fetch();
    assert_eq!(desk.state.previous_generation(), None);
    assert_eq!(desk.refuse_newest(), Action::SendAgain { after: secs(1) });
}
