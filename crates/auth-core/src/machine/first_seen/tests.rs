use super::*;
use crate::{Credentials, Secret, machine::record::Kept, secret::rejections::Counted};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Moment {
    Moment::new(secs(1000 + seconds), secs(1_700_000_000 + seconds))
}

fn version(number: u64) -> EntryVersion {
    EntryVersion::new(u128::from(number) << 64)
}

fn record(number: u64, left: u64) -> Record {
    Record {
        token: Some(Kept {
            number,
            secret: Secret::from("fake-token-1"),
            scope: None,
            left: secs(left),
            lifetime: secs(3600),
        }),
        ..Record::default()
    }
}

fn left(record: &Record) -> Option<u64> {
    record.token.as_ref().map(|token| token.left.as_secs())
}

#[test]
fn g20f_an_entry_becomes_no_younger() {
    let mut seen = FirstSeen::NOTHING;
    let first = seen.record(version(1), record(1, 100), secs(10), at(0));
    assert_eq!(left(&first), Some(100));
    // The store says after 30 s that the entry is 10 s old, and has its parts accordingly.
    let same = seen.record(version(1), record(1, 100), secs(10), at(30));
    assert_eq!(left(&same), Some(70));
    // A new entry with the same token: the token is as old as it was.
    let next = seen.record(version(2), record(1, 100), secs(0), at(40));
    assert_eq!(left(&next), Some(60));
    // Another token.
    let other = seen.record(version(3), record(2, 100), secs(0), at(50));
    assert_eq!(left(&other), Some(100));
    // What is over is dropped.
    let over = seen.record(version(3), record(2, 100), secs(0), at(150));
    assert_eq!(left(&over), None);
}

#[test]
fn g20f_an_entry_that_is_older_than_expected_stays_so() {
    let mut seen = FirstSeen::NOTHING;
    seen.record(version(1), record(1, 100), secs(0), at(0));
    let older = seen.record(version(1), record(1, 40), secs(60), at(1));
    assert_eq!(left(&older), Some(40));
    let same = seen.record(version(1), record(1, 100), secs(0), at(2));
    assert_eq!(left(&same), Some(39));
}

#[test]
fn g20f_what_this_process_wrote_is_known_when_it_is_read() {
    let mut seen = FirstSeen::NOTHING;
    seen.note_record(version(1), &record(1, 100), at(0));
    let read = seen.record(version(1), record(1, 100), secs(0), at(30));
    assert_eq!(left(&read), Some(70));
    // The age of the entry is known without a token too.
    let pause = || Record {
        failing_for: Some(secs(1)),
        ..Record::default()
    };
    seen.note_record(version(2), &pause(), at(30));
    let read = seen.record(version(2), pause(), secs(0), at(40));
    assert_eq!(read.failing_for, Some(secs(11)));
}

#[test]
fn g20f_a_second_note_of_the_same_changes_nothing() {
    let mut seen = FirstSeen::NOTHING;
    seen.note_record(version(1), &record(1, 100), at(0));
    seen.note_record(version(1), &record(1, 100), at(20));
    let read = seen.record(version(1), record(1, 100), secs(0), at(30));
    assert_eq!(left(&read), Some(70));
}

fn slots(account: &mut Account) -> Vec<(u64, u64)> {
    let times = account.times();
    times
        .map(|(number, frees_in)| (number, frees_in.as_secs()))
        .collect()
}

#[test]
fn g20f_no_slot_becomes_free_later_than_it_was_to() {
    let mut seen = FirstSeen::NOTHING;
    let stored = || {
        let mut account = Account::default();
        account.put(1, secs(100));
        account.put(2, secs(50));
        account
    };
    let mut account = stored();
    seen.account(&mut account, at(0));
    assert_eq!(slots(&mut account), [(1, 100), (2, 50)]);
    account.put(3, secs(80));
    seen.note_account(&mut account, at(0));
    let mut again = stored();
    again.put(3, secs(80));
    seen.account(&mut again, at(60));
    assert_eq!(slots(&mut again), [(1, 40), (2, 0), (3, 20)]);
}

#[test]
fn g20f_rejected_logins_become_no_younger() {
    let id = Credentials::lockable(&["me"], [Secret::from("fake-secret-1")]);
    let id = id.id().expect("an identity");
    let mut logins = Logins::default();
    logins.reject(id, Counted::Credentials);
    let age = |logins: &mut Logins| logins.ages().next().map(|(_, age)| age.as_secs());
    let mut seen = FirstSeen::NOTHING;
    seen.note_logins(&mut logins, at(0));
    let mut read = logins.clone();
    seen.logins(&mut read, at(30));
    assert_eq!(age(&mut read), Some(30));
    let mut again = logins.clone();
    seen.logins(&mut again, at(45));
    assert_eq!(age(&mut again), Some(45));
    // A store that says more is believed.
    let mut older = logins.aged(secs(500));
    seen.logins(&mut older, at(50));
    assert_eq!(age(&mut older), Some(500));
}

#[test]
fn a_bounded_number_of_slots_is_kept_in_mind() {
    let mut ends = Ends(Vec::new());
    let many = || (0..MOST as u64 + 10).map(|number| (number, secs(number + 1)));
    ends.note(many(), at(0));
    assert_eq!(ends.0.len(), MOST);
    let mut lefts: Vec<_> = many().collect();
    let times = lefts.iter_mut().map(|(number, left)| (*number, left));
    ends.hold(times, at(0));
    assert_eq!(ends.0.len(), MOST);
    ends.hold(std::iter::empty(), at(0));
    assert_eq!(ends.0.len(), 0);
}
