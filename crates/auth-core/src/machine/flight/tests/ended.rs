//! What the end of a token request means for callers, for the store and for the memory.

use super::*;

/// A flight whose token request ends with `result` after 3 seconds.
fn flown(process: &mut Process, world: &mut World, result: Result<AccessToken, Error>) -> Landing {
    let mut air = process.takes_off(world, TokenRequestReason::Needed);
    process.flies(world, &mut air);
    process.ends(world, &mut air, 3, result);
    process.flies(world, &mut air);
    air.landing()
}

fn results() -> [(Result<AccessToken, Error>, bool); 4] {
    [
        (Ok(token("fake-token-1")), true),
        (Err(page()), true),
        (Err(lost()), true),
        (Err(not_sent()), false),
    ]
}

#[test]
fn landing_says_when_the_token_request_was_sent_and_if_the_vendor_may_have_it() {
    for shares in [true, false] {
        for (result, requested) in results() {
            let (mut world, mut process) = (World::new(), Process::new("a"));
            process.rules.shares = shares;
            let sent = world.now;
            let landing = flown(&mut process, &mut world, result.clone());
            assert_eq!(landing.sent, sent, "{result:?}");
            assert_eq!(landing.requested, requested, "{result:?}");
            match (result, landing.end) {
                (Ok(_), End::Token(..)) => {}
                (Err(error), End::Failed(told) | End::Told(told, _)) => {
                    assert_eq!(told.kind(), error.kind());
                }
                (result, end) => panic!("{result:?}: {end:?}"),
            }
        }
    }
}

#[test]
fn g06_cleared_rejections_are_cleared_for_one_token_request() {
    for (result, requested) in results() {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        process.memory.forget_rejections();
        flown(&mut process, &mut world, result.clone());
        let is_over = !process.memory.ignores_rejections();
        assert_eq!(is_over, requested, "{result:?}");
    }
}

#[test]
fn g03_a_process_that_stood_still_looks_into_the_store_before_it_reports_a_lost_reply() {
    for (shares, after, error, looks) in [
        (true, 11, lost(), true),
        (true, 10, lost(), false),
        (true, 11, page(), false),
        (false, 11, lost(), false),
    ] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        process.rules.shares = shares;
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, after, Err(error.clone()));
        let order = &air.order;
        assert_eq!(matches!(order, Order::Load), looks, "{error}: {order:?}");
    }
}

#[test]
fn g03_a_process_that_stood_still_takes_the_token_that_another_one_got() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    world.put(with_token("fake-token-b", 3500));
    process.ends(&mut world, &mut air, 30, Err(lost()));
    process.flies(&mut world, &mut air);
    assert_eq!(air.brings(), "fake-token-b");
    assert!(air.landing().requested);
    assert_eq!(world.record().pause, None);
}

// --- the share of the quota ---

const WINDOW: u64 = 60;

/// A process whose share of the quota is one token request in a minute.
fn with_quota() -> Process {
    let mut process = Process::new("a");
    let quota = Quota::new(10, secs(WINDOW)).unwrap();
    process.rules.quota = Some(quota);
    process.memory = Memory::new(Some(quota));
    process
}

#[test]
fn g11_a_token_request_without_the_store_uses_the_share_and_is_owed_to_the_account() {
    let short = token("fake-token-1").expires_in(secs(30));
    for (result, frees_in) in [
        (Ok(token("fake-token-1")), WINDOW),
        (Ok(short), 30),
        (Err(page()), WINDOW),
        (Err(lost()), WINDOW),
        (Err(not_sent()), 0),
    ] {
        let (mut world, mut process) = (World::new(), with_quota());
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        air.order = process.step(&mut world, &mut air.flight, Fact::StoreFailed);
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, 3, result.clone());
        air.landing();
        let used = |process: &Process, world: &World| {
            let mut memory = process.memory.clone();
            let is_taken = memory.take_share(world.now).is_err();
            assert_eq!(is_taken, memory.owes(world.now), "{result:?}");
            is_taken
        };
        if frees_in > 0 {
            world.pass(frees_in - 1);
            assert!(used(&process, &world), "{result:?}");
            world.pass(1);
        }
        assert!(!used(&process, &world), "{result:?}");
    }
}

#[test]
fn g11_a_token_request_with_a_slot_of_the_account_leaves_the_share_alone() {
    for shares in [true, false] {
        for (result, requested) in results() {
            let (mut world, mut process) = (World::new(), with_quota());
            process.rules.shares = shares;
            flown(&mut process, &mut world, result.clone());
            assert!(!process.memory.owes(world.now), "{result:?}");
            assert_eq!(process.memory.take_share(world.now), Ok(()), "{result:?}");
            let written = world.account.map_or(0, |kept| kept.content.len());
            // A slot that was not used is free in the same moment.
            assert_eq!(written, usize::from(shares), "{requested}");
        }
    }
}

