use super::*;

const HALF: Jitter = Jitter(1 << 31);

/// One whose first exchange ahead of expiry is under way.
fn renewing() -> Machine {
    let mut machine = Machine::holding(HOUR);
    machine.pass(secs(2_880));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    machine
}

#[test]
fn g04_a_failure_leaves_a_usable_token_at_hand_until_its_end() {
    let mut machine = renewing();
    let end = machine.now + secs(660);
    let mut waits = Vec::new();
    loop {
        machine.fail();
        machine.serves();
        waits.push(machine.rests());
        machine.pass(waits[waits.len() - 1]);
        if machine.now.reached(end) {
            break;
        }
        assert_eq!(machine.demand(), Action::ServeAndFly);
        machine.jitter = Jitter(u32::MAX);
    }
    assert_eq!(machine.now, end, "no back-off steps over the end");
    machine.flies(Reason::Needed, ZERO);
    // 1, 2, 4, 8, 16, 32 and 60 seconds, then quarters of what is left, down to the floor.
    let rough: Vec<_> = waits
        .iter()
        .map(|wait| wait.as_secs_f64().round())
        .collect();
    assert_eq!(rough[..7], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]);
    let quarters = [60.0, 60.0, 60.0, 60.0, 60.0, 59.0, 44.0, 33.0];
    assert_eq!(rough[7..15], quarters);
    assert!(waits.iter().rev().skip(1).all(|wait| *wait >= secs(1)));
}

#[test]
fn g04_back_off_while_usable_has_full_jitter() {
    let mut machine = renewing();
    machine.jitter = HALF;
    for seconds in [1, 1, 2, 4, 8] {
        machine.fail();
        assert_eq!(machine.rests(), secs(seconds));
        assert_eq!(machine.pass(secs(seconds)).demand(), Action::ServeAndFly);
    }
}

#[test]
fn g04_retry_after_wins_within_its_bounds() {
    for (asked, waits) in [(0, 1), (30, 30), (600, 600)] {
        let mut machine = renewing();
        machine.failed(Failure::Transient, Some(secs(asked)));
        assert_eq!(machine.rests(), secs(waits));
        machine.pass(secs(waits) - millis(1)).serves();
        assert_eq!(machine.pass(millis(1)).demand(), Action::ServeAndFly);
    }
    // Also where it ends after the token, which nobody gets any longer then.
    let mut machine = renewing();
    machine.failed(Failure::Transient, Some(secs(99_999)));
    assert_eq!(machine.rests(), secs(660));
    machine.pass(millis(659_999)).serves();
    machine.pass(millis(1)).fails_for(secs(3_600 - 660));
}

#[test]
fn g04_a_success_ends_the_back_off_and_its_memory() {
    let mut machine = renewing();
    machine.jitter = HALF;
    for _ in 0..8 {
        machine.fail();
        let wait = machine.rests();
        assert_eq!(machine.pass(wait).demand(), Action::ServeAndFly);
    }
    machine.jitter = Jitter(0);
    machine.fetched(HOUR);
    assert_eq!(machine.pass(secs(2_880)).demand(), Action::ServeAndFly);
    machine.jitter = Jitter(u32::MAX);
    machine.fail();
    assert_eq!(machine.rests(), secs(1), "as after a first failure");
}

#[test]
fn g05_after_a_failure_everybody_fails_at_once_until_the_back_off_ends() {
    let mut machine = Machine::new();
    machine.jitter = HALF;
    for seconds in [1, 1, 2, 4, 8, 16, 30, 30] {
        let wait = secs(seconds);
        machine.flies(Reason::Needed, ZERO);
        machine.fail();
        assert_eq!(machine.state.next_try(machine.now), wait);
        machine.fails_for(wait);
        machine.pass(wait - millis(1)).fails_for(millis(1));
        assert_eq!(machine.refuse(1), Action::Fail { wait: millis(1) });
        machine.pass(millis(1));
    }
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(1)));
    machine.serves();
}

#[test]
fn g05_retry_after_wins_within_its_bounds() {
    for (asked, waits) in [(0, 1), (30, 30), (7_200, 3_600)] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        machine.failed(Failure::Transient, Some(secs(asked)));
        machine.fails_for(secs(waits));
        machine.pass(secs(waits));
        machine.flies(Reason::Needed, ZERO);
    }
}

