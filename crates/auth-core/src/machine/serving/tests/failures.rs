use super::*;

#[test]
fn g05_a_failure_is_told_until_its_back_off_ends() {
    let mut desk = Desk::new();
    desk.demand();
    assert_eq!(desk.fail(Failure::Unknown), Action::Report);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(1) });
    desk.pass(millis(250));
    assert_eq!(desk.demand(), Action::Fail { wait: millis(750) });
    assert_eq!(desk.state.next_try(desk.now), millis(750));
    desk.pass(millis(749));
    assert_eq!(desk.demand(), Action::Fail { wait: millis(1) });
    desk.pass(millis(1));
    assert_eq!(
        desk.demand(),
        Action::Fly(Start::example(TokenRequestReason::Needed))
    );
    assert_eq!(desk.demand(), Action::Wait);
}

/// Returns the number of token requests in an outage, and the time from its end to the next one.
fn outage(jitter: Jitter, seconds: u64) -> (u32, Duration) {
    let mut desk = Desk::new();
    let end = desk.now + secs(seconds);
    let mut requests = 0;
    while !desk.now.waited_for(end) {
        match desk.demand() {
            Action::Fly(_) => {
                requests += 1;
                let mut failed = failed(Failure::NotUnderstood);
                failed.jitter = jitter;
                desk.step(Event::Failed(failed));
            }
            Action::Fail { wait } => desk.pass(wait),
            action => panic!("{action:?}"),
        }
    }
    assert!(
        flies(desk.demand()),
        "the back-off is over when it was told to be"
    );
    (requests, end.wait_until(desk.now))
}

#[test]
fn g05_back_off_is_an_eighth_of_the_outage() {
    let (requests, late) = outage(Jitter(0), 60);
    assert_eq!(requests, 26);
    assert!(late <= millis(7500), "{late:?}");
    let (requests, late) = outage(Jitter(0), 3600);
    assert_eq!(requests, 95);
    assert!(late <= secs(60), "{late:?}");
    // The other end of the jitter: half as long.
    let (requests, late) = outage(Jitter(u32::MAX), 3600);
    assert_eq!(requests, 177);
    assert!(late <= secs(30), "{late:?}");
}

#[test]
fn g05_retry_after_is_obeyed_up_to_an_hour() {
    for (asked, wait) in [(30, 30), (3600, 3600), (90_000, 3600), (0, 1)] {
        let mut desk = Desk::new();
        desk.demand();
        desk.throttle(asked);
        assert_eq!(desk.demand(), Action::Fail { wait: secs(wait) });
        desk.pass(secs(wait) - millis(1));
        assert_eq!(desk.demand(), Action::Fail { wait: millis(1) });
        desk.pass(millis(1));
        assert!(flies(desk.demand()));
    }
}

#[test]
fn g05_the_back_off_of_another_process_is_obeyed_as_it_is() {
    let mut desk = Desk::new();
    desk.demand();
    let told = Failed {
        retry_after: Some(millis(1300)),
        told: true,
        ..failed(Failure::Unknown)
    };
    assert_eq!(desk.step(Event::Failed(told)), Action::Report);
    assert_eq!(desk.demand(), Action::Fail { wait: millis(1300) });
}

#[test]
fn g05_the_outage_of_all_processes_counts() {
    let mut desk = Desk::new();
    desk.demand();
    let late = Failed {
        failing_for: secs(80),
        ..failed(Failure::Unknown)
    };
    desk.step(Event::Failed(late));
    assert_eq!(desk.demand(), Action::Fail { wait: secs(10) });
}

#[test]
fn g05_a_token_ends_the_outage() {
    let mut desk = Desk::new();
    for _ in 0..20 {
        assert!(flies(desk.demand()));
        desk.fail(Failure::Unknown);
        let Action::Fail { wait } = desk.demand() else {
            panic!("backs off");
        };
        desk.pass(wait);
    }
    desk.get();
    desk.pass_secs(3540);
    assert!(flies(desk.demand()));
    desk.fail(Failure::Unknown);
    assert_eq!(desk.demand(), Action::Fail { wait: secs(1) });
}
