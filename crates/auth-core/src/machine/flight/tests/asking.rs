//! What a flight does before its token request: when it sends none, and what it waits for.

use super::*;

fn is_lease(order: &Order) -> bool {
    matches!(order, Order::Lease)
}

// --- missing facts ---

fn settling() -> Start {
    Start {
        settles: true,
        ..Start::example(TokenRequestReason::Ahead)
    }
}

#[test]
fn g07_a_flight_that_writes_missing_facts_sends_no_token_request() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let air = begins(&mut process, &mut world, settling());
    assert!(matches!(air.landing().end, End::Settled), "nothing to do");

    world.put(with_token("fake-token-1", 3000));
    process.hears_of_refusal("fake-token-1");
    let mut air = begins(&mut process, &mut world, settling());
    assert!(matches!(air.order, Order::Load));
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::LoadAccount)
    });
    assert!(matches!(air.landing().end, End::Settled), "{:?}", air.order);
    assert_eq!(world.record().token, None);
    assert_eq!(world.requests, 0);
}

#[test]
fn g11_token_requests_without_a_slot_are_written_into_the_account() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    process.memory.owe(1, world.now + secs(60), world.now);
    let mut air = begins(&mut process, &mut world, settling());
    process.flies(&mut world, &mut air);
    assert!(matches!(air.landing().end, End::Settled), "{:?}", air.order);
    assert!(!process.memory.owes(world.now));
    assert_eq!(world.account.map(|kept| kept.content.len()), Some(1));
    assert!(world.lease.is_none());
}

#[test]
fn g16_missing_facts_wait_for_a_store_that_failed() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.hears_of_refusal("fake-token-1");
    let mut air = begins(&mut process, &mut world, settling());
    assert!(matches!(air.order, Order::Load));
    fails(&mut process, &mut world, &mut air);
    assert!(matches!(air.landing().end, End::Settled), "{:?}", air.order);
    let air = begins(&mut process, &mut world, settling());
    assert!(matches!(air.landing().end, End::Settled), "{:?}", air.order);
    assert_eq!(air.landing().settle_at, Some(world.now + secs(1)));
}

// --- credentials that were rejected ---

#[test]
fn g06_rejected_credentials_are_sent_again_only_if_they_have_changed() {
    let own = Process::new("a").own.id;
    let other = Credentials::new(&["fake-client"], [Secret::from("fake-secret-2")]).id();
    for shares in [true, false] {
        for (rejected, own, is_sent) in [
            (own, own, false),
            (own, other, true),
            (own, None, true),
            (None, own, true),
            (None, None, true),
        ] {
            let (mut world, mut process) = (World::new(), Process::new("a"));
            process.rules.shares = shares;
            process.own.id = own;
            let unless = Start {
                unless: rejected,
                ..Start::example(TokenRequestReason::Needed)
            };
            let mut air = begins(&mut process, &mut world, unless);
            process.flies(&mut world, &mut air);
            assert_eq!(world.requests == 1, is_sent);
            if !is_sent {
                assert!(matches!(air.landing().end, End::Unchanged));
                assert!(!air.landing().requested);
            }
        }
    }
}

fn forbidden() -> Option<Forbidden> {
    Some(Forbidden {
        counted: Counted::Credentials,
        cause: None,
        wait: secs(60),
    })
}

#[test]
fn g06_a_login_that_may_lock_the_account_is_not_sent_and_a_refresh_token_is() {
    for (stored, first, is_sent) in [
        (false, false, false),
        (true, false, true),
        (false, true, true),
    ] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        process.own.forbidden = forbidden();
        process.own.lockable = true;
        process.own.first = Ok(first.then(|| Secret::from("fake-refresh-first")));
        if stored {
            world.put(with_refresh_token("fake-refresh-1"));
        }
        let mut air = begins(
            &mut process,
            &mut world,
            Start::example(TokenRequestReason::Needed),
        );
        process.flies(&mut world, &mut air);
        assert_eq!(world.requests == 1, is_sent, "{stored}, {first}");
        if !is_sent {
            let end = air.landing().end;
            assert!(
                matches!(end, End::Told(_, wait) if wait == secs(60)),
                "{end:?}"
            );
        }
    }
}

