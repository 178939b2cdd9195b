//! Fleets of real processes that share a real store.
//!
//! `cargo xtask test` runs these stories; they need `redis-server`. Time is real here.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

// Signals are Unix's.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod example;

#[cfg(unix)]
#[expect(clippy::print_stdout, reason = "nobody may take silence for success")]
fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let asked = std::env::var_os("AUTH_REDIS").is_some_and(|value| value == "1");
    if !asked && !arguments.list {
        println!("not run: fleet (cargo xtask test runs it)");
        return std::process::ExitCode::SUCCESS;
    }
    let trials = if asked { example::trials() } else { Vec::new() };
    libtest_mimic::run(&arguments, trials).exit_code()
}
