//! A soak: processes with real clients send requests for minutes, over loopback, to vendors that are
//! slow, fail, throttle, lose replies and revoke tokens, while Redis is killed, halted and cut off.
//!
//! Four processes share a store and send requests with a token of client credentials (`plain`) and
//! with a token whose refresh token is replaced at each use (`person`). One more process has an
//! `AuthenticatorMap` whose keys come and go (`keyed`). Half of the requests use reqwest, half hyper.
//!
//! The run is a series of cycles: a calm time, a fault that the seed decides, and the recovery. The
//! rules are in `judge.rs`; all token requests are counted by the vendor. This test has a real clock,
//! as the interop tests have: it sends requests for a bounded time.
//!
//! | to | set |
//! |---|---|
//! | run for 20 minutes with Redis | `cargo xtask soak` |
//! | run for another time, in seconds | `AUTH_SOAK_SECONDS=60` |
//! | repeat the faults of a run | `AUTH_SOAK_SEED=17` |
//! | share Redis instead of files | `AUTH_REDIS=1` |
//!
//! Plain `cargo test` runs for about ten seconds, with files in place of Redis.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

// The place of the store needs signals, which exist on Unix only.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod judge;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
#[path = "../fleet/place.rs"]
mod place;
#[cfg(unix)]
mod plan;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod vendors;
#[cfg(unix)]
mod worker;

#[cfg(unix)]
#[expect(clippy::print_stdout, reason = "no output must not look like success")]
fn main() -> std::process::ExitCode {
    if worker::is_asked_for() {
        return worker::run();
    }
    let arguments = libtest_mimic::Arguments::from_args();
    if !place::has_redis() && !arguments.list {
        println!("not run: redis (cargo xtask soak runs it)");
    }
    let soak = libtest_mimic::Trial::test("soak", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(run::soak())?;
        Ok(())
    });
    let trials = [plan::trials(), judge::trials(), vec![soak]];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// Names a check of a pure part.
#[cfg(unix)]
fn check(name: &str, test: fn()) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(name, move || {
        test();
        Ok(())
    })
}
