//! Real answers of servers, proxies and networks: one test per reported need.
//!
//! A need is an async function, named after what its reporter wants, in the file of its area. It
//! tests a whole stack: an `Authenticator`, `AuthLayer` and a scripted server in memory, with a
//! clock that the test advances. To add a need, write the function and list it in the `needs!` of
//! its file. A new area is a module here and a line in [`needs`].
//!
//! This test does not use libtest's harness, because it prints the number of covered needs at the
//! end.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

/// Lists the needs of a file. A function that is not listed is dead code and causes a warning.
macro_rules! needs {
    ($area:literal: $($name:ident),* $(,)?) => {
        pub(crate) fn needs() -> Vec<libtest_mimic::Trial> {
            vec![$(crate::need($area, stringify!($name), $name)),*]
        }
    };
}

mod api;
mod redirects;
mod settings;
mod stack;
mod token_endpoint;
mod vendors;

use std::{future::Future, process::ExitCode};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime;

fn needs() -> Vec<Trial> {
    let areas = [
        api::needs(),
        redirects::needs(),
        settings::needs(),
        token_endpoint::needs(),
        vendors::needs(),
    ];
    areas.into_iter().flatten().collect()
}

#[expect(clippy::print_stdout, reason = "prints the number of needs")]
fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let needs = needs();
    let covered = needs.len();
    let conclusion = libtest_mimic::run(&arguments, needs);
    if !arguments.list {
        println!(
            "field: {covered} needs covered, {} passed, {} failed",
            conclusion.num_passed, conclusion.num_failed
        );
        test_report::line(
            "field",
            [
                ("covered", covered.into()),
                ("passed", conclusion.num_passed.into()),
                ("failed", conclusion.num_failed.into()),
            ],
        );
    }
    conclusion.exit_code()
}

/// Runs one need in its own runtime, whose clock advances only if the test advances it.
fn need<F>(area: &str, name: &str, test: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let trial = Trial::test(name, move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?;
        runtime.block_on(test());
        Ok(())
    });
    trial.with_kind(area)
}
