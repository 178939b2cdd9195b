//! Fleets of real processes that share a real store, while processes and the store are killed,
//! stopped and cut off.
//!
//! A process is this program, started again with a variable that makes it a worker. A worker
//! reports the point of the protocol at which it is, and stays there until it is killed or
//! released. No test sleeps and hopes. All numbers are counted by the token server.
//!
//! `cargo xtask test --test fleet` runs all tests and prints the figures. `AUTH_FLEET_RUNS` sets
//! how often each point is tested (default: 100), and `AUTH_FLEET_SEED` repeats a run. Plain `cargo
//! test` runs a small part, with files in place of Redis.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

// Signals exist on Unix only.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod example;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod outage;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod points;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
mod stop;
#[cfg(unix)]
mod storm;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod wire;
#[cfg(unix)]
mod worker;

#[cfg(unix)]
#[expect(clippy::print_stdout, reason = "no output must not look like success")]
fn main() -> std::process::ExitCode {
    if worker::is_asked_for() {
        worker::run();
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Each trial starts many processes.
    arguments.test_threads.get_or_insert(1);
    let trials = [
        kill::trials(),
        stop::trials(),
        storm::trials(),
        outage::trials(),
        if place::has_redis() {
            example::trials()
        } else {
            Vec::new()
        },
    ];
    if !place::has_redis() && !arguments.list {
        println!("not run: redis (cargo xtask test runs it)");
    }
    let ended = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    print!("{}", table::text());
    ended.exit_code()
}

/// Runs one trial in its own runtime.
#[cfg(unix)]
fn trial<F>(name: String, story: impl FnOnce() -> F + Send + 'static) -> libtest_mimic::Trial
where
    F: Future<Output = ()> + 'static,
{
    libtest_mimic::Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(story());
        Ok(())
    })
}
