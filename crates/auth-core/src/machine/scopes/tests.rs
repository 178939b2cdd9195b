use super::*;

fn any() -> WiderScope {
    WiderScope::any()
}

fn situation<'a>(limits: &'a WiderScope, own: &'a str, granted: &'a str) -> Situation<'a> {
    Situation {
        limits,
        own,
        granted: Some(granted),
        is_flying: false,
    }
}

#[test]
fn the_union_of_the_own_scope_and_the_wanted_one_is_asked_for() {
    let (mut scopes, limits) = (Scopes::default(), any());
    assert_eq!(scopes.asked(), None);
    let step = scopes.want(
        situation(&limits, "read list", "read list"),
        &["write", "read", "write"],
    );
    assert_eq!(step, Step::Ask);
    assert_eq!(scopes.asked().unwrap(), "read list write");
    // If the source has no own scope, the granted scope is the base.
    let mut scopes = Scopes::default();
    assert_eq!(
        scopes.want(situation(&limits, "", "read"), &["write"]),
        Step::Ask
    );
    assert_eq!(scopes.asked().unwrap(), "read write");
    let unknown = Situation {
        granted: None,
        ..situation(&limits, "", "")
    };
    let step = Scopes::default().want(unknown, &["write"]);
    assert_eq!(step, Step::Decline(NoWiderScope::Unknown));
}

#[test]
fn nothing_is_asked_for_that_is_granted_unnamed_or_not_permitted() {
    let only = WiderScope::only(["write"]);
    let asked = |limits: &WiderScope, wanted: &[&str]| {
        let mut scopes = Scopes::default();
        let step = scopes.want(situation(limits, "read", "read write-2"), wanted);
        assert_eq!(scopes.asked().is_some(), step == Step::Ask, "{wanted:?}");
        step
    };
    assert_eq!(asked(&any(), &["read", "write-2"]), Step::Granted);
    assert_eq!(asked(&any(), &[]), Step::Decline(NoWiderScope::Unnamed));
    assert_eq!(asked(&only, &["write"]), Step::Ask);
    let not_permitted = Step::Decline(NoWiderScope::NotPermitted);
    assert_eq!(asked(&only, &["write", "admin"]), not_permitted);
    for hostile in ["a\"b", "a\\b", "", "a\u{e9}", "a\nb"] {
        assert_eq!(asked(&any(), &[hostile]), not_permitted, "{hostile:?}");
    }
}

#[test]
fn an_api_that_wants_more_each_time_gets_scopes_and_token_requests_up_to_the_limits() {
    let limits = any().max_scopes(3).max_requests(2);
    let mut scopes = Scopes::default();
    let too_many = Step::Decline(NoWiderScope::TooMany);
    let want = |scopes: &mut Scopes, wanted: &[&str]| {
        scopes.want(situation(&limits, "read", "read"), wanted)
    };
    assert_eq!(want(&mut scopes, &["a", "b", "c", "d"]), too_many);
    // A want that is not sent uses up nothing.
    for _ in 0..9 {
        assert_eq!(want(&mut scopes, &["a"]), Step::Ask);
    }
    // The attempts of a flight count once.
    for _ in 0..3 {
        assert_eq!(scopes.sends(1).unwrap(), "read a");
    }
    assert_eq!(want(&mut scopes, &["b", "c", "d"]), too_many);
    assert_eq!(want(&mut scopes, &["b", "c"]), Step::Ask);
    scopes.sends(2);
    assert_eq!(want(&mut scopes, &["a"]), too_many);
    assert_eq!(scopes.asked().unwrap(), "read a b c");
    let long = "x".repeat(4096);
    let step = Scopes::default().want(situation(&limits, "read", "read"), &[&long]);
    assert_eq!(step, too_many);
}

#[test]
fn a_token_request_in_progress_is_joined_and_not_counted() {
    let limits = any().max_requests(1);
    let mut scopes = Scopes::default();
    let idle = situation(&limits, "read", "read");
    assert_eq!(scopes.want(idle, &["write"]), Step::Ask);
    scopes.sends(1);
    let flying = Situation {
        is_flying: true,
        ..idle
    };
    assert_eq!(scopes.want(flying, &["write"]), Step::Ask);
    let too_many = Step::Decline(NoWiderScope::TooMany);
    assert_eq!(scopes.want(flying, &["other"]), too_many);
    assert_eq!(scopes.want(idle, &["write"]), too_many);
}

#[test]
fn what_the_vendor_did_not_grant_is_not_asked_for_again() {
    let limits = any();
    let mut scopes = Scopes::default();
    let base = situation(&limits, "read", "read");
    assert_eq!(scopes.want(base, &["write", "admin"]), Step::Ask);
    assert!(scopes.granted("read write admin", "read", "read write", Some("read")));
    assert_eq!(scopes.asked().unwrap(), "read write");
    let denied = Step::Decline(NoWiderScope::Denied);
    let now = situation(&limits, "read", "read write");
    assert_eq!(scopes.want(now, &["admin"]), denied);
    assert_eq!(scopes.want(now, &["delete"]), Step::Ask);
    // Rejected: what was granted before stays.
    scopes.withdraw("read write delete", "read");
    assert_eq!(scopes.asked().unwrap(), "read write");
    assert_eq!(scopes.want(now, &["delete"]), denied);
    assert_eq!(scopes.want(base, &["write"]), Step::Ask);
    // Rejected without a new scope: only the own one is left.
    scopes.withdraw("read write", "read");
    assert_eq!(scopes.asked(), None);
    assert_eq!(scopes.want(base, &["write"]), denied);
}

