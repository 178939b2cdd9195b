use http::StatusCode;
use proptest::prelude::*;

use super::*;

const LATEST: Jitter = Jitter(0);
const EARLIEST: Jitter = Jitter(u32::MAX);
const HOUR: Duration = Duration::from_secs(3_600);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A first failure, without a valid token, a quota or a `Retry-After`.
fn first(failure: Failure) -> Situation {
    Situation {
        failure,
        retry_after: None,
        failing_for: Duration::ZERO,
        row: 1,
        valid: None,
        spacing: None,
        slot: Duration::ZERO,
        lockable: false,
        jitter: LATEST,
    }
}

fn wait(situation: Situation) -> Duration {
    after(&RefreshPolicy::default(), situation)
}

const TRANSIENT: [Failure; 3] = [Failure::NotSent, Failure::Unknown, Failure::NotUnderstood];

#[test]
fn g05_back_off_is_an_eighth_of_the_outage() {
    for failure in TRANSIENT {
        for (failing_for, longest) in [
            (Duration::ZERO, millis(1_000)),
            (secs(8), millis(1_000)),
            (secs(16), millis(2_000)),
            (secs(60), millis(7_500)),
            (secs(480), secs(60)),
            (HOUR, secs(60)),
            (Duration::MAX, secs(60)),
        ] {
            let situation = |jitter| Situation {
                failing_for,
                jitter,
                row: 99,
                ..first(failure)
            };
            assert_eq!(wait(situation(LATEST)), longest, "{failure:?}");
            let shortest = wait(situation(EARLIEST));
            let half = (longest / 2).max(secs(1));
            assert!(
                shortest >= half && shortest < half + millis(1),
                "{failure:?}"
            );
        }
    }
}

#[test]
fn g05_an_outage_of_an_hour_costs_120_token_requests() {
    for (jitter, expected) in [
        (LATEST, 90..100),
        (Jitter(1 << 31), 115..130),
        (EARLIEST, 170..180),
    ] {
        let (mut passed, mut requests) = (Duration::ZERO, 0);
        while passed < HOUR {
            requests += 1;
            passed += wait(Situation {
                failing_for: passed,
                jitter,
                ..first(Failure::NotUnderstood)
            });
        }
        assert!(expected.contains(&requests), "{requests}");
    }
}

#[test]
fn g06_a_rejection_waits_for_the_probe_interval() {
    use RejectedPart::{Credentials, RefreshToken, Request, SecondFactor};
    for part in [Credentials, RefreshToken, Request] {
        assert_eq!(wait(first(Failure::Rejected(part))), secs(300));
    }
    let code = |row| Situation {
        row,
        ..first(Failure::Rejected(SecondFactor))
    };
    assert_eq!([1, 2, 3].map(|row| wait(code(row))), [1, 1, 300].map(secs));
}

#[test]
fn s28_a_rejection_with_retry_after_waits_for_the_longer_of_both() {
    for (asked, credentials, code) in [(7, 300, 7), (300, 300, 300), (900, 900, 900)] {
        let rejected = |part| Situation {
            retry_after: Some(secs(asked)),
            ..first(Failure::Rejected(part))
        };
        assert_eq!(wait(rejected(RejectedPart::Credentials)), secs(credentials));
        assert_eq!(wait(rejected(RejectedPart::SecondFactor)), secs(code));
        // A third wrong code is no typing error.
        let third = Situation {
            row: 3,
            ..rejected(RejectedPart::SecondFactor)
        };
        assert_eq!(wait(third), secs(credentials));
    }
}

#[test]
fn an_empty_4xx_reply_is_a_rejection_when_it_comes_three_times() {
    let wordless = |row| Situation {
        row,
        ..first(Failure::Wordless)
    };
    let waits = [1, 2, 3, 4].map(|row| wait(wordless(row)));
    assert_eq!(waits, [1, 1, 300, 300].map(secs));
}

