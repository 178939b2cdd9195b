use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::{
    Credentials, RejectedPart, TokenRequestOutcome,
    machine::{
        memory::Memory,
        orders::{Draw, Rules},
        serving::{Action, Event, Failed, State},
    },
    policy::Jitter,
};

const TEXT: &str = "fake-token-1";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn now() -> Moment {
    Moment::new(secs(1000), secs(1_700_000_000))
}

/// One process, for single calls of the rules.
struct Process {
    rules: Rules,
    memory: Memory,
}

impl Process {
    fn new() -> Self {
        Self {
            rules: Rules {
                policy: RefreshPolicy::default().into(),
                quota: None,
                shares: true,
                keeps_refresh_tokens: true,
                needs_refresh_token: false,
                owner: "me".into(),
            },
            memory: Memory::new(None),
        }
    }

    fn cx(&mut self) -> Cx<'_> {
        Cx {
            rules: &self.rules,
            memory: &mut self.memory,
            now: now(),
            draw: Draw {
                jitter: Jitter(0),
                number: 7,
            },
        }
    }

    fn adopts(&mut self, record: &Record, start: &Start) -> bool {
        adopt(&self.cx(), record, start).is_some()
    }

    fn obeys(&mut self, record: &Record, own: Option<&Own>, reason: TokenRequestReason) -> bool {
        obey(&mut self.cx(), record, own, &Start::example(reason)).is_some()
    }
}

/// A token that is valid for `left` seconds, and may be sent for 60 s less.
fn with_token(left: u64) -> Record {
    Record {
        token: Some(Kept {
            number: 1,
            secret: Secret::from(TEXT),
            scope: Some("a b".into()),
            left: secs(left),
            lifetime: secs(3600),
        }),
        ..Record::default()
    }
}

fn own(secret: &str) -> Own {
    Own {
        id: Credentials::new(&["fake-client"], [Secret::from(secret)]).id(),
        lockable: false,
        first: Ok(None),
        forbidden: None,
    }
}

fn refresh(text: &str) -> Refresh {
    Refresh {
        secret: Secret::from(text),
        uncertain: 0,
        is_first: false,
    }
}

const REASONS: [TokenRequestReason; 3] = [
    TokenRequestReason::Needed,
    TokenRequestReason::Ahead,
    TokenRequestReason::Refused,
];

// --- adopt ---

#[test]
fn g03_a_stored_token_is_taken_with_its_age_and_scope() {
    let mut process = Process::new();
    let start = Start::example(TokenRequestReason::Needed);
    let (token, age) = adopt(&process.cx(), &with_token(3000), &start).expect("it is valid");
    assert_eq!(token.secret().expose(), TEXT);
    assert_eq!(token.lifetime(), Some(secs(3600)));
    assert_eq!(token.granted_scope(), Some("a b"));
    assert_eq!(age, secs(600));
}

#[test]
fn g03_the_cached_token_is_taken_again_only_by_callers_that_have_none() {
    for reason in REASONS {
        let mut process = Process::new();
        assert!(process.adopts(&with_token(3000), &Start::example(reason)));
        process.memory.current = Some(Print::of_text(TEXT));
        let is_taken = reason == TokenRequestReason::Needed;
        let taken = process.adopts(&with_token(3000), &Start::example(reason));
        assert_eq!(taken, is_taken, "{reason:?}");
    }
}

#[test]
fn g02_a_stored_token_must_be_valid_for_longer_than_the_cached_one() {
    for (beyond, left, is_taken) in [
        (0, 61, true),
        (0, 60, false),
        (100, 160, false),
        (100, 161, true),
    ] {
        let start = Start {
            beyond: secs(beyond),
            ..Start::example(TokenRequestReason::Ahead)
        };
        let taken = Process::new().adopts(&with_token(left), &start);
        assert_eq!(taken, is_taken, "{beyond}, {left}");
    }
}

#[test]
fn g07_a_refused_token_is_not_taken_if_the_process_or_the_record_knows_of_it() {
    let start = Start::example(TokenRequestReason::Needed);
    let mut process = Process::new();
    process.memory.refused.add(Print::of_text(TEXT));
    assert!(!process.adopts(&with_token(3000), &start));
    let mut record = with_token(3000);
    record.refused.add(Print::of_text(TEXT));
    assert!(!Process::new().adopts(&record, &start));
}

// --- obey ---

fn told(owner: &str, credentials: Option<&Own>, error: &Error) -> Record {
    let mark = credentials.and_then(|own| own.id).map(CredentialsId::mark);
    Record {
        pause: Some(Pause::new(1, owner, secs(30), mark, error)),
        ..Record::default()
    }
}

fn throttled() -> Error {
    Error::new(ErrorKind::Throttled, "too many")
}

