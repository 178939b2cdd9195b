//! A token request is sent only if the lease outlives it, because a process may have stood still.

use super::*;

/// A flight with the lease that is about to read the store again.
fn leased(world: &mut World, process: &mut Process) -> Air {
    let mut air = process.takes_off(world, TokenRequestReason::Needed);
    process.flies_to(world, &mut air, |order| matches!(order, Order::Lease));
    let fact = world.execute(process, &air.order);
    air.order = process.step(world, &mut air.flight, fact);
    assert!(matches!(air.order, Order::Load));
    air
}

#[test]
fn g17_a_lease_that_has_become_too_short_brings_no_token_request() {
    // The lease lasts for 12 s, and the token request may take 10 s.
    for (stop, sent) in [(2, true), (3, false), (60, false)] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let mut air = leased(&mut world, &mut process);
        process.stops(&mut world, &mut air, stop);
        assert_eq!(world.requests == 1, sent, "after {stop} s");
        if sent {
            continue;
        }
        // Another process has been faster.
        let mut other = Process::new("b");
        world.lease = None;
        let landing = other.gets(
            &mut world,
            TokenRequestReason::Needed,
            Ok(token("fake-token-b")),
        );
        assert!(matches!(landing.end, End::Token(..)));
        process.flies(&mut world, &mut air);
        assert_eq!(air.brings(), "fake-token-b");
        assert_eq!(world.requests, 1);
    }
}

#[test]
fn g17_a_process_that_stood_still_before_the_mark_marks_no_refresh_token() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    world.put(with_refresh_token("fake-refresh-1"));
    let mut air = leased(&mut world, &mut process);
    // The lease lasts for 22 s.
    process.stops(&mut world, &mut air, 13);
    assert!(matches!(air.order, Order::Load), "{:?}", air.order);
    let uncertain = world.record().refresh.map(|refresh| refresh.uncertain);
    assert_eq!(uncertain, Some(0));
}

#[test]
fn g17_a_process_that_stood_still_after_the_mark_takes_it_back() {
    for (stop, sent) in [(12, true), (13, false)] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        world.put(with_refresh_token("fake-refresh-1"));
        let mut air = leased(&mut world, &mut process);
        process.flies_to(&mut world, &mut air, |order| {
            matches!(order, Order::Write(_))
        });
        process.stops(&mut world, &mut air, stop);
        assert_eq!(world.requests == 1, sent, "after {stop} s");
        let uncertain = |world: &World| world.record().refresh.map(|refresh| refresh.uncertain);
        assert_eq!(uncertain(&world), Some(1));
        if !sent {
            let fact = world.execute(&process, &air.order);
            air.order = process.step(&mut world, &mut air.flight, fact);
            assert_eq!(uncertain(&world), Some(0));
            process.flies(&mut world, &mut air);
            assert_eq!(world.requests, 1, "with a new lease");
        }
    }
}

#[test]
fn g17_a_lost_refresh_token_is_sent_once_more_and_then_given_up() {
    let mut world = World::new();
    world.put(with_refresh_token("fake-refresh-1"));
    let mut sent = Vec::new();
    for name in ["a", "b", "c"] {
        let mut process = Process::with_refresh_tokens(name);
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        process.flies(&mut world, &mut air);
        let Order::Request { refresh_token, .. } = &air.order else {
            panic!("{:?}", air.order);
        };
        sent.push(
            refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned()),
        );
        process.ends(&mut world, &mut air, 10, Err(lost()));
        process.flies(&mut world, &mut air);
        world.pass(100);
    }
    let first = || Some("fake-refresh-1".to_owned());
    assert_eq!(sent, [first(), first(), None]);
}

#[test]
fn g17_answers_leave_the_refresh_token_unspent() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    world.put(with_refresh_token("fake-refresh-1"));
    for _ in 0..5 {
        process.gets(&mut world, TokenRequestReason::Needed, Err(page()));
        let uncertain = world.record().refresh.map(|refresh| refresh.uncertain);
        assert_eq!(uncertain, Some(0));
        world.pass(100);
    }
    assert_eq!(world.requests, 5);
}
