//! What is written into the store after a token request, when others write at the same time and
//! when the store fails.

use super::*;

fn is_write(order: &Order) -> bool {
    matches!(order, Order::Write(_))
}

fn sent_refresh_token(text: &str, uncertain: u32) -> Record {
    Record {
        refresh: Some(Refresh {
            secret: Secret::from(text),
            uncertain,
            is_first: false,
        }),
        ..Record::default()
    }
}

/// A flight that sends its token request now.
fn requesting(world: &mut World, process: &mut Process) -> Air {
    let mut air = process.takes_off(world, TokenRequestReason::Needed);
    process.flies(world, &mut air);
    assert!(matches!(air.order, Order::Request { .. }));
    air
}

/// Returns how often such an order is tried, if its write is always lost.
fn tries(world: &mut World, process: &mut Process, air: &mut Air, lost: fn(&Order) -> bool) -> u32 {
    for tries in 0..100 {
        process.flies_to(world, air, lost);
        if !lost(&air.order) {
            air.landing();
            return tries;
        }
        air.order = process.step(world, &mut air.flight, Fact::Wrote(false));
    }
    panic!("tries without end");
}

#[test]
fn g16_a_token_is_written_three_times_at_most() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = requesting(&mut world, &mut process);
    process.ends(&mut world, &mut air, 1, Ok(token("fake-token-1")));
    assert_eq!(tries(&mut world, &mut process, &mut air, is_write), 3);
    assert_eq!(air.brings(), "fake-token-1");
    assert!(air.landing().contested);
    assert!(world.lease.is_none());
}

#[test]
fn g16_accounts_are_written_five_times_at_most() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.rules.quota = Some(Quota::new(10, secs(60)).unwrap());
    let mut air = requesting(&mut world, &mut process);
    process.ends(&mut world, &mut air, 1, Ok(token("fake-token-1")));
    let is_account = |order: &Order| matches!(order, Order::WriteAccount(..));
    assert_eq!(tries(&mut world, &mut process, &mut air, is_account), 5);
    assert_eq!(air.brings(), "fake-token-1");

    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.own.lockable = true;
    let mut air = requesting(&mut world, &mut process);
    let error = rejected(RejectedPart::Credentials);
    process.ends(&mut world, &mut air, 1, Err(error));
    let is_logins = |order: &Order| matches!(order, Order::WriteLogins(..));
    assert_eq!(tries(&mut world, &mut process, &mut air, is_logins), 5);
    assert!(world.record().pause.is_some(), "the others are told anyway");
}

#[test]
fn g06_a_rejected_login_is_counted_and_told() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.own.lockable = true;
    let mut air = requesting(&mut world, &mut process);
    let error = rejected(RejectedPart::Credentials);
    process.ends(&mut world, &mut air, 1, Err(error));
    process.flies(&mut world, &mut air);
    assert!(world.logins.is_some());
    assert!(world.record().pause.is_some());
    assert!(world.lease.is_none());
}

#[test]
fn g03_a_process_that_was_faster_keeps_its_record() {
    let mut refused = Record::default();
    refused.refused.add(Print::of_text("fake-token-old"));
    for other in [with_token("fake-token-b", 3500), refused] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let mut air = requesting(&mut world, &mut process);
        world.put(other);
        let before = world.record();
        process.ends(&mut world, &mut air, 0, Err(page()));
        process.flies(&mut world, &mut air);
        assert_eq!(world.record(), before);
    }
}

#[test]
fn g05f_a_failure_that_is_told_beside_a_claim_keeps_what_the_others_wrote() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = requesting(&mut world, &mut process);
    let mut theirs = with_token("fake-token-b", 3500);
    theirs.refused.add(Print::of_text("fake-token-old"));
    theirs.claim = Some(Claim {
        number: 99,
        left: secs(10),
    });
    world.put(theirs.clone());
    process.ends(&mut world, &mut air, 0, Err(page()));
    process.flies(&mut world, &mut air);
    let record = world.record();
    assert!(record.pause.is_some());
    assert_eq!(record.token, theirs.token);
    assert_eq!(record.refused, theirs.refused);
    assert_eq!(record.claim, theirs.claim);
}

#[test]
fn g03f_a_token_that_is_written_beside_a_claim_keeps_the_claim() {
    let claim = Some(Claim {
        number: 99,
        left: secs(10),
    });
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = requesting(&mut world, &mut process);
    world.put(Record {
        claim,
        ..Record::default()
    });
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-a")));
    process.flies(&mut world, &mut air);
    assert_eq!(air.brings(), "fake-token-a");
    let record = world.record();
    assert!(record.token.is_some());
    assert_eq!(record.claim, claim);
}

#[test]
fn g17_a_token_is_not_written_over_a_refresh_token_that_another_process_sends() {
    for (uncertain, is_written) in [(0, true), (1, false), (2, false)] {
        let mut world = World::new();
        let mut process = Process::with_refresh_tokens("a");
        world.put(sent_refresh_token("fake-refresh-1", 0));
        let mut air = requesting(&mut world, &mut process);
        world.put(sent_refresh_token("fake-refresh-1", uncertain));
        let mine = token("fake-token-a").refresh_token("fake-refresh-a");
        process.ends(&mut world, &mut air, 0, Ok(mine));
        process.flies(&mut world, &mut air);
        assert_eq!(air.brings(), "fake-token-a");
        let refresh = world.record().refresh.expect("one is kept");
        let is_mine = refresh.secret.expose() == "fake-refresh-a";
        assert_eq!(is_mine, is_written, "{uncertain}");
        // The own one is kept in case the other process dies.
        let is_kept = process.memory.has_unsaved_refresh_token();
        assert_eq!(is_kept, !is_written, "{uncertain}");
    }
}

