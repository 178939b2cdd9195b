use proptest::{option::of, prelude::*};

use super::*;
use crate::machine::memory::is_shared;

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

fn key() -> Key {
    Key::builder("example").client("a").build()
}

fn secret_text() -> impl Strategy<Value = Secret> {
    ".{1,8}".prop_map(Secret::new)
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..300_000).prop_map(MILLIS),
        any::<u64>().prop_map(MILLIS)
    ]
}

fn prints() -> impl Strategy<Value = Prints> {
    prop::collection::vec(any::<u64>(), 0..6).prop_map(|bits| {
        let mut prints = Prints::default();
        bits.into_iter()
            .for_each(|bits| prints.add(Print::new(bits)));
        prints
    })
}

prop_compose! {
    fn kept()(
        secret in secret_text(),
        scope in of(".{0,8}"),
        left in time(),
        lifetime in time(),
        number: u64,
    ) -> Kept {
        Kept { number, secret, scope, left, lifetime }
    }
}

prop_compose! {
    fn pause()(
        (owner, message, code) in (".{0,8}", ".{0,8}", of(".{0,8}")),
        (left, yields) in (time(), time()),
        credentials in of(any::<u16>()),
        kind in prop::sample::select(&KINDS[..]),
        outcome in prop::sample::select(&OUTCOMES[..]),
        rejected in of(prop::sample::select(&PARTS[..])),
        status in of(100..1000_u16),
        number: u64,
    ) -> Pause {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let (kind, outcome) = (kind.0, outcome.0);
        let rejected = rejected.map(|part| part.0);
        Pause { number, owner, left, yields, credentials, kind, outcome, rejected, message, code, status }
    }
}

fn row() -> impl Strategy<Value = Row> {
    (prop::sample::select(&FAILURES[..]), any::<u32>()).prop_map(|(failure, times)| Row {
        failure: failure.0,
        times,
    })
}

fn refusals() -> impl Strategy<Value = SharedRefusals> {
    (any::<u32>(), time(), time(), time()).prop_map(|(row, left, forget, repeats)| SharedRefusals {
        row,
        left,
        forget,
        repeats,
    })
}