#[test]
fn logins_with_an_unknown_outcome_become_rare() {
    let unknown = |row| Situation {
        row,
        lockable: true,
        ..first(Failure::Unknown)
    };
    let waits = [1, 2, 3, 4, 5, 6, 7, 40, u32::MAX].map(|row| wait(unknown(row)));
    let seconds = [1, 300, 600, 1_200, 2_400, 3_600, 3_600, 3_600, 3_600];
    assert_eq!(waits, seconds.map(secs));
}

#[test]
fn g11_quota_error_of_the_vendor_waits_for_a_slot_or_the_average_distance() {
    let quota = |spacing: Option<u64>, slot| Situation {
        spacing: spacing.map(secs),
        slot: secs(slot),
        ..first(Failure::Quota)
    };
    for (spacing, slot, seconds) in [
        (None, 0, 60),
        (Some(180), 0, 180),
        (Some(180), 500, 500),
        (Some(0), 0, 1),
    ] {
        assert_eq!(wait(quota(spacing, slot)), secs(seconds));
    }
}

#[test]
fn g11_used_up_quota_waits_for_a_slot_but_not_past_the_expiry_of_the_token() {
    let own = |asked: Option<u64>, valid: Option<u64>| Situation {
        retry_after: asked.map(secs),
        slot: secs(50),
        valid: valid.map(|left| (secs(left), HOUR)),
        ..first(Failure::OwnQuota)
    };
    for (asked, valid, seconds) in [
        (None, None, 50),
        (Some(70), None, 70),
        (Some(70), Some(20), 20),
        (Some(70), Some(200), 70),
    ] {
        assert_eq!(wait(own(asked, valid)), secs(seconds));
    }
}

#[test]
fn g04_with_a_valid_token_an_attempt_follows_within_a_quarter_of_its_rest() {
    for (failing_for, left, lifetime, expected) in [
        (secs(160), secs(600), HOUR, secs(20)),
        (secs(160), secs(40), HOUR, secs(10)),
        // The shortest interval is longer than a quarter; the bound is the expiry.
        (secs(160), secs(3), HOUR, secs(1)),
        (secs(160), millis(400), HOUR, millis(400)),
        // A token with a lifetime of a second gets a second attempt too.
        (Duration::ZERO, millis(150), secs(1), millis(100)),
        (Duration::ZERO, Duration::ZERO, HOUR, Duration::ZERO),
    ] {
        let situation = Situation {
            failing_for,
            valid: Some((left, lifetime)),
            ..first(Failure::NotUnderstood)
        };
        assert_eq!(wait(situation), expected, "{failing_for:?} {left:?}");
    }
}

#[test]
fn g09_renewals_after_refusals_wait_twice_as_long_each_time() {
    let policy = RefreshPolicy::default();
    let waits = [0, 1, 2, 3, 4, 5, 6, 7, 33, u32::MAX].map(|times| of_refusals(&policy, times));
    let seconds = [1, 1, 2, 4, 8, 16, 32, 60, 60, 60];
    assert_eq!(waits, seconds.map(secs));
}

#[test]
fn an_error_proves_what_its_outcome_says() {
    use TokenRequestOutcome::{NotSent, NotUnderstood, Unknown};
    let new = |kind| Error::new(kind, "fake");
    let bad_request = |kind| new(kind).with_status(StatusCode::BAD_REQUEST);
    for (error, failure) in [
        (new(ErrorKind::Config), Failure::NotSent),
        (new(ErrorKind::Store), Failure::NotSent),
        (
            new(ErrorKind::Unavailable).with_outcome(NotSent),
            Failure::NotSent,
        ),
        (new(ErrorKind::TimedOut), Failure::Unknown),
        (new(ErrorKind::Closed), Failure::Unknown),
        (
            new(ErrorKind::Unavailable).with_outcome(Unknown),
            Failure::Unknown,
        ),
        (new(ErrorKind::Protocol), Failure::NotUnderstood),
        (bad_request(ErrorKind::Protocol), Failure::Wordless),
        (
            bad_request(ErrorKind::Protocol).with_code("fake_code"),
            Failure::NotUnderstood,
        ),
        (
            new(ErrorKind::Protocol).with_status(StatusCode::BAD_GATEWAY),
            Failure::NotUnderstood,
        ),
        (
            new(ErrorKind::Unavailable).with_outcome(NotUnderstood),
            Failure::NotUnderstood,
        ),
        (new(ErrorKind::Throttled), Failure::Throttled),
        (new(ErrorKind::Quota), Failure::Quota),
        (new(ErrorKind::Refused), Failure::SameToken),
        (
            new(ErrorKind::Rejected).with_code("invalid_client"),
            Failure::Rejected(RejectedPart::Credentials),
        ),
        (
            new(ErrorKind::Rejected).with_rejected_part(RejectedPart::RefreshToken),
            Failure::Rejected(RejectedPart::RefreshToken),
        ),
        (
            new(ErrorKind::Rejected),
            Failure::Rejected(RejectedPart::Request),
        ),
    ] {
        assert_eq!(Failure::of(&error), failure, "{error:?}");
    }
}

