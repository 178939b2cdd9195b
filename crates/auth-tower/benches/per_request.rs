//! The cost of a signed request compared with the alternatives: instructions, allocations,
//! nanoseconds. All figures are differences to the floor, the service without a layer.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/contenders.rs"]
mod contenders;
#[path = "support/processor.rs"]
mod processor;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/retry.rs"]
mod retry;
#[path = "support/rw_lock.rs"]
mod rw_lock;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{collections::HashMap, env, process::ExitCode, thread, time::Duration};

use callgrind::Counts;
use contenders::Contender;
use report::{Limit, Report, Table, cell, median};
use requests::Scenario;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|mode| mode == SEND) {
        return match send(&arguments) {
            Some(()) => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        };
    }

    let mut report = Report::new("per request");
    let counts = if callgrind::is_installed() {
        match count_all() {
            Ok(counts) => Some(counts),
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        report.not_measured(callgrind::MISSING);
        None
    };
    for scenario in Scenario::ALL {
        compare(scenario, counts.as_ref(), &mut report);
    }
    if let Some(counts) = &counts {
        judge(counts, &mut report);
        judge_token_length(counts, &mut report);
    }
    report.finish()
}

/// Only sends requests, to be counted. Arguments: contender, scenario, length of the token, number
/// of requests.
fn send(arguments: &[String]) -> Option<()> {
    let [_, contender, scenario, token_bytes, requests] = arguments else {
        return None;
    };
    let contender = Contender::ALL.into_iter().find(|c| c.id() == contender)?;
    let scenario = Scenario::ALL.into_iter().find(|s| s.id() == scenario)?;
    let mut send = contender.sender(scenario, token_bytes.parse().ok()?);
    send(requests.parse().ok()?);
    Some(())
}

/// The first argument of a run that only sends requests.
const SEND: &str = "send";

/// The usual length of a token.
const TOKEN: usize = 1024;

/// Lengths of tokens that must not change the cost.
const SHORT_TOKEN: usize = 40;
const LONG_TOKEN: usize = 4096;

type Cell = (Contender, Scenario, usize);

struct AllCounts(HashMap<(&'static str, &'static str, usize), Counts>);

impl AllCounts {
    /// Returns the difference between a contender and the service without a layer.
    fn over_floor(&self, contender: Contender, scenario: Scenario, token: usize) -> Counts {
        let Self(counts) = self;
        let of = |contender: Contender| counts[&(contender.id(), scenario.id(), token)];
        of(contender) - of(Contender::Bare)
    }

    /// Returns the instructions above the floor.
    fn of(&self, contender: Contender, scenario: Scenario) -> f64 {
        self.over_floor(contender, scenario, TOKEN).instructions
    }

    fn ratio(&self, over: Contender, under: Contender, scenario: Scenario) -> f64 {
        self.of(over, scenario) / self.of(under, scenario)
    }
}

fn count_all() -> Result<AllCounts, String> {
    let mut cells: Vec<Cell> = Vec::new();
    for scenario in Scenario::ALL {
        let contenders = Contender::of(scenario).iter();
        cells.extend(contenders.map(|&contender| (contender, scenario, TOKEN)));
    }
    for token in [SHORT_TOKEN, LONG_TOKEN] {
        let contenders = [Contender::Bare, Contender::AuthReplayOff, Contender::Auth];
        cells.extend(contenders.map(|contender| (contender, Scenario::Room6, token)));
    }
    // Counts do not depend on other programs, so two run at a time.
    let half = cells.len().div_ceil(2);
    let count = |cells: &[Cell]| -> Result<Vec<_>, String> {
        let counted = cells.iter().map(|&(contender, scenario, token)| {
            let token_bytes = token.to_string();
            let arguments = [SEND, contender.id(), scenario.id(), &token_bytes];
            let counts = Counts::per_round(&arguments, 1_000, 3_000)?;
            Ok(((contender.id(), scenario.id(), token), counts))
        });
        counted.collect()
    };
    let halves = thread::scope(|scope| {
        let count = &count;
        let halves: Vec<_> = cells
            .chunks(half)
            .map(|cells| scope.spawn(move || count(cells)))
            .collect();
        halves
            .into_iter()
            .map(|half| half.join().expect("counting does not panic"))
            .collect::<Result<Vec<_>, String>>()
    })?;
    Ok(AllCounts(halves.into_iter().flatten().collect()))
}

