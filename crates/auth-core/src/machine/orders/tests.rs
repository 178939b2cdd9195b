use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn g17_a_lease_outlives_the_work_of_its_holder() {
    let mut rules = Rules::example();
    assert_eq!(rules.lease_time(), secs(12));
    assert_eq!(rules.lease_patience(), secs(24));
    rules.keeps_refresh_tokens = true;
    assert_eq!(rules.lease_time(), secs(22));
    assert_eq!(rules.lease_patience(), secs(44));
}

#[test]
fn a_flight_takes_no_longer_than_its_token_requests_and_its_waits_for_others() {
    let mut rules = Rules::example();
    assert_eq!(rules.longest(), secs(20 + 24 + 1 + 1));
    rules.shares = false;
    assert_eq!(rules.longest(), secs(20 + 1));
}

#[test]
fn g03f_a_silent_holder_is_waited_for_as_long_as_a_second_request_is_no_harm() {
    use TokenRequestReason::{Ahead, Needed, Refused};
    let mut rules = Rules::example();
    for reason in [Needed, Refused] {
        assert_eq!(rules.claim_after(reason, false, false), secs(5));
    }
    assert_eq!(rules.claim_after(Ahead, false, false), secs(14));
    for reason in [Needed, Refused, Ahead] {
        assert_eq!(rules.claim_after(reason, true, false), secs(14));
        for lockable in [true, false] {
            assert_eq!(rules.claim_after(reason, lockable, true), secs(1));
        }
    }
    // After half of a short deadline, the holder may still be working.
    for (deadline, expected) in [(4, 2), (3, 7)] {
        let policy = RefreshPolicy::default().deadline(secs(deadline)).unwrap();
        rules.policy = policy.into();
        assert_eq!(rules.claim_after(Needed, false, false), secs(expected));
    }
}

#[test]
fn g05_only_a_token_request_that_can_do_no_harm_is_sent_once_more_after_silence() {
    let error = |kind, outcome| Error::new(kind, "fake").with_outcome(outcome);
    let silent = || error(ErrorKind::TimedOut, TokenRequestOutcome::Unknown);
    let is_silent = |rules: &Rules, lockable, error: Error| {
        let now = Moment::new(secs(1000), secs(1_700_000_000));
        let landing = Landing {
            lockable,
            ..Landing::failed(error.clone(), now)
        };
        rules.is_silent(&landing, &error)
    };
    let mut rules = Rules::example();
    assert!(is_silent(&rules, false, silent()));
    assert!(!is_silent(&rules, true, silent()), "a login that may count");
    let reset = error(ErrorKind::Unavailable, TokenRequestOutcome::Unknown);
    assert!(!is_silent(&rules, false, reset));
    let before = error(ErrorKind::TimedOut, TokenRequestOutcome::NotSent);
    assert!(!is_silent(&rules, false, before));
    rules.keeps_refresh_tokens = true;
    assert!(!is_silent(&rules, false, silent()), "it may be spent");
}
