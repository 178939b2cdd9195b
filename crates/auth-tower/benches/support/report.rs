//! Tables in plain text, and figures with a limit.

use std::{env, fmt::Display, fs::OpenOptions, io::Write, path::PathBuf, process::ExitCode};

/// Collects the figures of one bench program. The program fails if a figure misses its limit.
pub(crate) struct Report {
    program: &'static str,
    /// The file to which one JSON object per figure and line is appended.
    json: Option<PathBuf>,
    figures: Vec<Figure>,
    not_measured: Option<&'static str>,
}

struct Figure {
    what: String,
    value: f64,
    limit: Limit,
    goal: Option<Limit>,
}

/// The limit of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Not judged this time: the machine was too busy to measure it.
    Unjudged,
    /// No limit: the figure is for the reader.
    Reported,
}

impl Report {
    /// Starts a report and reads the program's arguments: `--json FILE`. Other arguments are
    /// cargo's.
    pub(crate) fn new(program: &'static str) -> Self {
        let mut arguments = env::args_os().skip_while(|argument| argument != "--json");
        Self {
            program,
            json: arguments.nth(1).map(PathBuf::from),
            figures: Vec::new(),
            not_measured: None,
        }
    }

    /// Records a figure with a limit.
    pub(crate) fn gate(&mut self, what: impl Into<String>, value: f64, limit: Limit) {
        self.figures.push(Figure {
            what: what.into(),
            value,
            limit,
            goal: None,
        });
    }

    /// Records a figure with a limit and a goal that is printed beside it.
    pub(crate) fn goal(&mut self, what: impl Into<String>, value: f64, limit: Limit, goal: Limit) {
        self.figures.push(Figure {
            what: what.into(),
            value,
            limit,
            goal: Some(goal),
        });
    }

    /// Records a figure for the JSON file.
    pub(crate) fn note(&mut self, what: impl Into<String>, value: f64) {
        self.gate(what, value, Limit::Reported);
    }

    /// Records why the figures that are not in this report were not measured.
    pub(crate) fn not_measured(&mut self, reason: &'static str) {
        println!("not measured: {reason}\n");
        self.not_measured = Some(reason);
    }

    /// Prints all figures with their limits. Fails if a limit is missed.
    pub(crate) fn finish(self) -> ExitCode {
        if let Some(path) = &self.json {
            self.write(path);
        }
        let mut table = Table::new(&[
            &format!("{}: figure", self.program),
            "is",
            "limit",
            "",
            "goal",
            "",
        ]);
        let judged = self.figures.iter().filter(|figure| figure.is_printed());
        for figure in judged {
            let value = if figure.value.is_nan() {
                String::from("-")
            } else {
                number(figure.value)
            };
            let limit = figure.limit.verdict(figure.value);
            let goal = figure.goal.map_or(["", ""].map(String::from), |goal| {
                [
                    goal.text(),
                    String::from(if goal.holds(figure.value) {
                        "reached"
                    } else {
                        "open"
                    }),
                ]
            });
            let [goal, reached] = goal;
            table.row([
                figure.what.clone(),
                value,
                figure.limit.text(),
                limit.to_owned(),
                goal,
                reached,
            ]);
        }
        if self.figures.iter().any(Figure::is_printed) {
            table.print();
        }
        if self.figures.iter().all(Figure::holds) {
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    }

    fn write(&self, path: &PathBuf) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for figure in &self.figures {
            let (bound, limit) = figure.limit.parts();
            let (goal_bound, goal) = figure.goal.map_or(("none", null()), Limit::parts);
            // No text needs escaping, because all texts are constants of the benches.
            writeln!(
                file,
                r#"{{"bench":"{}","figure":"{}","value":{},"bound":"{bound}","limit":{limit},"goal_bound":"{goal_bound}","goal":{goal},"verdict":"{}"}}"#,
                self.program,
                figure.what,
                number(figure.value),
                figure.limit.verdict(figure.value),
            )
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        if let Some(reason) = self.not_measured {
            writeln!(
                file,
                r#"{{"bench":"{}","not_measured":"{reason}"}}"#,
                self.program,
            )
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

impl Figure {
    fn is_printed(&self) -> bool {
        !matches!(self.limit, Limit::Reported)
    }

    fn holds(&self) -> bool {
        self.limit.holds(self.value)
    }
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            // Not true of a figure that is not a number.
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Unjudged | Self::Reported => true,
        }
    }

    /// Returns the direction and the number, for JSON.
    fn parts(self) -> (&'static str, String) {
        match self {
            Self::AtMost(most) => ("at most", number(most)),
            Self::AtLeast(least) => ("at least", number(least)),
            Self::Unjudged => ("unjudged", null()),
            Self::Reported => ("none", null()),
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {}", number(most)),
            Self::AtLeast(least) => format!(">= {}", number(least)),
            Self::Unjudged | Self::Reported => String::from("-"),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::Unjudged => "not judged",
            Self::Reported => "reported",
            _ if self.holds(value) => "holds",
            _ => "MISSED",
        }
    }
}

/// A table in plain text: the first column to the left, all others to the right.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self(vec![head.iter().map(ToString::to_string).collect()])
    }

    pub(crate) fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0
            .push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    pub(crate) fn print(&self) {
        let Self(rows) = self;
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    line.push_str(&format!("{cell:width$}"));
                } else {
                    line.push_str(&format!("  {cell:>width$}"));
                }
            }
            println!("{}", line.trim_end());
        }
        println!();
    }
}

/// Returns the middle of an odd number of values, the upper middle of an even one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Formats a number for a table, or a dash for NaN.
pub(crate) fn cell(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return String::from("-");
    }
    format!("{value:.digits$}")
}

fn null() -> String {
    String::from("null")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        return null();
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
