//! Markdown.

use serde_json::Value;

use super::{parts::Part, ran::Ran};

/// A table of figures.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: head.map(str::to_owned).to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.rows.sort();
        self
    }

    /// Leaves out columns without any value.
    fn text(&self) -> String {
        let is_used = |at: &usize| self.rows.iter().any(|row| !row[*at].is_empty());
        let used: Vec<_> = (0..self.head.len()).filter(is_used).collect();
        let line = |cells: &[String]| {
            let cells: Vec<_> = used
                .iter()
                .map(|at| cells[*at].replace('|', "\\|"))
                .collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.head);
        text.push_str(&format!("|{}\n", "---|".repeat(used.len())));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

pub(crate) fn head() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# Report of the tests\n\n\
         Made by `cargo xtask report`; do not edit. The command runs the tests and reads the figures \
         that they write. `cargo xtask report explore simulation` runs only these parts, and \
         keeps the last results of the others. Machine: {processors} processors.\n"
    )
}

pub(crate) fn part(part: &Part, ran: Option<&Ran>) -> String {
    let Part {
        name,
        title,
        command,
        otherwise,
        ..
    } = part;
    let mut text = format!(
        "\n## {title}\n\nRepeat: `{command}`. In this report: `cargo xtask report {name}`.\n\n"
    );
    let ran = match ran {
        None => return format!("{text}not run: {otherwise}\n"),
        Some(Ran { not_run, date, .. }) if !not_run.is_empty() => {
            return format!("{text}not run: {not_run} ({date})\n");
        }
        Some(ran) => ran,
    };
    let result = if ran.passed { "passed" } else { "**failed**" };
    let Ran { date, commit, .. } = ran;
    text.push_str(&format!(
        "{date}, commit {commit}, {}: {result}.\n",
        time(ran.seconds)
    ));
    for table in (part.tables)(&ran.lines) {
        if !table.rows.is_empty() {
            text.push_str(&format!("\n{}", table.text()));
        }
    }
    text
}

/// Shows seconds as minutes and seconds.
fn time(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Shows a value in a cell. A figure that is missing is empty.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(figure) => figure.as_u64().map_or_else(|| figure.to_string(), number),
        other => other.to_string(),
    }
}

/// Shows a number with a space between thousands.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