fn compare(scenario: Scenario, counts: Option<&AllCounts>, report: &mut Report) {
    let contenders = Contender::of(scenario);
    let times = time_all(scenario);
    let head = format!("{}, token of {TOKEN} bytes", scenario.title());
    let mut table = Table::new(&[
        &head,
        "instructions",
        "ratio",
        "allocs",
        "reallocs",
        "ns",
        "ratio",
    ]);
    // Keys are compared with the layer for one key, so with requests without a key.
    let (of, base) = if contenders.contains(&Contender::AddAuthorization) {
        (Contender::AddAuthorization, scenario)
    } else {
        (Contender::AuthReplayOff, Scenario::Room6)
    };
    for (
        &contender,
        Time {
            nanos,
            ratio: times,
        },
    ) in contenders.iter().zip(times)
    {
        let (over, ratio) = match counts {
            Some(counts) => (
                counts.over_floor(contender, scenario, TOKEN),
                counts.of(contender, scenario) / counts.of(of, base),
            ),
            None => (Counts::NONE, f64::NAN),
        };
        let what = format!("{}, {}", contender.title(), scenario.title());
        report.note(format!("{what}: instructions"), over.instructions);
        report.note(format!("{what}: allocations"), over.allocations);
        report.note(format!("{what}: ns"), nanos);
        // A clock depends on the load of the machine, so the limit is far above the goal.
        if contender == Contender::AuthReplayOff && scenario == Scenario::Full6 {
            report.goal(
                format!(
                    "replay off, time of AddAuthorization's: {}",
                    scenario.title()
                ),
                times,
                Limit::AtMost(1.8),
                Limit::AtMost(1.5),
            );
        }
        table.row([
            contender.title().to_owned(),
            cell(over.instructions, 0),
            cell(ratio, 2),
            cell(over.allocations, 2),
            cell(over.reallocations, 2),
            cell(nanos, 0),
            cell(times, 2),
        ]);
    }
    table.print();
}

/// The processor time of a request. Both are the median of the rounds, each within its round, so
/// that a slow moment affects all contenders.
struct Time {
    /// More than the floor.
    nanos: f64,
    /// The ratio to the first contender after the floor.
    ratio: f64,
}

/// Measures all contenders of a scenario in turn, round by round.
fn time_all(scenario: Scenario) -> Vec<Time> {
    let contenders = Contender::of(scenario).iter();
    let mut senders: Vec<_> = contenders
        .map(|contender| contender.sender(scenario, TOKEN))
        .collect();
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(REQUESTS);
    // More than the floor, by contender.
    let rounds: Vec<Vec<f64>> = (0..ROUNDS)
        .map(|_| {
            let round = senders.iter_mut().map(|send| nanos(send(REQUESTS)));
            let round: Vec<f64> = round.collect();
            round.iter().map(|nanos| nanos - round[0]).collect()
        })
        .collect();
    let middle = |of: &dyn Fn(&[f64]) -> f64| {
        let rounds = rounds.iter().map(|round| of(round));
        median(rounds.collect())
    };
    (0..senders.len())
        .map(|at| Time {
            nanos: middle(&|round| round[at]),
            ratio: middle(&|round| round[at] / round[1]),
        })
        .collect()
}

const ROUNDS: u32 = 101;
const REQUESTS: u32 = 5_000;

