use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{Error, ErrorKind, RejectedPart};

const LATEST: Jitter = Jitter(0);
const NOON: Duration = Duration::from_secs(43_200);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Moment {
    Moment::new(NOON + secs(seconds), NOON + secs(seconds))
}

fn version(epoch: u64, random: u64) -> EntryVersion {
    EntryVersion::new(u128::from(epoch) << 64 | u128::from(random))
}

/// A record with a unique pause.
fn record(failed_by: &[&str], owner: &str, left: u64, kind: ErrorKind) -> Record {
    static NUMBER: AtomicU64 = AtomicU64::new(1_000);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut pause = Pause::new(number, owner, secs(left), None, &Error::new(kind, "fake"));
    if !pause.is_from_vendor() {
        pause.yields = YIELD;
    }
    let mut record = Record {
        pause: Some(pause),
        ..Record::default()
    };
    if let Some(pause) = record
        .pause
        .as_mut()
        .filter(|pause| !pause.is_from_vendor())
    {
        pause.yields = YIELD.min(pause.left / 2);
    }
    for owner in failed_by {
        record.failed_by.add(Print::of_text(owner));
    }
    record
}

fn obeys(memory: &mut Memory, record: &Record, now: u64) -> Option<u64> {
    let pause = record.pause.clone().unwrap();
    let wait = memory.obeys(&Rules::example(), record, &pause, at(now));
    wait.map(|wait| wait.as_secs())
}

#[test]
fn g16_an_entry_that_is_older_than_one_before_is_outdated() {
    let mut memory = Memory::new(None);
    assert!(!memory.is_outdated(version(1, 0)));
    memory.see(version(5, 9));
    assert!(memory.is_outdated(version(4, 99)));
    assert!(!memory.is_outdated(version(5, 1)));
    memory.see(version(3, 0));
    assert!(memory.is_outdated(version(4, 0)), "the highest is kept");
    assert_eq!(memory.later_than(None), Some(version(5, 9)));
    assert_eq!(memory.later_than(Some(version(4, 0))), Some(version(5, 9)));
    assert_eq!(memory.later_than(Some(version(6, 0))), Some(version(6, 0)));
}

#[test]
fn unsaved_record_counts_while_the_entry_to_replace_is_stored() {
    let mut memory = Memory::new(None);
    let unsaved = record(&[], "me", 50, ErrorKind::Throttled);
    memory.keep_unsaved(Some(version(5, 1)), unsaved, at(0));
    let found = memory.unsaved(Some(version(5, 1)), at(20)).unwrap();
    assert_eq!(found.pause.map(|pause| pause.left), Some(secs(30)));
    assert!(memory.unsaved(Some(version(5, 1)), at(20)).is_some());
    // Another process has written, and all that was kept is over.
    assert_eq!(memory.unsaved(Some(version(6, 1)), at(21)), None);
    assert_eq!(memory.unsaved(Some(version(5, 1)), at(22)), None);
    memory.keep_unsaved(Some(version(5, 1)), Record::default(), at(0));
    assert_eq!(memory.unsaved(None, at(1)), None, "the store was emptied");
}

#[test]
fn t16_stored_pause_of_the_vendor_is_obeyed_like_the_vendor() {
    let mut memory = Memory::new(None);
    let throttled = record(&[], "other", 100, ErrorKind::Throttled);
    assert_eq!(obeys(&mut memory, &throttled, 0), Some(100));
    let absurd = numbered(2, 999_999);
    assert_eq!(obeys(&mut memory, &absurd, 1), Some(3_600));
    // A store that returns the same pause repeatedly is not obeyed for longer.
    assert_eq!(obeys(&mut memory, &absurd, 3_600), Some(1));
    assert_eq!(obeys(&mut memory, &absurd, 3_601), None);
    memory.asked();
    assert_eq!(obeys(&mut memory, &absurd, 3_602), None);
}

