//! A hundred thousand keys in one process: bytes of an unused key, and nanoseconds of a look-up,
//! compared with a map in a lock.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{
    collections::HashMap,
    hint::black_box,
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use auth_core::{Authenticator, AuthenticatorMap, AuthenticatorOptions, Error, Key, Secret};
use peak_alloc::PeakAlloc;
use report::{Limit, Report, Table, cell, median};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let mut report = Report::new("keys");
    let keys: Arc<[Key]> = (0..KEYS).map(key).collect();
    let map = bytes(&keys, &mut report);
    look_ups(&keys, &map, &mut report);
    report.finish()
}

const KEYS: usize = 100_000;

/// The key of a user, whose token has the usual length.
fn key(user: usize) -> Key {
    let subject = Secret::new(format!("{}-{user}", warm::token(1024)));
    Key::builder("example")
        .client("service")
        .subject(&subject)
        .build()
}

// --- bytes ---

/// The length of a key's token, in bytes.
const TOKEN: usize = 1024;

/// All keys share options, origins and scheme. They share their own memory with the caller's keys.
fn bytes(keys: &[Key], report: &mut Report) -> AuthenticatorMap {
    let mut table = Table::new(&[
        &format!("{KEYS} keys, one shard, token of {TOKEN} bytes"),
        "bytes a key",
    ]);
    let options = AuthenticatorOptions::new().shards(1);
    let own = options.clone();
    let keeps_copy = move |_: &Key| warm::builder(TOKEN).options(own.clone()).build();
    let [made, token] = bytes_of(keys, keeps_copy).1;
    table.row([
        String::from("no token yet, its source has one"),
        cell(made, 0),
    ]);
    table.row([String::from("its token"), cell(token, 0)]);
    table.row([String::from("both"), cell(made + token, 0)]);
    let text = Secret::new(warm::token(TOKEN));
    let keeps_none = move |_: &Key| {
        let source = warm::Repeated(text.clone());
        Authenticator::builder(source, warm::origins())
            .options(options.clone())
            .build()
    };
    let (map, [made, token]) = bytes_of(keys, keeps_none);
    table.row([
        String::from("no token yet, its source has none"),
        cell(made, 0),
    ]);
    table.row([String::from("its token"), cell(token, 0)]);
    table.row([String::from("both: an unused key"), cell(made + token, 0)]);
    table.print();
    report.gate("no token yet: bytes a key", made, Limit::AtMost(NO_TOKEN));
    report.gate("its token: bytes a key", token, Limit::AtMost(WITH_TOKEN));
    report.goal(
        "idle key with a token of 1 KiB: bytes",
        made + token,
        Limit::AtMost(NO_TOKEN + WITH_TOKEN),
        Limit::AtMost(2_200.0),
    );
    map
}

/// Returns a map of all keys, and the bytes that each key took without and for its token.
fn bytes_of(
    keys: &[Key],
    make: impl Fn(&Key) -> Result<Authenticator, Error> + Send + Sync + 'static,
) -> (AuthenticatorMap, [f64; 2]) {
    let map = AuthenticatorMap::builder(make)
        // Room for all keys, also if they are distributed unevenly.
        .max_entries(2 * KEYS)
        .build()
        .expect("valid settings");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let measure = |work: &dyn Fn(&Key)| {
        let before = HEAP.current_usage();
        keys.iter().for_each(work);
        (HEAP.current_usage() - before) as f64 / KEYS as f64
    };
    let made = measure(&|key| {
        map.get(key).expect("valid settings");
    });
    let token = measure(&|key| {
        let authenticator = map.get(key).expect("valid settings");
        runtime.block_on(authenticator.token()).expect("a token");
    });
    assert_eq!(map.len(), KEYS, "some were evicted");
    (map, [made, token])
}

/// About 5 percent more than measured.
const NO_TOKEN: f64 = 918.0;
const WITH_TOKEN: f64 = 1_275.0;

// --- look-ups ---

const ROUNDS: usize = 15;

type Find<'a> = dyn Fn(&Key) -> Authenticator + Sync + 'a;

/// In each round all ways are measured in turn, so that a disturbance affects all of them.
fn look_ups(keys: &Arc<[Key]>, map: &AuthenticatorMap, report: &mut Report) {
    let plain: HashMap<Key, Authenticator> = keys
        .iter()
        .map(|key| (key.clone(), map.get(key).expect("it is there")))
        .collect();
    let plain = Mutex::new(plain);
    let ways: [(&str, &Find<'_>); 2] = [
        ("Mutex<HashMap>", &|key| {
            plain.lock().expect("nobody panics")[key].clone()
        }),
        ("AuthenticatorMap", &|key| {
            map.get(key).expect("it is there")
        }),
    ];
    let mut table = Table::new(&[
        "a look-up, ns",
        "Mutex<HashMap>",
        "AuthenticatorMap",
        "ratio",
    ]);
    for (threads, limit) in [
        (1, Limit::AtMost(ONE_THREAD)),
        (2, Limit::AtMost(TWO_THREADS)),
    ] {
        let mut rounds: Vec<[f64; 2]> = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            rounds.push(ways.map(|(_, find)| nanoseconds(keys, find, threads)));
        }
        let of = |way: usize| median(rounds.iter().map(|round| round[way]).collect());
        let ratio = median(rounds.iter().map(|[plain, ours]| ours / plain).collect());
        let what = match threads {
            1 => "one thread",
            _ => "two threads",
        };
        table.row([
            what.to_owned(),
            cell(of(0), 0),
            cell(of(1), 0),
            cell(ratio, 2),
        ]);
        let what = format!("look-up, {what}: times a Mutex<HashMap>'s");
        report.gate(what, ratio, limit);
    }
    table.print();
}

/// The permitted cost of a look-up, as a multiple of a map in a lock.
const ONE_THREAD: f64 = 2.0;
const TWO_THREADS: f64 = 2.0;

/// Looks keys up in an order that caches cannot predict, another one for each thread.
fn nanoseconds(keys: &[Key], find: &Find<'_>, threads: usize) -> f64 {
    const LOOK_UPS: usize = 20_000;
    let work = |thread: usize| {
        let mut at = thread * KEYS / 2;
        for _ in 0..LOOK_UPS {
            at = (at + STRIDE) % KEYS;
            drop(black_box(find(&keys[at])));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 1..threads {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
    let elapsed: Duration = start.elapsed();
    elapsed.as_nanos() as f64 / LOOK_UPS as f64
}

/// Has no factor in common with the number of keys.
const STRIDE: usize = 38_183;
