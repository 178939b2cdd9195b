use std::collections::HashSet;

use super::*;

fn measured(event: &Event) -> Vec<Measurement> {
    let mut all = Vec::new();
    measure(event, |measurement| all.push(measurement));
    all
}

/// The changes by the examples with this name, in the order of the examples.
fn measured_by(name: &str) -> Vec<(Instrument, [&'static str; LABELS], Value)> {
    Event::examples()
        .iter()
        .filter(|event| event.name() == name)
        .flat_map(measured)
        .map(|told| (told.instrument, told.labels, told.value))
        .collect()
}

#[test]
fn each_metric_is_changed_by_an_event() {
    let changed: HashSet<_> = Event::examples()
        .iter()
        .flat_map(measured)
        .map(|told| told.instrument)
        .collect();
    for instrument in Instrument::ALL {
        assert!(changed.contains(&instrument), "{instrument:?}");
    }
}

/// An adapter registers the labels of a metric before it knows a value.
#[test]
fn each_change_has_the_labels_and_the_kind_of_its_metric() {
    for event in Event::examples() {
        for told in measured(&event) {
            let labels = told.instrument.labels();
            for (label, value) in labels.iter().zip(told.labels) {
                assert!(label.values.contains(&value), "{told:?}");
            }
            assert!(
                told.labels[labels.len()..]
                    .iter()
                    .all(|value| value.is_empty())
            );
            let kind = match told.value {
                Value::Add(_) | Value::AddTime(_) => InstrumentKind::Counter,
                Value::Set(_) => InstrumentKind::Gauge,
                Value::Record(_) => InstrumentKind::Histogram,
            };
            assert_eq!(told.instrument.kind(), kind, "{told:?}");
        }
    }
}

#[test]
fn a_token_request_is_counted_by_reason_result_and_kind() {
    let second = Value::Record(Duration::from_secs(1));
    let quota = [
        (Instrument::QuotaUsed, [""; LABELS], Value::Set(1.0)),
        (Instrument::QuotaFree, [""; LABELS], Value::Set(19.0)),
    ];
    let mut expected = Vec::new();
    for (result, kind) in [("token", "none"), ("unknown", "unavailable")] {
        let labels = ["needed", result, kind];
        expected.push((Instrument::TokenRequests, labels, Value::Add(1)));
        let labels = [result, "", ""];
        expected.push((Instrument::TokenRequestDuration, labels, second));
        expected.extend(quota);
    }
    assert_eq!(measured_by("token_request_ended"), expected);
}

/// A dashboard computes the time that is left from the wall clock, so 0 means no valid token.
#[test]
fn deadlines_are_shown_in_seconds_since_1970() {
    let now = 1_700_000_000.0;
    let none = [""; LABELS];
    let failure = ["failure", "", ""];
    let expected = [
        (Instrument::TokensPublished, none, Value::Add(1)),
        (Instrument::TokenExpiry, none, Value::Set(now + 54.0)),
        (Instrument::TokenRenewal, none, Value::Set(now + 48.0)),
        (Instrument::BackOffEnd, failure, Value::Set(0.0)),
    ];
    assert_eq!(measured_by("token_published"), expected);
    for (name, cause) in [
        ("back_off", "failure"),
        ("quota_used_up", "quota"),
        ("refusal_back_off", "refusal"),
    ] {
        let labels = [cause, "", ""];
        let expected = [
            (Instrument::BackOffs, labels, Value::Add(1)),
            (Instrument::BackOffEnd, labels, Value::Set(now + 1.0)),
        ];
        assert_eq!(measured_by(name), expected);
    }
    let expected = [
        (Instrument::NoToken, ["unavailable", "", ""], Value::Add(1)),
        (Instrument::TokenExpiry, none, Value::Set(0.0)),
        (Instrument::TokenRenewal, none, Value::Set(0.0)),
    ];
    assert_eq!(measured_by("no_token"), expected);
}
