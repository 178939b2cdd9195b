//! What the driver asks of a flight, and small rules that all flights use.

use super::*;

#[test]
fn g03_callers_that_need_the_token_hurry_a_renewal_ahead_of_expiry() {
    use TokenRequestReason::{Ahead, Needed, Refused};
    for (begun, hurried, takes) in [(Ahead, Needed, 10), (Refused, Refused, 3)] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let short = Start {
            deadline: secs(3),
            ..Start::example(begun)
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
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
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
    let mut alone = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    fails(&mut process, &mut world, &mut alone);
    process.flies(&mut world, &mut alone);
    assert_eq!(alone.flight.verdict(&wrong()), rejected(2));
    // Neither without an account to lock nor with a refresh token.
    process.own.lockable = false;
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
    process.flies(&mut world, &mut air);
    assert_eq!(air.flight.verdict(&wrong()), None);
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    process.own.lockable = true;
    world.put(with_refresh_token("fake-refresh-1"));
    let mut air = begins(
        &mut process,
        &mut world,
        Start::example(TokenRequestReason::Needed),
    );
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
