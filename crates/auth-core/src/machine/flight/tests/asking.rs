//! What a flight does before its token request: when it sends none, and what it waits for.

use super::*;
use crate::machine::record::SharedRefusals;

fn start(reason: TokenRequestReason) -> Start {
    Start {
        reason,
        after: Duration::ZERO,
        deadline: secs(10),
        beyond: Duration::ZERO,
        unless: None,
        settles: false,
    }
}

fn begins(process: &mut Process, world: &mut World, start: Start) -> Air {
    let mut flight = Flight::new(start);
    let order = process.step(world, &mut flight, Fact::Begun);
    Air { flight, order }
}

fn is_lease(order: &Order) -> bool {
    matches!(order, Order::Lease)
}

fn is_account(order: &Order) -> bool {
    matches!(order, Order::WriteAccount(..))
}

fn fails(process: &mut Process, world: &mut World, air: &mut Air) {
    air.order = process.step(world, &mut air.flight, Fact::StoreFailed);
}

fn quota(process: &mut Process, limit: u32) {
    let quota = Quota::new(limit, secs(60)).unwrap();
    process.rules.quota = Some(quota);
    process.memory = Memory::new(Some(quota));
}

// --- missing facts ---

fn settling() -> Start {
    Start {
        settles: true,
        ..start(TokenRequestReason::Ahead)
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
                ..start(TokenRequestReason::Needed)
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

fn with_refresh_token(text: &str) -> Record {
    Record {
        refresh: Some(Refresh {
            secret: Secret::from(text),
            uncertain: 0,
            is_first: false,
        }),
        ..Record::default()
    }
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
        let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
    let mut air = begins(&mut process, world, start(TokenRequestReason::Needed));
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
    let mut holder = begins(&mut other, &mut world, start(TokenRequestReason::Needed));
    other.flies(&mut world, &mut holder);
    let mut process = Process::with_refresh_tokens("a");
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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

// --- slots of the quota ---

/// An account with this number of used slots.
fn used(world: &mut World, slots: u64) {
    let mut account = Account::default();
    (1000..1000 + slots).for_each(|number| account.put(number, secs(30)));
    world.account = Some(world::Kept {
        version: next_version(None, world.now.since_unix_epoch(), 0),
        content: account,
        written: world.now,
    });
}

#[test]
fn g09_repeated_refusals_and_renewals_ahead_leave_the_reserve_alone() {
    use TokenRequestReason::{Ahead, Needed, Refused};
    let refusals = SharedRefusals {
        row: 1,
        left: Duration::ZERO,
        forget: secs(60),
        repeats: secs(60),
    };
    for (reason, repeats, is_sent) in [
        (Needed, false, true),
        (Needed, true, true),
        (Refused, false, true),
        (Refused, true, false),
        (Ahead, false, false),
    ] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        quota(&mut process, 5);
        used(&mut world, 4);
        world.put(Record {
            refusals: repeats.then_some(refusals),
            ..with_token("fake-token-1", 3)
        });
        process.memory.current = Some(Print::of_text("fake-token-1"));
        let mut air = begins(&mut process, &mut world, start(reason));
        process.flies(&mut world, &mut air);
        assert_eq!(world.requests == 1, is_sent, "{reason:?}, {repeats}");
        if !is_sent {
            let landing = air.landing();
            assert!(matches!(landing.end, End::OverQuota(wait) if wait == secs(30)));
            assert!(!landing.requested);
            assert!(world.lease.is_none());
        }
    }
}

/// Returns how often the account is written before the flight continues without a slot.
fn contended(process: &mut Process, world: &mut World, air: &mut Air) -> u32 {
    let mut tries = 0;
    loop {
        process.flies_to(world, air, is_account);
        if !is_account(&air.order) {
            return tries;
        }
        tries += 1;
        air.order = process.step(world, &mut air.flight, Fact::Wrote(false));
    }
}

#[test]
fn g11_an_account_that_others_change_each_time_is_tried_five_times() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    assert_eq!(world.requests, 1);
    let problem = air.flight.take_problem();
    assert!(problem.is_some_and(|problem| problem.contains("account")));
    // The share is one slot.
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    world.lease = None;
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    assert!(matches!(air.landing().end, End::OverQuota(_)));
    assert_eq!(world.requests, 1);
}

#[test]
fn g11_a_renewal_ahead_of_expiry_does_not_use_the_share() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Ahead));
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    let End::Failed(error) = air.landing().end else {
        panic!("{:?}", air.order);
    };
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(process.memory.take_share(world.now), Ok(()));
}

#[test]
fn g11_a_share_that_is_not_used_is_given_back() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    process.rules.keeps_refresh_tokens = true;
    process.own.first = Err(Error::new(ErrorKind::Config, "no such file"));
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    let landing = air.landing();
    let End::Failed(error) = landing.end else {
        panic!("{:?}", landing.end);
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(process.memory.take_share(world.now), Ok(()));
}

