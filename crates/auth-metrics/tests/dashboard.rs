//! The Grafana dashboard asks for the metrics that there are.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;

use auth_metrics::METRICS;
use serde_json::Value;

#[test]
fn each_query_names_a_metric_and_its_labels_and_each_metric_has_a_panel() {
    let dashboard: Value = serde_json::from_str(include_str!("../dashboard.json")).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let (query, legend) = (&target["expr"], &target["legendFormat"]);
            let query = query.as_str().unwrap();
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let words: Vec<_> = query.split(|letter| !is_word(letter)).collect();
            let names = words.iter().filter(|word| word.starts_with("auth_"));
            let mut metrics = names.map(|word| {
                let of_name = |name: &str| METRICS.iter().find(|metric| metric.name() == name);
                let series = word.strip_suffix("_sum").or(word.strip_suffix("_count"));
                let histogram = series.and_then(of_name);
                let metric = histogram.filter(|metric| metric.kind() == "histogram");
                let plain = of_name(word).filter(|metric| metric.kind() != "histogram");
                metric
                    .or(plain)
                    .unwrap_or_else(|| panic!("no metric {word} in {query}"))
            });
            let metric = metrics.next().unwrap();
            assert!(
                metrics.all(|other| other.name() == metric.name()),
                "{query}"
            );
            shown.insert(metric.name());
            let by = query
                .split("by (")
                .nth(1)
                .unwrap()
                .split(')')
                .next()
                .unwrap();
            let labels: Vec<_> = metric.labels().map(|label| label.name()).collect();
            assert_eq!(by.split(", ").collect::<Vec<_>>(), labels, "{query}");
            let braces = labels.iter().map(|label| format!("{{{{{label}}}}}"));
            assert_eq!(
                legend.as_str().unwrap(),
                braces.collect::<Vec<_>>().join(" ")
            );
            for label in &labels[..2] {
                assert!(query.contains(&format!("{label}=~\"${label}\"")), "{query}");
            }
        }
    }
    let all: BTreeSet<_> = METRICS.iter().map(|metric| metric.name()).collect();
    assert_eq!(shown, all);
}
