//! The gain of a second thread: two threads with one authenticator or one map of authenticators,
//! compared with two threads that share nothing.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/processor.rs"]
mod processor;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/requests.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod requests;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{
    fmt::Debug,
    hint::black_box,
    process::ExitCode,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use auth_core::{AuthenticatorMap, Key, Secret};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{Empty, Full};
use report::{Limit, Report, Table, cell, median};
use requests::{NoOp, Scenario, send};
use tower::{Layer, Service};
use tower_http::auth::AddAuthorizationLayer;

fn main() -> ExitCode {
    let mut report = Report::new("threads");
    measure("a credential", &credentials(), &mut report);
    measure("a request", &requests(), &mut report);
    measure("a keyed request", &keyed_requests(), &mut report);
    report.finish()
}

const TOKEN: usize = 1024;
/// The number of rounds that count: each thread had a processor, and two threads of the control did
/// twice the work of one.
const WANTED: usize = 9;
/// With fewer rounds there is no result.
const ENOUGH: usize = 5;
const MOST: usize = 40;
/// The share of a processor that a thread must have had. Rates count by processor time, so a thread
/// that had less is only slowed down less by the other one.
const FAIR: f64 = 0.9;
/// The share of linear that the control must reach.
const CONTROL: f64 = 0.95;
const SLICE: Duration = Duration::from_millis(20);
/// How often a slice is repeated in which a thread had no processor.
const TRIES: usize = 8;

/// One way to do the work.
struct Row {
    name: &'static str,
    is_judged: bool,
    /// Makes the work of one thread: a function that repeats it a number of times.
    share: Box<dyn Fn() -> Box<dyn FnMut(u32)> + Sync>,
}

impl Row {
    fn new<F: FnMut() + 'static>(
        name: &'static str,
        is_judged: bool,
        share: impl Fn() -> F + Sync + 'static,
    ) -> Self {
        let share = move || -> Box<dyn FnMut(u32)> {
            let mut once = share();
            Box::new(move |times| (0..times).for_each(|_| once()))
        };
        Self {
            name,
            is_judged,
            share: Box::new(share),
        }
    }
}

/// Reading a header value. The first row is the control.
fn credentials() -> Vec<Row> {
    let value = || HeaderValue::try_from(format!("Bearer {}", warm::token(TOKEN)));
    let value = move || value().expect("a valid header value");
    let authenticator = warm::warm(warm::builder(TOKEN));
    let shared = value();
    let swap = Arc::new(ArcSwap::from_pointee(value()));
    vec![
        Row::new(
            "control: a value of each thread's own, cloned",
            false,
            move || {
                let own = value();
                move || drop(black_box(own.clone()))
            },
        ),
        Row::new("Authenticator::try_token", true, move || {
            let authenticator = authenticator.clone();
            move || drop(black_box(authenticator.try_token()))
        }),
        Row::new("tower-http's way: one value, cloned", false, move || {
            let value = shared.clone();
            move || drop(black_box(value.clone()))
        }),
        Row::new("ArcSwap, one value, cloned", false, move || {
            let swap = Arc::clone(&swap);
            move || drop(black_box(HeaderValue::clone(&swap.load())))
        }),
    ]
}

/// Making a request and sending it. The first row is the control.
fn requests() -> Vec<Row> {
    let layer = || AuthLayer::new(warm::warm(warm::builder(TOKEN)));
    let auth = layer().layer(NoOp::default());
    let off = layer().replay_off().layer(NoOp::default());
    let added = AddAuthorizationLayer::bearer(&warm::token(TOKEN)).layer(NoOp::default());
    vec![
        by_clones_of("control: the service alone", false, NoOp::default()),
        by_clones_of("AuthLayer, replay off", true, off),
        by_clones_of("AuthLayer", true, auth),
        by_clones_of("tower-http AddAuthorization", false, added),
    ]
}

