use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn ledger(limit: u32) -> Ledger {
    Ledger::new(Some(Quota::new(limit, HOUR).unwrap()))
}

/// A time of day.
fn clock(hours: u32, minutes: u32) -> Moment {
    let since = HOUR * hours + MINUTE * minutes;
    Moment::new(since, since)
}

/// Sends token requests while the quota allows it, up to `count`. Returns how many were sent.
fn token_request(ledger: &mut Ledger, slots: Slots, now: Moment, count: usize) -> usize {
    for done in 0..count {
        if ledger.take(slots, now).is_err() {
            return done;
        }
        ledger.close(now, Some(HOUR));
    }
    count
}

#[test]
fn g11_five_at_a_quarter_to_eight_and_fifteen_at_eight_leave_five_at_a_quarter_to_nine() {
    let mut ledger = ledger(20);
    assert_eq!(token_request(&mut ledger, Slots::All, clock(7, 45), 5), 5);
    assert_eq!(token_request(&mut ledger, Slots::All, clock(8, 0), 99), 15);
    assert_eq!(ledger.take(Slots::All, clock(8, 0)), Err(45 * MINUTE));
    assert_eq!(ledger.take(Slots::All, clock(8, 44)), Err(MINUTE));
    assert_eq!(token_request(&mut ledger, Slots::All, clock(8, 45), 99), 5);
    assert_eq!(ledger.free_at(Slots::All), clock(9, 0));
    assert_eq!(token_request(&mut ledger, Slots::All, clock(9, 0), 99), 15);
}

#[test]
fn without_a_store_one_process_sends_its_share() {
    let of = |limit, own: Option<u32>| {
        let quota = Quota::new(limit, HOUR).unwrap();
        let quota = own.map_or(quota, |own| quota.without_store(own).unwrap());
        let mut ledger = Ledger::new(Some(quota.share()));
        token_request(&mut ledger, Slots::All, clock(12, 0), 999)
    };
    for (limit, share) in [(1, 1), (9, 1), (20, 2), (59, 5), (100, 10)] {
        assert_eq!(of(limit, None), share, "{limit}");
    }
    assert_eq!(of(20, Some(7)), 7);
    assert_eq!(of(20, Some(21)), 20, "never more than the quota");
}

#[test]
fn g11_renewal_ahead_leaves_a_fifth_rounded_up() {
    for (limit, ahead) in [
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 3),
        (5, 4),
        (6, 4),
        (10, 8),
        (20, 16),
    ] {
        let mut ledger = ledger(limit);
        let noon = clock(12, 0);
        assert_eq!(
            token_request(&mut ledger, Slots::ButReserve, noon, 99),
            ahead
        );
        let rest = limit as usize - ahead;
        assert_eq!(
            token_request(&mut ledger, Slots::All, noon, 99),
            rest,
            "{limit}"
        );
        // A renewal may start again when so few slots are used that the reserve is whole.
        let mut ledger = self::ledger(limit);
        for minute in 0..limit {
            assert_eq!(
                token_request(&mut ledger, Slots::All, clock(12, minute), 1),
                1
            );
        }
        let whole = match ahead {
            0 => Moment::NEVER,
            _ => clock(13, limit - u32::try_from(ahead).unwrap()),
        };
        assert_eq!(ledger.free_at(Slots::ButReserve), whole, "{limit}");
        // A token request that may fail waits as long, but not without end.
        let doubtful = if limit == 1 { clock(13, 0) } else { whole };
        assert_eq!(ledger.free_at(Slots::Doubtful), doubtful, "{limit}");
        assert_eq!(ledger.free_at(Slots::All), clock(13, 0));
    }
}

#[test]
fn g11_a_failed_token_request_counts_for_a_whole_window() {
    let mut ledger = ledger(1);
    ledger.take(Slots::All, clock(8, 0)).unwrap();
    ledger.close(clock(8, 1), None);
    assert_eq!(ledger.free_at(Slots::All), clock(9, 1));
    assert_eq!(ledger.take(Slots::All, clock(9, 0)), Err(MINUTE));
    assert_eq!(ledger.take(Slots::All, clock(9, 1)), Ok(()));
}

#[test]
fn g11_only_unexpired_tokens_count() {
    for (lifetime, frees) in [
        (10 * MINUTE, clock(8, 10)),
        (HOUR, clock(9, 0)),
        (2 * HOUR, clock(9, 0)),
        (Duration::MAX, clock(9, 0)),
        // A token without lifetime may be counted by the vendor all the same.
        (Duration::ZERO, clock(9, 0)),
    ] {
        let mut ledger = ledger(1);
        ledger.take(Slots::All, clock(7, 59)).unwrap();
        ledger.close(clock(8, 0), Some(lifetime));
        assert_eq!(ledger.free_at(Slots::All), frees, "{lifetime:?}");
    }
}

#[test]
fn g11_token_request_in_progress_holds_a_slot_and_frees_it_once() {
    let mut ledger = ledger(2);
    let noon = clock(12, 0);
    ledger.take(Slots::All, noon).unwrap();
    assert_eq!(ledger.free_at(Slots::All), Moment::PAST);
    assert_eq!(ledger.free_at(Slots::ButReserve), Moment::NEVER);
    ledger.close(noon, None);
    ledger.close(noon, None);
    ledger.close(noon, None);
    assert_eq!(ledger.taken().len(), 1, "one token request, one slot");
    ledger.take(Slots::All, noon).unwrap();
    // It is not known when the token request in progress will free its slot.
    assert_eq!(ledger.free_at(Slots::All), clock(13, 0));
    ledger.close(clock(12, 1), None);
    assert_eq!(ledger.take(Slots::All, noon), Err(HOUR));
}

