use super::*;

#[test]
fn g07_a_refused_token_is_replaced_once_and_never_served_again() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE);
    let reason = Reason::Refused;
    let after = ZERO;
    assert_eq!(machine.refuse(1), Action::Fly { reason, after });
    assert_eq!(machine.state.usable_until(), None);
    assert_eq!(machine.demand(), Action::Wait);
    for _ in 0..1_000 {
        assert_eq!(machine.refuse(1), Action::Wait);
    }
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(2)));
    assert_eq!(machine.refuse(1), Action::Serve);
    assert_eq!(machine.exchanges, 2);
}

#[test]
fn g07_a_refused_token_is_not_served_when_its_replacement_fails() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    machine.fail();
    machine.fails_for(secs(1));
    assert_eq!(machine.refuse(1), Action::Fail { wait: secs(1) });
    machine.pass(secs(1));
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(2)));
}

#[test]
fn g07_a_token_refused_during_its_renewal_waits_for_that() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    assert_eq!(machine.refuse(1), Action::Wait);
    assert_eq!(machine.demand(), Action::Wait);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(2)));
    assert_eq!(machine.exchanges, 2);
    // It was a renewal by refusal all the same.
    assert_eq!(machine.refuse(2), Action::Damped);
}

#[test]
fn g07_a_refusal_during_a_back_off_makes_no_exchange() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880)).demand();
    machine.failed(Failure::Transient, Some(secs(30)));
    assert_eq!(machine.refuse(1), Action::Fail { wait: secs(30) });
    machine.fails_for(secs(30));
}

#[test]
fn g08_a_late_refusal_of_an_old_token_changes_nothing() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    machine.fetched(HOUR);
    machine.accept(2);
    for late in [0, 60, 2_000] {
        let mut machine = machine.clone();
        let before = machine.pass(secs(late)).state.clone();
        // Also one that this machine never gave.
        for number in [1, 3, 99] {
            assert_eq!(machine.refuse(number), Action::Serve);
            assert_eq!(machine.state, before);
        }
    }
    // In the early window it is worth as much as any demand.
    machine.pass(secs(2_880));
    assert_eq!(machine.refuse(1), Action::ServeAndFly);
    assert_eq!(machine.state.flight, Some(Reason::Ahead));
}

#[test]
fn g08_a_late_acceptance_of_an_old_token_changes_nothing() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    machine.fetched(HOUR);
    let before = machine.state.clone();
    assert_eq!(machine.accept(1), Action::Nothing);
    assert_eq!(machine.state, before);
    assert_eq!(machine.refuse(2), Action::Damped);
}

#[test]
fn g09_renewals_that_do_not_help_are_damped_twice_as_long_each_time() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    for (number, seconds) in (2..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        assert_eq!(machine.fetched(HOUR), Action::Publish(generation(number)));
        assert_eq!(machine.refuse(number), Action::Damped);
        // Kept on purpose: the API may well take it for something else.
        machine.serves();
        machine.pass(secs(seconds) - millis(1));
        assert_eq!(machine.refuse(number), Action::Damped);
        machine.pass(millis(1));
        let reason = Reason::Refused;
        let after = ZERO;
        assert_eq!(machine.refuse(number), Action::Fly { reason, after });
    }
}

#[test]
fn g09_an_acceptance_ends_the_damping() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE);
    for number in 1..20 {
        // Revoked for true every two seconds: renewed at once, each time.
        let Action::Fly { after, .. } = machine.refuse(number) else {
            panic!("damped");
        };
        assert_eq!(after, ZERO);
        assert_eq!(
            machine.fetched(HOUR),
            Action::Publish(generation(number + 1))
        );
        assert_eq!(machine.accept(number + 1), Action::Nothing);
        machine.pass(secs(2));
    }
    // And starts anew where it does not help.
    machine.refuse(20);
    machine.fetched(HOUR);
    assert_eq!(machine.refuse(21), Action::Damped);
    machine.pass(secs(1));
    assert!(matches!(machine.refuse(21), Action::Fly { .. }));
}

#[test]
fn g09_a_renewal_that_failed_meanwhile_counts_when_it_succeeds() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    machine.fail();
    machine.pass(secs(1));
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(HOUR);
    assert_eq!(machine.refuse(2), Action::Damped);
}

#[test]
fn g09_renewals_for_other_reasons_are_not_counted() {
    let mut machine = Machine::holding(HOUR);
    for number in 2..10 {
        machine.pass(secs(2_880));
        assert_eq!(machine.demand(), Action::ServeAndFly);
        assert_eq!(machine.fetched(HOUR), Action::Publish(generation(number)));
    }
    machine.pass(secs(1));
    assert!(matches!(machine.refuse(9), Action::Fly { .. }));
}

#[test]
fn g09_a_damped_token_ends_in_its_time() {
    let mut machine = Machine::holding(secs(10));
    machine.pass(secs(1)).refuse(1);
    for number in 2..7 {
        machine.fetched(secs(10));
        while machine.refuse(number) == Action::Damped && machine.rests() > ZERO {
            machine.pass(millis(100));
        }
        if machine.state.flight.is_none() {
            break;
        }
    }
    // The damping outlasts the token, which is renewed ahead like any other.
    assert_eq!(machine.demand(), Action::ServeAndFly);
    let last = machine.state.last.unwrap().get();
    machine.fetched(secs(10));
    assert_eq!(machine.refuse(last), Action::Serve);
}

#[test]
fn g09_an_expired_token_is_renewed_however_often_it_is_refused() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(MINUTE).refuse(1);
    machine.fetched(secs(1));
    assert_eq!(machine.pass(millis(899)).refuse(2), Action::Damped);
    let reason = Reason::Refused;
    let after = ZERO;
    assert_eq!(
        machine.pass(millis(1)).refuse(2),
        Action::Fly { reason, after }
    );
    // That it expired says nothing against the API.
    machine.pass(secs(1)).fetched(HOUR);
    assert!(matches!(machine.refuse(3), Action::Fly { .. }));
}

#[test]
fn g09_an_api_that_refuses_everything_for_an_hour_costs_70_exchanges() {
    let mut machine = Machine::holding(HOUR);
    let end = machine.now + HOUR;
    let (mut last, mut distances) = (machine.now, Vec::new());
    while !machine.now.reached(end) {
        if let Some(generation) = machine.request(HOUR) {
            let exchanges = machine.exchanges;
            if let Action::Fly { after, .. } = machine.refuse(generation.get()) {
                machine.pass(after).fetched(HOUR);
            }
            if machine.exchanges > exchanges {
                distances.push(machine.now.wait_since(last).as_secs());
                last = machine.now;
            }
        }
        machine.pass(millis(50));
    }
    assert_eq!(distances[..9], [1, 1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(distances[9..].iter().all(|seconds| *seconds == 60));
    assert!(machine.exchanges <= 70, "{}", machine.exchanges);
    assert!(machine.exchanges > 60, "{}", machine.exchanges);
}

#[test]
fn g10_a_vendor_that_gives_dead_tokens_to_an_api_that_refuses_them_is_not_hammered() {
    let mut machine = Machine::new();
    let end = machine.now + MINUTE;
    while !machine.now.reached(end) {
        let generation = machine.request(ZERO).unwrap();
        if let Action::Fly { after, .. } = machine.refuse(generation.get()) {
            machine.pass(after).fetched(ZERO);
        }
    }
    assert!(machine.exchanges <= 62, "{}", machine.exchanges);
}
