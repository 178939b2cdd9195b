//! The output of the example `fleet` agrees with its documentation.

use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
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

async fn survives_an_outage() {
    let program = build().await;
    let svg = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-example.svg");
    let run = Command::new(program)
        .args(["--processes", "5", "--json"])
        .args(["--before", "6", "--outage", "2", "--after", "16", "--svg"])
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
    assert_eq!(figure("processes"), 5);
    assert_eq!(figure("failed_requests"), 0);
    assert_eq!(figure("windows_over_quota"), 0);
    assert_eq!(figure("redis_restarts"), 1);
    // 24 s, divided by 3.1 s.
    assert_eq!(figure("lifetimes"), 8);
    let (with, without) = (
        figure("token_requests"),
        figure("token_requests_without_store"),
    );
    assert!(with * 3 < without * 2, "{line}");
    assert!(without >= 5 * 7, "{line}");
    assert!(figures["added_latency_ms_max"].as_f64().is_some(), "{line}");

    let plot = fs::read_to_string(svg).unwrap();
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
    assert!(plot.contains("Redis killed"));
}

/// Builds the example, because `cargo test --test fleet` does not.
async fn build() -> PathBuf {
    // From the whole workspace, so that crates keep the features with which they were built before.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--example", "fleet"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let program = |message: Value| {
        let is_it = message["target"]["name"] == "fleet";
        let path = message["executable"].as_str().filter(|_| is_it)?;
        Some(PathBuf::from(path))
    };
    let mut programs = messages.filter_map(program);
    programs.next().expect("cargo says where it is")
}

fn said(ended: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&ended.stderr)
}

/// Longer than all phases together, including start and end.
const LONGEST: Duration = Duration::from_secs(150);
const NAMES: [&str; 8] = [
    "added_latency_ms_max",
    "failed_requests",
    "lifetimes",
    "processes",
    "redis_restarts",
    "token_requests",
    "token_requests_without_store",
    "windows_over_quota",
];