#[test]
fn g06_a_login_that_may_lock_the_account_is_not_sent_when_the_store_fails() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    process.own.forbidden = forbidden();
    world.put(with_refresh_token("fake-refresh-1"));
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies_to(&mut world, &mut air, is_lease);
    fails(&mut process, &mut world, &mut air);
    assert!(
        matches!(air.landing().end, End::Told(..)),
        "{:?}",
        air.order
    );
}

// --- a lease of another process ---

/// A flight that was denied the lease first and `seconds` later.
fn denied(world: &mut World, seconds: u64) -> (Process, Air) {
    let mut process = Process::with_refresh_tokens("a");
    let mut air = begins(
        &mut process,
        world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies_to(world, &mut air, is_lease);
    air.order = process.step(world, &mut air.flight, Fact::Leased(None));
    assert!(matches!(air.order, Order::Sleep { others: true, .. }));
    world.pass(seconds);
    air.order = process.step(world, &mut air.flight, Fact::Slept);
    process.flies_to(world, &mut air, is_lease);
    air.order = process.step(world, &mut air.flight, Fact::Leased(None));
    (process, air)
}

#[test]
fn g16_a_lease_that_two_leases_outlive_counts_as_a_failure_of_the_store() {
    // A lease lasts for 22 s.
    for (seconds, is_problem) in [(43, false), (44, false), (45, true), (100, true)] {
        let mut world = World::new();
        let (process, mut air) = denied(&mut world, seconds);
        let problem = air.flight.take_problem();
        assert_eq!(
            problem.is_some_and(|problem| problem.contains("lease")),
            is_problem,
            "{seconds}"
        );
        assert_eq!(air.flight.take_problem(), None, "once");
        assert_eq!(air.flight.is_without_store(), is_problem, "{seconds}");
        let in_a_minute = world.now + secs(59);
        assert_eq!(process.memory.store_is_paused(in_a_minute), is_problem);
    }
}

#[test]
fn g03_a_flight_looks_for_the_token_of_the_holder_more_and_more_seldom() {
    let mut world = World::new();
    let mut other = Process::with_refresh_tokens("b");
    let mut holder = begins(
        &mut other,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    other.flies(&mut world, &mut holder);
    let mut process = Process::with_refresh_tokens("a");
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    let mut sleeps = Vec::new();
    let begun = world.now;
    while world.now.wait_since(begun) < secs(8) {
        process.flies_to(&mut world, &mut air, |order| {
            matches!(order, Order::Sleep { .. })
        });
        let waited = world.now.wait_since(begun);
        let Order::Sleep { time, .. } = air.order else {
            panic!("{:?}", air.order);
        };
        sleeps.push((waited.as_millis(), time.as_millis()));
        let fact = world.execute(&process, &air.order);
        air.order = process.step(&mut world, &mut air.flight, fact);
    }
    let first: Vec<_> = sleeps.iter().take(5).map(|(_, time)| *time).collect();
    assert_eq!(first, [20, 40, 80, 160, 160]);
    for pair in sleeps.windows(2) {
        let [(before, _), (waited, time)] = pair else {
            panic!("two");
        };
        let longest = (before / 4).clamp(160, 600);
        assert!(*time <= longest, "{time} ms after {waited} ms");
    }
    assert_eq!(sleeps.last().map(|(_, time)| *time), Some(600));
}

#[test]
fn g03_the_looks_of_many_processes_are_spread() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies_to(&mut world, &mut air, is_lease);
    let draw = Draw {
        jitter: Jitter(u32::MAX),
        number: 1,
    };
    let fact = Fact::Leased(None);
    let order = air
        .flight
        .step(&process.rules, &mut process.memory, fact, world.now, draw);
    let Order::Sleep { time, .. } = order else {
        panic!("{order:?}");
    };
    let half = Duration::from_millis(10);
    assert!((half..half + Duration::from_micros(1)).contains(&time));
}

// --- refresh tokens ---

#[test]
fn g17_without_the_store_no_refresh_token_is_sent() {
    for (needs, first, is_sent) in [
        (false, false, true),
        (true, false, false),
        (false, true, false),
    ] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        process.rules.needs_refresh_token = needs;
        process.own.first = Ok(first.then(|| Secret::from("fake-refresh-first")));
        let mut air = begins(
            &mut process,
            &mut world,
            Start::example(TokenRequestReason::Needed),
        );
        fails(&mut process, &mut world, &mut air);
        process.flies(&mut world, &mut air);
        assert_eq!(world.requests == 1, is_sent, "{needs}, {first}");
        if !is_sent {
            let End::Failed(error) = air.landing().end else {
                panic!("{:?}", air.order);
            };
            assert_eq!(error.kind(), ErrorKind::Store);
        }
    }
}

