//! Measures what a signed request with reqwest costs, compared with hand-written middlewares.
//!
//! Requests use HTTP/1.1 over loopback to a server in the same thread, because reqwest accepts no
//! other connector. With one thread, one connection and one request after the other, the
//! allocations repeat exactly. Addresses are not randomized, because the work of `memcpy` depends
//! on alignment. Instructions then repeat within 40 of 75,000; the rest is due to tokio's timers.
//!
//! Instructions and allocations are those of the whole program: client, server and runtime. The
//! cost of a contender is the difference to a floor of the same run.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../../auth-tower/benches/support/callgrind.rs"]
#[allow(dead_code, reason = "shared with the benches of auth-tower")]
mod callgrind;
#[path = "support/contenders.rs"]
mod contenders;
#[path = "support/hand_written.rs"]
mod hand_written;
#[path = "../../auth-tower/benches/support/report.rs"]
#[allow(dead_code, reason = "shared with the benches of auth-tower")]
mod report;
#[path = "support/server.rs"]
mod server;
#[path = "../../auth-tower/benches/support/warm.rs"]
#[allow(dead_code, reason = "shared with the benches of auth-tower")]
mod warm;

use std::{
    env,
    ffi::OsStr,
    process::{Command, ExitCode},
};

use callgrind::Counts;
use contenders::{Contender, Scenario};
use report::{Limit, Report, Table, cell};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [mode, contender, scenario, requests] = &arguments[..] {
        if mode == SEND {
            let contender = Contender::ALL.into_iter().find(|c| c.id() == contender);
            let scenario = Scenario::ALL.into_iter().find(|s| s.id() == scenario);
            let contender = contender.expect("a contender's id");
            let scenario = scenario.expect("a scenario's id");
            contender.send(scenario, requests.parse().expect("a number"));
            return ExitCode::SUCCESS;
        }
    }
    if let Some(code) = with_fixed_addresses(&arguments) {
        return code;
    }
    let mut report = Report::new("reqwest clients");
    if !callgrind::is_installed() {
        report.not_measured(callgrind::MISSING);
        return report.finish();
    }
    for scenario in Scenario::ALL {
        match count(scenario) {
            Ok(counts) => counts.judge(&mut report),
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    report.finish()
}

/// Runs this program again without randomized addresses. Returns `None` if it runs that way
/// already, or if the system does not permit it: counts then differ by about ten instructions
/// between runs.
fn with_fixed_addresses(arguments: &[String]) -> Option<ExitCode> {
    let setarch = |program: &OsStr| {
        let mut command = Command::new("setarch");
        command.arg("--addr-no-randomize").arg(program);
        command
    };
    if env::var_os(FIXED).is_some() {
        return None;
    }
    if !setarch("true".as_ref()).status().ok()?.success() {
        return None;
    }
    let program = env::current_exe().ok()?;
    let mut command = setarch(program.as_os_str());
    let status = command.args(arguments).env(FIXED, "1").status().ok()?;
    Some(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The variable that is set in a run without randomized addresses.
const FIXED: &str = "AUTH_BENCH_FIXED_ADDRESSES";

/// The first argument of a run that only sends requests. The others are the contender, the scenario
/// and the number of requests.
const SEND: &str = "send";

/// The costs of a request, per contender.
struct AllCounts {
    scenario: Scenario,
    counts: Vec<Counts>,
}

fn count(scenario: Scenario) -> Result<AllCounts, String> {
    let counts = Contender::ALL.into_iter().map(|contender| {
        // The first requests open the connection and fill the pools.
        Counts::per_round(&[SEND, contender.id(), scenario.id()], 300, 900)
    });
    Ok(AllCounts {
        scenario,
        counts: counts.collect::<Result<_, _>>()?,
    })
}

impl AllCounts {
    fn of(&self, contender: Contender) -> Counts {
        let at = Contender::ALL.into_iter().position(|c| c == contender);
        self.counts[at.expect("one of them")]
    }

    /// Returns the difference to the contender's floor.
    fn over_floor(&self, contender: Contender) -> Counts {
        self.of(contender) - self.of(contender.floor())
    }

    fn judge(&self, report: &mut Report) {
        use Contender::{
            HandWritten, HandWrittenReplay, Keyed, KeyedLong, KeyedReplayOff, Middleware,
            MiddlewareReplayOff, ReqwestService,
        };
        self.print(report);
        let title = self.scenario.title();
        // The measured figures and the goals.
        let [off, on] = match self.scenario {
            Scenario::Get => [1.50, 0.85],
            Scenario::Post => [1.53, 0.96],
        };
        for (contender, base, reached, goal) in [
            (MiddlewareReplayOff, HandWritten, off, 2.0),
            (Middleware, HandWrittenReplay, on, 1.0),
            (KeyedReplayOff, MiddlewareReplayOff, 1.7, 1.7),
            (Keyed, Middleware, 1.7, 1.7),
            (KeyedLong, Middleware, 1.8, 1.8),
        ] {
            let instructions = |contender| self.over_floor(contender).instructions;
            report.goal(
                format!(
                    "{title}: {}, instructions of those of {}",
                    contender.title(),
                    base.title()
                ),
                instructions(contender) / instructions(base),
                Limit::AtMost(reached * SLACK),
                Limit::AtMost(goal),
            );
        }
        let more = self.over_floor(ReqwestService);
        let base = self.of(ReqwestService.floor()).instructions;
        let ratio = |more: f64| (base + more) / base;
        report.goal(
            format!("{title}: ReqwestService, instructions of those of reqwest"),
            ratio(more.instructions),
            Limit::AtMost(ratio(SERVICE * SLACK)),
            Limit::AtMost(ratio(SERVICE)),
        );
        report.goal(
            format!("{title}: ReqwestService, allocations more than reqwest"),
            more.allocations,
            Limit::AtMost(3.0 + TOLERANCE),
            Limit::AtMost(4.0),
        );
    }

    fn print(&self, report: &mut Report) {
        let head = format!("{}, HTTP/1.1 over loopback", self.scenario.title());
        let mut table = Table::new(&[
            &head,
            "instructions",
            "over its floor",
            "allocs",
            "over its floor",
            "reallocs",
        ]);
        for contender in Contender::ALL {
            let (counts, over) = (self.of(contender), self.over_floor(contender));
            let what = format!("{}, {}", self.scenario.title(), contender.title());
            report.note(format!("{what}: instructions"), counts.instructions);
            report.note(
                format!("{what}: instructions over its floor"),
                over.instructions,
            );
            report.note(
                format!("{what}: allocations over its floor"),
                over.allocations,
            );
            table.row([
                contender.title().to_owned(),
                cell(counts.instructions, 0),
                cell(over.instructions, 0),
                cell(counts.allocations, 2),
                cell(over.allocations, 2),
                cell(over.reallocations, 2),
            ]);
        }
        table.print();
    }
}

/// The goal for the instructions that `ReqwestService` adds to a request.
const SERVICE: f64 = 2_500.0;

/// The factor by which a figure may become worse.
const SLACK: f64 = 1.05;

/// A buffer may have grown once between the two run lengths.
const TOLERANCE: f64 = 0.01;
