//! The cost of serving all tasks that wait for one token, compared with waking the same number of
//! plain tasks.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;

use std::process::ExitCode;

use crowd::{Crowd, Wake};
use report::{Limit, Report, Table, median};

const TASKS: u32 = 100_000;
/// The number of rounds that count: both workers had a processor, with the token and without.
const WANTED: usize = 9;
/// With fewer rounds there is no result.
const ENOUGH: usize = 5;
const MOST: usize = 40;
/// Of two processors. Some time passes before the second worker has work.
const FAIR: f64 = 1.6;

fn main() -> ExitCode {
    let runtime = crowd::runtime();
    let mut table = Table::new(&[
        &format!("waking {TASKS} tasks, 2 workers"),
        "bare ms",
        "token ms",
        "ratio",
        "token_requests",
    ]);
    let mut ratios = Vec::new();
    let mut times = Vec::new();
    let mut token_requests = Vec::new();
    let mut rounds = 0;
    while rounds < MOST && ratios.len() < WANTED {
        rounds += 1;
        let bare = Crowd::bare(&runtime, TASKS).wake();
        let token = Crowd::for_token(&runtime, TASKS).wake();
        token_requests.push(f64::from(token.token_requests));
        if [&bare, &token].into_iter().all(is_fair) {
            let [bare, token] = [bare, token].map(|wake| wake.time.as_secs_f64() * 1e3);
            table.row([
                format!("round {rounds}"),
                format!("{bare:.1}"),
                format!("{token:.1}"),
                format!("{:.2}", token / bare),
                token_requests
                    .last()
                    .copied()
                    .unwrap_or(f64::NAN)
                    .to_string(),
            ]);
            ratios.push(token / bare);
            times.push(token);
        }
    }
    println!(
        "{} of {rounds} rounds had two processors to themselves",
        ratios.len()
    );
    table.print();

    let mut report = Report::new("stampede");
    let limit = match ratios.len() {
        ENOUGH.. => Limit::AtMost(1.3),
        _ => Limit::Unjudged,
    };
    let what = format!("waking {TASKS} waiters, of waking bare tasks, median");
    report.gate(what, median(ratios), limit);
    let times = median(times);
    report.note(format!("waking {TASKS} waiters, median: ms"), times);
    // Exactly one each time: more would be a stampede, zero would be no token.
    let most = token_requests.iter().copied().fold(f64::MIN, f64::max);
    let fewest = token_requests.iter().copied().fold(f64::MAX, f64::min);
    report.gate("token requests, at most", most, Limit::AtMost(1.0));
    report.gate("token requests, at least", fewest, Limit::AtLeast(1.0));
    report.finish()
}

fn is_fair(wake: &Wake) -> bool {
    wake.processors.is_none_or(|processors| processors >= FAIR)
}
