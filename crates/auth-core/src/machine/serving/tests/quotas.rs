use super::*;

/// Eight of ten slots are used, and the API has accepted the newest token.
fn reserve_is_left() -> Desk {
    let mut desk = Desk::with_quota(10, 3600);
    desk.get();
    for _ in 0..7 {
        desk.pass_secs(1);
        assert!(flies(desk.prolong()));
        desk.fetch();
    }
    let generation = desk.newest();
    desk.accept(generation);
    desk.pass_secs(1);
    desk
}

#[test]
fn g11_renewals_ahead_do_not_use_the_reserve() {
    let mut desk = reserve_is_left();
    assert_eq!(desk.prolong(), Action::Serve, "the cached token is used");
    desk.pass_secs(2879);
    assert_eq!(desk.demand(), Action::Serve);
    // The token expires before the first slot is free.
    desk.state.held.as_mut().unwrap().usable_until = desk.now;
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g11_a_used_up_quota_allows_no_token_request_until_a_slot_frees() {
    let mut desk = Desk::with_quota(2, 100);
    desk.demand();
    desk.fail(Failure::Unknown);
    desk.pass_secs(10);
    assert!(flies(desk.demand()));
    desk.fail(Failure::Unknown);
    desk.pass_secs(10);
    assert_eq!(desk.demand(), Action::OverQuota { wait: secs(80) });
    assert_eq!(desk.state.next_try(desk.now), secs(80));
    desk.pass(secs(80) - millis(1));
    assert_eq!(desk.demand(), Action::OverQuota { wait: millis(1) });
    desk.pass(millis(1));
    assert!(flies(desk.demand()));
    desk.fail(Failure::Unknown);
    let frees = desk.state.ledger.free_at(Slots::All);
    assert_eq!(desk.now.wait_until(frees), secs(10), "one slot at a time");
}

#[test]
fn g11_slot_is_free_when_its_token_expires_if_that_is_sooner() {
    let mut desk = Desk::with_quota(1, 100);
    desk.demand();
    desk.fetch_of(50);
    desk.pass_secs(45);
    assert_eq!(desk.demand(), Action::OverQuota { wait: secs(5) });
    desk.pass_secs(5);
    assert!(flies(desk.demand()));
}

#[test]
fn g11_unsent_requests_and_tokens_of_other_processes_use_no_slot() {
    let mut desk = Desk::with_quota(1, 1000);
    desk.demand();
    desk.fail(Failure::NotSent);
    desk.pass_secs(1);
    assert!(flies(desk.demand()));
    let mut found = desk.token(10);
    found.requested = false;
    desk.step(Event::Fetched(found));
    desk.pass_secs(10);
    assert!(flies(desk.demand()));
}

#[test]
fn g09_second_renewal_after_a_refusal_does_not_use_the_reserve() {
    let mut desk = reserve_is_left();
    // One refused token may be a revoked one.
    assert_eq!(
        desk.refuse_newest(),
        Action::Fly(Start::example(TokenRequestReason::Refused))
    );
    desk.fetch_known();
    desk.pass_secs(100);
    assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    assert_eq!(desk.demand(), Action::Serve);
    let mut accepted = desk.clone();
    let generation = accepted.newest();
    accepted.accept(generation);
    assert_eq!(
        accepted.refuse_newest(),
        Action::RefusalBackOff,
        "there was a recent one"
    );
}

#[test]
fn g09_the_reserve_is_not_used_after_a_refused_token_was_dropped() {
    let mut desk = reserve_is_left();
    desk.refuse_newest();
    desk.fetch_known();
    for _ in 0..5 {
        desk.pass_secs(1);
        assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    }
    assert_eq!(desk.serves(), None);
    let Action::OverQuota { wait } = desk.demand() else {
        panic!("the reserve is not used");
    };
    assert!(wait > secs(3500), "{wait:?}");
    // A token that expires without a refusal may use the reserve.
    let mut desk = reserve_is_left();
    desk.refuse_newest();
    desk.fetch_known();
    let generation = desk.newest();
    desk.accept(generation);
    desk.pass_secs(2940);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g11_renewal_ahead_without_a_slot_waits_at_most_until_the_token_expires() {
    let mut desk = Desk::proven();
    desk.pass_secs(2880);
    desk.demand();
    let mut failed = failed(Failure::OwnQuota);
    (failed.requested, failed.retry_after) = (false, Some(secs(3000)));
    desk.step(Event::Failed(failed));
    desk.pass_secs(660);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed)),
        "the reserve is free now"
    );
}

/// Uses all slots but the reserve, with tokens that the API accepts.
fn use_all_but_the_reserve(desk: &mut Desk) {
    while desk.state.ledger.clone().take(Slots::ButReserve, desk.now) == Ok(()) {
        desk.pass_secs(1);
        assert!(flies(desk.prolong()));
        desk.fetch_known();
        let generation = desk.newest();
        desk.accept(generation);
    }
    desk.pass_secs(1);
}

#[test]
fn g11_renewals_after_refusals_that_were_long_ago_do_not_keep_the_reserve_from_callers() {
    let mut desk = Desk::with_quota(10, 3600);
    let generation = desk.get();
    desk.accept(generation);
    for _ in 0..3 {
        desk.pass_secs(1);
        assert!(flies(desk.refuse_newest()));
        desk.fetch_known();
        let generation = desk.newest();
        desk.accept(generation);
    }
    // One is forgotten each 720 s, and all slots are free again.
    desk.pass_secs(2 * 3600);
    assert!(flies(desk.demand()));
    desk.fetch_known();
    use_all_but_the_reserve(&mut desk);
    // A refusal may use the reserve. The renewal takes longer than the token lasts.
    assert!(flies(desk.refuse_newest()));
    desk.state.held.as_mut().unwrap().usable_until = desk.now;
    desk.fail(Failure::NotSent);
    desk.pass_secs(1);
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
}

#[test]
fn g09_the_reserve_is_not_used_after_a_refused_token_was_dropped_soon_after_an_accepted_renewal() {
    let mut desk = reserve_is_left();
    assert!(flies(desk.refuse_newest()));
    desk.fetch_known();
    let generation = desk.newest();
    desk.accept(generation);
    for _ in 0..5 {
        desk.pass_secs(1);
        assert_eq!(desk.refuse_newest(), Action::RefusalBackOff);
    }
    assert_eq!(desk.serves(), None);
    let action = desk.demand();
    assert!(matches!(action, Action::OverQuota { .. }), "{action:?}");
}
