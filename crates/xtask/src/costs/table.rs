//! The table of goals.

use std::fmt::Write as _;

use super::{
    figures::{Bound, Figures, Reading, number},
    rows::{Amount, ROWS, Row},
};

/// The rows with what a run says about them.
pub(crate) struct Table {
    lines: Vec<Line>,
}

struct Line {
    row: &'static Row,
    measured: String,
    goal: String,
    limit: String,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Reached,
    NotReached,
    NotMeasured(String),
    Lost,
}

impl Table {
    /// Judges all rows.
    pub(crate) fn of(figures: &Figures) -> Self {
        let lines = ROWS.iter().map(|row| Line::of(row, figures));
        Self {
            lines: lines.collect(),
        }
    }

    /// Returns the rows that no program measured, as the text of an error.
    pub(crate) fn lost(&self) -> Option<String> {
        let lost = self
            .lines
            .iter()
            .filter(|line| line.verdict == Verdict::Lost);
        let lost: Vec<_> = lost
            .map(|line| format!("row \"{}\" was not measured", line.row.what))
            .collect();
        (!lost.is_empty()).then(|| lost.join("; "))
    }

    /// Returns the table for a terminal.
    pub(crate) fn text(&self) -> String {
        let head = ["", "measured", "goal", "limit", "goal is"].map(String::from);
        let rows = self.lines.iter().map(|line| {
            let [measured, goal, limit, verdict] = line.cells();
            [line.row.what.to_owned(), measured, goal, limit, verdict]
        });
        let rows: Vec<_> = [head].into_iter().chain(rows).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        let mut text = String::new();
        for (at, row) in rows.iter().enumerate() {
            let mut cells = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(cells, "{cell:width$}  ");
            }
            let _ = writeln!(text, "{}", cells.trim_end());
            let line = at.checked_sub(1).and_then(|at| self.lines.get(at));
            if let Some(reason) = line.and_then(Line::in_the_way) {
                let _ = writeln!(text, "    in the way: {reason}");
            }
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    /// Returns the table for the page.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| what | measured | goal | limit | goal is |\n|---|---:|---:|---:|---|\n",
        );
        for line in &self.lines {
            let _ = write!(text, "| {} |", line.row.what);
            for cell in line.cells() {
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }

    /// Returns a list of the rows whose goal is not reached, with what stands in the way.
    pub(crate) fn open(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            if let Some(reason) = line.in_the_way() {
                let _ = writeln!(text, "- {}: {reason}.", line.row.what);
            }
        }
        text
    }

    /// Returns how many goals are reached.
    pub(crate) fn summary(&self) -> String {
        let count = |is: fn(&Verdict) -> bool| {
            let lines = self.lines.iter();
            lines.filter(|line| is(&line.verdict)).count()
        };
        let mut text = format!(
            "{} of {} goals are reached",
            count(|verdict| *verdict == Verdict::Reached),
            self.lines.len()
        );
        let missing = count(|verdict| matches!(verdict, Verdict::NotMeasured(_) | Verdict::Lost));
        if missing > 0 {
            let _ = write!(text, "; {missing} were not measured");
        }
        text.push('.');
        text
    }
}

impl Line {
    fn of(row: &'static Row, figures: &Figures) -> Self {
        let none = || String::from("-");
        let text = |bound: Option<Bound>| bound.map_or_else(none, |bound| bound.to_string());
        let (measured, goal, limit, verdict) = match figures.read(row.bench, row.figure) {
            Reading::Measured(figure) => {
                // A program that has no separate goal fails if the goal is missed.
                let goal = figure.goal.or(figure.limit);
                let verdict = match goal {
                    Some(goal) if goal.holds(figure.value) => Verdict::Reached,
                    Some(_) => Verdict::NotReached,
                    None => Verdict::Lost,
                };
                let amount = row.amount.as_ref();
                let amount = amount.and_then(|amount| amount.of(row.bench, figures));
                let mut measured = number(figure.value);
                if let Some(amount) = amount {
                    let _ = write!(measured, " ({amount})");
                }
                (measured, text(goal), text(figure.limit), verdict)
            }
            Reading::NotMeasured(reason) => {
                let verdict = Verdict::NotMeasured(reason.to_owned());
                (none(), none(), none(), verdict)
            }
            Reading::Lost => (none(), none(), none(), Verdict::Lost),
        };
        Self {
            row,
            measured,
            goal,
            limit,
            verdict,
        }
    }

    fn cells(&self) -> [String; 4] {
        let verdict = match &self.verdict {
            Verdict::Reached => String::from("reached"),
            Verdict::NotReached => String::from("not reached"),
            Verdict::NotMeasured(reason) => format!("not measured: {reason}"),
            Verdict::Lost => String::from("NOT MEASURED"),
        };
        [
            self.measured.clone(),
            self.goal.clone(),
            self.limit.clone(),
            verdict,
        ]
    }

