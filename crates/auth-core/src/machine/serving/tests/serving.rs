use super::*;

#[test]
fn g01_a_fresh_token_is_served_without_asking() {
    let mut machine = Machine::holding(HOUR);
    assert_eq!(machine.rests(), secs(2_880));
    machine.serves();
    machine.pass(millis(2_879_999)).serves();
    assert_eq!(machine.rests(), millis(1));
    assert_eq!(machine.pass(millis(1)).rests(), ZERO);
    assert_eq!(machine.demand(), Action::ServeAndFly);
}

#[test]
fn g02_the_old_token_serves_while_one_exchange_runs_beside_it() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    assert_eq!(machine.state.flight, Some(Reason::Ahead));
    // Nobody has to ask before the token is over.
    assert_eq!(machine.rests(), secs(660));
    for _ in 0..3 {
        machine.pass(secs(1)).serves();
    }
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(2)));
    // Counted from when it was sent, three seconds ago.
    assert_eq!(machine.rests(), secs(2_877));
    assert_eq!(machine.exchanges, 2);
}

#[test]
fn g02_an_exchange_beside_a_token_outlives_it() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(3_539));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    machine.pass(secs(1));
    assert_eq!(machine.rests(), ZERO);
    assert_eq!(machine.demand(), Action::Wait);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(2)));
    machine.serves();
}

#[test]
fn g03_all_who_come_during_a_flight_wait_for_it() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    for _ in 0..10 {
        assert_eq!(machine.pass(millis(10)).demand(), Action::Wait);
        assert_eq!(machine.refuse(1), Action::Wait);
    }
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(1)));
    machine.serves();
    assert_eq!(machine.exchanges, 1);
}

#[test]
fn g03_a_flight_that_went_away_is_followed_by_another_after_the_floor() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.step(Event::Abandoned), Action::Nothing);
    machine.pass(millis(300));
    machine.flies(Reason::Needed, millis(700));
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(1)));
}

#[test]
fn g03_a_flight_that_went_away_leaves_a_usable_token_at_hand() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    assert_eq!(machine.step(Event::Abandoned), Action::Nothing);
    machine.serves();
    assert_eq!(machine.rests(), secs(1));
    assert_eq!(machine.pass(secs(1)).demand(), Action::ServeAndFly);
}

#[test]
fn a_token_is_over_before_it_expires() {
    let mut machine = Machine::holding(HOUR);
    let mut early = machine.clone();
    assert_eq!(early.pass(millis(3_539_999)).demand(), Action::ServeAndFly);
    assert!(!early.now.reached(early.state.usable_until().unwrap()));
    machine.pass(secs(3_540));
    assert_eq!(machine.rests(), ZERO);
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.state.usable_until(), None);
}

#[test]
fn s10_a_life_counts_from_before_the_exchange_was_sent() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    machine.pass(secs(8));
    assert_eq!(machine.fetched(MINUTE), Action::Publish(generation(1)));
    assert_eq!(machine.rests(), secs(48 - 8));
    let until = machine.state.usable_until().unwrap();
    assert_eq!(machine.now.until(until), secs(54 - 8));
}

#[test]
fn s10_a_token_without_a_lifetime_has_the_policys() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    machine.land(None, None, None);
    assert_eq!(machine.rests(), secs(240));
}

#[test]
fn the_vendors_hint_decides_when_to_renew() {
    for (hint, rests) in [(secs(10), 10), (secs(3_000), 3_000), (secs(9_000), 3_540)] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        machine.land(Some(HOUR), Some(hint), None);
        assert_eq!(machine.rests(), secs(rests));
    }
}

#[test]
fn jitter_is_drawn_once_for_each_token() {
    let mut machine = Machine::new();
    machine.jitter = Jitter(1 << 31);
    machine.flies(Reason::Needed, ZERO);
    machine.fetched(HOUR);
    assert_eq!(machine.rests(), secs(2_790));
}

#[test]
fn tokens_that_live_for_a_second_work() {
    let mut machine = Machine::holding(secs(1));
    assert_eq!(machine.rests(), millis(800));
    for number in 1..10 {
        assert_eq!(machine.pass(millis(799)).demand(), Action::Serve);
        assert_eq!(machine.pass(millis(1)).demand(), Action::ServeAndFly);
        machine.pass(millis(50)).serves();
        assert_eq!(
            machine.fetched(secs(1)),
            Action::Publish(generation(number + 1))
        );
        // It was sent 50 ms ago.
        machine.now = machine.sent;
    }
}

