use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::program::{self, eprintln, println};

/// Prints each story's figures when it ends, or all of them as one JSON object at the end.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    figures: Map<String, Value>,
    off: Vec<String>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            figures: Map::new(),
            off: Vec::new(),
        }
    }

    /// Adds a story: its name, its figures, a sentence that describes them, and the conditions that
    /// must hold.
    pub(crate) fn story(
        &mut self,
        name: &str,
        figures: Value,
        sentence: &str,
        holds: &[(&str, bool)],
    ) {
        let off: Vec<_> = holds
            .iter()
            .filter(|(_, holds)| !holds)
            .map(|(what, _)| *what)
            .collect();
        if !self.json {
            let mark = program::mark(off.is_empty());
            println!("{mark} {name:<11} {sentence}");
            for what in &off {
                println!("    expected: {what}; figures: {figures}");
            }
        }
        self.off
            .extend(off.iter().map(|what| format!("{name}: {what}")));
        self.figures.insert(name.to_owned(), figures);
    }

    pub(crate) fn finish(self) -> ExitCode {
        if self.json {
            println!("{}", Value::Object(self.figures));
            for off in &self.off {
                eprintln!("not as expected: {off}");
            }
        } else if self.off.is_empty() {
            println!("\nAll figures are as expected.");
        }
        if self.off.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
