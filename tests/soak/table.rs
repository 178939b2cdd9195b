//! The figures: progress once a minute, a table at the end, and a line for the report.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    judge::{Seen, thirds},
    measure::Held,
};

/// The sums of a run.
pub(crate) struct Table {
    seed: u64,
    store: &'static str,
    lasted: Duration,
    minutes: u64,
    /// Faults that were printed.
    told: usize,
    /// The longest request, in milliseconds.
    pub(crate) longest: u64,
    /// Log lines that were searched.
    pub(crate) lines: u64,
    /// Refresh tokens that were issued.
    pub(crate) refresh_tokens: u64,
    /// The most authenticators of the map.
    pub(crate) entries: usize,
    calm: Sum,
    whole: Sum,
    faults: BTreeMap<String, Sum>,
    errors: BTreeSet<String>,
    processes: Vec<(String, Held, Held, Duration)>,
}

#[derive(Default)]
struct Sum {
    cycles: u64,
    lasted: Duration,
    requests: u64,
    failed: u64,
    refused: u64,
    errors: u64,
    token_requests: u64,
    bound: u64,
    reuses: u64,
    longest_recovery: Duration,
}

impl Sum {
    fn add(&mut self, seen: &Seen) {
        self.requests += seen.requests;
        self.failed += seen.failed.values().sum::<u64>();
        self.refused += seen.refused;
        self.errors += seen.errors;
        self.token_requests += seen.token_requests;
        self.reuses += seen.reuses;
    }
}

#[expect(clippy::print_stdout, reason = "prints progress and figures")]
impl Table {
    pub(crate) fn new(seed: u64, store: &'static str) -> Self {
        Self {
            seed,
            store,
            lasted: Duration::ZERO,
            minutes: 0,
            told: 0,
            longest: 0,
            lines: 0,
            refresh_tokens: 0,
            entries: 0,
            calm: Sum::default(),
            whole: Sum::default(),
            faults: BTreeMap::new(),
            errors: BTreeSet::new(),
            processes: Vec::new(),
        }
    }

    pub(crate) fn begins(&self, lasts: Duration) {
        println!("soak: seed {}, {} s", self.seed, lasts.as_secs());
    }

    /// A calm time of one vendor.
    pub(crate) fn calm(&mut self, lasted: Duration, seen: &Seen) {
        self.calm.lasted += lasted;
        self.calm.add(seen);
    }

    /// A whole cycle of one vendor.
    pub(crate) fn whole(&mut self, lasted: Duration, bound: u64, seen: &Seen) {
        self.whole.lasted += lasted;
        self.whole.bound += bound;
        self.whole.add(seen);
    }

    /// A fault and the recovery from it, of all vendors.
    pub(crate) fn cycle(&mut self, names: &str, recovery: Duration, seen: [(&str, Seen); 3]) {
        let sum = self.faults.entry(names.to_owned()).or_default();
        self.whole.cycles += 1;
        sum.cycles += 1;
        sum.longest_recovery = sum.longest_recovery.max(recovery);
        seen.iter().for_each(|(_, seen)| sum.add(seen));
    }

    /// Remembers an error's first words, without numbers.
    pub(crate) fn error(&mut self, text: &str) {
        let text = text.split(';').next().unwrap_or_default();
        let text: String = text.chars().take(100).collect();
        if self.errors.len() < 30 {
            let text = text.replace(|char: char| char.is_ascii_digit(), "#");
            self.errors.insert(text);
        }
    }

    pub(crate) fn process(&mut self, name: &str, held: &[Held], ended: Duration) {
        if let Some((first, last)) = thirds(held) {
            self.processes.push((name.to_owned(), first, last, ended));
        }
    }

    /// Prints a line a minute, and each fault when it is found.
    pub(crate) fn progress(&mut self, lasted: Duration, faults: &[String]) {
        self.lasted = lasted;
        let new = faults.get(self.told..).unwrap_or_default();
        new.iter().for_each(|fault| println!("fault: {fault}"));
        self.told = faults.len();
        if lasted.as_secs() / 60 <= self.minutes {
            return;
        }
        self.minutes = lasted.as_secs() / 60;
        let Sum {
            cycles,
            requests,
            failed,
            token_requests,
            bound,
            ..
        } = self.whole;
        println!(
            "{:3} min: {cycles} cycles, {requests} requests, {failed} without a response, \
             {token_requests} token requests (at most {bound} permitted), {} faults found",
            self.minutes,
            faults.len()
        );
    }

