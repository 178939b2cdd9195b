//! Tables of figures, in Markdown.

use serde_json::Value;

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

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves out columns without any value.
    pub(crate) fn text(&self) -> String {
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
