use super::*;

fn with(limit: u32) -> Machine {
    Machine::with(RefreshPolicy::default(), Some(Quota::new(limit, HOUR)))
}

/// Demands a token, and fails to get one.
fn waste(machine: &mut Machine) {
    let Action::Fly { after, .. } = machine.demand() else {
        panic!("no slot");
    };
    machine.pass(after);
    machine.failed(Failure::Transient, Some(ZERO));
    machine.pass(secs(1));
}

#[test]
fn g11_a_used_up_quota_keeps_a_usable_token_and_makes_no_exchange() {
    let mut machine = with(5);
    (0..4).for_each(|_| waste(&mut machine));
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(HOUR);
    // Renewal ahead leaves the reserve alone, and nobody asks before a slot has freed.
    machine.pass(secs(2_880));
    machine.serves();
    assert_eq!(machine.rests(), secs(660));
    machine.pass(millis(659_999)).serves();
    // The first failure was an hour ago when it is over for a minute.
    machine.pass(millis(1));
    assert_eq!(machine.demand(), Action::OverQuota { wait: secs(56) });
    machine.pass(secs(56));
    machine.flies(Reason::Needed, ZERO);
}

#[test]
fn g11_without_a_token_a_used_up_quota_says_when_the_next_slot_frees() {
    let mut machine = with(2);
    waste(&mut machine);
    waste(&mut machine);
    // The first one ended two seconds ago.
    let wait = HOUR - secs(2);
    assert_eq!(machine.demand(), Action::OverQuota { wait });
    assert_eq!(machine.state.next_try(machine.now), wait);
    machine.pass(wait - millis(1));
    assert_eq!(machine.demand(), Action::OverQuota { wait: millis(1) });
    machine.pass(millis(1));
    machine.flies(Reason::Needed, ZERO);
    // The second one has freed its slot when this one ends.
    machine.pass(secs(5)).fail();
    machine.pass(secs(1));
    machine.flies(Reason::Needed, ZERO);
}

#[test]
fn g11_the_slot_of_a_flight_that_went_away_is_taken() {
    let mut machine = with(1);
    machine.flies(Reason::Needed, ZERO);
    machine.step(Event::Abandoned);
    assert_eq!(machine.demand(), Action::OverQuota { wait: HOUR });
    machine.pass(HOUR);
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(1)));
}

#[test]
fn g11_a_slot_frees_with_its_token_by_the_vendors_word_alone() {
    let policy = RefreshPolicy::default()
        .default_lifetime(MINUTE)
        .max_lifetime(MINUTE);
    for (stated, wait) in [
        (Some(secs(30)), 30),
        // What the policy assumes is unknown to the vendor.
        (None, 3_600),
        (Some(HOUR), 3_600),
        (Some(2 * HOUR), 3_600),
    ] {
        let mut machine = Machine::with(policy.clone(), Some(Quota::new(1, HOUR)));
        machine.flies(Reason::Needed, ZERO);
        machine.land(stated, None, None);
        let wait = secs(wait);
        assert_eq!(machine.refuse(1), Action::OverQuota { wait });
    }
}

#[test]
fn g11_renewal_ahead_uses_four_fifths() {
    let mut machine = with(20);
    machine.flies(Reason::Needed, ZERO);
    let mut ahead = 0;
    machine.land(Some(2 * HOUR), Some(ZERO), None);
    for _ in 0..100 {
        if machine.pass(secs(1)).demand() == Action::ServeAndFly {
            ahead += 1;
            machine.land(Some(2 * HOUR), Some(ZERO), None);
        }
    }
    assert_eq!(ahead, 15, "and one before");
    // The rest is there for a refusal.
    let last = machine.state.last.unwrap().get();
    assert!(matches!(machine.refuse(last), Action::Fly { .. }));
}

#[test]
fn g11_one_slot_is_never_spent_ahead() {
    let mut machine = with(1);
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(2 * HOUR);
    assert_eq!(machine.rests(), secs(7_140));
    machine.pass(millis(7_139_999)).serves();
    machine.pass(millis(1));
    machine.flies(Reason::Needed, ZERO);
}

#[test]
fn g11_a_second_try_with_a_changed_credential_needs_a_slot_of_its_own() {
    let mut machine = with(2);
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.step(Event::CredentialChanged), Action::Again);
    machine.failed(Failure::Terminal, None);
    machine.pass(secs(300));
    assert_eq!(
        machine.demand(),
        Action::OverQuota {
            wait: HOUR - secs(300)
        }
    );

    let mut machine = with(1);
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.step(Event::CredentialChanged), Action::Nothing);
    machine.failed(Failure::Terminal, None);
    machine.fails_for(secs(300));
    machine.pass(HOUR);
    machine.flies(Reason::Needed, ZERO);
}

#[test]
fn g09_an_api_that_refuses_everything_leaves_the_reserve_alone() {
    let mut machine = with(20);
    let end = machine.now + 3 * HOUR;
    let mut sent = Vec::new();
    while !machine.now.reached(end) {
        let before = machine.exchanges;
        let generation = machine.request(2 * HOUR).unwrap();
        if let Action::Fly { after, .. } = machine.refuse(generation.get()) {
            machine.pass(after).fetched(2 * HOUR);
        }
        if machine.exchanges > before {
            sent.push(machine.now);
        }
        machine.pass(millis(500));
    }
    // The first refusal could not know; from then on no hour sees more than four fifths.
    for (index, first) in sent.iter().enumerate() {
        let hour = sent[index..]
            .iter()
            .filter(|at| at.wait_since(*first) < HOUR);
        assert!(hour.count() <= 16);
    }
    assert!(sent.len() > 40, "{}", sent.len());
}

#[test]
fn g09_with_one_slot_the_damping_ends_when_it_frees() {
    let mut machine = with(1);
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(24 * HOUR);
    let reason = Reason::Refused;
    let after = ZERO;
    for number in 1..5 {
        machine.pass(HOUR);
        assert_eq!(machine.refuse(number), Action::Fly { reason, after });
        machine.fetched(24 * HOUR);
        assert_eq!(machine.refuse(number + 1), Action::Damped);
        let mut later = machine.clone();
        assert_eq!(
            later.pass(HOUR - millis(1)).refuse(number + 1),
            Action::Damped
        );
    }
}

#[test]
fn g09_a_true_refusal_may_use_the_reserve() {
    let mut machine = with(5);
    (0..3).for_each(|_| waste(&mut machine));
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(2 * HOUR);
    assert!(matches!(
        machine.pass(secs(1)).refuse(1),
        Action::Fly { .. }
    ));
    machine.fetched(2 * HOUR);
    // One that follows a renewal in vain may not, for as long as it takes.
    machine.pass(secs(60));
    assert_eq!(machine.refuse(2), Action::Damped);
    machine.pass(HOUR - secs(64));
    assert_eq!(machine.refuse(2), Action::Damped);
    machine.pass(secs(1));
    assert!(matches!(machine.refuse(2), Action::Fly { .. }));
}