#[test]
fn g17_a_mark_that_is_taken_back_leaves_the_refresh_token_as_it_was() {
    for (is_first, uncertain, left) in [
        (false, 0, Some(0)),
        (false, 1, Some(1)),
        (true, 0, None),
        (true, 1, Some(1)),
    ] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        let secret = Secret::from("fake-refresh-1");
        if is_first && uncertain == 0 {
            process.own.first = Ok(Some(secret));
        } else {
            world.put(Record {
                refresh: Some(Refresh {
                    secret,
                    uncertain,
                    is_first,
                }),
                ..Record::default()
            });
        }
        let mut air = begins(
            &mut process,
            &mut world,
            Start::example(TokenRequestReason::Needed),
        );
        process.flies_to(&mut world, &mut air, |order| {
            matches!(order, Order::Write(_))
        });
        // The lease has become too short.
        process.stops(&mut world, &mut air, 13);
        assert!(air.flight.take_lost_lease());
        assert!(!air.flight.take_lost_lease(), "once");
        let fact = world.execute(&process, &air.order);
        let refresh = world.record().refresh;
        assert_eq!(refresh.map(|refresh| refresh.uncertain), left);
        assert!(matches!(fact, Fact::Wrote(true)));
    }
}

// --- writes of others ---

#[test]
fn g16_four_lost_writes_in_a_row_count_as_a_failure_of_the_store() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    world.put(with_refresh_token("fake-refresh-1"));
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    for lost in 1..=4 {
        process.flies_to(&mut world, &mut air, |order| {
            matches!(order, Order::Write(_))
        });
        assert_eq!(air.flight.take_problem(), None, "{lost}");
        air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
        assert!(air.flight.take_lost_lease(), "wrote although it was leased");
        world.lease = None;
    }
    let problem = air.flight.take_problem();
    assert!(problem.is_some_and(|problem| problem.contains("write")));
    assert!(air.flight.is_without_store());
}

#[test]
fn a_lost_write_without_a_lease_is_no_lost_lease() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    world.put(with_token("fake-token-1", 3000));
    process.hears_of_refusal("fake-token-1");
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Write(_))
    });
    air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
    assert!(!air.flight.take_lost_lease());
    // A claim that another process made first.
    let mut world = World::new();
    let mut holder = Process::new("b");
    let mut leased = begins(
        &mut holder,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    holder.flies(&mut world, &mut leased);
    let mut process = Process::new("a");
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Write(_))
    });
    air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
    assert!(!air.flight.take_lost_lease());
}

#[test]
fn g17_an_entry_that_cannot_be_decrypted_may_hold_the_only_refresh_token() {
    for keeps_refresh_tokens in [true, false] {
        for settles in [true, false] {
            let (mut world, mut process) = (World::new(), Process::new("a"));
            process.rules.keeps_refresh_tokens = keeps_refresh_tokens;
            process.hears_of_refusal("fake-token-old");
            let start = Start {
                settles,
                ..Start::example(TokenRequestReason::Needed)
            };
            let mut air = begins(&mut process, &mut world, start);
            let sealed = Loaded {
                version: Some(EntryVersion::new(5 << 64)),
                record: None,
                age: Duration::ZERO,
                sealed: Some(Error::new(ErrorKind::Store, "no key decrypts the entry")),
            };
            let fact = Fact::Loaded(Box::new(sealed));
            air.order = process.step(&mut world, &mut air.flight, fact);
            process.flies(&mut world, &mut air);
            let goes_on = !keeps_refresh_tokens && !settles;
            assert_eq!(world.requests == 1, goes_on);
            if goes_on {
                continue;
            }
            match air.landing().end {
                End::Settled => assert!(settles),
                End::Failed(error) => assert_eq!(error.kind(), ErrorKind::Store),
                end => panic!("{end:?}"),
            }
        }
    }
}
