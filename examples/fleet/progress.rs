//! Says on the standard error what happens while the program runs: one line that is written again
//! each second on a terminal, and only the events elsewhere.

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

    /// Prints what happened, on a separate line.
    pub(crate) fn event(&self, what: &str) {
        // A closed standard error loses nothing that the program needs.
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
