//! Shared by all examples: exit codes, errors with their causes, colour and progress on a terminal.
//! `clap` adds `--help` and the errors for wrong arguments (exit code 2).

use std::{error::Error, process::ExitCode};

use anstyle::{AnsiColor, Style};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Ends a program. Exit code 0 for success, 1 for an error, which is printed with its causes.
#[allow(dead_code, reason = "not all programs end with a result")]
pub(crate) fn finish(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

/// Prints an error with its causes, to the standard error.
pub(crate) fn fail(error: &dyn Error) -> ExitCode {
    anstream::eprintln!("{BAD}error:{BAD:#} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        anstream::eprintln!("  cause: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}

/// The mark in front of a figure: whether it is as expected.
#[allow(dead_code, reason = "not all programs compare figures")]
pub(crate) fn mark(as_expected: bool) -> String {
    if as_expected {
        format!("{GOOD}ok {GOOD:#}")
    } else {
        format!("{BAD}OFF{BAD:#}")
    }
}
