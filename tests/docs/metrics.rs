//! The page "Observability" lists the metrics of both adapters, which write the same measurements.

use std::collections::BTreeSet;

use crate::read;

const PAGE: &str = "crates/auth-core/src/_documentation/observability.md";

#[test]
fn the_tables_of_both_adapters_have_the_same_measurements_under_other_names() {
    let (ours, theirs) = (&auth_metrics::METRICS, &auth_opentelemetry::METRICS);
    assert_eq!(ours.len(), theirs.len());
    for (metric, other) in ours.iter().zip(theirs) {
        let name = metric.name();
        assert_eq!(metric.meaning(), other.meaning(), "{name}");
        assert_eq!(metric.kind(), other.kind(), "{name}");
        assert_eq!(
            metric.unit().contains("seconds"),
            other.unit() == "s",
            "{name}"
        );
        let labels: Vec<_> = metric.labels().map(|it| (it.name(), it.values())).collect();
        let attributes: Vec<_> = other
            .attributes()
            .map(|it| (it.name(), it.values()))
            .collect();
        assert_eq!(labels.len(), attributes.len(), "{name}");
        for ((label, values), (attribute, others)) in labels.iter().zip(&attributes) {
            // The first two say whose metric it is, and are prefixed where all programs share names.
            assert_eq!(*label, attribute.trim_start_matches("auth."), "{name}");
            assert_eq!(values, others, "{name}");
        }
    }
}

#[test]
fn the_page_lists_each_metric_with_kind_unit_and_labels() {
    let page = read(PAGE);
    let rows = page.lines().filter(|line| line.starts_with("| `auth_"));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.trim_matches('|').split(" |").map(str::trim).collect())
        .collect();
    let (ours, theirs) = (&auth_metrics::METRICS, &auth_opentelemetry::METRICS);
    assert_eq!(rows.len(), ours.len(), "one row for each metric");
    for (row, (metric, other)) in rows.iter().zip(ours.iter().zip(theirs)) {
        let name = metric.name();
        assert_eq!(row[0], format!("`{name}`"));
        assert_eq!(row[1], format!("`{}`", other.name()), "{name}");
        let mut words = row[2].split(", ");
        assert_eq!(words.next(), Some(metric.kind()), "{name}");
        let unit = words.next().unwrap_or("count");
        let unit = unit.split(' ').next().unwrap();
        assert_eq!(unit, metric.unit(), "{name}");
        let labels = metric.labels().skip(2);
        let labels: Vec<_> = labels.map(|label| format!("`{}`", label.name())).collect();
        assert_eq!(row[3], labels.join(", "), "{name}");
        assert_eq!(row.len(), 5, "{name}: {row:?}");
    }
    let says_what_to_do = rows.iter().filter(|row| !row[4].is_empty()).count();
    assert!(says_what_to_do >= 27, "{says_what_to_do}");
    // What a row names are metrics, or values of its labels.
    let names: BTreeSet<_> = ours.iter().map(|metric| metric.name()).collect();
    for row in &rows {
        for code in row[4].split('`').skip(1).step_by(2) {
            if code.starts_with("auth_") {
                assert!(names.contains(code), "{code}");
            }
        }
    }
}
