//! Prints the progress of the program to the standard error: on a terminal, one line that is
//! written again each second; elsewhere, only events.

use std::io::{self, IsTerminal as _, Write as _};

pub(crate) struct Progress {
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Prints an event on a separate line.
    pub(crate) fn event(&self, what: &str) {
        // The program does not need the standard error.
        let _ = writeln!(io::stderr(), "{}{what}", self.start_of_line());
    }

    /// Shows the state until the next call, on a terminal only.
    pub(crate) fn state(&self, what: &str) {
        if self.is_terminal {
            let mut out = io::stderr();
            let _ = write!(out, "{}{what}", self.start_of_line());
            let _ = out.flush();
        }
    }

    /// Removes the last state.
    pub(crate) fn end(&self) {
        self.state("");
    }

    const fn start_of_line(&self) -> &'static str {
        if self.is_terminal { "\r\x1b[2K" } else { "" }
    }
}
