//! What servers, proxies and networks really answer: a test for each reported need.
//!
//! A need is an async function, named by what its reporter wants, in the file of its area. It goes
//! through a whole stack: an `Authenticator`, `AuthLayer` and a scripted server in memory, on a
//! clock that the test turns. To add one, write the function and list it in the `needs!` of its
//! file; a new area is a module here and a line in [`needs`].
//!
//! Not libtest's harness: at the end it says how many needs are covered.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

/// Lists the needs of a file. One that is written and not listed is dead code, and a warning.
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

#[expect(
    clippy::print_stdout,
    reason = "the number of needs is what is asked for"
)]
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
    }
    conclusion.exit_code()
}

/// One need in a separate runtime, whose time stands still unless the test turns it.
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