#[test]
fn g17_a_token_that_was_requested_without_a_refresh_token_is_written_in_any_case() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    let mut air = requesting(&mut world, &mut process);
    world.put(sent_refresh_token("fake-refresh-1", 1));
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-a")));
    process.flies(&mut world, &mut air);
    assert!(world.record().token.is_some());
}

#[test]
fn g17_a_record_that_the_store_takes_ends_what_was_kept() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process
        .memory
        .keep_unsaved(None, Record::default(), world.now);
    let mut air = requesting(&mut world, &mut process);
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-a")));
    process.flies(&mut world, &mut air);
    assert!(!process.memory.keeps_refresh_tokens());
}

#[test]
fn g16_a_store_that_fails_after_the_token_request_costs_no_token() {
    let mine = || token("fake-token-a").refresh_token("fake-refresh-a");
    for fails_at in [is_write as fn(&Order) -> bool, |order| {
        matches!(order, Order::Release)
    }] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        let mut air = requesting(&mut world, &mut process);
        process.ends(&mut world, &mut air, 0, Ok(mine()));
        process.flies_to(&mut world, &mut air, fails_at);
        let is_unsaved = is_write(&air.order);
        air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
        assert_eq!(air.brings(), "fake-token-a");
        let is_kept = process.memory.has_unsaved_refresh_token();
        assert_eq!(is_kept, is_unsaved);
        assert_eq!(world.requests, 1);
    }
}

#[test]
fn g16_a_store_that_fails_after_a_late_end_costs_no_token_request() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = requesting(&mut world, &mut process);
    process.ends(&mut world, &mut air, 30, Err(lost()));
    assert!(matches!(air.order, Order::Load));
    air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
    let landing = air.landing();
    assert!(matches!(landing.end, End::Failed(_)), "{:?}", landing.end);
    assert_eq!(world.requests, 1);
}

#[test]
fn g16_a_store_that_fails_while_a_slot_is_given_back_is_done_without() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let quota = Quota::new(10, secs(60)).unwrap();
    process.rules.quota = Some(quota);
    process.memory = Memory::new(Some(quota));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    let is_account = |order: &Order| matches!(order, Order::WriteAccount(..));
    process.flies_to(&mut world, &mut air, is_account);
    // The process stands still until its lease is too short.
    process.stops(&mut world, &mut air, 60);
    assert!(matches!(air.order, Order::LoadAccount), "{:?}", air.order);
    air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
    process.flies(&mut world, &mut air);
    assert_eq!(world.requests, 1);
    assert!(air.flight.is_without_store());
}

#[test]
fn g16_a_rejected_refresh_token_and_a_store_that_fails_leave_the_other_credentials() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    world.put(sent_refresh_token("fake-refresh-1", 0));
    let mut air = requesting(&mut world, &mut process);
    let error = rejected(RejectedPart::RefreshToken);
    process.ends(&mut world, &mut air, 0, Err(error));
    assert!(is_write(&air.order));
    air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
    process.flies(&mut world, &mut air);
    assert_eq!(world.requests, 2);
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-1")));
    assert_eq!(air.brings(), "fake-token-1");
}

#[test]
fn the_lease_is_released_by_its_holder_only() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = requesting(&mut world, &mut process);
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-a")));
    let is_release = |order: &Order| matches!(order, Order::Release);
    process.flies_to(&mut world, &mut air, is_release);
    assert!(is_release(&air.order));
    // A process that claimed its token request has no lease.
    let mut world = World::new();
    let mut holder = Process::new("b");
    requesting(&mut world, &mut holder);
    let mut air = requesting(&mut world, &mut process);
    assert_eq!(world.requests, 2);
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-a")));
    process.flies_to(&mut world, &mut air, is_release);
    assert_eq!(air.brings(), "fake-token-a");
}

#[test]
fn g05_only_a_lost_reply_is_silent() {
    for (result, is_silent) in [
        (Err(lost()), true),
        (Err(page()), false),
        (Err(not_sent()), false),
        (Ok(token("fake-token-1")), false),
    ] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        process.rules.shares = false;
        let mut air = requesting(&mut world, &mut process);
        process.ends(&mut world, &mut air, 1, result);
        assert_eq!(air.landing().silent, is_silent);
    }
}

#[test]
fn g07_facts_that_the_store_lacks_are_announced() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
    process.flies(&mut world, &mut air);
    process.ends(&mut world, &mut air, 0, Ok(token("fake-token-1")));
    assert_eq!(air.landing().settle_at, Some(world.now + secs(1)));
    let mut process = Process::new("b");
    let result = Ok(token("fake-token-2"));
    let landing = process.gets(&mut world, TokenRequestReason::Needed, result);
    assert_eq!(landing.settle_at, None);
}

#[test]
fn g16_credentials_that_cannot_be_read_are_reported_as_they_are() {
    for shares in [true, false] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        process.rules.shares = shares;
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        let is_read = |order: &Order| matches!(order, Order::Read);
        process.flies_to(&mut world, &mut air, is_read);
        let missing = Error::new(ErrorKind::Config, "no such file: fake-secret-1");
        air.order = process.step(&mut world, &mut air.flight, Fact::Read(Err(missing)));
        let landing = air.landing();
        let End::Failed(error) = landing.end else {
            panic!("{:?}", landing.end);
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!landing.requested);
    }
}