fn wrong() -> Error {
    Error::new(ErrorKind::Rejected, "wrong").with_rejected_part(RejectedPart::Credentials)
}

#[test]
fn g09_refusals_of_other_processes_delay_renewals_that_follow_a_refusal() {
    let refusals = |left| Record {
        refusals: Some(SharedRefusals {
            row: 1,
            left: secs(left),
            forget: secs(60),
            repeats: secs(60),
        }),
        ..Record::default()
    };
    for reason in REASONS {
        let is_obeyed = reason == TokenRequestReason::Refused;
        let obeys = Process::new().obeys(&refusals(5), None, reason);
        assert_eq!(obeys, is_obeyed, "{reason:?}");
        assert!(!Process::new().obeys(&refusals(0), None, reason));
    }
}

#[test]
fn g05f_the_vendor_told_this_process_or_another_one() {
    let mut process = Process::new();
    let reason = TokenRequestReason::Needed;
    assert!(process.obeys(&told("other", None, &throttled()), None, reason));
    // This process knows what the vendor told it, but not what others do after its own failure.
    assert!(!process.obeys(&told("me", None, &throttled()), None, reason));
    let lost = Error::new(ErrorKind::TimedOut, "no reply");
    assert!(process.obeys(&told("me", None, &lost), None, reason));
}

#[test]
fn g06_a_rejection_concerns_those_with_the_same_credentials() {
    let reason = TokenRequestReason::Needed;
    let (mine, others) = (own("fake-secret-1"), own("fake-secret-2"));
    let record = told("other", Some(&mine), &wrong());
    assert!(Process::new().obeys(&record, Some(&mine), reason));
    assert!(!Process::new().obeys(&record, Some(&others), reason));
    assert!(!Process::new().obeys(&record, None, reason), "not read yet");
}

#[test]
fn g06_cleared_rejections_of_others_are_ignored_and_their_pauses_are_not() {
    let reason = TokenRequestReason::Needed;
    let mine = own("fake-secret-1");
    let mut process = Process::new();
    process.memory.forget_rejections();
    assert!(!process.obeys(&told("other", Some(&mine), &wrong()), Some(&mine), reason));
    assert!(process.obeys(&told("other", None, &throttled()), Some(&mine), reason));
}

// --- refresh tokens ---

#[test]
fn g17_a_spent_refresh_token_is_not_sent_if_the_process_or_the_record_knows_of_it() {
    let next = |process: &mut Process, record: &Record, own: &Own| {
        let next = next_refresh_token(&process.cx(), record, Some(own));
        next.map(|refresh| (refresh.secret.expose().to_owned(), refresh.is_first))
    };
    let stored = || Record {
        refresh: Some(refresh("fake-refresh-1")),
        ..Record::default()
    };
    let mut own = own("fake-secret-1");
    own.first = Ok(Some(Secret::from("fake-refresh-first")));
    let expected = |text: &str, is_first| Some((text.to_owned(), is_first));
    let mut process = Process::new();
    assert_eq!(
        next(&mut process, &stored(), &own),
        expected("fake-refresh-1", false)
    );
    let first = expected("fake-refresh-first", true);
    assert_eq!(next(&mut process, &Record::default(), &own), first);
    // The stored one is spent, as the record or this process knows.
    let mut spent = stored();
    spent.spent.add(Print::of_text("fake-refresh-1"));
    assert_eq!(next(&mut process, &spent, &own), first);
    process.memory.spend(Print::of_text("fake-refresh-1"));
    assert_eq!(next(&mut process, &stored(), &own), first);
    // The first one too.
    process.memory.spend(Print::of_text("fake-refresh-first"));
    assert_eq!(next(&mut process, &stored(), &own), None);
    spent.spent.add(Print::of_text("fake-refresh-first"));
    assert_eq!(next(&mut Process::new(), &spent, &own), None);
    let mut without = Process::new();
    without.rules.keeps_refresh_tokens = false;
    assert_eq!(next(&mut without, &stored(), &own), None);
}

#[test]
fn g17_a_refresh_token_with_two_unknown_outcomes_is_sent_only_where_nothing_else_is() {
    for (uncertain, needs, is_sent) in [
        (0, false, true),
        (1, false, true),
        (2, false, false),
        (3, false, false),
        (2, true, true),
        (9, true, true),
    ] {
        let mut process = Process::new();
        process.rules.needs_refresh_token = needs;
        let record = Record {
            refresh: Some(Refresh {
                uncertain,
                ..refresh("fake-refresh-1")
            }),
            ..Record::default()
        };
        let next = next_refresh_token(&process.cx(), &record, None);
        assert_eq!(next.is_some(), is_sent, "{uncertain}, {needs}");
    }
}

// --- after a token ---

