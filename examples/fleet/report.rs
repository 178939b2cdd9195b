use std::{error::Error, process::ExitCode};

use crate::{
    arguments::Arguments,
    figures::{self, Figures, Side},
    phase::Phase,
    program::{self, eprintln, println},
    vendor::HOUR,
};

pub(crate) fn print(arguments: &Arguments, figures: &Figures) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.json {
        println!("{}", serde_json::to_string(&figures.line())?);
    } else {
        tables(arguments, figures);
    }
    let off = figures.off();
    for off in &off {
        eprintln!("{} {off}", program::mark(false));
    }
    Ok(if off.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tables(arguments: &Arguments, figures: &Figures) {
    let processes = figures.shared.reports.len();
    println!(
        "{processes} processes, tokens that live {} s, a quota of {} in {} s, {} lifetimes",
        HOUR.as_secs(),
        figures.quota,
        HOUR.as_secs(),
        figures.lifetimes().ceil()
    );
    table("one token for all, in Redis", figures, &figures.shared);
    row(
        "failed store calls",
        Phase::ALL.map(|phase| figures.shared.sum(phase, |counts| counts.store_failures)),
        |all| all.iter().sum::<u64>().to_string(),
    );
    row(
        "longest delay by a failing store, ms",
        Phase::ALL.map(|phase| figures.shared.max(phase, |counts| counts.added_ms_max)),
        |_| figures.added_ms_max().to_string(),
    );
    table("a token for each process", figures, &figures.alone);
    let (shared, alone) = (figures.shared.calls.len(), figures.alone.calls.len());
    println!("\n{shared} token requests with the store, {alone} without it");
    if let Some(recovery) = figures.outage.recovery {
        let seconds = recovery.as_secs_f64();
        println!("{seconds:.1} s after Redis was back, all processes shared one token again");
    }
    println!("The plot is in {}.", arguments.svg.display());
}

fn table(name: &str, figures: &Figures, side: &Side) {
    let columns = Phase::ALL.map(|phase| {
        let seconds = figures.length(phase).as_secs_f64();
        format!("{} {seconds:.0} s", phase.name())
    });
    println!();
    row(name, columns, |_| "all".into());
    for (number, report) in (1..).zip(&side.reports) {
        let token_requests = Phase::ALL.map(|phase| report.counts[phase].token_requests);
        row(
            &format!("token requests of process {number}"),
            token_requests,
            total,
        );
    }
    let token_requests = Phase::ALL.map(|phase| figures.token_requests(side, phase) as u64);
    row("token requests that the vendor saw", token_requests, total);
    let each = Phase::ALL.map(|phase| {
        let lifetimes = figures::lifetimes(figures.length(phase));
        format!(
            "{:.1}",
            figures.token_requests(side, phase) as f64 / lifetimes
        )
    });
    row("  in each lifetime", each, |_| {
        format!("{:.1}", side.calls.len() as f64 / figures.lifetimes())
    });
    let requests = Phase::ALL.map(|phase| side.sum(phase, |counts| counts.requests));
    row("requests", requests, total);
    let failed = Phase::ALL.map(|phase| side.sum(phase, |counts| counts.failed));
    row("failed requests", failed, total);
    let waited = Phase::ALL.map(|phase| side.max(phase, |counts| counts.waited_ms_max));
    row("longest wait for a token, ms", waited, |waited| {
        waited.iter().copied().fold(0.0, f64::max).to_string()
    });
    let over = side.windows_over_quota;
    row("windows over quota", [""; 3], |_| over.to_string());
}

fn total(of: &[u64; 3]) -> String {
    of.iter().sum::<u64>().to_string()
}

fn row<T: ToString>(name: &str, phases: [T; 3], all: impl FnOnce(&[T; 3]) -> String) {
    let all = all(&phases);
    let [before, outage, after] = phases.map(|phase| phase.to_string());
    println!("{name:<34}{before:>12}{outage:>12}{after:>12}{all:>8}");
}
