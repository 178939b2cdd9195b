//! The dashboard of auth-metrics over a real Prometheus. With `AUTH_PROMETHEUS=PROGRAM` only, as
//! `cargo xtask test` sets it: without that, the test prints that it did not run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by it, and says what it did"
)]

mod server;
mod traffic;

use std::{collections::BTreeMap, env, time::Duration};

use auth_metrics::METRICS;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use server::Prometheus;
use traffic::World;

/// How long the whole run may take.
const PATIENCE: Duration = Duration::from_secs(55);

#[tokio::test]
async fn g21_each_query_of_the_dashboard_returns_data() {
    let Some(program) = env::var_os("AUTH_PROMETHEUS") else {
        eprintln!(
            "not run: the dashboard over a real Prometheus; AUTH_PROMETHEUS=prometheus runs it"
        );
        return;
    };
    let started = Instant::now();
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let mut prometheus = Prometheus::start(&program, move || metrics.render()).await;
    let world = World::new(recorder).await;
    let mut open = queries();
    let all = open.len();
    let run = async {
        while !open.is_empty() {
            // Rates need a counter that grows between two scrapes.
            world.round().await;
            let mut left = BTreeMap::new();
            for (query, title) in std::mem::take(&mut open) {
                if !prometheus.has_data(&query).await {
                    left.insert(query, title);
                }
            }
            open = left;
            // Until the next scrape of the other process.
            sleep(Duration::from_millis(500)).await;
        }
    };
    let ended = timeout(PATIENCE, run).await;
    prometheus.stop().await;
    assert!(ended.is_ok(), "no data for {open:#?}");
    assert_eq!(
        world.missing(),
        Vec::<&str>::new(),
        "metrics without traffic"
    );
    println!(
        "{all} queries over {} metrics have data after {:.0?}",
        METRICS.len(),
        started.elapsed()
    );
    assert!(all > METRICS.len(), "{all}");
}

/// All queries of the dashboard, those of its variables too, each with the title of what it fills.
fn queries() -> BTreeMap<String, String> {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../crates/auth-metrics/dashboard.json")).unwrap();
    let title = |value: &Value| value.as_str().unwrap().to_owned();
    let mut queries = BTreeMap::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = title(&target["expr"])
                .replace("$__rate_interval", "20s")
                .replace("$vendor", ".*")
                .replace("$authenticator", ".*");
            assert!(!query.contains('$'), "{query}");
            queries.insert(query, title(&panel["title"]));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = title(&variable["query"]);
        let values = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        if let Some((metric, label)) = values.and_then(|values| values.split_once(", ")) {
            let query = format!("count by ({label}) ({metric}{{{label}!=\"\"}})");
            queries.insert(query, title(&variable["name"]));
        }
    }
    queries
}