fn sent(reason: TokenRequestReason, refresh: Option<&Refresh>) -> Sent<'_> {
    Sent {
        at: Moment::new(secs(998), secs(1_699_999_998)),
        reason,
        refresh,
    }
}

fn token() -> AccessToken {
    AccessToken::new(TEXT).expires_in(secs(3600))
}

#[test]
fn g17_a_token_without_a_new_refresh_token_proves_that_the_old_one_is_good() {
    let mut process = Process::new();
    let old = Refresh {
        uncertain: 1,
        is_first: true,
        ..refresh("fake-refresh-1")
    };
    let seen = Record {
        refresh: Some(old.clone()),
        ..Record::default()
    };
    let sent = sent(TokenRequestReason::Needed, Some(&old));
    let record = after(&mut process.cx(), &seen, &token(), sent);
    let expected = Refresh {
        uncertain: 0,
        ..old.clone()
    };
    assert_eq!(record.refresh, Some(expected));
    assert!(record.spent.is_empty());
    assert!(!process.memory.has_spent(Print::of_text("fake-refresh-1")));
    assert_eq!(record.token.map(|kept| kept.left), Some(secs(3598)));
}

#[test]
fn g17_a_first_refresh_token_that_was_replaced_is_spent() {
    for (is_first, brought, is_spent) in [
        (true, "fake-refresh-2", true),
        (true, "fake-refresh-1", false),
        (false, "fake-refresh-2", false),
    ] {
        let mut process = Process::new();
        let old = Refresh {
            is_first,
            ..refresh("fake-refresh-1")
        };
        let token = token().refresh_token(brought);
        let sent = sent(TokenRequestReason::Needed, Some(&old));
        let record = after(&mut process.cx(), &Record::default(), &token, sent);
        assert_eq!(record.refresh, Some(refresh(brought)));
        let print = Print::of_text("fake-refresh-1");
        assert_eq!(record.spent.contains(print), is_spent, "{brought}");
        assert_eq!(process.memory.has_spent(print), is_spent, "{brought}");
    }
}

#[test]
fn g09_renewals_that_follow_refusals_are_counted_for_all_processes() {
    let mut process = Process::new();
    process.rules.quota = Some(Quota::new(5, secs(7200)).unwrap());
    let mut seen = Record::default();
    let mut rows = Vec::new();
    for _ in 0..3 {
        let refused = sent(TokenRequestReason::Refused, None);
        seen = after(&mut process.cx(), &seen, &token(), refused);
        let refusals = seen.refusals.expect("it is counted");
        rows.push((refusals.row, refusals.left.as_secs()));
        assert_eq!(refusals.forget, secs(60));
        assert_eq!(refusals.repeats, secs(7200));
    }
    assert_eq!(rows, [(1, 1), (2, 2), (3, 4)]);
    let before = seen.refusals;
    let needed = sent(TokenRequestReason::Needed, None);
    seen = after(&mut process.cx(), &seen, &token(), needed);
    assert_eq!(seen.refusals, before);
}

// --- after a failure ---

fn tells(record: &mut Record, error: &Error) -> Told {
    tell(
        &Process::new().cx(),
        record,
        Some(&own("fake-secret-1")),
        false,
        error,
    )
}

#[test]
fn g05f_callers_get_the_time_of_all_processes_without_a_valid_token() {
    let lost = Error::new(ErrorKind::TimedOut, "no reply");
    for (mut record, error, holds) in [
        (Record::default(), &lost, true),
        (with_token(60), &lost, true),
        (with_token(3000), &lost, false),
        (Record::default(), &wrong(), false),
        (with_token(3000), &wrong(), false),
    ] {
        let told = tells(&mut record, error);
        assert_eq!(told.holds_for_callers, holds, "{error}");
    }
}

#[test]
fn g05f_a_valid_token_shortens_the_back_off() {
    let lost = Error::new(ErrorKind::TimedOut, "no reply");
    let outage = |record| Record {
        failing_for: Some(secs(800)),
        ..record
    };
    let left = |mut record| {
        tells(&mut record, &lost);
        record.pause.map(|pause| pause.left.as_secs())
    };
    // The others go two seconds earlier.
    assert_eq!(left(outage(Record::default())), Some(62));
    assert_eq!(left(outage(with_token(60))), Some(62), "not valid any more");
    assert_eq!(left(outage(with_token(100))), Some(12));
}

#[test]
fn g06_a_rejection_names_the_credentials_and_other_failures_do_not() {
    let mark = |error: &Error| {
        let mut record = Record::default();
        tells(&mut record, error);
        record.pause.and_then(|pause| pause.credentials)
    };
    let id = own("fake-secret-1").id;
    assert_eq!(mark(&wrong()), id.map(CredentialsId::mark));
    assert_eq!(mark(&throttled()), None);
}