#[test]
fn s29f_each_new_retry_after_is_obeyed_however_many_came_before() {
    let mut memory = Memory::new(None);
    // Another process sends a token request each time the pause is over, for five hours.
    for (number, begins) in (1..).zip((0..18_000).step_by(1_000)) {
        let pause = numbered(number, 1_000);
        assert_eq!(obeys(&mut memory, &pause, begins), Some(1_000), "{begins}");
        let later = pause.aged(secs(900));
        assert_eq!(obeys(&mut memory, &later, begins + 900), Some(100));
    }
}

#[test]
fn g20f_a_store_whose_clock_was_set_back_lengthens_no_back_off() {
    let mut memory = Memory::new(None);
    let pause = numbered(1, 100);
    assert_eq!(obeys(&mut memory, &pause, 0), Some(100));
    // The store says after 90 s that the entry is 20 s old.
    let younger = pause.clone().aged(secs(20));
    assert_eq!(obeys(&mut memory, &younger, 90), Some(10));
    assert_eq!(obeys(&mut memory, &younger, 100), None);
    // An entry that was older than this process knew ends earlier, and stays so.
    let mut memory = Memory::new(None);
    assert_eq!(obeys(&mut memory, &pause, 0), Some(100));
    assert_eq!(
        obeys(&mut memory, &pause.clone().aged(secs(50)), 1),
        Some(50)
    );
    assert_eq!(obeys(&mut memory, &pause, 2), Some(49));
}

/// The vendor's `number`-th pause, told to another process.
fn numbered(number: u64, left: u64) -> Record {
    let mut record = record(&[], "other", left, ErrorKind::Throttled);
    if let Some(pause) = &mut record.pause {
        pause.number = number;
    }
    record
}

#[test]
fn t16_failure_of_one_process_delays_the_others_for_five_seconds() {
    let mut memory = Memory::new(None);
    let one = record(&["other"], "other", 60, ErrorKind::TimedOut);
    assert_eq!(obeys(&mut memory, &one, 0), Some(5));
    assert_eq!(obeys(&mut memory, &one, 3), Some(2));
    assert_eq!(obeys(&mut memory, &one, 5), None);
    // Two processes that fail are no coincidence.
    let two = record(&["other", "third"], "other", 60, ErrorKind::TimedOut);
    assert_eq!(obeys(&mut memory, &two, 6), Some(58));
}

#[test]
fn those_that_failed_go_last() {
    let mut memory = Memory::new(None);
    let others = record(&["other", "third"], "other", 10, ErrorKind::TimedOut);
    assert_eq!(obeys(&mut memory, &others, 0), Some(8));
    let me_too = record(&["other", "me"], "other", 10, ErrorKind::TimedOut);
    assert_eq!(obeys(&mut memory, &me_too, 0), Some(10));
    // No process waits for the last moment.
    let pause = Pause {
        left: LAST_MOMENT,
        ..me_too.pause.clone().unwrap()
    };
    assert_eq!(
        memory.obeys(&Rules::example(), &me_too, &pause, at(1)),
        None
    );
}

#[test]
fn g16_store_that_fails_is_asked_later_each_time() {
    let mut memory = Memory::new(None);
    let mut now = 0;
    for pause in [1, 2, 4, 4, 4] {
        assert!(!memory.store_is_paused(at(now)));
        memory.store_failed(at(now), LATEST);
        assert!(memory.store_is_paused(at(now + pause - 1)));
        now += pause;
    }
    memory.store_answered();
    assert!(!memory.store_is_paused(at(now)));
    memory.store_failed(at(now), LATEST);
    assert!(!memory.store_is_paused(at(now + 1)));
}

#[test]
fn failures_of_one_process_only_are_not_shared() {
    for failure in [Failure::NotSent, Failure::OwnQuota, Failure::SameToken] {
        assert!(!is_shared(failure), "{failure:?}");
    }
    for failure in [
        Failure::Unknown,
        Failure::NotUnderstood,
        Failure::Wordless,
        Failure::Throttled,
        Failure::Quota,
        Failure::Rejected(RejectedPart::Credentials),
    ] {
        assert!(is_shared(failure), "{failure:?}");
    }
}