#[test]
fn a_token_that_lost_a_scope_is_not_taken() {
    let limits = any();
    let mut scopes = Scopes::default();
    let base = situation(&limits, "read list", "read list");
    assert_eq!(scopes.want(base, &["write"]), Step::Ask);
    assert!(!scopes.granted(
        "read list write",
        "read list",
        "read write",
        Some("read list")
    ));
    assert_eq!(scopes.asked(), None);
    let denied = Step::Decline(NoWiderScope::Denied);
    assert_eq!(scopes.want(base, &["write"]), denied);
}

#[test]
fn the_scope_of_another_process_is_asked_for_from_then_on() {
    let (limits, only) = (any().max_scopes(1), WiderScope::only(["write"]));
    let adopt = |limits: &WiderScope, own: &str, granted: &str| {
        let mut scopes = Scopes::default();
        scopes.adopt(limits, own, granted);
        scopes.asked()
    };
    assert_eq!(adopt(&limits, "read", "write read").unwrap(), "read write");
    assert_eq!(adopt(&only, "read", "read write").unwrap(), "read write");
    for (limits, own, granted) in [
        (&limits, "read", "read"),
        (&limits, "read list", "read"),
        (&limits, "read", "read write admin"),
        (&only, "read", "read admin"),
        (&limits, "", "read write"),
    ] {
        assert_eq!(adopt(limits, own, granted), None, "{own} {granted}");
    }
}

#[test]
fn what_is_wanted_during_a_token_request_is_not_judged_by_its_reply() {
    for is_rejected in [false, true] {
        let limits = any();
        let mut scopes = Scopes::default();
        let base = situation(&limits, "read", "read");
        assert_eq!(scopes.want(base, &["write"]), Step::Ask);
        let asked = scopes.asked().unwrap();
        let flying = Situation {
            is_flying: true,
            ..base
        };
        assert_eq!(scopes.want(flying, &["delete"]), Step::Ask);
        if is_rejected {
            scopes.withdraw(&asked, "read");
            assert_eq!(scopes.asked().unwrap(), "read delete");
        } else {
            assert!(scopes.granted(&asked, "read", "read write", Some("read")));
            assert_eq!(scopes.asked().unwrap(), "read write delete");
        }
        assert_eq!(scopes.take_ended(), None, "of the next token request");
        let now = situation(&limits, "read", "read write");
        assert_eq!(scopes.want(now, &["delete"]), Step::Ask);
    }
}

#[test]
fn the_longest_scope_is_asked_for_and_no_longer_one() {
    let limits = any();
    let ask = |length: usize| {
        let wanted = "x".repeat(length - "read ".len());
        let base = situation(&limits, "read", "read");
        Scopes::default().want(base, &[&wanted])
    };
    assert_eq!(ask(MOST_BYTES), Step::Ask);
    assert_eq!(ask(MOST_BYTES + 1), Step::Decline(NoWiderScope::TooMany));
}

#[test]
fn grants_of_other_processes_do_not_add_up_beyond_the_limits() {
    let limits = any().max_scopes(1);
    let mut scopes = Scopes::default();
    scopes.adopt(&limits, "read", "read write");
    scopes.adopt(&limits, "read", "read admin");
    assert_eq!(scopes.asked().unwrap(), "read write");

    let padded = format!("read write{}", " ".repeat(MOST_BYTES));
    for (own, granted) in [
        ("read", padded.as_str()),
        // A vendor's own scope that names a scope twice makes no room for one more.
        ("read read", "read write admin"),
        ("", "read"),
        ("read", "read wri\"te"),
    ] {
        let mut scopes = Scopes::default();
        scopes.adopt(&limits, own, granted);
        assert_eq!(scopes.asked(), None, "{own}");
    }
}

#[test]
fn an_own_scope_that_a_token_lost_is_not_denied() {
    let limits = any();
    let mut scopes = Scopes::default();
    let base = situation(&limits, "read list", "read list");
    assert_eq!(scopes.want(base, &["write"]), Step::Ask);
    assert!(!scopes.granted("read list write", "read list", "write", Some("read list")));
    let lost = situation(&limits, "read list", "read");
    assert_eq!(scopes.want(lost, &["list"]), Step::Ask);
}

#[test]
fn a_denied_scope_is_not_adopted_from_another_process() {
    let limits = any();
    let mut scopes = Scopes::default();
    let base = situation(&limits, "read", "read");
    assert_eq!(scopes.want(base, &["write"]), Step::Ask);
    assert!(scopes.granted("read write", "read", "read", Some("read")));
    assert_eq!(scopes.asked(), None);
    scopes.adopt(&limits, "read", "read write");
    assert_eq!(scopes.asked(), None);
}

#[test]
fn a_granted_scope_covers_what_it_names() {
    let wanted = |scopes: &[&str]| {
        scopes
            .iter()
            .map(|scope| (*scope).into())
            .collect::<Vec<_>>()
    };
    for (granted, scopes, is_covered) in [
        ("read write", &["read"][..], true),
        ("read write", &["write", "read"], true),
        ("read", &["read", "write"], false),
        ("read-only", &["read"], false),
        ("", &["read"], false),
        ("", &[], true),
    ] {
        assert_eq!(covers(granted, &wanted(scopes)), is_covered, "{granted:?}");
    }
}

#[test]
fn the_end_of_a_token_request_with_more_scope_is_told_once() {
    for (granted, is_granted) in [("read write", true), ("read", false)] {
        let (mut scopes, limits) = (Scopes::default(), any());
        let base = situation(&limits, "read", "read");
        assert_eq!(scopes.want(base, &["write"]), Step::Ask);
        assert!(scopes.granted("read write", "read", granted, None));
        let ended = scopes.take_ended().expect("it is told");
        assert_eq!(ended.is_granted, is_granted);
        assert_eq!(scopes.take_ended(), None);
    }
}