#[test]
fn g05f_failures_in_a_row_are_counted_and_those_who_failed_go_last() {
    let mut record = Record::default();
    for row in 1..=3 {
        tells(&mut record, &Error::new(ErrorKind::TimedOut, "no reply"));
        assert_eq!(record.row.map(|row| row.times), Some(row));
        assert!(record.failed_by.contains(Print::of_text("me")));
        let pause = record.pause.clone().expect("the others are told");
        assert_eq!(pause.yields, YIELD.min(pause.left - pause.yields));
    }
    let mut record = Record::default();
    tells(&mut record, &throttled());
    assert!(record.failed_by.is_empty());
    assert_eq!(record.pause.map(|pause| pause.yields), Some(Duration::ZERO));
}

// --- the same failures, met by one process and by a fleet ---

/// One failure, as the process that meets it sees it.
#[derive(Clone, Copy, Debug)]
enum Met {
    Lost,
    Page,
    Empty,
    Code,
    Throttled,
}

const ALL: [Met; 5] = [Met::Lost, Met::Page, Met::Empty, Met::Code, Met::Throttled];

impl Met {
    fn error(self) -> Error {
        let page = |status| {
            let error = Error::new(ErrorKind::Protocol, "not a token").with_status(status);
            error.with_outcome(TokenRequestOutcome::NotUnderstood)
        };
        match self {
            Self::Lost => Error::new(ErrorKind::TimedOut, "no reply"),
            Self::Page => page(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Empty => page(StatusCode::BAD_REQUEST),
            Self::Code => Error::new(ErrorKind::Rejected, "wrong code")
                .with_rejected_part(RejectedPart::SecondFactor),
            Self::Throttled => throttled(),
        }
    }
}

/// Returns the back-off after each failure of a process without a store. Before the failures in
/// `unsent`, a connection is refused.
fn alone(met: &[Met], unsent: &[usize], lockable: bool) -> Vec<Duration> {
    let policy = RefreshPolicy::default();
    let (mut state, mut now) = (State::new(None), now());
    let mut fail = |failure| {
        let action = state.step(&policy, Event::Demand, now);
        assert!(matches!(action, Action::Fly(_)), "{action:?}");
        let failed = Failed {
            failure,
            requested: true,
            retry_after: None,
            told: false,
            cut_short: false,
            silent: false,
            failing_for: Duration::ZERO,
            row: None,
            about: None,
            lockable,
            jitter: Jitter(0),
        };
        state.step(&policy, Event::Failed(failed), now);
        let wait = state.next_try(now);
        now = now + wait;
        wait
    };
    let mut waits = Vec::new();
    for (number, met) in met.iter().enumerate() {
        if unsent.contains(&number) {
            fail(Failure::NotSent);
        }
        waits.push(fail(Failure::of(&met.error())));
    }
    waits
}

/// Returns the back-off that each failure writes into the record. Three processes take turns.
fn in_a_fleet(met: &[Met], unsent: &[usize], lockable: bool) -> Vec<Duration> {
    // An attempt that was not sent is not told.
    let waits = alone(met, unsent, lockable);
    let mut record = Record::default();
    let mut told = Vec::new();
    for (number, met) in met.iter().enumerate() {
        let mut process = Process::new();
        process.rules.owner = format!("p{}", number % 3).into();
        let own = own("fake-secret-1");
        tell(
            &process.cx(),
            &mut record,
            Some(&own),
            lockable,
            &met.error(),
        );
        let pause = record.pause.as_ref().expect("the others are told");
        told.push(pause.left - pause.yields);
        record = record.aged(waits[number]);
    }
    told
}

#[test]
fn g05f_a_lost_login_after_other_failures_starts_no_long_back_off() {
    use Met::{Lost, Page};
    for fleet in [alone, in_a_fleet] {
        let after = |met: &[Met], unsent: &[usize]| {
            let waits = fleet(met, unsent, true);
            waits.last().map(Duration::as_secs)
        };
        assert_eq!(after(&[Page, Page, Page, Page, Lost], &[]), Some(1));
        assert_eq!(after(&[Lost, Page, Lost], &[]), Some(1));
        assert_eq!(after(&[Page, Lost, Lost], &[]), Some(300));
        assert_eq!(after(&[Page, Lost, Lost, Lost], &[]), Some(600));
        // What was not sent is no login, and does not make two lost logins one.
        assert_eq!(after(&[Lost, Lost], &[1]), Some(300));
    }
}

proptest! {
    #[test]
    fn g05f_a_fleet_backs_off_as_one_process_does(
        met in prop::collection::vec(prop::sample::select(&ALL[..]), 1..12),
        lockable: bool,
    ) {
        prop_assert_eq!(alone(&met, &[], lockable), in_a_fleet(&met, &[], lockable));
    }
}