    pub(crate) fn end(&self, faults: &[String]) {
        let Self { calm, whole, .. } = self;
        println!(
            "\nsoak: {} s, seed {}, store: {}, {} cycles\n\n{:48} {:>6} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8}",
            self.lasted.as_secs(),
            self.seed,
            self.store,
            whole.cycles,
            "time",
            "cycles",
            "requests",
            "failed",
            "401",
            "errors",
            "tokens",
            "bound",
            "reuses",
            "recovery"
        );
        let row = |name: &str, sum: &Sum| {
            let bound = if sum.bound > 0 {
                sum.bound.to_string()
            } else {
                String::new()
            };
            println!(
                "{name:48} {:>6} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8}",
                sum.cycles,
                sum.requests,
                sum.failed,
                sum.refused,
                sum.errors,
                sum.token_requests,
                bound,
                sum.reuses,
                format!("{:.1} s", sum.longest_recovery.as_secs_f64()),
            );
        };
        row("without a fault", calm);
        self.faults.iter().for_each(|(name, sum)| row(name, sum));
        row("all", whole);
        println!(
            "\n{:20} {:>14} {:>14} {:>9} {:>9} {:>9} {:>8}",
            "process", "KiB, first", "KiB, last", "files", "threads", "tasks", "ended in"
        );
        for (name, first, last, ended) in &self.processes {
            let pair = |first: u64, last: u64| format!("{first} {last}");
            println!(
                "{name:20} {:>14} {:>14} {:>9} {:>9} {:>9} {:>8}",
                first.memory,
                last.memory,
                pair(first.files, last.files),
                pair(first.threads, last.threads),
                pair(first.tasks, last.tasks),
                format!("{:.1} s", ended.as_secs_f64()),
            );
        }
        println!("\n{LEGEND}");
        println!(
            "{} log lines without a secret; {} refresh tokens; at most {} authenticators in the map; longest request {} ms",
            self.lines, self.refresh_tokens, self.entries, self.longest
        );
        self.errors
            .iter()
            .for_each(|text| println!("error told to a caller: {text}"));
        self.report(faults);
    }

    fn report(&self, faults: &[String]) {
        let Self { calm, whole, .. } = self;
        let growth = |held: fn(&Held) -> u64| {
            let grown =
                |(_, first, last, _): &(_, Held, Held, _)| held(last) as i64 - held(first) as i64;
            self.processes.iter().map(grown).max().unwrap_or_default()
        };
        let slowest = self.faults.values().map(|sum| sum.longest_recovery).max();
        let faults_by_name = self.faults.iter();
        let faults_by_name: BTreeMap<_, _> =
            faults_by_name.map(|(n, sum)| (n, sum.cycles)).collect();
        test_report::line(
            "soak",
            [
                ("seconds", self.lasted.as_secs().into()),
                ("seed", self.seed.into()),
                ("store", self.store.into()),
                ("cycles", whole.cycles.into()),
                ("faults", serde_json::json!(faults_by_name)),
                ("requests", whole.requests.into()),
                ("failed", whole.failed.into()),
                ("refused", whole.refused.into()),
                ("token_requests", whole.token_requests.into()),
                ("bound", whole.bound.into()),
                ("calm_requests", calm.requests.into()),
                (
                    "calm_failed",
                    (calm.failed + calm.refused + calm.errors).into(),
                ),
                ("refresh_tokens", self.refresh_tokens.into()),
                ("reuses", whole.reuses.into()),
                ("log_lines", self.lines.into()),
                ("memory_growth_kib", growth(|held| held.memory).into()),
                ("files_growth", growth(|held| held.files).into()),
                ("tasks_growth", growth(|held| held.tasks).into()),
                (
                    "longest_recovery_ms",
                    (slowest.unwrap_or_default().as_millis() as u64).into(),
                ),
                ("longest_request_ms", self.longest.into()),
                ("violations", faults.len().into()),
            ],
        );
    }
}

const LEGEND: &str = "\
failed    requests without a response: the token endpoint or the API had a fault
401       refusals that reached a caller
tokens    token requests that the vendors saw; bound: how many the faults permit
reuses    refresh tokens that were sent once more, because their reply was lost
recovery  the longest time from the end of a fault until a time without any trace of it began
KiB, files, threads, tasks: the least in the first and in the last third after the warm-up";
