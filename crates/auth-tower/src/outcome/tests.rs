use auth_core::{ErrorKind, NoWiderScope, measure::Instrument};

use super::*;

fn error() -> auth_core::Error {
    auth_core::Error::new(ErrorKind::Unavailable, "no answer")
}

/// The values of the label that a metric has besides the authenticator's.
fn words(instrument: Instrument) -> &'static [&'static str] {
    instrument.labels()[0].values
}

/// Asserts that the label has these causes, and one word for causes that it does not know.
fn assert_words(instrument: Instrument, causes: impl IntoIterator<Item = &'static str>) {
    let causes: Vec<_> = causes.into_iter().chain(["other"]).collect();
    assert_eq!(words(instrument), causes);
}

#[test]
fn each_cause_of_an_unsigned_request_is_a_value_of_its_metric() {
    // A cause that is added needs a place here, and a line below.
    let place = |cause: &Unsigned| match cause {
        Unsigned::OtherOrigin => 0,
        Unsigned::OtherHost => 1,
        Unsigned::NoKey => 2,
        Unsigned::NoToken(_) => 3,
        Unsigned::OwnCredentials => 4,
        Unsigned::RemovedBelow => 5,
    };
    let all = [
        Unsigned::OtherOrigin,
        Unsigned::OtherHost,
        Unsigned::NoKey,
        Unsigned::NoToken(error()),
        Unsigned::OwnCredentials,
        Unsigned::RemovedBelow,
    ];
    assert!(all.iter().map(place).eq(0..all.len()));
    assert_words(
        Instrument::RequestsUnsigned,
        all.iter().map(Unsigned::as_str),
    );
}

#[test]
fn each_cause_of_a_request_that_is_not_sent_again_is_a_value_of_its_metric() {
    let place = |cause: &NotReplayed| match cause {
        NotReplayed::Off => 0,
        NotReplayed::Body => 1,
        NotReplayed::TooLarge => 2,
        NotReplayed::Redirected => 3,
        NotReplayed::RedirectsUnseen => 4,
        NotReplayed::RefusalBackOff => 5,
        NotReplayed::NoToken(_) => 6,
        NotReplayed::Unchanged => 7,
        NotReplayed::Scope(_) => 8,
        NotReplayed::Twice => 9,
    };
    let all = [
        NotReplayed::Off,
        NotReplayed::Body,
        NotReplayed::TooLarge,
        NotReplayed::Redirected,
        NotReplayed::RedirectsUnseen,
        NotReplayed::RefusalBackOff,
        NotReplayed::NoToken(error()),
        NotReplayed::Unchanged,
        NotReplayed::Scope(NoWiderScope::Off),
        NotReplayed::Twice,
    ];
    assert!(all.iter().map(place).eq(0..all.len()));
    assert_words(
        Instrument::RequestsNotReplayed,
        all.iter().map(NotReplayed::as_str),
    );
}
