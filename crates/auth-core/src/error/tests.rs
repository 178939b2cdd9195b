use super::*;

#[test]
fn is_one_word() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
}

#[test]
fn told_later_does_not_change_the_shared_error() {
    let shared = Error::new(ErrorKind::Unavailable, "x: no answer");
    let later = shared.told_later(Duration::from_millis(1_001));
    assert_eq!(shared.retry_after(), None);
    assert_eq!(later.to_string(), "x: no answer; next attempt in 2 s");
    assert_eq!(later.told_later(Duration::ZERO).to_string(), "x: no answer");
}

#[test]
fn an_error_that_a_person_must_end_is_not_transient() {
    for (kind, is_transient) in [
        (ErrorKind::Config, false),
        (ErrorKind::Rejected, false),
        (ErrorKind::Origin, false),
        (ErrorKind::Unavailable, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::Throttled, true),
        (ErrorKind::Quota, true),
        (ErrorKind::Protocol, true),
    ] {
        let error = Error::new(kind, "x");
        assert_eq!(error.is_transient(), is_transient, "{kind:?}");
    }
}

#[test]
fn the_kind_says_what_a_failed_token_request_proves() {
    use TokenRequestOutcome::{NotSent, NotUnderstood, Rejected, Throttled, Unknown};

    for (kind, outcome) in [
        (ErrorKind::Config, NotSent),
        (ErrorKind::Origin, NotSent),
        (ErrorKind::Store, NotSent),
        (ErrorKind::Rejected, Rejected),
        (ErrorKind::Throttled, Throttled),
        (ErrorKind::Quota, Throttled),
        (ErrorKind::Protocol, NotUnderstood),
        (ErrorKind::Unavailable, Unknown),
        (ErrorKind::TimedOut, Unknown),
        (ErrorKind::Refused, Unknown),
        (ErrorKind::Closed, Unknown),
    ] {
        let error = Error::new(kind, "x");
        assert_eq!(error.outcome(), outcome, "{kind:?}");
        let error = error.with_outcome(NotSent);
        assert_eq!(error.outcome(), NotSent, "{kind:?}");
    }
}

/// Only rejected credentials stop token requests until the credentials change.
#[test]
fn the_code_and_the_status_say_which_part_was_rejected() {
    let unauthorized = Some(StatusCode::UNAUTHORIZED);
    let bad_request = Some(StatusCode::BAD_REQUEST);
    for (code, status, part) in [
        (
            Some("invalid_client"),
            unauthorized,
            RejectedPart::Credentials,
        ),
        (
            Some("invalid_client"),
            bad_request,
            RejectedPart::Credentials,
        ),
        (Some("invalid_client"), None, RejectedPart::Credentials),
        (None, unauthorized, RejectedPart::Credentials),
        (Some("invalid_scope"), unauthorized, RejectedPart::Request),
        (Some("invalid_scope"), bad_request, RejectedPart::Request),
        (None, bad_request, RejectedPart::Request),
        (None, None, RejectedPart::Request),
    ] {
        let with = |kind| {
            let mut error = Error::new(kind, "x");
            if let Some(code) = code {
                error = error.with_code(code);
            }
            match status {
                Some(status) => error.with_status(status),
                None => error,
            }
        };
        let told = with(ErrorKind::Rejected).rejected_part();
        assert_eq!(told, Some(part), "{code:?} {status:?}");
        assert_eq!(with(ErrorKind::Unavailable).rejected_part(), None);
    }
}

#[test]
fn a_status_says_that_the_vendor_answered() {
    for kind in [ErrorKind::Unavailable, ErrorKind::TimedOut] {
        let error = Error::new(kind, "x");
        assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
        let error = error.with_status(StatusCode::BAD_GATEWAY);
        assert_eq!(error.outcome(), TokenRequestOutcome::NotUnderstood);
    }
}

#[test]
fn the_cause_is_the_source() {
    let error = Error::new(ErrorKind::Unavailable, "x");
    assert!(error.source().is_none());
    let error = error.with_source(std::io::Error::other("connection refused"));
    let source = error.source().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("connection refused"));
}

#[test]
fn the_vendor_is_named_once() {
    let error = Error::new(ErrorKind::Unavailable, "no answer").named("x");
    assert_eq!(error.to_string(), "x: no answer");
    assert_eq!(error.named("x").to_string(), "x: no answer");
}

/// Another process that reads the failure from the store adds its own vendor and time.
#[test]
fn the_message_for_other_processes_has_no_vendor_and_no_time() {
    let error = Error::new(ErrorKind::Throttled, "answered 429").named("x");
    let error = error.with_retry_after(Duration::from_secs(9));
    assert_eq!(error.to_string(), "x: answered 429; next attempt in 9 s");
    assert_eq!(error.message(), "answered 429");
}

#[test]
fn vendor_is_named_for_any_beginning_of_the_text() {
    for (vendor, message) in [
        ("token", "token endpoint answered 401"),
        ("token", "token: no answer"),
        ("no", "no answer"),
        ("setting", "setting `path`: must not be empty"),
        ("", "no answer"),
    ] {
        let error = Error::new(ErrorKind::Unavailable, message).named(vendor);
        assert_eq!(error.vendor(), Some(vendor));
        assert_eq!(error.to_string(), format!("{vendor}: {message}"));
    }
}

#[test]
fn another_name_that_the_source_gave_stays_in_the_text() {
    let error = Error::new(ErrorKind::Unavailable, "no answer").with_vendor("host.example");
    let error = error.named("x").named("x");
    assert_eq!(error.vendor(), Some("x"));
    assert_eq!(error.to_string(), "x: host.example: no answer");
}

#[test]
fn vendor_step_and_host_are_fields() {
    let error = Error::new(ErrorKind::Unavailable, "no answer")
        .with_vendor("x")
        .with_step("token request")
        .with_host("login.example.com");
    let fields = (error.vendor(), error.step(), error.host());
    let expected = (Some("x"), Some("token request"), Some("login.example.com"));
    assert_eq!(fields, expected);
    assert_eq!(error.to_string(), "x: no answer");
    let shown = format!("{error:?}");
    assert!(
        shown.contains("login.example.com") && shown.contains("token request"),
        "{shown}"
    );
}

#[test]
fn advice_follows_the_text_and_changes_no_field() {
    let error = Error::new(ErrorKind::Rejected, "answered 401").with_vendor("x");
    let error = error.with_code("no").with_advice("check the key");
    let error = error.with_retry_after(Duration::from_secs(1));
    assert_eq!(
        error.to_string(),
        "x: answered 401; check the key; next attempt in 1 s"
    );
    assert_eq!((error.vendor(), error.code()), (Some("x"), Some("no")));
}

#[test]
fn config_names_the_field() {
    let error = Error::config("token_url", "must be https");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.field(), Some("token_url"));
    assert_eq!(error.to_string(), "setting `token_url`: must be https");
}