#[test]
fn cleared_rejections_are_remembered_until_the_next_token_request() {
    let mut memory = Memory::new(None);
    memory.forget_rejections();
    assert!(memory.ignores_rejections());
    memory.asked();
    assert!(!memory.ignores_rejections());
}

#[test]
fn g19_a_memory_with_refresh_tokens_is_kept_when_the_key_is_evicted() {
    let mut memory = Memory::new(None);
    assert!(!memory.keeps_refresh_tokens());
    memory.stored.spent.add(Print::of_text("fake-refresh-1"));
    assert!(memory.keeps_refresh_tokens());
    let mut memory = Memory::new(None);
    memory.keep_unsaved(None, Record::default(), at(0));
    assert!(memory.keeps_refresh_tokens());
    assert!(!memory.has_unsaved_refresh_token());
    memory.keep_unsaved(None, with_refresh_token(), at(0));
    assert!(memory.has_unsaved_refresh_token());
    memory.forget_unsaved();
    assert!(!memory.keeps_refresh_tokens() && !memory.has_unsaved_refresh_token());
}

fn with_refresh_token() -> Record {
    Record {
        refresh: Some(crate::machine::record::Refresh {
            secret: "fake-refresh-1".into(),
            uncertain: 0,
            is_first: false,
        }),
        ..Record::default()
    }
}

#[test]
fn g19_a_key_is_not_at_rest_while_its_store_is_paused_or_its_share_is_used() {
    let quota = Quota::new(10, secs(60)).unwrap();
    let mut memory = Memory::new(Some(quota));
    assert!(memory.is_at_rest(at(0)));
    memory.store_failed(at(0), LATEST);
    assert!(!memory.is_at_rest(at(0)));
    assert!(memory.is_at_rest(at(1)));
    assert_eq!(memory.take_share(at(1)), Ok(()));
    assert!(!memory.is_at_rest(at(1)));
    memory.close_share(at(2), None);
    assert!(!memory.is_at_rest(at(61)));
    assert!(memory.is_at_rest(at(62)));
    assert!(Memory::new(None).is_at_rest(at(0)));
}

#[test]
fn g16_a_store_is_failing_until_it_answers() {
    let mut memory = Memory::new(None);
    assert!(!memory.store_is_failing());
    for _ in 0..2 {
        memory.store_failed(at(0), LATEST);
        assert!(memory.store_is_failing());
    }
    memory.store_answered();
    assert!(!memory.store_is_failing());
}

#[test]
fn g16_pauses_of_the_store_are_shortened_by_up_to_half() {
    let earliest = Jitter(u32::MAX);
    let mut memory = Memory::new(None);
    memory.store_failed(at(0), earliest);
    let after = |millis| at(0) + Duration::from_millis(millis);
    assert!(memory.store_is_paused(after(499)));
    assert!(!memory.store_is_paused(after(501)));
    for (jitter, pause) in [(LATEST, 60), (earliest, 30)] {
        let mut memory = Memory::new(None);
        memory.store_denied(at(0), jitter);
        assert!(memory.store_is_paused(at(pause - 1)), "{pause}");
        assert!(!memory.store_is_paused(at(pause + 1)), "{pause}");
        assert!(!memory.store_is_failing());
    }
}

