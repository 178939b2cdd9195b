//! What is written when a token request has ended.

use super::*;
use crate::machine::record::SharedRefusals;

/// A flight ahead of expiry whose token request fails after `seconds`. Returns the written record.
fn failed_ahead(world: &mut World, seconds: u64, error: Error) -> Record {
    let mut process = Process::new("a");
    process.memory.current = Some(Print::of_text("fake-token-1"));
    let mut air = process.takes_off(world, TokenRequestReason::Ahead);
    process.flies(world, &mut air);
    process.ends(world, &mut air, seconds, Err(error));
    process.flies(world, &mut air);
    assert!(matches!(air.order, Order::Land(_)));
    world.record()
}

#[test]
fn g20_a_record_that_was_read_before_the_token_request_is_written_as_old_as_it_is() {
    let mut world = World::new();
    let refusals = SharedRefusals {
        row: 1,
        left: secs(40),
        forget: secs(60),
        repeats: secs(500),
    };
    world.put(Record {
        refusals: Some(refusals),
        failing_for: Some(secs(5)),
        ..with_token("fake-token-1", 100)
    });
    let record = failed_ahead(&mut world, 8, page());
    let token = record.token.expect("the token is still valid");
    assert_eq!(token.left, secs(92));
    let aged = SharedRefusals {
        row: 1,
        left: secs(32),
        forget: secs(52),
        repeats: secs(492),
    };
    assert_eq!(record.refusals, Some(aged));
    assert_eq!(record.failing_for, Some(secs(13)));
}

#[test]
fn g20_a_token_that_ended_during_the_token_request_is_not_written_back() {
    let mut world = World::new();
    world.put(with_token("fake-token-1", 5));
    let record = failed_ahead(&mut world, 8, page());
    assert_eq!(record.token, None);
    assert!(record.pause.is_some());
}

/// Near the end of a token, a renewal has less time than a token request usually has.
#[test]
fn g04_a_failed_renewal_at_the_end_of_a_token_is_told_unless_its_time_was_too_short() {
    let reset = Error::new(ErrorKind::Unavailable, "connection reset")
        .with_outcome(TokenRequestOutcome::Unknown);
    for (error, is_told) in [(reset, true), (page(), true), (lost(), false)] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        world.put(with_token("fake-token-1", 80));
        process.memory.current = Some(Print::of_text("fake-token-1"));
        let mut air = process.takes_off_for(&mut world, TokenRequestReason::Ahead, 9);
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, 1, Err(error.clone()));
        process.flies(&mut world, &mut air);
        assert_eq!(world.record().pause.is_some(), is_told, "{error}");
    }
}

#[test]
fn s28_a_retry_after_reaches_the_others_although_the_entry_ended_meanwhile() {
    let mut world = World::new();
    world.put(with_token("fake-token-1", 5));
    let throttled = Error::new(ErrorKind::Throttled, "too many").with_retry_after(secs(90));
    let record = failed_ahead(&mut world, 8, throttled);
    assert_eq!(record.pause.map(|pause| pause.left), Some(secs(90)));
    let mut other = Process::new("b");
    let landing = other.gets(
        &mut world,
        TokenRequestReason::Needed,
        Ok(token("fake-token-2")),
    );
    assert!(
        matches!(landing.end, End::Told(_, wait) if wait == secs(90)),
        "{landing:?}"
    );
}

#[test]
fn g03_the_token_of_the_faster_process_is_taken_by_all() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    let ended = Ok(token("fake-token-a"));
    // The lease was lost.
    world.put(with_token("fake-token-b", 3500));
    process.ends(&mut world, &mut air, 1, ended);
    process.flies(&mut world, &mut air);
    assert_eq!(air.brings(), "fake-token-b");
}

#[test]
fn g11_without_a_slot_in_the_account_there_is_no_token_request() {
    let mut world = World::new();
    for (name, sent) in [("a", true), ("b", true), ("c", false)] {
        let mut process = Process::new(name);
        process.rules.quota = Some(Quota::new(2, secs(7200)).unwrap());
        let before = world.requests;
        let landing = process.gets(&mut world, TokenRequestReason::Needed, Err(page()));
        assert_eq!(world.requests > before, sent, "{name}");
        assert_eq!(
            matches!(landing.end, End::OverQuota(_)),
            !sent,
            "{landing:?}"
        );
        world.pass(100);
    }
}