    fn in_the_way(&self) -> Option<&'static str> {
        let is_open = self.verdict == Verdict::NotReached;
        is_open.then(|| self.row.in_the_way.unwrap_or(UNKNOWN))
    }
}

/// For a row whose goal was reached when its texts were written.
pub(crate) const UNKNOWN: &str = "the reason is not known yet";

impl Amount {
    fn of(&self, bench: &str, figures: &Figures) -> Option<String> {
        let of = figures.value(bench, self.of).ok()?;
        let base = match self.base {
            Some(base) => figures.value(bench, base).ok()?,
            None => 0.0,
        };
        Some(format!("{} {}", number(of - base), self.unit))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A run in which each row has this value, a limit of 2 and a goal of 1.5.
    fn run(value: f64) -> String {
        let line = |row: &Row| {
            format!(
                r#"{{"bench":"{}","figure":"{}","value":{value},"bound":"at most","limit":2,"goal_bound":"at most","goal":1.5}}"#,
                row.bench, row.figure,
            )
        };
        let lines: Vec<_> = ROWS.iter().map(line).collect();
        lines.join("\n")
    }

    fn table(json: &str) -> Table {
        Table::of(&Figures::parse(json).unwrap())
    }

    #[test]
    fn each_row_has_its_own_text_and_its_own_figure() {
        let texts: HashSet<_> = ROWS.iter().map(|row| row.what).collect();
        let figures: HashSet<_> = ROWS.iter().map(|row| (row.bench, row.figure)).collect();
        assert_eq!((texts.len(), figures.len()), (ROWS.len(), ROWS.len()));
    }

    #[test]
    fn a_reached_goal_needs_no_reason() {
        let table = table(&run(1.5));
        assert_eq!(table.lost(), None);
        assert_eq!(table.open(), "");
        let count = ROWS.len();
        assert_eq!(
            table.summary(),
            format!("{count} of {count} goals are reached.")
        );
        assert!(!table.text().contains("in the way"));
    }

    #[test]
    fn each_open_goal_has_one_line_of_what_stands_in_the_way() {
        let table = table(&run(1.6));
        assert_eq!(table.text().matches("in the way: ").count(), ROWS.len());
        assert_eq!(table.open().lines().count(), ROWS.len());
        assert_eq!(table.text().matches("not reached").count(), ROWS.len());
        assert!(table.summary().starts_with("0 of "));
    }

    #[test]
    fn a_row_that_no_program_measured_is_an_error() {
        for (at, row) in ROWS.iter().enumerate() {
            let run = run(1.0);
            let lines = run.lines().enumerate().filter(|(line, _)| *line != at);
            let lines: Vec<_> = lines.map(|(_, line)| line).collect();
            let table = table(&lines.join("\n"));
            let error = table.lost().unwrap();
            assert_eq!(error, format!("row \"{}\" was not measured", row.what));
            assert!(table.text().contains("NOT MEASURED"));
        }
    }

    #[test]
    fn a_reason_for_no_figure_is_shown_and_is_no_success() {
        let benches: HashSet<_> = ROWS.iter().map(|row| row.bench).collect();
        let line = |bench: &&str| format!(r#"{{"bench":"{bench}","not_measured":"no valgrind"}}"#);
        let lines: Vec<_> = benches.iter().map(line).collect();
        let table = table(&lines.join("\n"));
        assert_eq!(table.lost(), None);
        let shown = table.text().matches("not measured: no valgrind").count();
        assert_eq!(shown, ROWS.len());
        let count = ROWS.len();
        assert_eq!(
            table.summary(),
            format!("0 of {count} goals are reached; {count} were not measured.")
        );
    }

    #[test]
    fn a_figure_without_goal_and_limit_is_no_measured_row() {
        let json = run(1.0).replace("at most", "none");
        assert!(table(&json).lost().is_some());
    }

    #[test]
    fn the_amount_stands_beside_the_ratio() {
        let row = ROWS
            .iter()
            .find(|row| row.what.contains("hyper-util's client, replay off"));
        let amount = row.unwrap().amount.as_ref().unwrap();
        let note = |figure: &str, value: f64| {
            format!(r#"{{"bench":"clients","figure":"{figure}","value":{value},"bound":"none"}}"#)
        };
        let json = [
            run(1.0),
            note(amount.of, 1338.0),
            note(amount.base.unwrap(), 1000.0),
        ];
        let text = table(&json.join("\n")).text();
        assert!(
            text.contains("1 (338 instructions more than the static header)"),
            "{text}"
        );
    }
}
