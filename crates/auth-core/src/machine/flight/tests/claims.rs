//! A token request without the lease, whose holder has been silent for too long.

use super::*;

/// Process "a" has sent a token request with the lease, and "b" one without it.
fn silent(world: &mut World) -> ((Process, Air), (Process, Air)) {
    let (mut a, mut b) = (Process::new("a"), Process::new("b"));
    let mut holder = a.takes_off(world, TokenRequestReason::Needed);
    a.flies(world, &mut holder);
    assert_eq!(world.requests, 1);
    let begun = world.now;
    let mut beside = b.takes_off(world, TokenRequestReason::Needed);
    b.flies(world, &mut beside);
    assert_eq!(world.requests, 2);
    let waited = world.now.wait_since(begun);
    assert!((secs(5)..secs(6)).contains(&waited), "{waited:?}");
    assert!(world.record().claim.is_some());
    ((a, holder), (b, beside))
}

#[test]
fn g03f_a_claim_ends_with_its_token() {
    let mut world = World::new();
    let ((mut a, mut holder), (mut b, mut beside)) = silent(&mut world);
    b.ends(&mut world, &mut beside, 1, Ok(token("fake-token-b")));
    b.flies(&mut world, &mut beside);
    assert_eq!(beside.brings(), "fake-token-b");
    assert_eq!(world.record().claim, None);
    // Another process has the lease and keeps it.
    assert!(world.lease.as_ref().is_some_and(|(owner, _)| owner == "a"));
    // All other processes use the token of the claim.
    a.ends(&mut world, &mut holder, 1, Ok(token("fake-token-a")));
    a.flies(&mut world, &mut holder);
    assert_eq!(holder.brings(), "fake-token-b");
}

#[test]
fn g05f_a_failure_of_the_holder_is_told_although_another_process_has_claimed() {
    let mut world = World::new();
    let ((mut a, mut holder), _) = silent(&mut world);
    a.ends(&mut world, &mut holder, 4, Err(lost()));
    a.flies(&mut world, &mut holder);
    let record = world.record();
    assert!(
        record.pause.is_some() && record.claim.is_some(),
        "{record:?}"
    );
    // A third process waits and sends no token request.
    let mut third = Process::new("c");
    let landing = third.gets(
        &mut world,
        TokenRequestReason::Needed,
        Ok(token("fake-token-c")),
    );
    assert!(matches!(landing.end, End::Told(..)), "{:?}", landing.end);
    assert_eq!(world.requests, 2);
}

#[test]
fn g05f_a_claim_whose_request_was_not_sent_is_taken_back() {
    let mut world = World::new();
    let (_, (mut b, mut beside)) = silent(&mut world);
    let refused = Error::new(ErrorKind::Unavailable, "connection refused");
    let refused = refused.with_outcome(TokenRequestOutcome::NotSent);
    b.ends(&mut world, &mut beside, 0, Err(refused));
    b.flies(&mut world, &mut beside);
    assert_eq!(world.record().claim, None);
    assert_eq!(world.record().pause, None);
}

#[test]
fn g03f_the_next_holder_of_the_lease_gives_way_to_a_claim() {
    let mut world = World::new();
    let (_, (mut b, mut beside)) = silent(&mut world);
    world.lease = None;
    let mut next = Process::new("c");
    let mut air = next.takes_off(&mut world, TokenRequestReason::Needed);
    next.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Release | Order::Sleep { .. })
    });
    assert!(matches!(air.order, Order::Release), "{:?}", air.order);
    let fact = world.execute(&next, &air.order);
    air.order = next.step(&mut world, &mut air.flight, fact);
    assert!(world.lease.is_none());
    assert!(matches!(air.order, Order::Sleep { .. }), "{:?}", air.order);
    b.ends(&mut world, &mut beside, 1, Ok(token("fake-token-b")));
    b.flies(&mut world, &mut beside);
    next.flies(&mut world, &mut air);
    assert_eq!(air.brings(), "fake-token-b");
    assert_eq!(world.requests, 2);
}

#[test]
fn g17_no_claim_is_made_where_a_refresh_token_may_be_spent() {
    let mut world = World::new();
    let mut a = Process::with_refresh_tokens("a");
    let mut holder = a.takes_off(&mut world, TokenRequestReason::Needed);
    a.flies(&mut world, &mut holder);
    let begun = world.now;
    let mut b = Process::with_refresh_tokens("b");
    let mut waits = b.takes_off(&mut world, TokenRequestReason::Needed);
    b.flies(&mut world, &mut waits);
    // The lease lasts for two token requests and two seconds.
    assert!(world.now.wait_since(begun) >= secs(22));
    assert_eq!(world.record().claim, None);
}

#[test]
fn g05f_a_failure_ends_the_claim_in_the_write_that_tells_of_it() {
    let mut world = World::new();
    let (_, (mut b, mut beside)) = silent(&mut world);
    b.ends(&mut world, &mut beside, 1, Err(page()));
    let Order::Write(write) = &beside.order else {
        panic!("{:?}", beside.order);
    };
    assert_eq!(write.record.claim, None);
    assert!(write.record.pause.is_some());
    b.flies(&mut world, &mut beside);
    assert!(matches!(beside.landing().end, End::Told(..)));
}

#[test]
fn g03f_a_claim_ends_with_its_token_although_the_first_write_is_lost() {
    let mut world = World::new();
    let (_, (mut b, mut beside)) = silent(&mut world);
    b.ends(&mut world, &mut beside, 1, Ok(token("fake-token-b")));
    // Another process marks a refused token.
    let mut marked = world.record();
    marked.refused.add(Print::of_text("fake-token-old"));
    world.put(marked);
    b.flies(&mut world, &mut beside);
    assert_eq!(beside.brings(), "fake-token-b");
    assert!(world.record().token.is_some());
    assert_eq!(world.record().claim, None);
}

#[test]
fn g11_a_claim_without_a_slot_of_the_quota_is_taken_back() {
    let mut world = World::new();
    let (mut a, mut b) = (Process::new("a"), Process::new("b"));
    let mut holder = a.takes_off(&mut world, TokenRequestReason::Needed);
    a.flies(&mut world, &mut holder);
    quota(&mut b, 1);
    let mut full = Account::default();
    full.put(1, secs(600));
    world.account = Some(world::Kept {
        version: next_version(None, world.now.since_unix_epoch(), 0),
        content: full,
        written: world.now,
    });
    let mut beside = b.takes_off(&mut world, TokenRequestReason::Needed);
    b.flies_to(&mut world, &mut beside, |order| {
        matches!(order, Order::LoadAccount)
    });
    assert!(world.record().claim.is_some());
    b.flies(&mut world, &mut beside);
    assert!(matches!(beside.landing().end, End::OverQuota(_)));
    assert_eq!(world.record().claim, None);
}

#[test]
fn g05f_a_failure_after_a_claim_is_not_written_a_second_time() {
    let mut world = World::new();
    let (_, (mut b, mut beside)) = silent(&mut world);
    b.ends(&mut world, &mut beside, 1, Err(page()));
    let mut marked = world.record();
    marked.refused.add(Print::of_text("fake-token-old"));
    world.put(marked);
    b.flies(&mut world, &mut beside);
    beside.landing();
    let record = world.record();
    assert_eq!(record.pause, None);
    assert_eq!(record.claim, None);
    assert!(record.refused.contains(Print::of_text("fake-token-old")));
}
