//! A page with definitions, and the list of tests at its end.

use super::names::{Kind, Number, Tests};

/// After this line, a page is written by this task.
const MARK: &str = "<!-- From here on written by `cargo xtask standards`. -->";

/// The part of a page that a person writes.
pub(super) struct Page {
    kind: Kind,
    /// Without the part that this task writes.
    own: String,
    rows: Vec<Row>,
}

struct Row {
    number: Number,
    otherwise: Otherwise,
}

/// The content of the last column, if the table has it.
enum Otherwise {
    Nothing,
    /// Other rows whose tests prove this one.
    As(Vec<Number>),
    /// Tests whose names have no number, or another one.
    Tests(Vec<String>),
    NotImplemented,
    Unknown(String),
}

impl Page {
    pub(super) fn parse(kind: Kind, text: &str) -> Self {
        let own = text.split(MARK).next().unwrap_or_default().trim_end();
        let mut rows = Vec::new();
        let mut has_otherwise = false;
        for line in own.lines() {
            let Some(cells) = cells(line) else { continue };
            let last = cells.last().copied().unwrap_or_default();
            match cells.first().and_then(|cell| Number::parse(cell)) {
                Some(number) => rows.push(Row {
                    number,
                    otherwise: if has_otherwise {
                        Otherwise::parse(last)
                    } else {
                        Otherwise::Nothing
                    },
                }),
                None if last.starts_with("---") => {}
                None => has_otherwise = last == "otherwise",
            }
        }
        Self {
            kind,
            own: own.to_owned(),
            rows,
        }
    }

    fn defines(&self, number: Number) -> bool {
        self.rows.iter().any(|row| row.number == number)
    }

    /// Returns the faults of the rows.
    pub(super) fn faults(&self, pages: &[&Page], tests: &Tests) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let number = row.number;
            let expected = Number(self.kind, index as u32 + 1);
            if number != expected {
                faults.push(format!("{number} stands where {expected} is expected"));
            }
            let has_tests = has_tests(number, tests);
            if self.kind == Kind::Guarantee && figures_of(number, tests).is_empty() {
                faults.push(format!(
                    "{number} has no figure: let a test assert one by `test_report::figure!`"
                ));
            }
            match &row.otherwise {
                Otherwise::Nothing if has_tests => {}
                Otherwise::Nothing => faults.push(format!(
                    "{number} has no test and no reason: write `not implemented: why` into the \
                     column \"otherwise\""
                )),
                Otherwise::NotImplemented if has_tests => faults.push(format!(
                    "{number} has tests and says `not implemented`: remove one of the two"
                )),
                Otherwise::NotImplemented => {}
                Otherwise::As(others) => {
                    let untested = |other: &&Number| {
                        let is_defined = pages.iter().any(|page| page.defines(**other));
                        !is_defined || !has_tests_of(**other, pages, tests)
                    };
                    let untested = others.iter().filter(untested);
                    faults.extend(
                        untested.map(|other| format!("{number} is as {other}, which has no test")),
                    );
                }
                Otherwise::Tests(names) => {
                    let missing = names.iter().filter(|name| !tests.has(name));
                    faults.extend(
                        missing.map(|name| format!("{number} names `{name}`, which is no test")),
                    );
                }
                Otherwise::Unknown(text) => faults.push(format!(
                    "{number}: \"{text}\" is neither `as G1, ...`, names of tests in backticks, \
                     nor `not implemented: why`"
                )),
            }
        }
        faults
    }

    /// Returns the whole page, with the list of tests.
    pub(super) fn written(&self, tests: &Tests) -> String {
        let mut text = format!("{}\n\n{MARK}\n\n# Tests\n", self.own);
        for row in &self.rows {
            if !has_tests(row.number, tests) {
                continue;
            }
            text.push_str(&format!("\n## {}\n\n", row.number));
            let figures = figures_of(row.number, tests);
            if !figures.is_empty() {
                text.push_str(&format!("- figures: {}\n", figures.join("; ")));
            }
            for (place, names) in tests.of(row.number) {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                text.push_str(&format!("- {place}: {}\n", names.join(", ")));
            }
        }
        text
    }
}

impl Otherwise {
    fn parse(text: &str) -> Self {
        let unknown = || Self::Unknown(text.to_owned());
        if text.is_empty() {
            return Self::Nothing;
        }
        if let Some(reason) = text.strip_prefix("not implemented:") {
            return match reason.trim() {
                "" => unknown(),
                _ => Self::NotImplemented,
            };
        }
        let parts = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
        if let Some(others) = text.strip_prefix("as ") {
            let numbers: Option<Vec<_>> = parts(others)
                .iter()
                .map(|part| Number::parse(part))
                .collect();
            return numbers.map_or_else(unknown, Self::As);
        }
        let names: Option<Vec<_>> = parts(text)
            .iter()
            .map(|part| Some(part.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
            .collect();
        names.map_or_else(unknown, Self::Tests)
    }
}

/// Returns the figures of a row, each with its test.
fn figures_of(number: Number, tests: &Tests) -> Vec<String> {
    let figures = tests.figures().filter(|figure| figure.number == number);
    let figures = figures.map(|figure| format!("{} (`{}`)", figure.text, figure.test));
    figures.collect()
}

/// Returns the tests that quote a number that no page defines, and the figures of such numbers and
/// those that cannot be read.
pub(super) fn undefined(pages: &[&Page], tests: &Tests) -> Vec<String> {
    let mut faults = tests.faults().to_vec();
    for figure in tests.figures() {
        if !pages.iter().any(|page| page.defines(figure.number)) {
            let (number, test) = (figure.number, &figure.test);
            faults.push(format!(
                "`{test}` has a figure of {number}, which is not defined"
            ));
        }
    }
    for number in tests.numbers() {
        if pages.iter().any(|page| page.defines(number)) {
            continue;
        }
        for (place, names) in tests.of(number) {
            for name in names {
                faults.push(format!(
                    "{place}: `{name}` quotes {number}, which is not defined"
                ));
            }
        }
    }
    faults
}

/// Returns how many rows have tests.
pub(super) fn figures(pages: &[&Page], tests: &Tests) -> String {
    let figures = pages.iter().map(|page| {
        let all = page.rows.len();
        let proved = page.rows.iter();
        let proved = proved.filter(|row| has_tests_of(row.number, pages, tests));
        let (proved, letter) = (proved.count(), page.kind.letter());
        format!("{letter}: {proved} of {all} rows have tests")
    });
    figures.collect::<Vec<_>>().join("; ")
}

fn has_tests(number: Number, tests: &Tests) -> bool {
    tests.of(number).next().is_some()
}

/// Returns whether there are tests with this number, named tests, or tests of the rows to which
/// this row refers.
fn has_tests_of(number: Number, pages: &[&Page], tests: &Tests) -> bool {
    if has_tests(number, tests) {
        return true;
    }
    let mut rows = pages.iter().flat_map(|page| &page.rows);
    match rows
        .find(|row| row.number == number)
        .map(|row| &row.otherwise)
    {
        Some(Otherwise::As(others)) => others.iter().any(|other| has_tests(*other, tests)),
        Some(Otherwise::Tests(names)) => names.iter().all(|name| tests.has(name)),
        _ => false,
    }
}

/// Returns the cells of a row of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}
