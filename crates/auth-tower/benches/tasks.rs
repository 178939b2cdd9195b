//! Many tasks on all processors read a header value from one place: an authenticator, or a lock
//! around a token as applications write it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use auth_core::{Authenticator, Signing};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use report::{Limit, Report, Table, cell, median};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Mutex, RwLock},
    task::{JoinSet, yield_now},
};

fn main() -> ExitCode {
    let mut report = Report::new("tasks");
    let runtime = Builder::new_multi_thread().build().expect("a runtime");
    let ways = ways();
    let mut table = Table::new(&["tasks", ways[0].0, ways[1].0, ways[2].0, ways[3].0]);
    for tasks in [1, 2, 4, 8, 16] {
        let mut rates = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((_, way), rates) in ways.iter().zip(&mut rates) {
                rates.push(rate(&runtime, tasks, way));
            }
        }
        // Figures of the same round are compared, so that a slow moment affects all of them.
        let times = |other: usize| {
            let pairs = rates[0].iter().zip(&rates[other]);
            median(pairs.map(|(ours, theirs)| ours / theirs).collect())
        };
        let fewest = JUDGED.into_iter().map(times).fold(f64::INFINITY, f64::min);
        let cells = rates.iter().map(|rates| cell(median(rates.clone()), 2));
        let cells: Vec<_> = [tasks.to_string()].into_iter().chain(cells).collect();
        table.row(<[String; 5]>::try_from(cells).expect("four ways"));
        report.gate(
            format!("{tasks} tasks, times the better of Mutex and RwLock"),
            fewest,
            Limit::AtLeast(1.5),
        );
        report.note(
            format!("{tasks} tasks, times {}", ways[RW_LOCK].0),
            times(RW_LOCK),
        );
        for ((name, _), rates) in ways.iter().zip(&rates) {
            let what = format!("{tasks} tasks, {name}: millions a second");
            report.note(what, median(rates.clone()));
        }
    }
    println!("millions a second, all tasks together");
    table.print();
    report.finish()
}

/// The usual code. The finished value in a lock is only for comparison.
const JUDGED: [usize; 2] = [1, RW_LOCK];
const RW_LOCK: usize = 2;
const ROUNDS: usize = 7;
const SLICE: Duration = Duration::from_millis(40);
const TOKEN: usize = 1024;

/// The content of the lock: the token, and the time until which it is valid.
struct Kept {
    token: String,
    until: Instant,
}

#[allow(clippy::disallowed_methods, reason = "a bench times things")]
fn now() -> Instant {
    Instant::now()
}

/// The place from which the token is read.
#[derive(Clone)]
enum Way {
    Authenticator(Authenticator),
    Mutex(Arc<Mutex<Kept>>),
    RwLock(Arc<RwLock<Kept>>),
    /// The fastest lock: it contains the finished value, and the clock is not read.
    Value(Arc<RwLock<HeaderValue>>),
}

fn ways() -> [(&'static str, Way); 4] {
    let kept = || Kept {
        token: warm::token(TOKEN),
        until: now() + Duration::from_secs(3600),
    };
    let value = RwLock::new(line(&warm::token(TOKEN)));
    let authenticator = warm::warm(warm::builder(TOKEN));
    [
        ("Authenticator", Way::Authenticator(authenticator)),
        ("tokio Mutex", Way::Mutex(Arc::new(Mutex::new(kept())))),
        ("tokio RwLock", Way::RwLock(Arc::new(RwLock::new(kept())))),
        ("RwLock, value", Way::Value(Arc::new(value))),
    ]
}

impl Way {
    async fn sign(&self, headers: &mut HeaderMap) {
        match self {
            // As the layer does: at once if possible, otherwise after a wait.
            Self::Authenticator(authenticator) => {
                if let Signing::NoToken = authenticator.sign(headers) {
                    if let Ok(token) = authenticator.token().await {
                        token.sign(headers);
                    }
                }
            }
            Self::Mutex(kept) => insert(headers, &*kept.lock().await),
            Self::RwLock(kept) => insert(headers, &*kept.read().await),
            Self::Value(value) => {
                headers.insert(AUTHORIZATION, value.read().await.clone());
            }
        }
    }

    /// Signs until the time is over. Returns how often.
    async fn sign_on(self) -> u64 {
        const TIMES: u64 = 64;
        let begun = now();
        let (mut headers, mut done) = (HeaderMap::with_capacity(8), 0);
        while begun.elapsed() < SLICE {
            for _ in 0..TIMES {
                self.sign(&mut headers).await;
                black_box(&mut headers).clear();
            }
            done += TIMES;
            yield_now().await;
        }
        done
    }
}

fn insert(headers: &mut HeaderMap, kept: &Kept) {
    if now() < kept.until {
        headers.insert(AUTHORIZATION, line(&kept.token));
    }
}

fn line(token: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("a valid value");
    value.set_sensitive(true);
    value
}

/// Millions per second.
fn rate(runtime: &Runtime, tasks: usize, way: &Way) -> f64 {
    runtime.block_on(async {
        let begun = now();
        let mut set = JoinSet::new();
        for _ in 0..tasks {
            set.spawn(way.clone().sign_on());
        }
        let done: u64 = set.join_all().await.into_iter().sum();
        done as f64 / begun.elapsed().as_secs_f64() / 1e6
    })
}
