use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const EARLIEST: Jitter = Jitter(u32::MAX);
const HALF: Jitter = Jitter(1 << 31);
const LATEST: Jitter = Jitter(0);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn tokens_are_renewed_and_expire_at_these_times() {
    let policy = RefreshPolicy::default();
    for (lifetime, earliest, latest, usable) in [
        (millis(20), millis(15), millis(16), millis(18)),
        (secs(1), millis(750), millis(800), millis(900)),
        (secs(2), millis(1_500), millis(1_600), millis(1_800)),
        (secs(300), secs(225), secs(240), secs(270)),
        (secs(600), secs(450), secs(480), secs(540)),
        (secs(601), millis(450_750), millis(480_800), secs(541)),
        (
            secs(1_799),
            millis(1_349_250),
            millis(1_439_200),
            secs(1_739),
        ),
        (secs(3_600), secs(2_700), secs(2_880), secs(3_540)),
        (
            30 * DAY,
            secs(1_944_000),
            secs(2_073_600),
            30 * DAY - MINUTE,
        ),
    ] {
        assert_eq!(policy.usable_for(lifetime), usable, "{lifetime:?}");
        assert_eq!(policy.refresh_after(lifetime, None, LATEST), latest);
        let drawn = policy.refresh_after(lifetime, None, EARLIEST);
        assert!(drawn > earliest && drawn < earliest + lifetime / 1_000_000);
        let middle = earliest + (latest - earliest) / 2;
        assert_eq!(policy.refresh_after(lifetime, None, HALF), middle);
    }
}

#[test]
fn the_defaults_are_what_the_setters_say() {
    let policy = RefreshPolicy::default();
    let spelled = RefreshPolicy::default()
        .refresh_at(0.8)
        .unwrap()
        .jitter(0.05)
        .unwrap()
        .default_lifetime(secs(300))
        .unwrap()
        .max_lifetime(400 * DAY)
        .unwrap()
        .deadline(secs(10))
        .unwrap()
        .min_interval(secs(1))
        .unwrap()
        .backoff(secs(1), secs(60))
        .unwrap()
        .max_retry_after(secs(3_600))
        .probe_interval(secs(300))
        .unwrap();
    assert_eq!(policy, spelled);
    assert_eq!(policy.token_request_deadline(), secs(10));
    let short = RefreshPolicy::default().deadline(secs(3)).unwrap();
    assert_eq!(short.token_request_deadline(), secs(3));
}

#[test]
fn s10_missing_lifetime_has_a_default_and_long_lifetime_is_capped() {
    let policy = RefreshPolicy::default();
    assert_eq!(policy.lifetime(None), secs(300));
    assert_eq!(policy.lifetime(Some(secs(1))), secs(1));
    assert_eq!(policy.lifetime(Some(Duration::ZERO)), Duration::ZERO);
    assert_eq!(policy.lifetime(Some(400 * DAY)), 400 * DAY);
    assert_eq!(policy.lifetime(Some(secs(u64::MAX))), 400 * DAY);
    let policy = policy.max_lifetime(MINUTE).unwrap();
    assert_eq!(policy.lifetime(None), MINUTE);
}

#[test]
fn shortest_interval_is_a_second_or_half_of_a_short_lifetime() {
    let policy = RefreshPolicy::default();
    for (lifetime, floor) in [
        (secs(3_600), secs(1)),
        (secs(2), secs(1)),
        (secs(1), millis(500)),
        (millis(20), millis(10)),
        (Duration::ZERO, secs(1)),
    ] {
        assert_eq!(policy.floor(lifetime), floor, "{lifetime:?}");
    }
    let policy = policy.min_interval(millis(300)).unwrap();
    assert_eq!(policy.floor(secs(1)), millis(300));
    assert_eq!(policy.floor(Duration::ZERO), millis(300));
}

