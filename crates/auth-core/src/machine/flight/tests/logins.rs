use super::*;

/// A process that has just started, with credentials that may lock an account.
fn process(name: &str) -> Process {
    let mut process = Process::new(name);
    process.own.lockable = true;
    process
}

fn wrong() -> Error {
    Error::new(ErrorKind::Rejected, "wrong password").with_rejected_part(RejectedPart::Credentials)
}

/// Returns the number of token requests of processes that start one after another, one every
/// `pause` seconds.
fn sent(world: &mut World, processes: usize, pause: u64) -> usize {
    let before = world.requests;
    for number in 0..processes {
        let mut process = process(&format!("p{before}-{number}"));
        let landing = process.gets(world, TokenRequestReason::Needed, Err(wrong()));
        assert!(!matches!(landing.end, End::Token(..)));
        world.pass(pause);
    }
    world.requests - before
}

#[test]
fn g06_all_processes_together_send_rejected_credentials_twice_and_then_once_a_day() {
    let mut world = World::new();
    // Longer than the probe interval, so the record's back-off is over each time.
    assert_eq!(sent(&mut world, 200, 400), 2);
    let day = 24 * 3600;
    world.pass(day - 199 * 400);
    assert_eq!(sent(&mut world, 200, 400), 1);
    world.pass(day);
    assert_eq!(sent(&mut world, 200, 400), 1);
}

#[test]
fn g06_the_second_rejection_counts_for_a_day() {
    let mut world = World::new();
    assert_eq!(sent(&mut world, 2, 400), 2);
    let day = 24 * 3600;
    world.pass(day - 400 - 1);
    assert_eq!(sent(&mut world, 1, 0), 0);
    world.pass(1);
    assert_eq!(sent(&mut world, 1, 0), 1);
}

#[test]
fn g06_an_accepted_login_clears_the_count() {
    let mut world = World::new();
    assert_eq!(sent(&mut world, 1, 400), 1);
    let landing = process("good").gets(
        &mut world,
        TokenRequestReason::Needed,
        Ok(token("fake-token-1")),
    );
    assert!(matches!(landing.end, End::Token(..)));
    world.pass(3600);
    assert_eq!(sent(&mut world, 10, 400), 2);
}

#[test]
fn g06_other_credentials_have_a_separate_count() {
    let mut world = World::new();
    assert_eq!(sent(&mut world, 10, 400), 2);
    let mut process = process("new");
    process.own.id = Credentials::new(&["fake-client"], [Secret::from("fake-secret-2")]).id();
    let landing = process.gets(
        &mut world,
        TokenRequestReason::Needed,
        Ok(token("fake-token-1")),
    );
    assert!(matches!(landing.end, End::Token(..)));
}

#[test]
fn g05f_a_lost_login_of_each_process_counts_as_one_more_of_the_same_kind() {
    for token_left in [0, 3000] {
        let mut world = World::new();
        if token_left > 0 {
            world.put(with_token("fake-token-1", token_left));
        }
        let mut rows = Vec::new();
        for (name, error) in [("a", lost()), ("b", lost()), ("c", page()), ("a", lost())] {
            let mut process = process(name);
            process.memory.current = Some(Print::of_text("fake-token-1"));
            let landing = process.gets(&mut world, TokenRequestReason::Ahead, Err(error));
            rows.push(landing.row.map(|row| row.times));
            // Longer than a process obeys the back-off of another one without a verdict.
            world.pass(6);
            let pause = world.record().pause.map_or(0, |pause| pause.left.as_secs());
            world.pass(pause);
        }
        assert_eq!(rows, [1, 2, 1, 1].map(Some), "{token_left}");
    }
}

#[test]
fn g05f_lost_logins_that_come_seldom_become_as_rare_as_in_one_process() {
    let mut world = World::new();
    let mut sent = Vec::new();
    // A program starts every ten minutes. After the fifth lost login, one an hour is sent.
    for minutes in (0..600).step_by(10) {
        let before = world.requests;
        process("a").gets(&mut world, TokenRequestReason::Needed, Err(lost()));
        if world.requests > before {
            sent.push(minutes);
        }
        world.pass(600);
    }
    assert_eq!(sent, [0, 10, 20, 40, 70, 120, 190, 260, 330, 400, 470, 540]);
}

#[test]
fn g06_only_rejections_are_counted() {
    let mut world = World::new();
    for error in [page(), lost(), Error::new(ErrorKind::Throttled, "too many")] {
        process("a").gets(&mut world, TokenRequestReason::Needed, Err(error));
        world.pass(4000);
    }
    assert!(world.logins.is_none());
    assert_eq!(world.requests, 3);
}

#[test]
fn g06_rejected_codes_of_all_processes_count_together_and_apart_from_the_password() {
    let code = || {
        Error::new(ErrorKind::Rejected, "wrong code").with_rejected_part(RejectedPart::SecondFactor)
    };
    let mut world = World::new();
    let mut at = Vec::new();
    for minute in 0..24 * 60 {
        let before = world.requests;
        let mut process = process(&format!("p{minute}"));
        let landing = process.gets(&mut world, TokenRequestReason::Needed, Err(code()));
        assert!(!matches!(landing.end, End::Token(..)));
        if world.requests > before {
            at.push(minute);
        }
        world.pass(60);
    }
    assert_eq!(at, [0, 1, 11, 31, 71, 151, 311, 631, 1271]);
    // The password was right each time.
    world.pass(24 * 3600);
    let landing = process("good").gets(
        &mut world,
        TokenRequestReason::Needed,
        Ok(token("fake-token-1")),
    );
    assert!(matches!(landing.end, End::Token(..)));
    world.pass(3600);
    assert_eq!(sent(&mut world, 10, 400), 2);
}