#[test]
fn g06_a_terminal_verdict_is_probed_slowly() {
    let mut machine = Machine::new();
    // What the vendor asks for with it does not make the probe come sooner or later.
    for asked in [None, Some(secs(1)), Some(HOUR), None] {
        machine.flies(Reason::Needed, ZERO);
        machine.failed(Failure::Terminal, asked);
        machine.fails_for(secs(300));
        machine.pass(millis(299_999)).fails_for(millis(1));
        machine.pass(millis(1));
    }
    machine.jitter = HALF;
    machine.flies(Reason::Needed, ZERO);
    machine.failed(Failure::Terminal, None);
    machine.fails_for(secs(315));
}

#[test]
fn g06_a_terminal_verdict_leaves_a_usable_token_at_hand() {
    let mut machine = renewing();
    machine.failed(Failure::Terminal, None);
    assert_eq!(machine.rests(), secs(300));
    machine.pass(millis(299_999)).serves();
    assert_eq!(machine.pass(millis(1)).demand(), Action::ServeAndFly);
    machine.failed(Failure::Terminal, None);
    machine.pass(secs(300));
    assert_eq!(machine.demand(), Action::ServeAndFly);
    machine.failed(Failure::Terminal, None);
    // The token ends first.
    assert_eq!(machine.rests(), secs(60));
    machine.pass(secs(60)).fails_for(secs(240));
}

#[test]
fn g06_a_changed_credential_is_tried_within_the_same_flight() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.step(Event::CredentialChanged), Action::Again);
    assert_eq!(machine.demand(), Action::Wait);
    assert_eq!(machine.fetched(HOUR), Action::Publish(generation(1)));
    machine.serves();
}

#[test]
fn g06_a_changed_credential_that_fails_too_is_a_verdict() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    assert_eq!(machine.step(Event::CredentialChanged), Action::Again);
    machine.failed(Failure::Terminal, None);
    machine.fails_for(secs(300));
}

#[test]
fn a_quota_verdict_without_a_time_waits_for_the_usual_distance() {
    let mut machine = Machine::new();
    machine.flies(Reason::Needed, ZERO);
    machine.failed(Failure::Quota, None);
    machine.fails_for(MINUTE);

    let quota = Some(Quota::new(20, HOUR));
    let mut machine = Machine::with(RefreshPolicy::default(), quota);
    machine.flies(Reason::Needed, ZERO);
    machine.failed(Failure::Quota, None);
    machine.fails_for(secs(180));
    machine.pass(secs(180));
    machine.flies(Reason::Needed, ZERO);
    machine.failed(Failure::Quota, Some(secs(7)));
    machine.fails_for(secs(7));

    // Never less than the floor, however many exchanges the quota allows.
    let quota = Some(Quota::new(1_000, secs(1)));
    let mut machine = Machine::with(RefreshPolicy::default(), quota);
    machine.flies(Reason::Needed, ZERO);
    machine.failed(Failure::Quota, None);
    machine.fails_for(secs(1));

    // Nor less than it takes for a slot to free.
    let mut machine = Machine::with(RefreshPolicy::default(), Some(Quota::new(1, HOUR)));
    machine.flies(Reason::Needed, ZERO);
    machine.pass(secs(5)).failed(Failure::Quota, None);
    machine.fails_for(HOUR);
}

#[test]
fn g05_a_silent_vendor_is_asked_no_more_often_than_a_failing_one() {
    // Each exchange takes the whole deadline; requests come all the time.
    let mut machine = Machine::new();
    machine.jitter = HALF;
    let end = machine.now + HOUR;
    while !machine.now.reached(end) {
        match machine.demand() {
            Action::Fly { after, .. } => machine.pass(after + secs(10)).fail(),
            Action::Fail { wait } if !wait.is_zero() => drop(machine.pass(wait)),
            action => panic!("{action:?}"),
        }
    }
    // 40 seconds each: half of the longest back-off, and the deadline.
    assert!(machine.exchanges < 95, "{}", machine.exchanges);
}
