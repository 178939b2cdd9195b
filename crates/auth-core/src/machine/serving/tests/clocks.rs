use super::*;

#[test]
fn g20_a_token_is_over_when_either_clock_says_so() {
    let mut suspended = Machine::holding(HOUR);
    suspended.pass(secs(1)).jump(3_538);
    assert_eq!(suspended.demand(), Action::ServeAndFly);
    let mut suspended = Machine::holding(HOUR);
    suspended.pass(secs(1)).jump(3_539);
    assert_eq!(suspended.rests(), ZERO);
    suspended.flies(Reason::Needed, ZERO);

    let mut set_back = Machine::holding(HOUR);
    set_back.pass(secs(60)).jump(-86_400).serves();
    assert_eq!(set_back.pass(secs(2_820)).demand(), Action::ServeAndFly);
    set_back.pass(secs(660));
    assert_eq!(set_back.demand(), Action::Wait);
}

#[test]
fn g20_no_jump_ends_a_back_off_or_frees_a_slot() {
    for seconds in [-86_400, 86_400] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        machine.failed(Failure::Transient, Some(secs(30)));
        machine.jump(seconds).fails_for(secs(30));

        let quota = Some(Quota::new(1, HOUR));
        let mut machine = Machine::with(RefreshPolicy::default(), quota);
        machine.flies(Reason::Needed, ZERO);
        machine.step(Event::Abandoned);
        assert_eq!(
            machine.jump(seconds).demand(),
            Action::OverQuota { wait: HOUR }
        );

        let mut machine = Machine::holding(HOUR);
        machine.pass(secs(1)).refuse(1);
        machine.fetched(2 * 24 * HOUR);
        assert_eq!(machine.jump(seconds).refuse(2), Action::Damped);
    }
}

#[test]
fn g20_a_jump_while_the_vendor_is_left_alone_does_not_keep_everybody_asking() {
    for wait in [30, 3_600] {
        let mut machine = Machine::holding(24 * HOUR);
        machine.pass(HOUR).jump(20 * 3_600);
        assert_eq!(machine.demand(), Action::ServeAndFly);
        machine.failed(Failure::Transient, Some(secs(wait)));
        machine.serves();
        assert_eq!(machine.rests(), secs(wait));
        // Another one wakes nobody, either.
        machine.jump(3_000).serves();
        assert!(machine.rests() >= secs(wait));
    }
}

#[test]
fn g20_a_jump_during_an_exchange_costs_one_more_at_most() {
    for seconds in [-86_400, 3_539, 3_540, 86_400] {
        let mut machine = Machine::new();
        machine.flies(Reason::Needed, ZERO);
        machine.pass(secs(1)).jump(seconds);
        machine.fetched(HOUR);
        machine.request(HOUR).unwrap();
        machine.pass(secs(2));
        machine.request(HOUR).unwrap();
        assert!(machine.exchanges <= 2, "{seconds}");
    }
}

#[test]
fn g20_each_jump_costs_one_exchange_at_most() {
    // Half a day of requests every 20 s; the clock is set at any time, by any amount.
    let day = |jumps: [(u64, i64); 2]| {
        let mut machine = Machine::new();
        for tick in 0..720 {
            for (_, seconds) in jumps.iter().filter(|(at, _)| *at == tick) {
                machine.jump(*seconds);
            }
            machine.request(HOUR).unwrap();
            machine.pass(secs(20));
        }
        machine.exchanges
    };
    let undisturbed = day([(0, 0), (0, 0)]);
    assert_eq!(undisturbed, 5);
    for first in (0..720).step_by(7) {
        for seconds in [-100_000, -3_600, -600, -1, 1, 600, 2_880, 3_600, 100_000] {
            let one = day([(first, seconds), (0, 0)]);
            assert!(one <= undisturbed + 1, "{first} {seconds}: {one}");
            // Set wrong, and set right again.
            for second in [first, first + 1, first + 30, first + 200] {
                let two = day([(first, seconds), (second, -seconds)]);
                assert!(two <= undisturbed + 2, "{first} {seconds} {second}: {two}");
            }
        }
    }
}

#[test]
fn g20_the_ends_of_time_are_no_place_to_panic() {
    for now in [Moment::PAST, Moment::NEVER] {
        for lifetime in [ZERO, Duration::from_nanos(1), HOUR, Duration::MAX] {
            let policy = RefreshPolicy::default().max_lifetime(Duration::MAX);
            let mut machine = Machine::with(policy, Some(Quota::new(9, HOUR)));
            machine.now = now;
            machine.demand();
            machine.fetched(lifetime);
            machine.refuse(1);
            machine.failed(Failure::Transient, Some(Duration::MAX));
            machine.demand();
            machine.failed(Failure::Terminal, None);
            machine.demand();
            machine.rests();
            machine.state.next_try(now);
        }
    }
}
