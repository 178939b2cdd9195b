//! Output. The standard library's `println!` panics when the reader is gone, as in
//! `cargo xtask deps | head -1`. Here the line is dropped, and the command goes on to its end.

use std::{
    fmt,
    io::{self, Write as _},
};

macro_rules! println {
    ($($part:tt)*) => { $crate::print::out(format_args!($($part)*)) };
}

macro_rules! eprintln {
    ($($part:tt)*) => { $crate::print::error(format_args!($($part)*)) };
}

pub(crate) fn out(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

pub(crate) fn error(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
