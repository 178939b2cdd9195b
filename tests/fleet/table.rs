//! The figures, printed at the end.

use std::{fmt::Write as _, sync::Mutex, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// The results at one point.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) store: &'static str,
    pub(crate) point: String,
    pub(crate) runs: u64,
    pub(crate) crashes: u64,
    pub(crate) losses: u64,
    pub(crate) calls: u64,
    pub(crate) bound: u64,
    /// Refresh tokens that were sent a second time after a crash or a stop, which is permitted
    /// once.
    pub(crate) reuses: u64,
    /// Refresh tokens that were sent more often, or twice at the same time.
    pub(crate) double: u64,
    pub(crate) longest: Duration,
    /// Requests under load.
    pub(crate) requests: u64,
    /// Failed requests, which the outage of the store made impossible.
    pub(crate) failed: u64,
    /// Time from the end of the fault until all processes use one token.
    pub(crate) recovery: Option<Duration>,
    /// The seed of the runs.
    pub(crate) seed: Option<u64>,
    since: Instant,
    took: Duration,
}

impl Row {
    pub(crate) fn new(store: &'static str, point: impl Into<String>, seed: Option<u64>) -> Self {
        Self {
            store,
            point: point.into(),
            runs: 0,
            crashes: 0,
            losses: 0,
            calls: 0,
            bound: 0,
            reuses: 0,
            double: 0,
            longest: Duration::ZERO,
            requests: 0,
            failed: 0,
            recovery: None,
            seed,
            since: Instant::now(),
            took: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, one: &Self) {
        self.runs += one.runs;
        self.crashes += one.crashes;
        self.losses += one.losses;
        self.calls += one.calls;
        self.bound += one.bound;
        self.reuses += one.reuses;
        self.double += one.double;
        self.longest = self.longest.max(one.longest);
    }

    pub(crate) fn done(mut self) {
        self.took = self.since.elapsed();
        self.report();
        ROWS.lock().unwrap().push(self);
    }

    fn report(&self) {
        let millis = |time: Duration| Value::from(time.as_millis() as u64);
        let under_load = |count: u64| (self.requests > 0).then_some(count).into();
        test_report::line(
            "fleet",
            [
                ("store", self.store.into()),
                ("point", self.point.clone().into()),
                ("runs", self.runs.into()),
                ("crashes", self.crashes.into()),
                ("losses", self.losses.into()),
                ("calls", self.calls.into()),
                ("bound", (self.bound > 0).then_some(self.bound).into()),
                ("reuses", self.reuses.into()),
                ("double", self.double.into()),
                ("longest_ms", millis(self.longest)),
                ("requests", under_load(self.requests)),
                ("failed", under_load(self.failed)),
                ("recovery_ms", self.recovery.map(millis).into()),
                ("seed", self.seed.into()),
            ],
        );
    }
}

pub(crate) fn text() -> String {
    let rows = ROWS.lock().unwrap();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{}",
        HEAD.map(|(name, width)| format!("{name:width$}")).join(" ")
    );
    for row in rows.iter() {
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let under_load = |value: String| {
            if row.requests > 0 {
                value
            } else {
                String::new()
            }
        };
        let cells = [
            row.store.to_owned(),
            row.point.clone(),
            row.runs.to_string(),
            row.crashes.to_string(),
            row.losses.to_string(),
            row.calls.to_string(),
            if row.bound > 0 {
                row.bound.to_string()
            } else {
                String::new()
            },
            row.reuses.to_string(),
            row.double.to_string(),
            seconds(row.longest),
            under_load(row.requests.to_string()),
            under_load(row.failed.to_string()),
            row.recovery.map(seconds).unwrap_or_default(),
            seconds(row.took),
            row.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        ];
        let cells = cells.iter().zip(HEAD);
        let cells: Vec<_> = cells
            .map(|(cell, (_, width))| format!("{cell:width$}"))
            .collect();
        let _ = write!(text, "\n{}", cells.join(" ").trim_end());
    }
    format!("{text}\n{LEGEND}")
}

const HEAD: [(&str, usize); 15] = [
    ("store", 5),
    ("point", 49),
    ("runs", 5),
    ("crashes", 7),
    ("losses", 6),
    ("calls", 5),
    ("bound", 5),
    ("reuses", 6),
    ("double", 6),
    ("longest", 7),
    ("requests", 8),
    ("failed", 6),
    ("recovery", 8),
    ("took", 7),
    ("seed", 4),
];

const LEGEND: &str = "\
runs      keys, two to a process: one whose tokens come with refresh tokens, one whose do not
calls     token requests that the server saw, of all runs
bound     1 a run (2 with a refusal), 1 for each crash or lost lease after the call had begun, and 1
          for each refresh token that the server did not take; each run keeps its own bound
reuses    refresh tokens that were sent once more, because what became of them was unknown
double    those that were sent more often than that, or twice at once
longest   from the crash or stop until the next process had a token; under load, the longest request
failed    of the requests: those that needed a refresh token, and the store for it
recovery  from the end of the fault until new tokens cost one token_request for all of them again
";
