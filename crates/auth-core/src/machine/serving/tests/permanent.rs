//! Credentials that do not expire: a refusal has their source read again, and takes nothing away.

use super::*;

impl Machine {
    fn doubt(&mut self, number: u64) -> Action {
        self.step(Event::Doubted(generation(number)))
    }

    /// One that holds a key, read a while ago.
    fn with_key() -> Self {
        let mut machine = Self::holding(Duration::MAX);
        machine.pass(MINUTE);
        machine
    }
}

const READS: Action = Action::Fly {
    reason: Reason::Refused,
    after: ZERO,
};

#[test]
fn g07_a_refused_key_is_read_again_once_and_serves_on() {
    let mut machine = Machine::with_key();
    assert_eq!(machine.doubt(1), READS);
    machine.serves();
    assert_eq!(machine.doubt(1), Action::Wait);
    machine.serves();
    assert_eq!(
        machine.land(None, None, Some(1)),
        Action::Publish(generation(1))
    );
    machine.serves();
    assert_eq!(machine.exchanges, 2);
}

#[test]
fn g07_another_key_takes_its_place() {
    let mut machine = Machine::with_key();
    assert_eq!(machine.doubt(1), READS);
    assert_eq!(
        machine.fetched(Duration::MAX),
        Action::Publish(generation(2))
    );
    // A late refusal of the old one.
    assert_eq!(machine.doubt(1), Action::Serve);
    machine.accept(2);
    assert_eq!(machine.pass(MINUTE).doubt(2), READS);
}

#[test]
fn g04_a_source_that_fails_takes_no_key_away() {
    for failure in [Failure::Transient, Failure::Terminal] {
        let mut machine = Machine::with_key();
        assert_eq!(machine.doubt(1), READS);
        machine.failed(failure, None);
        machine.serves();
        assert_eq!(machine.doubt(1), Action::Damped);
        assert_eq!(machine.pass(HOUR).doubt(1), READS);
    }
}

#[test]
fn g09_a_route_that_refuses_every_key_has_it_read_once_a_minute() {
    let mut machine = Machine::with_key();
    for _ in 0..36_000 {
        machine.pass(millis(100));
        if machine.doubt(1) == READS {
            machine.land(None, None, Some(1));
        }
        machine.serves();
    }
    assert!(
        (60..=70).contains(&machine.exchanges),
        "{}",
        machine.exchanges
    );
}

#[test]
fn g10_a_key_that_was_read_just_now_is_not_read_again() {
    let mut machine = Machine::holding(Duration::MAX);
    assert_eq!(machine.pass(millis(999)).doubt(1), Action::Damped);
    assert_eq!(machine.pass(millis(1)).doubt(1), READS);
}
