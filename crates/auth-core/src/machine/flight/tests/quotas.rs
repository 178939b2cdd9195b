//! Slots of the quota, of the account and of the process's share.

use super::*;
use crate::machine::record::SharedRefusals;

fn is_account(order: &Order) -> bool {
    matches!(order, Order::WriteAccount(..))
}

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
        let mut air = begins(&mut process, &mut world, Start::example(reason));
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
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    assert_eq!(world.requests, 1);
    let problem = air.flight.take_problem();
    assert!(problem.is_some_and(|problem| problem.contains("account")));
    // The share is one slot.
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    world.lease = None;
    assert_eq!(contended(&mut process, &mut world, &mut air), 5);
    assert!(matches!(air.landing().end, End::OverQuota(_)));
    assert_eq!(world.requests, 1);
}

#[test]
fn g11_a_renewal_ahead_of_expiry_does_not_use_the_share() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    quota(&mut process, 10);
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Ahead),
    );
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
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
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
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
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
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    fails(&mut process, &mut world, &mut air);
    process.flies(&mut world, &mut air);
    let end = air.landing().end;
    assert!(
        matches!(end, End::OverQuota(wait) if wait == secs(60)),
        "{end:?}"
    );
}