prop_compose! {
    fn record()(
        token in of(kept()),
        (refused, spent, failed_by) in (prints(), prints(), prints()),
        refresh in of((secret_text(), any::<u32>(), any::<bool>())),
        pause in of(pause()),
        failing_for in of(time()),
        row in of(row()),
        refusals in of(refusals()),
        claim in of((any::<u64>(), time())),
    ) -> Record {
        let refresh = refresh.map(|(secret, uncertain, is_first)| Refresh { secret, uncertain, is_first });
        let claim = claim.map(|(number, left)| Claim { number, left });
        Record { token, refused, refresh, spent, pause, failing_for, row, failed_by, refusals, claim }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        let bytes = record.encode(&key());
        let read = Record::decode(&key(), &bytes);
        prop_assert_eq!(read.as_ref(), Some(&record));
        prop_assert!(bytes.len() <= MAGIC.len() + 8 + record.size(), "the buffer grew");
    }

    #[test]
    fn t27_nothing_of_another_key_is_read(record in record(), client in "[ab]{0,3}") {
        let other = Key::builder("example").client(&client).build();
        let read = Record::decode(&other, &record.encode(&key()));
        prop_assert_eq!(read.is_some(), client == "a");
    }

    #[test]
    fn g16_nothing_cut_or_longer_is_read(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = record.encode(&key());
        let cut = cut.index(bytes.len());
        prop_assert!(Record::decode(&key(), &bytes[..cut]).is_none());
        let longer = [&bytes[..], b"x"].concat();
        prop_assert!(Record::decode(&key(), &longer).is_none());
    }

    #[test]
    fn g16_bytes_are_nothing_or_what_a_record_is_written_as(
        record in record(),
        // A range of bytes is copied over another one.
        (from, to, length) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..17),
        // Or one byte is changed.
        (at, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        flips: bool,
    ) {
        let mut bytes = record.encode(&key()).to_vec();
        let all = bytes.len();
        if flips { bytes[at.index(all)] = byte } else {
            let run: Vec<_> = bytes.iter().copied().skip(from.index(all)).take(length).collect();
            let to = to.index(all);
            let room = run.len().min(all - to);
            bytes[to..to + room].copy_from_slice(&run[..room]);
        }
        if let Some(read) = Record::decode(&key(), &bytes) {
            prop_assert_eq!(&read.encode(&key())[..], &bytes[..]);
        }
    }

    #[test]
    fn g16_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        for bytes in [bytes.clone(), [MAGIC, &bytes].concat()] {
            if let Some(read) = Record::decode(&key(), &bytes) {
                prop_assert_eq!(&read.encode(&key())[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn g20_nothing_is_kept_longer_by_ageing(record in record(), age in time()) {
        let young = record.clone();
        let old = record.aged(age);
        let left = |record: &Record| record.token.as_ref().map(|token| token.left);
        let pause = |record: &Record| record.pause.as_ref().map(|pause| pause.left);
        let refusals = |record: &Record| record.refusals.map(|refusals| refusals.left);
        prop_assert!(left(&old) <= left(&young));
        prop_assert!(pause(&old) <= pause(&young));
        prop_assert!(refusals(&old) <= refusals(&young));
        prop_assert!(old.time_to_live() <= young.time_to_live());
        // What the API refused and what is used up is not forgotten with time.
        prop_assert_eq!((&old.refused, &old.spent, &old.refresh), (&young.refused, &young.spent, &young.refresh));
    }

    #[test]
    fn g20_a_time_is_over_when_it_has_passed(record in record(), age in time()) {
        let old = record.clone().aged(age);
        let over = |left: Duration| left <= age;
        prop_assert_eq!(old.token.is_some(), record.token.is_some_and(|token| !over(token.left)));
        prop_assert_eq!(old.pause.is_some(), record.pause.is_some_and(|pause| !over(pause.left)));
    }
}

#[test]
fn g16_a_fingerprint_that_is_there_twice_is_not_read() {
    let mut record = Record::default();
    record.refused.add(Print::new(1));
    record.refused.add(Print::new(2));
    let bytes = record.encode(&key());
    let one: Vec<_> = 1_u64.to_be_bytes().to_vec();
    let two: Vec<_> = 2_u64.to_be_bytes().to_vec();
    let pair = [two.clone(), one].concat();
    let at = bytes.windows(16).position(|run| run == pair).unwrap();
    let mut twice = bytes.to_vec();
    twice[at + 8..at + 16].copy_from_slice(&two);
    assert_eq!(Record::decode(&key(), &twice), None);
}

#[test]
fn a_failure_is_told_as_it_was() {
    let error = Error::new(ErrorKind::Throttled, "too many")
        .with_code("slow_down")
        .with_status(StatusCode::TOO_MANY_REQUESTS);
    let pause = Pause::new(1, "a", Duration::from_secs(90), None, &error);
    let told = pause.error();
    assert_eq!(told.to_string(), "too many; next attempt in 90 s");
    assert_eq!(told.kind(), ErrorKind::Throttled);
    assert_eq!(told.code(), Some("slow_down"));
    assert_eq!(told.status(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert!(pause.is_from_vendor());
}

#[test]
fn pause_of_the_vendor_differs_from_a_failure_of_one_process() {
    let new = |kind| Error::new(kind, "fake");
    for (error, is_from_vendor) in [
        (new(ErrorKind::Throttled), true),
        (new(ErrorKind::Quota), true),
        (new(ErrorKind::Rejected), true),
        (new(ErrorKind::TimedOut), false),
        (new(ErrorKind::Protocol), false),
        (
            new(ErrorKind::Unavailable).with_outcome(TokenRequestOutcome::NotSent),
            false,
        ),
    ] {
        let pause = Pause::new(1, "a", Duration::from_secs(1), None, &error);
        assert_eq!(pause.is_from_vendor(), is_from_vendor, "{error:?}");
    }
}

#[test]
fn g16_a_scope_that_is_too_long_is_neither_written_nor_read() {
    assert_eq!(kept_scope("read write").as_deref(), Some("read write"));
    let longest = "s".repeat(LONGEST_SCOPE);
    assert_eq!(kept_scope(&longest).as_ref(), Some(&longest));
    assert_eq!(kept_scope(&format!("{longest}s")), None);
    let of = |scope: &str| Record {
        token: Some(Kept {
            number: 1,
            secret: Secret::new("fake-token-1"),
            scope: Some(scope.to_owned()),
            left: Duration::from_secs(60),
            lifetime: Duration::from_secs(60),
        }),
        ..Record::default()
    };
    let read = |record: &Record| Record::decode(&key(), &record.encode(&key()));
    assert_eq!(read(&of(&longest)), Some(of(&longest)));
    assert_eq!(read(&of(&format!("{longest}s"))), None);
}

#[test]
fn g18_the_buffer_of_a_record_is_large_enough_and_no_larger() {
    let long = |character: &str| character.repeat(1000);
    let prints = || {
        let mut prints = Prints::default();
        (0..Prints::MOST as u64).for_each(|number| prints.add(Print::new(number)));
        prints
    };
    let error = Error::new(ErrorKind::Unavailable, long("e"))
        .with_code(long("c"))
        .with_outcome(TokenRequestOutcome::NotUnderstood)
        .with_rejected_part(RejectedPart::SecondFactor);
    let record = Record {
        token: Some(Kept {
            number: 1,
            secret: Secret::from(long("t")),
            scope: Some(long("s")),
            left: MILLIS(1),
            lifetime: MILLIS(1),
        }),
        refused: prints(),
        refresh: Some(Refresh {
            secret: Secret::from(long("r")),
            uncertain: 1,
            is_first: true,
        }),
        spent: prints(),
        pause: Some(Pause::new(1, &long("o"), MILLIS(1), Some(1), &error)),
        failing_for: Some(MILLIS(1)),
        row: Some(Row {
            failure: Failure::Rejected(RejectedPart::SecondFactor),
            times: 1,
        }),
        failed_by: prints(),
        refusals: Some(SharedRefusals {
            row: 1,
            left: MILLIS(1),
            forget: MILLIS(1),
            repeats: MILLIS(1),
        }),
        claim: Some(Claim {
            number: 1,
            left: MILLIS(1),
        }),
    };
    let written = record.encode(&key()).len();
    let size = MAGIC.len() + 8 + record.size();
    assert!(
        (written..written + 250).contains(&size),
        "{size} for {written}"
    );
    let written = Record::default().encode(&key()).len();
    let size = MAGIC.len() + 8 + Record::default().size();
    assert!(
        (written..written + 480).contains(&size),
        "{size} for {written}"
    );
}

#[test]
fn failures_that_processes_share_have_a_name() {
    for part in PARTS.map(|(part, _)| part) {
        let failure = Failure::Rejected(part);
        let is_named = FAILURES.iter().any(|(named, _)| *named == failure);
        assert_eq!(is_named, is_shared(failure), "{failure:?}");
    }
    use Failure::{
        NotSent, NotUnderstood, OwnQuota, Quota, SameToken, Throttled, Unknown, Wordless,
    };
    for failure in [
        NotSent,
        Unknown,
        NotUnderstood,
        Wordless,
        Throttled,
        Quota,
        OwnQuota,
        SameToken,
    ] {
        let is_named = FAILURES.iter().any(|(named, _)| *named == failure);
        assert_eq!(is_named, is_shared(failure), "{failure:?}");
    }
}

#[test]
fn an_outage_is_forgotten_two_minutes_after_the_pause_and_a_row_of_failures_after_an_hour() {
    let pause = Pause::new(
        1,
        "a",
        MILLIS(5_000),
        None,
        &Error::new(ErrorKind::TimedOut, "fake"),
    );
    let row = Some(Row {
        failure: Failure::Unknown,
        times: 3,
    });
    for (pause, last) in [(Some(pause), 125_000), (None, 120_000)] {
        let mut failed_by = Prints::default();
        failed_by.add(Print::new(1));
        let record = Record {
            pause,
            failing_for: Some(MILLIS(1_000)),
            row,
            failed_by: failed_by.clone(),
            ..Record::default()
        };
        let then = record.clone().aged(MILLIS(last));
        assert_eq!(then.failing_for, Some(MILLIS(1_000 + last)));
        assert_eq!((then.row, then.failed_by), (row, failed_by));
        let later = record.clone().aged(MILLIS(last + 1));
        let kept = Record {
            row,
            ..Record::default()
        };
        assert_eq!(later, kept);
        // An hour after the pause.
        let last = last - 120_000 + 3_600_000;
        assert_eq!(record.clone().aged(MILLIS(last)), kept);
        assert_eq!(record.clone().aged(MILLIS(last + 1)), Record::default());
        if record.pause.is_some() {
            assert_eq!(record.time_to_live(), MILLIS(last));
        }
    }
}

#[test]
fn g07_a_refused_token_is_kept_in_mind_for_a_day() {
    let mut refused = Prints::default();
    refused.add(Print::new(1));
    let record = Record {
        refused,
        ..Record::default()
    };
    assert_eq!(record.time_to_live(), Duration::from_secs(86_400));
}

#[test]
fn g17_what_is_known_of_refresh_tokens_is_kept_for_more_than_a_year() {
    let mut spent = Prints::default();
    spent.add(Print::new(1));
    let refresh = Refresh {
        secret: Secret::from("fake-refresh-1"),
        uncertain: 0,
        is_first: false,
    };
    let spent = Record {
        spent,
        ..Record::default()
    };
    let refresh = Record {
        refresh: Some(refresh),
        ..Record::default()
    };
    for record in [spent, refresh] {
        // 400 days.
        assert_eq!(record.time_to_live(), Duration::from_secs(34_560_000));
    }
    assert_eq!(Record::default().time_to_live(), Duration::ZERO);
}
