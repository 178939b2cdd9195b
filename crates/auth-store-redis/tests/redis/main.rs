//! The store against real servers, which `cargo xtask test` finds or installs.
//!
//! Time is real here. Servers are started on free loopback ports and end with their tests.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

// The variables that Rust's own test runner reads as well.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod cancel;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod connect;
#[cfg(unix)]
mod contract;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod foreign;
#[cfg(unix)]
mod refusals;
#[cfg(unix)]
mod requests;
#[cfg(unix)]
mod sentinel;
#[cfg(unix)]
mod stand;
#[cfg(all(unix, feature = "tls"))]
mod tls;

#[cfg(unix)]
#[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let asked = std::env::var_os("AUTH_REDIS").is_some_and(|value| value == "1");
    if !asked && !arguments.list {
        println!("not run: redis (cargo xtask test runs it)");
        return std::process::ExitCode::SUCCESS;
    }
    let trials = if asked { trials() } else { Vec::new() };
    let ended = libtest_mimic::run(&arguments, trials);
    // Shared servers do not end with one test.
    cluster::end();
    ended.exit_code()
}

#[cfg(unix)]
fn trials() -> Vec<libtest_mimic::Trial> {
    let groups = [
        contract::trials(),
        connect::trials(),
        faults::trials(),
        refusals::trials(),
        foreign::trials(),
        cancel::trials(),
        cluster::trials(),
        sentinel::trials(),
        requests::trials(),
        #[cfg(feature = "tls")]
        tls::trials(),
    ];
    groups.into_iter().flatten().collect()
}