#[test]
fn g10_no_probe_and_no_retry_after_is_shorter_than_the_interval() {
    let policy = RefreshPolicy::default()
        .min_interval(secs(2))
        .unwrap()
        .probe_interval(millis(3))
        .unwrap();
    assert_eq!(policy.probe_after(EARLIEST), secs(2));
    assert_eq!(policy.retry_after(Duration::ZERO), secs(2));
}

#[test]
fn g04_margin_setting_wins_up_to_half_of_the_lifetime() {
    let policy = RefreshPolicy::default().margin(secs(10)).unwrap();
    for (lifetime, usable) in [
        (secs(3_600), secs(3_590)),
        (secs(21), secs(11)),
        (secs(20), secs(10)),
        (secs(19), millis(9_500)),
        (secs(1), millis(500)),
        (Duration::ZERO, Duration::ZERO),
    ] {
        assert_eq!(policy.usable_for(lifetime), usable, "{lifetime:?}");
        assert!(policy.refresh_after(lifetime, None, LATEST) <= usable);
    }
}

#[test]
fn s28_retry_after_is_obeyed_within_bounds() {
    let policy = RefreshPolicy::default();
    for (asked, wait) in [
        (Duration::ZERO, secs(1)),
        (millis(999), secs(1)),
        (secs(30), secs(30)),
        (secs(3_600), secs(3_600)),
        (secs(3_601), secs(3_600)),
        (Duration::MAX, secs(3_600)),
    ] {
        assert_eq!(policy.retry_after(asked), wait, "{asked:?}");
    }
    let policy = policy.max_retry_after(Duration::ZERO);
    assert_eq!(policy.retry_after(secs(30)), secs(1));
}

#[test]
fn g06_probe_follows_after_the_interval_plus_at_most_a_tenth() {
    let policy = RefreshPolicy::default();
    assert_eq!(policy.probe_after(LATEST), secs(300));
    assert_eq!(policy.probe_after(HALF), secs(315));
    let longest = policy.probe_after(EARLIEST);
    assert!(longest < secs(330) && longest > millis(329_999));
    let never = policy.probe_interval(Duration::MAX).unwrap();
    assert_eq!(never.probe_after(EARLIEST), Duration::MAX);
}

#[test]
fn an_error_names_the_wrong_setting() {
    let zero = Duration::ZERO;
    let good = RefreshPolicy::default;
    let nano = Duration::from_nanos(1);
    for (field, refused) in [
        ("refresh_at", good().refresh_at(f64::NAN)),
        ("refresh_at", good().refresh_at(1.1)),
        ("refresh_at", good().refresh_at(-0.1)),
        ("refresh_at", good().refresh_at(f64::INFINITY)),
        ("jitter", good().jitter(f64::NAN)),
        ("jitter", good().jitter(1.1)),
        ("jitter", good().jitter(-0.1)),
        ("default_lifetime", good().default_lifetime(zero)),
        ("max_lifetime", good().max_lifetime(zero)),
        ("deadline", good().deadline(zero)),
        ("margin", good().margin(zero)),
        ("min_interval", good().min_interval(zero)),
        ("backoff", good().backoff(zero, secs(1))),
        ("backoff", good().backoff(secs(2), secs(1))),
        ("probe_interval", good().probe_interval(zero)),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.field(), Some(field));
    }
    for accepted in [
        good().refresh_at(0.0),
        good().refresh_at(1.0),
        good().jitter(0.0),
        good().jitter(1.0),
        good().backoff(secs(1), secs(1)),
        Ok(good().max_retry_after(zero)),
        good().default_lifetime(nano),
        good().max_lifetime(nano),
        good().deadline(nano),
        good().min_interval(nano),
        good().backoff(nano, nano),
        good().probe_interval(nano),
    ] {
        accepted.unwrap();
    }
}

/// Every order of magnitude, from zero to the longest duration.
fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(secs(u64::MAX)),
        (0_u32..64, any::<u64>()).prop_map(|(shift, nanos)| Duration::from_nanos(nanos >> shift)),
        (0_u32..64, any::<u64>()).prop_map(|(shift, seconds)| secs(seconds >> shift)),
        (1_u64..10_000).prop_map(secs),
    ]
}

