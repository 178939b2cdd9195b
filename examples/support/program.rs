//! Shared by all examples: exit codes, output, errors with their causes, colour and progress on a
//! terminal. `clap` adds `--help` and the errors for wrong arguments (exit code 2).

use std::{error::Error, fmt, io::Write as _, process::ExitCode};

use anstyle::{AnsiColor, Style};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints a line, without colour if no terminal reads it. The standard library's `println!` panics
/// when the reader is gone, as in `example | head -1`. Here the program drops the line, and goes on
/// to its end: programs that it started are stopped, and temporary files removed.
macro_rules! print_line {
    () => { $crate::program::out(format_args!("")) };
    ($($part:tt)+) => { $crate::program::out(format_args!($($part)+)) };
}
#[allow(unused_imports, reason = "not all programs print")]
pub(crate) use print_line as println;

/// The same on the standard error.
macro_rules! print_error_line {
    ($($part:tt)*) => { $crate::program::error(format_args!($($part)*)) };
}
pub(crate) use print_error_line as eprintln;

#[allow(dead_code, reason = "not all programs print")]
pub(crate) fn out(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

pub(crate) fn error(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

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
    eprintln!("{BAD}error:{BAD:#} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  cause: {cause}");
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