fn by_clones_of<S>(name: &'static str, is_judged: bool, service: S) -> Row
where
    S: Service<Request<Full<Bytes>>, Response = Response<Empty<Bytes>>> + Clone + Sync + 'static,
{
    Row::new(name, is_judged, move || {
        let mut service = service.clone();
        move || send(&mut service, Scenario::Room6.request())
    })
}

/// Making a request with a key, whose subject has the length of a token, and sending it. The first
/// row is the control.
fn keyed_requests() -> Vec<Row> {
    let map = || {
        let map = AuthenticatorMap::builder(|_: &Key| warm::builder(TOKEN).build());
        map.build().expect("valid settings")
    };
    let keyed = || AuthLayer::keyed(map()).layer(NoOp::default());
    let off = || AuthLayer::keyed(map()).replay_off().layer(NoOp::default());
    let bare = NoOp::default;
    vec![
        with_keys("control: the service alone", Keys::Own, false, bare()),
        with_keys("replay off, each thread's own keys", Keys::Own, true, off()),
        with_keys("replay off, the same key", Keys::Same, true, off()),
        with_keys("each thread's own keys", Keys::Own, true, keyed()),
        with_keys("the same key", Keys::Same, true, keyed()),
    ]
}

#[derive(Clone, Copy)]
enum Keys {
    /// A few for each thread, which the thread uses in turn.
    Own,
    /// One, which each thread makes, as from the requests of one user.
    Same,
}

impl Keys {
    fn of_thread(self, thread: usize) -> Vec<Key> {
        let users = match self {
            Self::Own => 4 * thread..4 * (thread + 1),
            Self::Same => 0..1,
        };
        users.map(user).collect()
    }
}

fn user(number: usize) -> Key {
    let subject = Secret::new(format!("{}-{number}", warm::token(TOKEN)));
    Key::builder("example").subject(&subject).build()
}

fn with_keys<S>(name: &'static str, keys: Keys, is_judged: bool, service: S) -> Row
where
    S: Service<Request<Full<Bytes>>, Response = Response<Empty<Bytes>>> + Clone + Sync + 'static,
    S::Error: Debug,
{
    let threads = AtomicUsize::new(0);
    Row::new(name, is_judged, move || {
        let mut service = service.clone();
        // Two threads at most run at once.
        let thread = threads.fetch_add(1, Ordering::Relaxed) % 2;
        let keys = keys.of_thread(thread);
        warm_up(&mut service, &keys);
        let mut next = 0;
        move || {
            next = (next + 1) % keys.len();
            let mut request = Scenario::Room6.request();
            request.extensions_mut().insert(keys[next].clone());
            send(&mut service, request);
        }
    })
}

/// Waits until each key has a token.
fn warm_up<S>(service: &mut S, keys: &[Key])
where
    S: Service<Request<Full<Bytes>>>,
    S::Error: Debug,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    for key in keys {
        let mut request = Scenario::Room6.request();
        request.extensions_mut().insert(key.clone());
        let sent = runtime.block_on(service.call(request));
        drop(sent.expect("the source always has a token"));
    }
}

fn measure(what: &str, rows: &[Row], report: &mut Report) {
    // For each row, millions per second with one thread and with two, per round that counts.
    let mut rates: Vec<Vec<(f64, f64)>> = rows.iter().map(|_| Vec::new()).collect();
    let (mut rounds, mut counted) = (0, 0);
    while rounds < MOST && counted < WANTED {
        rounds += 1;
        let round: Option<Vec<_>> = rows
            .iter()
            .map(|row| Some((fair_rate(row, 1)?, fair_rate(row, 2)?)))
            .collect();
        if let Some(round) = round.filter(|round| of_linear(&round[0]) >= CONTROL) {
            counted += 1;
            rates
                .iter_mut()
                .zip(round)
                .for_each(|(all, rate)| all.push(rate));
        }
    }
    println!("{counted} of {rounds} rounds had two processors to themselves");
    let mut table = Table::new(&[what, "M/s, 1 thread", "M/s, 2 threads", "of linear"]);
    for (row, rates) in rows.iter().zip(rates) {
        let middle = |of: fn(&(f64, f64)) -> f64| median(rates.iter().map(of).collect());
        let linear = middle(of_linear);
        table.row([
            row.name.to_owned(),
            cell(middle(|&(one, _)| one), 1),
            cell(middle(|&(_, two)| two), 1),
            cell(linear, 2),
        ]);
        if row.is_judged {
            let limit = match counted {
                ENOUGH.. => Limit::AtLeast(0.85),
                _ => Limit::Unjudged,
            };
            report.gate(
                format!("{what}, {}: 2 threads of linear", row.name),
                linear,
                limit,
            );
        }
    }
    table.print();
}

fn of_linear(&(one, two): &(f64, f64)) -> f64 {
    two / one / 2.0
}

/// The rate of a slice in which each thread had a processor, if there is one.
fn fair_rate(row: &Row, threads: usize) -> Option<f64> {
    (0..TRIES).find_map(|_| rate(row, threads))
}

/// Millions per second, for all threads together. `None` if a thread had to share its processor.
fn rate(row: &Row, threads: usize) -> Option<f64> {
    const TIMES: u32 = 128;
    let start = Barrier::new(threads + 1);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let (start, is_over) = (&start, &is_over);
                scope.spawn(move || {
                    stay_on(number);
                    let mut work = (row.share)();
                    work(TIMES);
                    start.wait();
                    let (began, had) = (now(), processor::time());
                    let mut done = 0.0;
                    while !is_over.load(Ordering::Relaxed) {
                        work(TIMES);
                        done += f64::from(TIMES);
                    }
                    let took = began.elapsed();
                    let had = processor::time() - had;
                    let is_fair = had >= took.mul_f64(FAIR);
                    is_fair.then(|| done / had.as_secs_f64() / 1e6)
                })
            })
            .collect();
        start.wait();
        thread::sleep(SLICE);
        is_over.store(true, Ordering::Relaxed);
        let rates = workers.into_iter().map(|worker| worker.join());
        rates.map(|rate| rate.expect("no worker panics")).sum()
    })
}

/// Keeps this thread on one of the processors that it may use, counted from 0. Without this, two
/// threads that start together often share a processor at first.
fn stay_on(number: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

        let Ok(allowed) = sched_getaffinity(None) else {
            return;
        };
        let mut processors = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
        if let Some(processor) = processors.nth(number) {
            let mut only = CpuSet::new();
            only.set(processor);
            // Where this is not permitted, more slices are unfair.
            let _ = sched_setaffinity(None, &only);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = number;
}

#[allow(clippy::disallowed_methods, reason = "a bench times things")]
fn now() -> Instant {
    Instant::now()
}