fn any_share() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(0.05), Just(0.8), Just(1.0), 0.0..1.0]
}

fn any_policy() -> impl Strategy<Value = RefreshPolicy> {
    let durations = prop::array::uniform7(any_duration());
    let margin = prop::option::of(any_duration());
    let parts = (any_share(), any_share(), durations, margin);
    parts.prop_map(|(refresh_at, jitter, durations, margin)| {
        let nano = Duration::from_nanos(1);
        let [default, max, floor, first, longest, asked, probe] = durations.map(|d| d.max(nano));
        let policy = || {
            let policy = match margin {
                Some(margin) => RefreshPolicy::default().margin(margin.max(nano))?,
                None => RefreshPolicy::default(),
            };
            policy
                .refresh_at(refresh_at)?
                .jitter(jitter)?
                .default_lifetime(default)?
                .max_lifetime(max)?
                .min_interval(floor)?
                .backoff(first.min(longest), longest)?
                .max_retry_after(asked)
                .probe_interval(probe)
        };
        let policy: Result<_, crate::Error> = policy();
        policy.unwrap()
    })
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(LATEST),
        Just(HALF),
        Just(EARLIEST),
        any::<u32>().prop_map(Jitter)
    ]
}

proptest! {
    #[test]
    fn a_checked_policy_accepts_every_number_that_a_vendor_can_send(
        policy in any_policy(),
        stated in prop::option::of(any_duration()),
        hint in prop::option::of(any_duration()),
        asked in any_duration(),
        jitter in any_jitter(),
    ) {
        let lifetime = policy.lifetime(stated);
        let usable = policy.usable_for(lifetime);
        prop_assert!(usable <= lifetime && lifetime - usable <= lifetime / 2);
        match policy.margin {
            Some(margin) => prop_assert!(lifetime - usable <= margin),
            None => prop_assert!(lifetime - usable <= MINUTE.min(lifetime / 10)),
        }
        prop_assert!(policy.refresh_after(lifetime, hint, jitter) <= usable);
        let floor = policy.floor(lifetime);
        prop_assert!(floor <= policy.floor(Duration::ZERO));
        prop_assert!(lifetime.is_zero() || floor <= lifetime / 2);
        let least = policy.floor(Duration::ZERO);
        prop_assert!(policy.retry_after(asked) >= least);
        prop_assert!(policy.probe_after(jitter) >= least);
    }

    #[test]
    fn longer_lifetime_never_renews_or_expires_sooner(
        policy in any_policy(), one in any_duration(), other in any_duration(),
    ) {
        let (short, long) = (one.min(other), one.max(other));
        prop_assert!(policy.usable_for(short) <= policy.usable_for(long));
        let renewed = |lifetime| policy.refresh_after(lifetime, None, LATEST);
        prop_assert!(renewed(short) <= renewed(long));
    }

    #[test]
    fn vendors_hint_wins_up_to_the_expiry(
        policy in any_policy(),
        lifetime in any_duration(),
        hint in any_duration(),
        jitter in any_jitter(),
    ) {
        let usable = policy.usable_for(lifetime);
        prop_assert_eq!(policy.refresh_after(lifetime, Some(hint), jitter), hint.min(usable));
    }

    #[test]
    fn jitter_renews_earlier_by_at_most_its_share(
        policy in any_policy(),
        lifetime in any_duration(),
        one in any_jitter(),
        other in any_jitter(),
    ) {
        let (less, more) = (one.0.min(other.0), one.0.max(other.0));
        let renewed = |jitter| policy.refresh_after(lifetime, None, Jitter(jitter));
        prop_assert!(renewed(more) <= renewed(less));
        prop_assert!(renewed(0) - renewed(more) <= share(lifetime, policy.jitter));
    }
}