#[test]
fn g11_a_slot_of_the_share_is_written_into_the_account_once_the_account_can_be_written() {
    for (result, requested) in results() {
        let (mut world, mut process) = (World::new(), with_quota());
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        // Other processes change the account each time.
        for _ in 0..ACCOUNT_TRIES {
            process.flies_to(&mut world, &mut air, |order| {
                matches!(order, Order::WriteAccount(..))
            });
            air.order = process.step(&mut world, &mut air.flight, Fact::Wrote(false));
        }
        process.flies(&mut world, &mut air);
        assert!(world.account.is_none());
        process.ends(&mut world, &mut air, 3, result.clone());
        process.flies(&mut world, &mut air);
        air.landing();
        let slots = world.account.map_or(0, |kept| kept.content.len());
        assert_eq!(slots, usize::from(requested), "{result:?}");
        assert!(!process.memory.owes(world.now), "{result:?}");
        let is_used = process.memory.take_share(world.now).is_err();
        assert_eq!(is_used, requested, "{result:?}");
    }
}

// --- rejected refresh tokens ---

#[test]
fn g17_a_rejected_refresh_token_is_dropped_and_a_token_is_requested_without_it() {
    let code = "invalid_grant";
    for (error, is_dropped) in [
        (rejected(RejectedPart::RefreshToken), true),
        (rejected(RejectedPart::Request).with_code(code), true),
        (rejected(RejectedPart::Request), false),
        (
            rejected(RejectedPart::Scope).with_code("invalid_scope"),
            false,
        ),
        (page().with_code(code), false),
        (not_sent(), false),
    ] {
        let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
        world.put(with_refresh_token("fake-refresh-1"));
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, 1, Err(error.clone()));
        process.flies(&mut world, &mut air);
        let record = world.record();
        let print = Print::of_text("fake-refresh-1");
        let is_spent = record.spent.contains(print) && process.memory.has_spent(print);
        assert_eq!(record.refresh.is_none(), is_dropped, "{error}");
        assert_eq!(is_spent, is_dropped, "{error}");
        if !is_dropped {
            assert!(!matches!(air.order, Order::Request { .. }), "{error}");
            continue;
        }
        let Order::Request { refresh_token, .. } = &air.order else {
            panic!("{error}: {:?}", air.order);
        };
        assert!(refresh_token.is_none());
        process.ends(&mut world, &mut air, 1, Ok(token("fake-token-1")));
        process.flies(&mut world, &mut air);
        assert_eq!(air.brings(), "fake-token-1");
        assert!(air.landing().contested);
    }
}

#[test]
fn g17_a_flight_tries_two_refresh_tokens_at_most() {
    let (mut world, mut process) = (World::new(), Process::with_refresh_tokens("a"));
    process.own.first = Ok(Some(Secret::from("fake-refresh-first")));
    process.own.id = None;
    world.put(with_refresh_token("fake-refresh-1"));
    let landing = process.gets(
        &mut world,
        TokenRequestReason::Needed,
        Err(rejected(RejectedPart::RefreshToken)),
    );
    assert_eq!(world.requests, 2);
    assert!(matches!(landing.end, End::Failed(_)), "{:?}", landing.end);
    let record = world.record();
    assert_eq!(record.refresh, None);
    for text in ["fake-refresh-1", "fake-refresh-first"] {
        assert!(record.spent.contains(Print::of_text(text)), "{text}");
    }
}

// --- credentials that are read again ---

#[test]
fn g06_rejected_credentials_are_read_again_once() {
    for (part, reads) in [
        (RejectedPart::Credentials, true),
        (RejectedPart::RefreshToken, true),
        (RejectedPart::SecondFactor, false),
        (RejectedPart::Request, false),
        (RejectedPart::Scope, false),
    ] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, 1, Err(rejected(part)));
        assert_eq!(matches!(air.order, Order::Read), reads, "{part:?}");
        if !reads {
            continue;
        }
        // Changed ones are sent once.
        process.own.id = Credentials::new(&["fake-client"], [Secret::from("fake-secret-2")]).id();
        process.flies(&mut world, &mut air);
        process.ends(&mut world, &mut air, 1, Err(rejected(part)));
        process.own.id = Credentials::new(&["fake-client"], [Secret::from("fake-secret-3")]).id();
        process.flies(&mut world, &mut air);
        assert!(matches!(air.landing().end, End::Failed(_)), "{part:?}");
        assert_eq!(world.requests, 2);
    }
}

#[test]
fn g06_rejected_credentials_without_an_identity_are_not_read_again() {
    let (mut world, mut process) = (World::new(), Process::new("a"));
    process.own.id = None;
    let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
    process.flies(&mut world, &mut air);
    let error = rejected(RejectedPart::Credentials);
    process.ends(&mut world, &mut air, 1, Err(error));
    assert!(!matches!(air.order, Order::Read), "{:?}", air.order);
}

#[test]
fn g06_changed_credentials_are_sent_unless_their_logins_were_rejected_too_often() {
    for (is_forbidden, sent) in [(false, 2), (true, 1)] {
        let (mut world, mut process) = (World::new(), Process::new("a"));
        let mut air = process.takes_off(&mut world, TokenRequestReason::Needed);
        process.flies(&mut world, &mut air);
        let error = rejected(RejectedPart::Credentials);
        process.ends(&mut world, &mut air, 1, Err(error));
        process.own.id = Credentials::new(&["fake-client"], [Secret::from("fake-secret-2")]).id();
        process.own.forbidden = is_forbidden.then(|| Forbidden {
            counted: Counted::Credentials,
            cause: None,
            wait: secs(60),
        });
        process.flies(&mut world, &mut air);
        assert_eq!(world.requests, sent);
    }
}
