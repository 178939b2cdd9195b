//! What a signed request costs beside the same request through the alternatives: instructions,
//! allocations, nanoseconds. All figures are over the floor, which is the service alone.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/contenders.rs"]
mod contenders;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/warm.rs"]
mod warm;

use std::{collections::HashMap, env, process::ExitCode, thread, time::Duration};

use callgrind::Counts;
use contenders::Contender;
use report::{Limit, Report, Table, cell};
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
        println!(
            "not run: instructions and allocations, which need valgrind \
             (cargo xtask bench installs it)\n"
        );
        None
    };
    for scenario in Scenario::ALL {
        compare(scenario, counts.as_ref());
    }
    if let Some(counts) = &counts {
        judge(counts, &mut report);
        judge_token_length(counts, &mut report);
    }
    report.finish()
}

/// Only sends requests, to be counted: contender, scenario, length of the token, how many.
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

/// Lengths of tokens that must not make a difference.
const SHORT_TOKEN: usize = 40;
const LONG_TOKEN: usize = 4096;

type Cell = (Contender, Scenario, usize);

struct AllCounts(HashMap<(&'static str, &'static str, usize), Counts>);

impl AllCounts {
    /// What a contender adds to the service alone.
    fn over_floor(&self, contender: Contender, scenario: Scenario, token: usize) -> Counts {
        let Self(counts) = self;
        let of = |contender: Contender| counts[&(contender.id(), scenario.id(), token)];
        of(contender) - of(Contender::Bare)
    }

    fn ratio(&self, over: Contender, under: Contender, scenario: Scenario) -> f64 {
        let instructions = |contender| {
            let counts = self.over_floor(contender, scenario, TOKEN);
            counts.instructions
        };
        instructions(over) / instructions(under)
    }
}

fn count_all() -> Result<AllCounts, String> {
    let mut cells: Vec<Cell> = Vec::new();
    for contender in Contender::ALL {
        for scenario in Scenario::ALL {
            cells.push((contender, scenario, TOKEN));
        }
        for token in [SHORT_TOKEN, LONG_TOKEN] {
            cells.push((contender, Scenario::Empty6Room, token));
        }
    }
    // Counts do not depend on who else runs, so two at a time.
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

fn compare(scenario: Scenario, counts: Option<&AllCounts>) {
    let times = time_all(scenario);
    let head = format!("{}, token of {TOKEN} bytes", scenario.id());
    let mut table = Table::new(&[
        &head,
        "instructions",
        "ratio",
        "allocs",
        "reallocs",
        "ns",
        "ratio",
    ]);
    for (contender, (nanos, time_ratio)) in Contender::ALL.into_iter().zip(times) {
        let (over, ratio) = match counts {
            Some(counts) => (
                counts.over_floor(contender, scenario, TOKEN),
                counts.ratio(contender, Contender::AddAuthorization, scenario),
            ),
            None => (Counts::NONE, f64::NAN),
        };
        table.row([
            contender.title().to_owned(),
            cell(over.instructions, 0),
            cell(ratio, 2),
            cell(over.allocations, 2),
            cell(over.reallocations, 2),
            cell(nanos, 0),
            cell(time_ratio, 2),
        ]);
    }
    table.print();
}

/// Nanoseconds over the floor, and of AddAuthorization's; of interleaved rounds each contender's
/// best, which is what a busy machine disturbs least.
fn time_all(scenario: Scenario) -> Vec<(f64, f64)> {
    let mut senders = Contender::ALL.map(|contender| contender.sender(scenario, TOKEN));
    let mut best = [Duration::MAX; Contender::ALL.len()];
    for _ in 0..ROUNDS {
        for (best, send) in best.iter_mut().zip(&mut senders) {
            *best = send(REQUESTS).min(*best);
        }
    }
    let nanos = best.map(|time| time.as_secs_f64() * 1e9 / f64::from(REQUESTS));
    let [floor, added, ..] = nanos;
    let over = nanos.iter().map(|nanos| nanos - floor);
    over.map(|over| (over, over / (added - floor))).collect()
}

const ROUNDS: u32 = 101;
const REQUESTS: u32 = 5_000;

fn judge(counts: &AllCounts, report: &mut Report) {
    let room = Scenario::Empty6Room;
    report.gate(
        "replay off, instructions of AddAuthorization's, map with room",
        counts.ratio(Contender::AuthReplayOff, Contender::AddAuthorization, room),
        Limit::AtMost(1.7),
    );
    let extension = Scenario::Extension6Room;
    report.gate(
        "replay off, instructions of AddAuthorization's, response with an extension",
        counts.ratio(
            Contender::AuthReplayOff,
            Contender::AddAuthorization,
            extension,
        ),
        Limit::AtMost(1.95),
    );
    report.gate(
        "replay on, instructions of Retry + AddAuthorization's, map with room",
        counts.ratio(Contender::Auth, Contender::RetryAndAddAuthorization, room),
        Limit::AtMost(0.7),
    );
    for scenario in Scenario::ALL {
        let allocations = |contender| {
            let counts = counts.over_floor(contender, scenario, TOKEN);
            counts.allocations + counts.reallocations
        };
        let floor = allocations(Contender::AddAuthorization);
        // A body that nobody shares yet becomes shared: 24 bytes.
        let replay = if scenario == Scenario::Body4k6 {
            1.0
        } else {
            0.0
        };
        for (contender, more) in [(Contender::AuthReplayOff, 0.0), (Contender::Auth, replay)] {
            report.gate(
                format!(
                    "{}, allocations more than AddAuthorization, {}",
                    contender.title(),
                    scenario.id()
                ),
                allocations(contender) - floor,
                Limit::AtMost(more + TOLERANCE),
            );
        }
    }
}

/// Between two run lengths a buffer may have grown once.
const TOLERANCE: f64 = 0.01;

fn judge_token_length(counts: &AllCounts, report: &mut Report) {
    for contender in [Contender::AuthReplayOff, Contender::Auth] {
        let of = |token| {
            let counts = counts.over_floor(contender, Scenario::Empty6Room, token);
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
