use super::*;

const CREDENTIALS: Failure = Failure::Rejected(RejectedPart::Credentials);

fn reject(desk: &mut Desk, about: CredentialsId) {
    let rejected = Failed {
        about: Some(about),
        ..failed(CREDENTIALS)
    };
    assert_eq!(desk.step(Event::Failed(rejected)), Action::Report);
}

/// A state in which these credentials were just rejected.
fn rejected(secret: &str) -> Desk {
    let mut desk = Desk::new();
    desk.demand();
    reject(&mut desk, credentials(secret));
    desk
}

/// A look: a flight that may only send other credentials.
fn look(secret: &str) -> Action {
    Action::Fly(Start {
        unless: Some(credentials(secret)),
        ..Start::example(TokenRequestReason::Needed)
    })
}

#[test]
fn g06_rejected_credentials_are_read_five_times_at_once_and_then_once_a_second() {
    let mut desk = rejected("fake-secret-1");
    for _ in 0..5 {
        assert_eq!(desk.demand(), look("fake-secret-1"));
        assert_eq!(desk.demand(), Action::Wait);
        desk.state.unchanged();
    }
    assert_eq!(desk.demand(), Action::Fail { wait: secs(300) });
    let mut looks = 0;
    for _ in 0..100 {
        desk.pass(millis(100));
        match desk.demand() {
            Action::Fly(_) => {
                looks += 1;
                desk.state.unchanged();
            }
            action => assert!(matches!(action, Action::Fail { .. }), "{action:?}"),
        }
    }
    assert_eq!(looks, 10, "in 10 s");
}

#[test]
fn g06_unchanged_credentials_keep_everything_as_it_was() {
    let mut desk = Desk::with_quota(2, 1000);
    desk.demand();
    reject(&mut desk, credentials("fake-secret-1"));
    for _ in 0..20 {
        desk.pass_secs(2);
        assert_eq!(desk.demand(), look("fake-secret-1"));
        let looking = desk.clone();
        desk.state.unchanged();
        let mut before = looking.state;
        before.flight = None;
        before.waits_since = None;
        before.ledger.cancel();
        assert_eq!(desk.state, before);
    }
    assert_eq!(
        desk.state.next_try(desk.now),
        secs(260),
        "the probe is not delayed"
    );
    desk.pass_secs(260);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed)),
        "a slot is left"
    );
}

#[test]
fn g06_the_same_credentials_are_sent_again_after_the_probe_interval() {
    let mut desk = rejected("fake-secret-1");
    desk.pass(secs(300) - millis(1));
    assert_eq!(desk.demand(), look("fake-secret-1"));
    desk.state.unchanged();
    desk.pass(millis(1));
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
    reject(&mut desk, credentials("fake-secret-1"));
    assert_eq!(desk.state.next_try(desk.now), secs(300));
}

#[test]
fn g06_looks_are_counted_separately_for_other_credentials() {
    let mut desk = rejected("fake-secret-1");
    for _ in 0..5 {
        assert!(flies(desk.demand()));
        desk.state.unchanged();
    }
    assert!(matches!(desk.demand(), Action::Fail { .. }));
    desk.pass_secs(1);
    assert!(flies(desk.demand()));
    reject(&mut desk, credentials("fake-secret-2"));
    for _ in 0..5 {
        assert_eq!(desk.demand(), look("fake-secret-2"));
        desk.state.unchanged();
    }
    assert!(matches!(desk.demand(), Action::Fail { .. }));
}

#[test]
fn g06_changed_credentials_are_sent_within_the_same_flight_if_a_slot_is_free() {
    let mut desk = Desk::new();
    desk.demand();
    assert_eq!(desk.step(Event::CredentialsChanged), Action::Again);
    assert_eq!(desk.demand(), Action::Wait);
    let mut desk = Desk::with_quota(1, 60);
    desk.demand();
    assert_eq!(desk.step(Event::CredentialsChanged), Action::Nothing);
}

#[test]
fn g06_a_valid_token_serves_while_the_credentials_are_rejected() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    reject(&mut desk, credentials("fake-secret-1"));
    for _ in 0..29 {
        desk.pass_secs(10);
        assert_eq!(desk.demand(), Action::Serve);
    }
    desk.pass_secs(10);
    assert!(matches!(desk.demand(), Action::ServeAndFly(_)));
}

#[test]
fn g06_the_operator_may_have_the_credentials_tried_at_once() {
    let mut desk = rejected("fake-secret-1");
    desk.state.clear_rejection();
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
    // Any other back-off stays.
    let mut desk = Desk::new();
    desk.demand();
    desk.throttle(100);
    desk.state.clear_rejection();
    assert_eq!(desk.demand(), Action::Fail { wait: secs(100) });
}

#[test]
fn g06_no_look_follows_a_failure_that_is_not_about_credentials() {
    for failure in [Failure::Unknown, Failure::NotUnderstood, Failure::Throttled] {
        let mut desk = Desk::new();
        desk.demand();
        let failed = Failed {
            about: Some(credentials("fake-secret-1")),
            ..failed(failure)
        };
        desk.step(Event::Failed(failed));
        assert!(matches!(desk.demand(), Action::Fail { .. }), "{failure:?}");
    }
}