#[test]
fn g10_a_dead_token_serves_those_who_wait_and_nobody_else() {
    // Dead by what the vendor says, or by the time that the exchange took.
    for (lifetime, takes) in [(ZERO, ZERO), (ZERO, secs(1)), (secs(5), millis(4_500))] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        machine.pass(takes);
        assert_eq!(machine.fetched(lifetime), Action::Deliver(generation(1)));
        assert_eq!(machine.state.usable_until(), None);
        assert_eq!(machine.state.check_at(machine.now), Moment::PAST);
        // The next caller waits for the floor, and for a token of its own.
        machine.pass(millis(400));
        machine.flies(Reason::Needed, millis(600));
        assert_eq!(machine.fetched(ZERO), Action::Deliver(generation(2)));
    }
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    machine.pass(millis(4_499));
    assert_eq!(machine.fetched(secs(5)), Action::Publish(generation(1)));
}

#[test]
fn g10_a_dead_token_does_not_displace_a_usable_one() {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    assert_eq!(machine.fetched(ZERO), Action::Deliver(generation(2)));
    machine.serves();
    assert_eq!(machine.rests(), secs(1));
    // Numbers only grow, also past one that nobody kept.
    assert_eq!(machine.pass(secs(1)).demand(), Action::ServeAndFly);
    let same = machine.land(Some(HOUR), None, Some(1));
    assert_eq!(same, Action::Publish(generation(1)));
    assert_eq!(machine.pass(secs(2_880)).demand(), Action::ServeAndFly);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(3)));
}

#[test]
fn g10_the_floor_lies_between_any_two_exchanges() {
    for (lifetime, floor) in [
        (HOUR, 1_000),
        (secs(2), 1_000),
        (secs(1), 500),
        (ZERO, 1_000),
    ] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        let (Action::Publish(got) | Action::Deliver(got)) = machine.fetched(lifetime) else {
            panic!("no token");
        };
        machine.pass(millis(100));
        let after = millis(floor - 100);
        let action = machine.refuse(got.get());
        let reason = Reason::Refused;
        assert_eq!(action, Action::Fly { reason, after }, "{lifetime:?}");
        // The floor is short enough to be waited for.
        assert_eq!(machine.pass(millis(1)).demand(), Action::Wait);
    }
}

#[test]
fn g10_a_token_that_is_due_at_once_is_renewed_at_the_floor() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    machine.land(Some(HOUR), Some(ZERO), None);
    for number in 2..5 {
        assert_eq!(machine.rests(), secs(1));
        assert_eq!(machine.pass(millis(999)).demand(), Action::Serve);
        assert_eq!(machine.pass(millis(1)).demand(), Action::ServeAndFly);
        let action = machine.land(Some(HOUR), Some(ZERO), None);
        assert_eq!(action, Action::Publish(generation(number)));
    }
}

#[test]
fn g10_the_token_at_hand_once_more_is_no_new_one() {
    let mut machine = Machine::holding(HOUR);
    // It is handed out with what is left of its life, until it is nearly over.
    let mut left = HOUR;
    for _ in 0..5 {
        let due = machine.rests();
        assert_eq!(machine.pass(due).demand(), Action::ServeAndFly);
        left -= due;
        let action = machine.land(Some(left), None, Some(1));
        assert_eq!(action, Action::Publish(generation(1)));
        assert_eq!(machine.rests(), left.mul_f64(0.8));
    }
    assert!(left < secs(2));
    // A refusal of it is no late one.
    let Action::Fly { reason, .. } = machine.refuse(1) else {
        panic!("a refused token stays");
    };
    assert_eq!(reason, Reason::Refused);
}

#[test]
fn g10_however_short_its_life_a_token_costs_one_exchange() {
    for micros in [100, 1_000, 20_000, 1_000_000, 3_000_000] {
        let lifetime = Duration::from_micros(micros);
        let mut machine = Machine::new();
        machine.jitter = Jitter(u32::MAX);
        let end = machine.now + 75 * lifetime;
        while !machine.now.reached(end) {
            machine.request(lifetime).unwrap();
            machine.pass(lifetime / 64);
        }
        // Renewed after three quarters of its life at the earliest.
        assert!(
            machine.exchanges <= 101,
            "{lifetime:?} {}",
            machine.exchanges
        );
    }
}