fn any_failure() -> impl Strategy<Value = Failure> {
    prop::sample::select(vec![
        Failure::NotSent,
        Failure::Unknown,
        Failure::NotUnderstood,
        Failure::Wordless,
        Failure::Throttled,
        Failure::Quota,
        Failure::SameToken,
        Failure::Rejected(RejectedPart::Credentials),
        Failure::Rejected(RejectedPart::SecondFactor),
    ])
}

fn any_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..20_000).prop_map(millis),
        (0_u64..100_000).prop_map(secs),
        Just(Duration::MAX),
    ]
}

prop_compose! {
    fn any_situation()(
        failure in any_failure(),
        failing_for in any_time(),
        row in prop_oneof![1_u32..8, any::<u32>().prop_map(|row| row.max(1))],
        valid in prop::option::of((any_time(), any_time())),
        spacing in prop::option::of(any_time()),
        slot in any_time(),
        lockable: bool,
        jitter in any::<u32>().prop_map(Jitter),
    ) -> Situation {
        let valid = valid.map(|(a, b)| (a.min(b), a.max(b)));
        Situation { retry_after: None, failing_for, row, valid, spacing, slot, lockable, jitter, failure }
    }
}

proptest! {
    #[test]
    fn g05_an_outage_is_followed_by_an_eighth_of_itself_at_most(
        situation in any_situation(),
        failure in prop::sample::select(&TRANSIENT[..]),
    ) {
        let lockable = false;
        let situation = Situation { failure, valid: None, lockable, ..situation };
        let bound = (situation.failing_for / 8).clamp(secs(1), secs(60));
        let wait = wait(situation);
        prop_assert!(wait <= bound);
        prop_assert!(wait >= (bound / 2).max(secs(1)));
    }

    #[test]
    fn g04_no_transient_back_off_passes_the_end_of_a_valid_token(
        situation in any_situation(),
        failure in prop::sample::select(vec![
            Failure::NotSent, Failure::Unknown, Failure::NotUnderstood, Failure::OwnQuota,
        ]),
        left in any_time(),
        lifetime in any_time(),
    ) {
        let valid = Some((left.min(lifetime), lifetime));
        let lockable = false;
        let situation = Situation { failure, valid, lockable, ..situation };
        prop_assert!(wait(situation) <= left.min(lifetime));
    }

    #[test]
    fn s28_retry_after_is_obeyed_exactly_within_its_bounds(
        situation in any_situation(), asked in any_time(),
    ) {
        let retry_after = Some(asked);
        let wait = wait(Situation { retry_after, ..situation });
        let obeyed = asked.clamp(secs(1), HOUR);
        match situation.failure {
            // The rejection waits longer than the `Retry-After`.
            Failure::Rejected(_) => prop_assert!(wait >= obeyed),
            _ => prop_assert_eq!(wait, obeyed),
        }
    }

    #[test]
    fn g10_without_a_valid_token_no_back_off_is_shorter_than_the_interval(situation in any_situation()) {
        let wait = wait(Situation { valid: None, ..situation });
        prop_assert!(wait >= secs(1));
    }
}
