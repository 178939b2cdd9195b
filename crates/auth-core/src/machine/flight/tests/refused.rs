//! A token that the API refused is never taken again, from any place. Each defence holds without
//! the others.

use super::*;

const REFUSED: &str = "fake-token-refused";

/// A process that knows of the refusal. The store has the token as a valid one.
fn refused() -> (World, Process) {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    world.put(with_token(REFUSED, 3000));
    process.hears_of_refusal(REFUSED);
    (world, process)
}

#[test]
fn g07_a_refused_token_is_marked_in_the_store_before_anything_else_is_tried() {
    for reason in [
        TokenRequestReason::Needed,
        TokenRequestReason::Ahead,
        TokenRequestReason::Refused,
    ] {
        let (mut world, mut process) = refused();
        let mut air = process.takes_off(&mut world, reason);
        process.flies_to(&mut world, &mut air, |order| {
            matches!(order, Order::Write(_))
        });
        let fact = world.execute(&process, &air.order);
        let record = world.record();
        assert_eq!(record.token, None);
        assert!(record.refused.contains(Print::of_text(REFUSED)));
        assert!(world.lease.is_none());
        air.order = process.step(&mut world, &mut air.flight, fact);
        process.flies(&mut world, &mut air);
        assert_eq!(world.requests, 1);
        // The renewal fails: the mark stays, so that no other process takes the token.
        process.ends(&mut world, &mut air, 1, Err(page()));
        process.flies(&mut world, &mut air);
        world.pass(100);
        let mut other = Process::new("b");
        other.gets(
            &mut world,
            TokenRequestReason::Needed,
            Ok(token("fake-token-2")),
        );
        assert_eq!(world.requests, 2);
    }
}

#[test]
fn g07_a_mark_that_was_lost_is_written_once_more() {
    let (mut world, mut process) = refused();
    let mut air = process.takes_off(&mut world, TokenRequestReason::Refused);
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Write(_))
    });
    // Another process writes, and still has the refused token.
    world.put(with_token(REFUSED, 3000));
    process.flies(&mut world, &mut air);
    assert_eq!(world.requests, 1);
    assert!(world.record().refused.contains(Print::of_text(REFUSED)));
}

#[test]
fn g07_a_refused_token_is_not_taken_when_it_comes_back_during_the_token_request() {
    let (mut world, mut process) = refused();
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    // A process that does not know of the refusal saves its token.
    world.put(with_token(REFUSED, 3000));
    process.ends(&mut world, &mut air, 1, Ok(token("fake-token-2")));
    process.flies(&mut world, &mut air);
    assert_eq!(air.brings(), "fake-token-2");
    let saved = world.record().token.expect("the new token is saved");
    assert_eq!(saved.secret.expose(), "fake-token-2");
}

#[test]
fn g07_a_refused_token_is_not_taken_by_a_process_that_stood_still() {
    let (mut world, mut process) = refused();
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    world.put(with_token(REFUSED, 3000));
    process.ends(&mut world, &mut air, 30, Err(lost()));
    process.flies(&mut world, &mut air);
    assert!(!matches!(air.landing().end, End::Token(..)));
}

#[test]
fn g07_token_that_the_store_knows_as_refused_is_taken_by_no_process() {
    let mut world = World::new();
    let mut record = with_token(REFUSED, 3000);
    record.refused.add(Print::of_text(REFUSED));
    world.put(record);
    let mut other = Process::new("b");
    let mut air = other.takes_off(&mut world, TokenRequestReason::Needed);
    other.flies(&mut world, &mut air);
    assert_eq!(world.requests, 1);
}

#[test]
fn g10_the_refused_token_is_not_saved_when_the_vendor_returns_it_again() {
    let (mut world, mut process) = refused();
    process.gets(&mut world, TokenRequestReason::Refused, Ok(token(REFUSED)));
    assert_eq!(world.record().token, None);
    // Neither does a process that knows of the refusal from the store only.
    let mut other = Process::new("b");
    other.gets(&mut world, TokenRequestReason::Needed, Ok(token(REFUSED)));
    assert_eq!(world.record().token, None);
}

#[test]
fn g07_a_token_that_was_accepted_meanwhile_is_taken() {
    let (mut world, mut process) = refused();
    process.memory.refused.remove(Print::of_text(REFUSED));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    assert_eq!(air.brings(), REFUSED);
    assert_eq!(world.requests, 0);
}

#[test]
fn g10_a_token_that_is_refused_during_its_renewal_is_not_saved_once_more() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    world.put(with_token(REFUSED, 3000));
    process.memory.current = Some(Print::of_text(REFUSED));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Ahead);
    process.flies(&mut world, &mut air);
    process.hears_of_refusal(REFUSED);
    process.ends(&mut world, &mut air, 1, Ok(token(REFUSED)));
    process.flies(&mut world, &mut air);
    assert_eq!(world.record().token, None);
}
