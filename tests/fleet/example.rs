//! The output of the example `fleet` agrees with its documentation.

use std::{
    borrow::Cow,
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use libtest_mimic::Trial;
use serde_json::Value;
use tokio::{process::Command, runtime, time};

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("the_example_survives_an_outage", || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(survives_an_outage());
        Ok(())
    })]
}

#[path = "../examples/build.rs"]
mod build;

async fn survives_an_outage() {
    let program = &build::examples()["fleet"];
    let svg = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-example.svg");
    let run = Command::new(program)
        .args([
            "--before", "7", "--outage", "5", "--after", "7", "--json", "--svg",
        ])
        .arg(&svg)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = time::timeout(LONGEST, run).await;
    let ended = ended.expect("it ends by itself").unwrap();
    assert!(ended.status.success(), "{}", said(&ended));

    let printed = String::from_utf8(ended.stdout).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    let [line] = lines[..] else {
        panic!("one line, not {lines:?}");
    };
    let figures: Value = serde_json::from_str(line).unwrap();
    let mut names: Vec<_> = figures.as_object().unwrap().keys().collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
    let figure = |name: &str| figures[name].as_u64().unwrap();
    assert_eq!(figure("processes"), 8);
    assert_eq!(figure("failed_requests"), 0);
    assert_eq!(figure("windows_over_quota"), 0);
    assert_eq!(figure("redis_restarts"), 1);
    assert!(figure("recovery_ms") <= 10_000, "{line}");
    let phases: Vec<Phase> = serde_json::from_value(figures["phases"].clone()).unwrap();
    let names: Vec<_> = phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["before", "outage", "after"]);
    // A token is renewed after 3 to 3.2 s.
    for phase in [&phases[0], &phases[2]] {
        assert_eq!(phase.lifetimes, 3, "{line}");
        assert!((2..=3).contains(&phase.token_requests), "{line}");
    }
    // Each process renews its token at least once without Redis.
    assert!(phases[1].token_requests >= 8, "{line}");
    assert_eq!(
        phases
            .iter()
            .map(|phase| phase.failed_requests)
            .sum::<u64>(),
        0
    );
    let token_requests: u64 = phases.iter().map(|phase| phase.token_requests).sum();
    assert_eq!(token_requests, figure("token_requests"));
    // 19 s and the recovery: every process without a store renews its token every 3.2 s.
    assert!(figure("token_requests_without_store") >= 8 * 6, "{line}");
    assert!(
        token_requests < figure("token_requests_without_store"),
        "{line}"
    );
    assert!(figures["added_latency_ms_max"].as_f64().is_some(), "{line}");

    let plot = fs::read_to_string(svg).unwrap();
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
    assert!(plot.contains("Redis killed"));
    let events = String::from_utf8(ended.stderr).unwrap();
    let events: Vec<_> = events.lines().collect();
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events.contains(&"Redis killed") && events.contains(&"Redis is back"));
}

#[derive(serde::Deserialize)]
struct Phase {
    name: String,
    lifetimes: u64,
    token_requests: u64,
    failed_requests: u64,
}

fn said(ended: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&ended.stderr)
}

/// Longer than all phases together, including start and end.
const LONGEST: Duration = Duration::from_secs(150);
const NAMES: [&str; 10] = [
    "added_latency_ms_max",
    "failed_requests",
    "lifetimes",
    "phases",
    "processes",
    "recovery_ms",
    "redis_restarts",
    "token_requests",
    "token_requests_without_store",
    "windows_over_quota",
];