#[test]
fn free_slot_is_forgotten() {
    let mut ledger = ledger(3);
    for hour in 0..10 {
        assert_eq!(
            token_request(&mut ledger, Slots::All, clock(hour, 0), 99),
            3
        );
        assert_eq!(ledger.taken().len(), 3);
    }
}

impl Ledger {
    /// When each used slot becomes free.
    fn taken(&self) -> &[Moment] {
        let counted = self.counted.as_ref();
        counted.map_or(&[], |counted| &counted.taken)
    }
}

#[test]
fn without_a_quota_there_is_always_a_slot() {
    let mut ledger = Ledger::new(None);
    assert_eq!(
        token_request(&mut ledger, Slots::All, clock(8, 0), 999),
        999
    );
    assert_eq!(
        token_request(&mut ledger, Slots::ButReserve, clock(8, 0), 9),
        9
    );
    assert_eq!(ledger.free_at(Slots::ButReserve), Moment::PAST);
    assert_eq!(ledger.spacing(), None);
    assert!(ledger.taken().is_empty());
}

#[test]
fn waits_are_measured_by_the_monotonic_clock() {
    let mut ledger = ledger(1);
    assert_eq!(token_request(&mut ledger, Slots::All, clock(8, 0), 9), 1);
    let jumped = Moment::new(8 * HOUR + MINUTE, 99 * HOUR);
    assert_eq!(ledger.take(Slots::All, jumped), Err(59 * MINUTE));
    let back = Moment::new(9 * HOUR, Duration::ZERO);
    assert_eq!(ledger.take(Slots::All, back), Ok(()));
}

#[test]
fn a_quota_is_described_spread_and_checked() {
    let quota = Quota::new(20, HOUR).unwrap();
    assert_eq!(quota.describe(), "20 token requests in 3600 s");
    assert_eq!(Ledger::new(Some(quota)).spacing(), Some(3 * MINUTE));
    assert_eq!(quota, Quota::per_hour(NonZeroU32::new(20).unwrap()));
    Quota::new(1, Duration::from_nanos(1)).unwrap();
    for refused in [
        Quota::new(0, HOUR),
        Quota::new(20, Duration::ZERO),
        quota.without_store(0),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.field(), Some("quota"));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Take(bool),
    Close(Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u64..400).prop_map(Step::Pass),
        any::<bool>().prop_map(Step::Take),
        prop::option::of(0_u64..1_500).prop_map(Step::Close),
    ];
    prop::collection::vec(step, 1..80)
}

/// Keeps every token request that was sent, and counts.
#[derive(Debug, Default)]
struct Naive {
    open: bool,
    ends: Vec<u64>,
}

impl Naive {
    fn used(&self, second: u64) -> usize {
        let taken = self.ends.iter().filter(|end| **end > second).count();
        taken + usize::from(self.open)
    }
}

proptest! {
    #[test]
    fn g11_the_ledger_agrees_with_a_ledger_that_keeps_everything(limit in 1_u32..12, steps in steps()) {
        const WINDOW: u64 = 1_000;
        let mut ledger = Ledger::new(Some(Quota::new(limit, Duration::from_secs(WINDOW)).unwrap()));
        let mut naive = Naive::default();
        let mut second = 5_000_u64;
        for step in steps {
            let now = Moment::new(Duration::from_secs(second), Duration::from_secs(second));
            match step {
                Step::Pass(seconds) => second += seconds,
                Step::Take(_) if naive.open => {}
                Step::Take(ahead) => {
                    let (slots, allowed) = if ahead {
                        (Slots::ButReserve, limit as usize * 8 / 10)
                    } else {
                        (Slots::All, limit as usize)
                    };
                    let free = (second..=second + 2 * WINDOW).find(|at| naive.used(*at) < allowed);
                    match ledger.take(slots, now) {
                        Ok(()) => {
                            prop_assert_eq!(free, Some(second));
                            naive.open = true;
                        }
                        Err(wait) if allowed > 0 => {
                            prop_assert_eq!(Some(second + wait.as_secs()), free);
                            prop_assert!(free > Some(second));
                        }
                        Err(_) => prop_assert_eq!(free, None),
                    }
                }
                Step::Close(lifetime) => {
                    ledger.close(now, lifetime.map(Duration::from_secs));
                    if std::mem::take(&mut naive.open) {
                        let lifetime = lifetime.filter(|lifetime| *lifetime > 0).unwrap_or(WINDOW);
                        naive.ends.push(second + lifetime.min(WINDOW));
                    }
                }
            }
            prop_assert!(naive.used(second) <= limit as usize);
            prop_assert!(ledger.taken().len() <= limit as usize);
        }
    }
}

#[test]
fn g19_without_a_quota_nothing_is_kept_of_a_token_request() {
    let mut ledger = Ledger::new(None);
    assert_eq!(ledger.take(Slots::All, clock(8, 0)), Ok(()));
    assert!(!ledger.is_empty(clock(8, 0)));
    ledger.close(clock(8, 1), None);
    assert!(ledger.is_empty(clock(8, 1)));
}

#[test]
fn used_and_allowed_slots_are_counted() {
    assert_eq!(Ledger::new(None).in_use(clock(8, 0)), None);
    let mut ledger = ledger(20);
    assert_eq!(ledger.in_use(clock(8, 0)), Some((0, 20)));
    token_request(&mut ledger, Slots::All, clock(8, 0), 2);
    token_request(&mut ledger, Slots::All, clock(8, 30), 1);
    ledger.take(Slots::All, clock(8, 30)).unwrap();
    let used = ledger.in_use(clock(8, 30));
    assert_eq!(used, Some((4, 20)), "one token request is in progress");
    assert_eq!(ledger.in_use(clock(9, 0)), Some((2, 20)), "two are free");
}