#[test]
fn g11_a_slot_is_given_back_if_the_refresh_token_cannot_be_read() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    quota(&mut process, 10);
    process.own.first = Err(Error::new(ErrorKind::Config, "no such file"));
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies(&mut world, &mut air);
    assert!(matches!(air.landing().end, End::Failed(_)));
    let account = world.account.expect("it was written");
    assert_eq!(account.content.aged(Duration::ZERO).len(), 0);
}

#[test]
fn g11_without_the_store_a_used_share_allows_no_token_request() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    assert_eq!(process.memory.take_share(world.now), Ok(()));
    process.memory.close_share(world.now, None);
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    fails(&mut process, &mut world, &mut air);
    process.flies(&mut world, &mut air);
    let end = air.landing().end;
    assert!(
        matches!(end, End::OverQuota(wait) if wait == secs(60)),
        "{end:?}"
    );
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
        let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
        let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
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
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Write(_))
    });
    air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
    assert!(!air.flight.take_lost_lease());
    // A claim that another process made first.
    let mut world = World::new();
    let mut holder = Process::new("b");
    let mut leased = begins(&mut holder, &mut world, start(TokenRequestReason::Needed));
    holder.flies(&mut world, &mut leased);
    let mut process = Process::new("a");
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies_to(&mut world, &mut air, |order| {
        matches!(order, Order::Write(_))
    });
    air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
    assert!(!air.flight.take_lost_lease());
}

// --- what the driver asks ---

#[test]
fn g03_callers_that_need_the_token_hurry_a_renewal_ahead_of_expiry() {
    use TokenRequestReason::{Ahead, Needed, Refused};
    for (begun, hurried, takes) in [(Ahead, Needed, 10), (Refused, Refused, 3)] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let short = Start {
            deadline: secs(3),
            ..start(begun)
        };
        let mut air = begins(&mut process, &mut world, short);
        air.flight.hurry();
        process.flies(&mut world, &mut air);
        let Order::Request {
            reason, deadline, ..
        } = air.order
        else {
            panic!("{:?}", air.order);
        };
        assert_eq!((reason, deadline), (hurried, secs(takes)));
    }
}

#[test]
fn g06_a_verdict_concerns_logins_that_may_lock_the_account() {
    let ok = || Ok(token("fake-token-1"));
    let wrong = || Err(rejected(RejectedPart::Credentials));
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.own.lockable = true;
    let id = process.own.id.unwrap();
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies(&mut world, &mut air);
    assert_eq!(air.flight.verdict(&ok()), Some(Verdict::Accepted(id)));
    let rejected = |times| {
        Some(Verdict::Rejected {
            id,
            counted: Counted::Credentials,
            times,
        })
    };
    assert_eq!(air.flight.verdict(&wrong()), rejected(1));
    assert_eq!(air.flight.verdict(&Err(page())), None);
    // Another process may send the same login at the same time.
    let mut alone = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    fails(&mut process, &mut world, &mut alone);
    process.flies(&mut world, &mut alone);
    assert_eq!(alone.flight.verdict(&wrong()), rejected(2));
    // Neither without an account to lock nor with a refresh token.
    process.own.lockable = false;
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies(&mut world, &mut air);
    assert_eq!(air.flight.verdict(&wrong()), None);
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    process.own.lockable = true;
    world.put(with_refresh_token("fake-refresh-1"));
    let mut air = begins(&mut process, &mut world, start(TokenRequestReason::Needed));
    process.flies(&mut world, &mut air);
    assert_eq!(air.flight.verdict(&ok()), None);
}

#[test]
fn a_version_follows_the_clock_and_the_version_before() {
    let wall = Duration::from_millis(0x123);
    let version = |last, number| next_version(last, wall, number);
    assert_eq!(version(None, 7), EntryVersion::new(0x123 << 64 | 7));
    let last = EntryVersion::new(0x122 << 64 | 9);
    assert_eq!(version(Some(last), 7), EntryVersion::new(0x123 << 64 | 7));
    let last = EntryVersion::new(0x999 << 64 | 9);
    assert_eq!(version(Some(last), 7), EntryVersion::new(0x99a << 64 | 7));
    // Numbers of all bits.
    assert_ne!(version(None, u64::MAX), version(None, 0));
    assert_eq!(version(None, u64::MAX).epoch(), 0x123);
}

#[test]
fn g11_a_slot_is_free_after_the_window_or_with_its_token() {
    let quota = Some(Quota::new(5, secs(60)).unwrap());
    for (lifetime, expected) in [(None, 60), (Some(30), 30), (Some(90), 60), (Some(0), 60)] {
        assert_eq!(slot_of(quota, lifetime.map(secs)), secs(expected));
    }
    assert_eq!(slot_of(None, Some(secs(30))), Duration::ZERO);
}