#[test]
fn g11_a_share_allows_a_tenth_of_the_quota() {
    let quota = Quota::new(20, secs(60)).unwrap();
    let mut memory = Memory::new(Some(quota));
    for now in [0, 1] {
        assert_eq!(memory.take_share(at(now)), Ok(()));
        memory.close_share(at(now), None);
    }
    assert_eq!(memory.take_share(at(2)), Err(secs(58)));
    // A slot is given back if no token request is sent.
    let mut memory = Memory::new(Some(quota));
    for _ in 0..5 {
        assert_eq!(memory.take_share(at(0)), Ok(()));
        memory.cancel_share();
    }
    assert_eq!(memory.take_share(at(0)), Ok(()));
    memory.close_share(at(0), Some(secs(10)));
    assert!(!memory.is_at_rest(at(9)) && memory.is_at_rest(at(10)));
}

#[test]
fn g11_slots_that_the_account_lacks_are_added_once_and_forgotten_when_they_are_free() {
    let quota = Quota::new(20, secs(60)).unwrap();
    let mut memory = Memory::new(Some(quota));
    let pays = |memory: &Memory, now: u64| {
        let mut account = Account::default();
        let pays = memory.pay(&mut account, at(now));
        assert_eq!(pays, account.len() > 0);
        assert_eq!(pays, memory.owes(at(now)));
        let times = account
            .times()
            .map(|(number, frees_in)| (number, frees_in.as_secs()));
        times.collect::<Vec<_>>()
    };
    assert_eq!(pays(&memory, 0), []);
    memory.owe(1, at(60), at(0));
    memory.owe(2, at(90), at(30));
    assert_eq!(pays(&memory, 30), [(1, 30), (2, 60)]);
    assert_eq!(pays(&memory, 60), [(2, 30)]);
    memory.owe(3, at(130), at(70));
    assert_eq!(memory.share.as_ref().map(|share| share.owed.len()), Some(2));
    memory.paid();
    assert_eq!(pays(&memory, 70), []);
    // Without a quota there are no slots.
    let mut memory = Memory::new(None);
    memory.owe(1, at(60), at(0));
    assert_eq!(pays(&memory, 0), []);
}

#[test]
fn g07_missing_facts_are_written_when_the_store_is_asked_again_or_in_a_second() {
    let mut memory = Memory::new(Some(Quota::new(20, secs(60)).unwrap()));
    assert_eq!(memory.settle_at(at(0)), None);
    assert!(!memory.has_to_settle(at(0)));
    memory.owe(1, at(60), at(0));
    assert_eq!(memory.settle_at(at(5)), Some(at(6)));
    assert!(memory.has_to_settle(at(59)) && !memory.has_to_settle(at(60)));
    memory.store_failed(at(5), LATEST);
    memory.store_failed(at(5), LATEST);
    assert_eq!(memory.settle_at(at(5)), Some(at(7)));
    memory.refused.add(Print::of_text("fake-token-1"));
    assert!(memory.has_to_settle(at(60)));
}

#[test]
fn g03_a_lease_is_doubted_until_one_is_granted() {
    let mut memory = Memory::new(None);
    assert!(!memory.doubts_lease());
    memory.doubt_lease();
    assert!(memory.doubts_lease());
    memory.trust_lease();
    assert!(!memory.doubts_lease());
}

#[test]
fn t16_failure_of_this_process_is_obeyed_in_full() {
    let mut memory = Memory::new(None);
    let mine = record(&["me"], "me", 60, ErrorKind::TimedOut);
    assert_eq!(obeys(&mut memory, &mine, 0), Some(60));
    assert_eq!(obeys(&mut memory, &mine, 6), Some(54));
}

#[test]
fn g05_others_are_obeyed_without_an_own_token_request_as_long_as_a_vendor_is() {
    let mut memory = Memory::new(None);
    let failure = |left| record(&["other", "third"], "other", left, ErrorKind::TimedOut);
    let longest = 3_600;
    assert_eq!(obeys(&mut memory, &failure(12), 0), Some(10));
    assert_eq!(obeys(&mut memory, &failure(12), longest), Some(10));
    assert_eq!(obeys(&mut memory, &failure(12), longest + 1), None);
    memory.asked();
    assert_eq!(obeys(&mut memory, &failure(12), longest + 2), Some(10));
}