fn judge(counts: &AllCounts, report: &mut Report) {
    use Contender::{
        AddAuthorization, Auth, AuthMetrics, AuthReplayBody, AuthReplayOff, Keyed, KeyedReplayOff,
        RetryAndAddAuthorization,
    };
    // Each limit is the measured figure plus at least 5 percent, because another build changes the
    // figures a little.
    for (scenario, limit, goal) in [
        (Scenario::InPlace6, 1.80, 1.50),
        (Scenario::Room6, 1.83, 1.70),
        (Scenario::Extension6, 2.05, 1.75),
        (Scenario::Port443, 2.33, 2.20),
        (Scenario::Foreign, 4.95, 1.20),
        (Scenario::Foreign20, 6.15, 1.50),
    ] {
        report.goal(
            format!(
                "replay off, instructions of AddAuthorization's: {}",
                scenario.title()
            ),
            counts.ratio(AuthReplayOff, AddAuthorization, scenario),
            Limit::AtMost(limit),
            Limit::AtMost(goal),
        );
    }
    for (scenario, limit, goal) in [
        (Scenario::Room6, 0.68, 0.60),
        (Scenario::Full6, 0.795, 0.70),
        (Scenario::Body4k6, 0.815, 0.72),
    ] {
        report.goal(
            format!(
                "replay, instructions of Retry + AddAuthorization's: {}",
                scenario.title()
            ),
            counts.ratio(Auth, RetryAndAddAuthorization, scenario),
            Limit::AtMost(limit),
            Limit::AtMost(goal),
        );
    }
    for (scenario, limit, goal) in [
        (Scenario::KeyShort, 1.80, 1.70),
        (Scenario::KeyLong, 1.80, 1.80),
    ] {
        for (keyed, single) in [(KeyedReplayOff, AuthReplayOff), (Keyed, Auth)] {
            report.goal(
                format!(
                    "{}, instructions of one key's: {}",
                    keyed.title(),
                    scenario.title()
                ),
                counts.of(keyed, scenario) / counts.of(single, Scenario::Room6),
                Limit::AtMost(limit),
                Limit::AtMost(goal),
            );
        }
    }
    let more = counts.of(AuthReplayBody, Scenario::Room6) - counts.of(Auth, Scenario::Room6);
    let base = counts.of(AddAuthorization, Scenario::Room6);
    report.goal(
        "ReplayBodyLayer over an empty body, instructions of AddAuthorization's",
        more / base,
        Limit::AtMost(0.2),
        Limit::AtMost(120.0 / base),
    );
    report.goal(
        format!(
            "{}, instructions of {}'s",
            AuthMetrics.title(),
            Auth.title()
        ),
        counts.ratio(AuthMetrics, Auth, Scenario::Room6),
        Limit::AtMost(1.10),
        Limit::AtMost(1.01),
    );
    for scenario in Scenario::ALL {
        if !Contender::of(scenario).contains(&Auth) {
            continue;
        }
        let allocations = |contender| {
            let counts = counts.over_floor(contender, scenario, TOKEN);
            counts.allocations + counts.reallocations
        };
        let floor = allocations(AddAuthorization);
        // A body with one owner becomes shared: 24 bytes.
        let replay = if scenario == Scenario::Body4k6 {
            1.0
        } else {
            0.0
        };
        for (contender, more) in [(AuthReplayOff, 0.0), (Auth, replay)] {
            report.gate(
                format!(
                    "{}, allocations more than AddAuthorization: {}",
                    contender.title(),
                    scenario.title()
                ),
                allocations(contender) - floor,
                Limit::AtMost(more + TOLERANCE),
            );
        }
    }
}

/// A buffer may have grown once between the two run lengths.
const TOLERANCE: f64 = 0.01;

fn judge_token_length(counts: &AllCounts, report: &mut Report) {
    for contender in [Contender::AuthReplayOff, Contender::Auth] {
        let of = |token| {
            let counts = counts.over_floor(contender, Scenario::Room6, token);
            counts.instructions
        };
        report.gate(
            format!(
                "{}, instructions with a token of {LONG_TOKEN} bytes of those with {SHORT_TOKEN}",
                contender.title()
            ),
            of(LONG_TOKEN) / of(SHORT_TOKEN),
            Limit::AtMost(1.02),
        );
    }
}
